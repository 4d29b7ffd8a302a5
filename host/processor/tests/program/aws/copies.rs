//! Objects for a tenant's bucket, as they are.

use fake_aws::scene::{CENTRAL_ROLE, QUEUE, S3Tenant, SOURCE};
use fake_aws::{Effect, Permissions, Rule, Service};
use percent::decode;

use super::support::{may_abort, s3_denied, until_sent_back};
use crate::common::aws::{Lab, gzip, key, records};

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

/// How often the source was read, and asked about.
fn reads(lab: &Lab) -> (u64, u64) {
    (lab.count(Service::S3, "GetObject"), lab.count(Service::S3, "HeadObject"))
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
    assert_eq!(reads(&lab), (0, keys.len() as u64));
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
    assert_eq!((lab.count(Service::S3, "CopyObject"), reads(&lab)), (0, (0, 1)));
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
    let fault = |times| Rule::new(Effect::ErrorIn200("InternalError".to_owned())).operation("CopyObject").times(times);
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
                .allow("s3:PutObject", "tenant-*");
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

/// What a collector says about an object's content: without it no browser can read a copy.
#[test]
fn copies_keep_what_the_object_says_about_its_content() {
    let lab = Lab::new();
    let tenant = lab.scene.add_s3_tenant("acme");
    let describe = |key: &str| {
        lab.aws.change(SOURCE, key, |object| {
            object.content_encoding = Some("gzip".to_owned());
            object.content_type = Some("application/x-ndjson".to_owned());
            let more = [("cache-control", "no-cache"), ("expires", "Wed, 21 Oct 2015 07:28:00 GMT")];
            object.more_headers = more.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        });
    };
    let small = lab.object("acme", "small", &records("acme", 1));
    let large = key("acme", "large");
    lab.aws.put_pretended(SOURCE, &large, (6 << 30) + 7);
    for key in [&small, &large] {
        describe(key);
        lab.scene.send(&lab.scene.notify(key));
    }
    let process = lab.sqs();
    process.empties_the_queue();
    for key in [&small, &large] {
        let (source, copy) = (lab.aws.object(SOURCE, key), lab.aws.object(&tenant.bucket, &target(&tenant, key)));
        let (source, copy) = (source.unwrap(), copy.unwrap());
        assert_eq!((&copy.content_encoding, &copy.content_type), (&source.content_encoding, &source.content_type));
        assert_eq!(copy.more_headers, source.more_headers);
        assert_eq!(copy.metadata["tenant-id"], "acme", "its metadata is our own");
    }
    process.terminate();
}

/// The reference's layout has neither the cluster nor the folders between pod and file.
#[test]
fn a_copy_that_replaces_another_objects_is_told() {
    let lab = Lab::new();
    let tenant = lab.scene.add_s3_tenant("acme");
    let deliver = |key: &str, text: &str| {
        lab.scene.put_object(key, gzip(text.as_bytes()));
        lab.scene.send(&lab.scene.notify(key));
    };
    let process = lab.sqs();
    deliver("c1/acme/app/pod-0/25/00.json.gz", "first");
    process.empties_the_queue();
    deliver("c1/acme/app/pod-0/26/00.json.gz", "second");
    process.empties_the_queue();
    deliver("c1/acme/app/pod-0/26/00.json.gz", "third");
    process.empties_the_queue();
    assert_eq!(process.done(3), ["s3=delivered"; 3]);
    assert_eq!(lab.aws.keys(&tenant.bucket), ["logs/acme/app/pod-0/00.json.gz"]);
    let levels: Vec<_> = process.objects().iter().map(|line| line["level"].as_str().unwrap().to_owned()).collect();
    assert_eq!(levels, ["INFO", "WARN", "INFO"], "once: the third is the second's new state");
    assert!(process.objects()[1]["error"].as_str().unwrap().contains("replaces the copy of another object"));
    assert_eq!(process.metric("log_processor_targets_replaced_total", &[]), 1.0);
    process.terminate();
}

/// Without a time in its event the object is asked about, once for all its deliveries.
#[test]
fn an_event_without_a_time_costs_one_question() {
    let lab = Lab::new();
    let (logs, bucket) = (lab.scene.add_cloudwatch_tenant("acme"), lab.scene.add_s3_tenant("acme"));
    let key = lab.object("acme", "a", &records("acme", 1));
    let mut record = lab.scene.record(&key);
    record.as_object_mut().unwrap().remove("eventTime");
    lab.scene.send(&serde_json::json!({"Records": [record]}).to_string());
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["cloudwatch=delivered, s3=delivered"]);
    assert_eq!(reads(&lab), (1, 1));
    assert_eq!((lab.messages(&logs).len(), lab.aws.keys(&bucket.bucket).len()), (1, 1));
    process.terminate();
}

#[test]
fn old_buckets_names_are_s3s_to_judge() {
    let lab = Lab::new();
    lab.aws.add_bucket("222222222222", "tenant-Old_Logs");
    lab.scene.add_delivery("acme", "s3", serde_json::json!({"bucket_name": {"S": "tenant-Old_Logs"}}));
    lab.announced("acme", "a", &records("acme", 1));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["s3=delivered"]);
    assert_eq!(lab.aws.keys("tenant-Old_Logs").len(), 1);
    process.terminate();
}

/// Whoever can send to the queue can't have other buckets read, nor a bucket's successor.
#[test]
fn messages_may_only_name_the_buckets_that_logs_land_in() {
    let lab = Lab::new().set("SOURCE_BUCKETS", "source-*,others").dead_letters();
    let tenant = lab.scene.add_s3_tenant("acme");
    lab.announced("acme", "a", &records("acme", 1));
    let record = lab.scene.record(&key("acme", "a")).to_string().replace(SOURCE, "secrets");
    lab.scene.send(&format!("{{\"Records\": [{record}]}}"));
    let process = lab.sqs();
    process.empties_the_queue();
    let mut outcomes = process.done(2);
    outcomes.sort();
    assert_eq!(outcomes, ["object=rejected(foreign-bucket)", "s3=delivered"]);
    assert_eq!(process.metric("log_processor_dead_letters_total", &["foreign-bucket"]), 1.0);
    let letters = lab.letters();
    assert_eq!((letters.len(), letters[0]["bucket"].as_str()), (1, Some("secrets")));
    assert!(lab.aws.log().iter().all(|call| !call.resource.starts_with("secrets")), "it isn't even asked about");
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), 1);
    process.terminate();
}

#[test]
fn a_source_bucket_that_is_somebody_elses_is_neither_read_nor_copied() {
    let owner = fake_aws::PROCESSOR_ACCOUNT;
    let lab = Lab::new().set("SOURCE_BUCKET_OWNER", owner).redrive_after(1);
    let (logs, bucket) = (lab.scene.add_cloudwatch_tenant("acme"), lab.scene.add_s3_tenant("acme"));
    let process = lab.sqs();
    lab.announced("acme", "a", &records("acme", 1));
    assert_eq!(process.done(1), ["cloudwatch=delivered, s3=delivered"]);
    process.empties_the_queue();
    lab.aws.take_over(SOURCE, "666666666666");
    lab.last_try(&lab.object("acme", "b", &records("acme", 1)));
    assert_eq!(process.done(2)[1], "cloudwatch=failed(source), s3=failed(source)");
    // Each delivery fails as a message of its own.
    process.redrives(2);
    let error = process.objects()[1]["error"].to_string();
    assert!(error.contains(&format!("must be of account {owner}")), "{error}");
    assert_eq!((lab.messages(&logs).len(), lab.aws.keys(&bucket.bucket).len()), (1, 1));
    process.terminate();
}

#[test]
fn dead_letters_are_not_given_to_a_stranger() {
    let owner = fake_aws::PROCESSOR_ACCOUNT;
    let lab = Lab::new().set("DEAD_LETTER", "s3://letters/x").redrive_after(1);
    let lab = lab.may("s3:PutObject", "letters/*");
    lab.aws.add_bucket(owner, "letters");
    let process = lab.sqs();
    lab.scene.send("no notification");
    process.empties_the_queue();
    assert_eq!(lab.aws.keys("letters").len(), 1);
    lab.aws.take_over("letters", "666666666666");
    lab.scene.send("none either");
    process.redrives(1);
    assert!(lab.aws.keys("letters").is_empty());
    process.terminate();
}
