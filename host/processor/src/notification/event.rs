//! Classifies events: a new object, another event of S3, or none of S3's.

use serde_json::Value;

use super::text::quote;

/// The kind of an event.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum EventKind {
    /// A new object.
    Created,
    /// Another S3 event, with nothing to deliver; its bounded name.
    Other(&'static str),
    /// No event of S3; what it is, in words.
    Foreign(String),
}

/// The S3 events that announce no new object, by the part of their name before the colon.
/// Source: Supported event types for S3, and MinIO's.
const OTHER_EVENTS: [(&str, &str); 11] = [
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

/// The EventBridge events of S3 that announce no new object, by `detail-type`. Source:
/// EventBridge events of S3.
const OTHER_BRIDGE_EVENTS: [(&str, &str); 9] = [
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

/// The name of what S3's console makes for "create folder": a key that ends in `/`, of size 0.
pub(super) const FOLDER: &str = "folder-marker";

/// Classifies a record of `Records`. The reference looks at neither source nor event name, so
/// a record without them is taken for a new object.
pub(super) fn classify_record(record: &Value) -> EventKind {
    // Servers that stand in for S3 name themselves: minio:s3, ceph:s3.
    let of_s3 = |source: &&str| *source == "s3" || source.ends_with(":s3");
    if let Some(source) = text(record, "eventSource").filter(|source| !of_s3(source)) {
        return EventKind::Foreign(format!("a record of {}", quote(source)));
    }
    let Some(name) = text(record, "eventName") else { return created(record.pointer("/s3/object")) };
    let family = name.strip_prefix("s3:").unwrap_or(name).split(':').next().unwrap_or_default();
    if family == "ObjectCreated" {
        return created(record.pointer("/s3/object"));
    }
    find_other_event(&OTHER_EVENTS, family)
        .unwrap_or_else(|| EventKind::Foreign(format!("a record of the event {}", quote(name))))
}

/// Classifies an EventBridge event.
pub(super) fn classify_bridge_event(event: &Value) -> EventKind {
    let kind = text(event, "detail-type").unwrap_or_default();
    let foreign = |source| EventKind::Foreign(format!("an event of {}, {}", quote(source), quote(kind)));
    match text(event, "source") {
        None | Some("aws.s3") if kind == "Object Created" => created(event.pointer("/detail/object")),
        None | Some("aws.s3") => find_other_event(&OTHER_BRIDGE_EVENTS, kind).unwrap_or_else(|| foreign("aws.s3")),
        Some(other) => foreign(other),
    }
}

/// A new object, unless it is a folder marker. The key may be form-encoded.
fn created(object: Option<&Value>) -> EventKind {
    let key = object.and_then(|object| text(object, "key")).unwrap_or_default();
    let is_folder = ["/", "%2F", "%2f"].iter().any(|end| key.ends_with(end));
    let size = object.and_then(|object| object.get("size"));
    let is_empty = size.is_some_and(|size| size.as_u64() == Some(0) || size.as_str() == Some("0"));
    if is_folder && is_empty { EventKind::Other(FOLDER) } else { EventKind::Created }
}

fn find_other_event(names: &[(&str, &'static str)], name: &str) -> Option<EventKind> {
    names.iter().find(|(find_other_event, _)| *find_other_event == name).map(|(_, kind)| EventKind::Other(kind))
}

/// The field's text, if it isn't empty.
fn text<'a>(record: &'a Value, field: &str) -> Option<&'a str> {
    record.get(field).and_then(Value::as_str).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_record_is_s3s_by_its_source_and_a_new_object_by_its_name() {
        let of = |source: Value, name: Value| classify_record(&json!({ "eventSource": source, "eventName": name }));
        for source in [json!(null), json!(""), json!("aws:s3"), json!("minio:s3"), json!("s3")] {
            for name in [json!(null), json!("ObjectCreated:Put"), json!("s3:ObjectCreated:CompleteMultipartUpload")] {
                assert_eq!(of(source.clone(), name.clone()), EventKind::Created, "{source} {name}");
            }
            assert_eq!(of(source.clone(), json!("ObjectRemoved:Delete")), EventKind::Other("removed"));
        }
        for source in ["iam.amazonaws.com", "aws:ses", "aws:dynamodb", "aws:sqs", "s3.amazonaws.com"] {
            assert!(matches!(of(json!(source), json!("ObjectCreated:Put")), EventKind::Foreign(_)), "{source}");
        }
        assert_eq!(of(json!(1), json!(["x"])), EventKind::Created, "as if they were missing");
        assert_eq!(classify_record(&json!({})), EventKind::Created);
        assert_eq!(
            classify_record(&json!(7)),
            EventKind::Created,
            "it names no object, and that is what is said of it"
        );
    }

    #[test]
    fn a_folders_marker_is_no_object() {
        let of = |key: &str, size: Value| {
            let object = json!({ "key": key, "size": size });
            let record = classify_record(&json!({ "eventName": "ObjectCreated:Put", "s3": { "object": object } }));
            let bridged =
                json!({ "detail-type": "Object Created", "source": "aws.s3", "detail": { "object": object } });
            assert_eq!(record, classify_bridge_event(&bridged), "{key}");
            record
        };
        for key in ["c/acme/app/pod/", "c/acme/app/pod%2F", "/"] {
            assert_eq!(of(key, json!(0)), EventKind::Other(FOLDER), "{key}");
            assert_eq!(of(key, json!("0")), EventKind::Other(FOLDER), "{key}");
            assert_eq!(of(key, json!(1)), EventKind::Created, "something is in it");
            assert_eq!(of(key, json!(null)), EventKind::Created, "nobody says that nothing is in it");
        }
        assert_eq!(of("c/acme/app/pod/empty.json.gz", json!(0)), EventKind::Created);
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
            assert_eq!(classify_record(&json!({ "eventName": name })), EventKind::Other(kind), "{name}");
        }
        for name in ["INSERT", "ListRoles", "ObjectCreatedSomehow", "Object", "Put"] {
            assert!(matches!(classify_record(&json!({ "eventName": name })), EventKind::Foreign(_)), "{name}");
        }
    }

    #[test]
    fn an_event_of_event_bridge_is_s3s_by_source_and_type() {
        let of = |source: Value, kind: &str| classify_bridge_event(&json!({ "source": source, "detail-type": kind }));
        assert_eq!(of(json!("aws.s3"), "Object Created"), EventKind::Created);
        assert_eq!(of(json!(null), "Object Created"), EventKind::Created);
        assert_eq!(of(json!("aws.s3"), "Object Restore Completed"), EventKind::Other("restored"));
        for (source, kind) in [
            ("aws.s3", "AWS API Call via CloudTrail"),
            ("aws.ec2", "Object Created"),
            ("my.app", "Object Deleted"),
            ("aws.s3", ""),
        ] {
            assert!(matches!(of(json!(source), kind), EventKind::Foreign(_)), "{source} {kind}");
        }
    }
}
