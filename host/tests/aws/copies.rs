//! Objects for a tenant's bucket, as they are.

use fake_aws::scene::{CENTRAL_ROLE, QUEUE, S3Tenant, SOURCE};
use fake_aws::{Permissions, Rule, Service, What};
use percent::decode;

use crate::aws::{Lab, gzip, key, records};
use crate::support::{may_abort, s3_denied, until_sent_back};

/// Undoes percent-encoding.
mod percent {
    pub(crate) fn decode(text: &str) -> String {
        let mut parts = text.split('%');
        let mut bytes = parts.next().unwrap().as_bytes().to_vec();
        for part in parts {
            bytes.push(u8::from_str_radix(&part[..2], 16).unwrap());
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        }
        String::from_utf8(bytes).unwrap()
    }
}

/// How much was read of the source.
fn reads(lab: &Lab) -> u64 {
    lab.count(Service::S3, "GetObject") + lab.count(Service::S3, "HeadObject")
}

fn target(tenant: &S3Tenant, key: &str) -> String {
    let parts: Vec<_> = key.split('/').collect();
    format!("{}{}/{}/{}/{}", tenant.prefix, tenant.name, parts[2], parts[3], parts.last().unwrap())
}

#[test]
fn keys_of_all_kinds_are_copied_with_metadata_and_acl_and_never_read() {
    let lab = Lab::new();
    let tenant = lab.scene.add_s3_tenant("acme");
    let long = format!("{}.json.gz", "ü".repeat(400));
    let files =
        ["a b.json.gz", "a+b.json.gz", "100%.json.gz", "%20.json.gz", "ü日🦀.json.gz", "a&b=c?d#e.json.gz", &long];
    let keys: Vec<_> = files.iter().map(|file| format!("prod-1/acme/app/pod 1/{file}")).collect();
    for key in &keys {
        lab.scene.put_object(key, gzip(key.as_bytes()));
        lab.scene.send(&lab.scene.notify(key));
    }
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), keys.len());
    for key in &keys {
        let copy = lab.aws.object(&tenant.bucket, &target(&tenant, key)).unwrap_or_else(|| panic!("{key}"));
        assert_eq!(copy.bytes, lab.aws.object(SOURCE, key).unwrap().bytes);
        assert_eq!(copy.acl.as_deref(), Some("bucket-owner-full-control"));
        let metadata = &copy.metadata;
        assert!(metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() <= 2048);
        let source = decode(&metadata["source-key"]);
        match metadata.get("truncated").map(String::as_str) {
            Some("source-key") => assert!(key.starts_with(&source) && source.len() > 500, "{metadata:?}"),
            _ => assert_eq!(&source, key),
        }
        assert_eq!((decode(&metadata["source-bucket"]).as_str(), metadata["tenant-id"].as_str()), (SOURCE, "acme"));
        assert_eq!((decode(&metadata["pod-name"]).as_str(), metadata["application"].as_str()), ("pod 1", "app"));
        assert!(metadata["delivery-timestamp"].parse::<i64>().unwrap() > 1_700_000_000);
    }
    assert_eq!(reads(&lab), 0);
    process.terminate();
}

#[test]
fn what_is_over_5_gib_is_copied_in_parts() {
    let lab = Lab::new();
    let tenant = lab.scene.add_s3_tenant("acme");
    let key = key("acme", "large");
    let size = (6 << 30) + 7;
    lab.aws.put_pretended(SOURCE, &key, size);
    lab.scene.send(&lab.scene.notify(&key));
    let process = lab.sqs();
    process.empties_the_queue();
    let copy = lab.aws.object(&tenant.bucket, &target(&tenant, &key)).unwrap();
    assert_eq!((copy.size, copy.acl.as_deref()), (size, Some("bucket-owner-full-control")));
    assert_eq!(decode(&copy.metadata["source-key"]), key);
    assert_eq!(lab.count(Service::S3, "UploadPartCopy"), 13);
    assert_eq!((lab.count(Service::S3, "CopyObject"), reads(&lab)), (0, 0));
    assert!(lab.aws.open_uploads().is_empty());
    process.terminate();
}

#[test]
fn a_copy_in_parts_that_fails_leaves_nothing() {
    let lab = Lab::new();
    may_abort(&lab);
    let tenant = lab.scene.add_s3_tenant("acme");
    let key = key("acme", "large");
    lab.aws.put_pretended(SOURCE, &key, 6 << 30);
    lab.aws.fault(s3_denied("UploadPartCopy").after(3).times(1));
    lab.scene.send(&lab.scene.notify(&key));
    let process = lab.sqs();
    until_sent_back(&lab, &process, 1);
    assert_eq!(process.outcomes(), ["s3=failed(denied)"]);
    assert!(lab.aws.open_uploads().is_empty() && lab.aws.keys(&tenant.bucket).is_empty());
    assert_eq!(lab.count(Service::S3, "AbortMultipartUpload"), 1);
    process.empties_the_queue();
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), 1);
    process.terminate();
}

#[test]
fn an_error_in_a_200_is_one_and_is_tried_again() {
    let lab = Lab::new();
    let tenant = lab.scene.add_s3_tenant("acme");
    let fault = |times| Rule::new(What::ErrorIn200("InternalError".to_owned())).operation("CopyObject").times(times);
    // Once: the SDK's retry is enough.
    lab.aws.fault(fault(1));
    lab.announced("acme", "1", &records("acme", 1));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!((lab.count(Service::S3, "CopyObject"), lab.aws.keys(&tenant.bucket).len()), (2, 1));
    // As often as there are attempts: it is sent back.
    lab.aws.fault(fault(2));
    lab.announced("acme", "2", &records("acme", 1));
    until_sent_back(&lab, &process, 1);
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), 1);
    assert_eq!(process.outcomes(), ["s3=delivered", "s3=failed(unavailable)"]);
    process.empties_the_queue();
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), 2);
    assert_eq!(lab.aws.deleted(QUEUE).len(), 3);
    process.terminate();
}

/// Of a bucket with versions just the one that was announced is taken; where
/// versions may not be read, only while it is still the current one.
#[test]
fn another_version_is_never_taken_for_the_one_that_was_announced() {
    for may_read_versions in [false, true] {
        let lab = Lab::new();
        if may_read_versions {
            let permissions = Permissions::none()
                .allow("s3:GetObject", "*")
                .allow("s3:GetObjectVersion", "*")
                .allow("s3:PutObject", "tenant-*")
                .allow("s3:PutObjectAcl", "tenant-*");
            lab.aws.set_permissions(CENTRAL_ROLE, permissions);
        }
        let tenant = lab.scene.add_s3_tenant("acme");
        lab.aws.set_versioned(SOURCE);
        let stays = lab.announced("acme", "stays", &records("acme", 1));
        let changes = lab.object("acme", "changes", &records("acme", 2));
        let first = lab.aws.object(SOURCE, &changes).unwrap();
        lab.scene.send(&lab.scene.notify(&changes));
        lab.object("acme", "changes", &records("acme", 3));
        let process = lab.sqs();
        process.empties_the_queue();
        assert!(lab.aws.object(&tenant.bucket, &target(&tenant, &stays)).is_some());
        let copy = lab.aws.object(&tenant.bucket, &target(&tenant, &changes));
        let mut outcomes = process.outcomes();
        outcomes.sort();
        if may_read_versions {
            assert_eq!(outcomes, ["s3=delivered", "s3=delivered"]);
            assert_eq!(copy.unwrap().etag, first.etag, "the version that was announced");
        } else {
            assert_eq!(outcomes, ["s3=delivered", "s3=ignored(changed)"]);
            assert!(copy.is_none(), "the new state has a notification of its own");
        }
        process.terminate();
    }
}
