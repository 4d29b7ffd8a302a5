//! What an event is about: a new object, something else of S3's, or none of S3's.

use serde_json::Value;

use super::shown;

/// What an event tells of.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A new object.
    Created,
    /// Something else that S3 tells of, and that leaves nothing to deliver: a bounded name.
    Other(&'static str),
    /// Nothing of S3's: what it is, in words.
    Foreign(String),
}

/// Events of S3's that are no new object, by what stands before the colon of their name.
/// Source: Supported event types for S3, and MinIO's.
const OTHERS: [(&str, &str); 11] = [
    ("ObjectRemoved", "removed"),
    ("ObjectRestore", "restored"),
    ("ReducedRedundancyLostObject", "lost"),
    ("Replication", "replication"),
    ("LifecycleExpiration", "lifecycle"),
    ("LifecycleTransition", "lifecycle"),
    ("IntelligentTiering", "lifecycle"),
    ("ObjectTagging", "tagging"),
    ("ObjectAcl", "acl"),
    ("ObjectAccessed", "accessed"),
    ("TestEvent", TEST),
];

/// The same of EventBridge, by its `detail-type`. Source: EventBridge events of S3.
const BRIDGED_OTHERS: [(&str, &str); 9] = [
    ("Object Deleted", "removed"),
    ("Object Restore Initiated", "restored"),
    ("Object Restore Completed", "restored"),
    ("Object Restore Expired", "restored"),
    ("Object Storage Class Changed", "lifecycle"),
    ("Object Access Tier Changed", "lifecycle"),
    ("Object Tags Added", "tagging"),
    ("Object Tags Deleted", "tagging"),
    ("Object ACL Updated", "acl"),
];

/// The name of `s3:TestEvent`.
pub(super) const TEST: &str = "test";

/// The name of what S3's console makes of "create folder": a key that ends in `/`, of
/// size 0.
pub(super) const FOLDER: &str = "folder-marker";

/// A record of `Records`. The reference looks at neither its source nor its name, so one
/// without them is taken for a new object.
pub(super) fn of_record(record: &Value) -> Kind {
    // What stands in for S3 says so: minio:s3, ceph:s3.
    let of_s3 = |source: &&str| *source == "s3" || source.ends_with(":s3");
    if let Some(source) = text(record, "eventSource").filter(|source| !of_s3(source)) {
        return Kind::Foreign(format!("a record of {}", shown(source)));
    }
    let Some(name) = text(record, "eventName") else { return created(record.pointer("/s3/object")) };
    let family = name.strip_prefix("s3:").unwrap_or(name).split(':').next().unwrap_or_default();
    if family == "ObjectCreated" {
        return created(record.pointer("/s3/object"));
    }
    known(&OTHERS, family).unwrap_or_else(|| Kind::Foreign(format!("a record of the event {}", shown(name))))
}

/// An event of EventBridge's.
pub(super) fn of_event_bridge(event: &Value) -> Kind {
    let kind = text(event, "detail-type").unwrap_or_default();
    let foreign = |source| Kind::Foreign(format!("an event of {}, {}", shown(source), shown(kind)));
    match text(event, "source") {
        None | Some("aws.s3") if kind == "Object Created" => created(event.pointer("/detail/object")),
        None | Some("aws.s3") => known(&BRIDGED_OTHERS, kind).unwrap_or_else(|| foreign("aws.s3")),
        Some(other) => foreign(other),
    }
}

/// A new object, unless it is a folder's marker; the key may be form-encoded.
fn created(object: Option<&Value>) -> Kind {
    let key = object.and_then(|object| text(object, "key")).unwrap_or_default();
    let is_folder = ["/", "%2F", "%2f"].iter().any(|end| key.ends_with(end));
    let size = object.and_then(|object| object.get("size"));
    let is_empty = size.is_some_and(|size| size.as_u64() == Some(0) || size.as_str() == Some("0"));
    if is_folder && is_empty { Kind::Other(FOLDER) } else { Kind::Created }
}

fn known(names: &[(&str, &'static str)], name: &str) -> Option<Kind> {
    names.iter().find(|(known, _)| *known == name).map(|(_, kind)| Kind::Other(kind))
}

/// A text that says something.
fn text<'a>(record: &'a Value, field: &str) -> Option<&'a str> {
    record.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_is_s3s_by_its_source_and_a_new_object_by_its_name() {
        let of = |source: Value, name: Value| of_record(&json!({ "eventSource": source, "eventName": name }));
        for source in [json!(null), json!(""), json!("aws:s3"), json!("minio:s3"), json!("s3")] {
            for name in [json!(null), json!("ObjectCreated:Put"), json!("s3:ObjectCreated:CompleteMultipartUpload")] {
                assert_eq!(of(source.clone(), name.clone()), Kind::Created, "{source} {name}");
            }
            assert_eq!(of(source.clone(), json!("ObjectRemoved:Delete")), Kind::Other("removed"));
        }
        for source in ["iam.amazonaws.com", "aws:ses", "aws:dynamodb", "aws:sqs", "s3.amazonaws.com"] {
            assert!(matches!(of(json!(source), json!("ObjectCreated:Put")), Kind::Foreign(_)), "{source}");
        }
        assert_eq!(of(json!(1), json!(["x"])), Kind::Created, "as if they were missing");
        assert_eq!(of_record(&json!({})), Kind::Created);
        assert_eq!(of_record(&json!(7)), Kind::Created, "it names no object, and that is what is said of it");
    }

    #[test]
    fn a_folders_marker_is_no_object() {
        let of = |key: &str, size: Value| {
            let object = json!({ "key": key, "size": size });
            let record = of_record(&json!({ "eventName": "ObjectCreated:Put", "s3": { "object": object } }));
            let bridged =
                json!({ "detail-type": "Object Created", "source": "aws.s3", "detail": { "object": object } });
            assert_eq!(record, of_event_bridge(&bridged), "{key}");
            record
        };
        for key in ["c/acme/app/pod/", "c/acme/app/pod%2F", "/"] {
            assert_eq!(of(key, json!(0)), Kind::Other(FOLDER), "{key}");
            assert_eq!(of(key, json!("0")), Kind::Other(FOLDER), "{key}");
            assert_eq!(of(key, json!(1)), Kind::Created, "something is in it");
            assert_eq!(of(key, json!(null)), Kind::Created, "nobody says that nothing is in it");
        }
        assert_eq!(of("c/acme/app/pod/empty.json.gz", json!(0)), Kind::Created);
    }

    #[test]
    fn only_what_s3_is_known_to_tell_of_is_another_event_of_its() {
        for (name, kind) in [
            ("ObjectRestore:Completed", "restored"),
            ("ObjectRemoved:DeleteMarkerCreated", "removed"),
            ("LifecycleExpiration:Delete", "lifecycle"),
            ("LifecycleTransition", "lifecycle"),
            ("IntelligentTiering", "lifecycle"),
            ("ObjectTagging:Put", "tagging"),
            ("ObjectAcl:Put", "acl"),
            ("Replication:OperationFailedReplication", "replication"),
            ("ReducedRedundancyLostObject", "lost"),
            ("s3:TestEvent", "test"),
        ] {
            assert_eq!(of_record(&json!({ "eventName": name })), Kind::Other(kind), "{name}");
        }
        for name in ["INSERT", "ListRoles", "ObjectCreatedSomehow", "Object", "Put"] {
            assert!(matches!(of_record(&json!({ "eventName": name })), Kind::Foreign(_)), "{name}");
        }
    }

    #[test]
    fn an_event_of_event_bridge_is_s3s_by_source_and_type() {
        let of = |source: Value, kind: &str| of_event_bridge(&json!({ "source": source, "detail-type": kind }));
        assert_eq!(of(json!("aws.s3"), "Object Created"), Kind::Created);
        assert_eq!(of(json!(null), "Object Created"), Kind::Created);
        assert_eq!(of(json!("aws.s3"), "Object Restore Completed"), Kind::Other("restored"));
        for (source, kind) in [
            ("aws.s3", "AWS API Call via CloudTrail"),
            ("aws.ec2", "Object Created"),
            ("my.app", "Object Deleted"),
            ("aws.s3", ""),
        ] {
            assert!(matches!(of(json!(source), kind), Kind::Foreign(_)), "{source} {kind}");
        }
    }
}
