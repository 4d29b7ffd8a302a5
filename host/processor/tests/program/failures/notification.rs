//! What announces objects, and is not as it should be.

use fake_aws::Service;
use serde_json::{Value, json};

use crate::common::aws::{CANARY, Lab, gzip, key, pod, records, texts};

/// Dead letters as pairs of reason and data.
fn kept(lab: &Lab) -> Vec<(String, String)> {
    let text = |letter: &Value, field: &str| letter[field].as_str().unwrap().to_owned();
    lab.letters().iter().map(|letter| (text(letter, "reason"), text(letter, "data"))).collect()
}

#[test]
fn other_events_are_acknowledged_and_nothing_else() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let mut removed = lab.scene.record(&key("acme", "gone"));
    removed["eventName"] = "ObjectRemoved:Delete".into();
    lab.scene.send(&json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "source-logs"}).to_string());
    lab.scene.send(&json!({"Records": [removed]}).to_string());
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!((lab.count(Service::DynamoDb, "Query"), lab.count(Service::S3, "GetObject")), (0, 0));
    lab.announced("acme", "a", &records("acme", 10));
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(10));
    assert!(lab.letters().is_empty());
    process.terminate();
}

/// What S3's console makes of "create folder"; an empty object is one.
#[test]
fn a_folder_marker_is_acknowledged_and_counted() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_s3_tenant("acme");
    for key in ["prod-1/acme/app/pod-0/", "prod-1/acme/app/", "prod-1/acme/app/pod-0/empty.json.gz"] {
        lab.scene.put_object(key, Vec::new());
        lab.scene.send(&lab.scene.notify(key));
    }
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["s3=delivered"]);
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), 1);
    assert_eq!(process.metric("log_processor_other_events_total", &["folder-marker"]), 2.0);
    assert!(lab.letters().is_empty());
    process.terminate();
}

#[test]
fn a_body_that_is_no_notification_is_dead_lettered() {
    let lab = Lab::new().dead_letters();
    let bodies = ["no JSON at all", "{\"Records\": 1}", "{\"Message\": \"{\"}"];
    let mut ids: Vec<_> = bodies.iter().map(|body| (lab.scene.send(body), (*body).to_owned())).collect();
    let process = lab.sqs();
    process.empties_the_queue();
    ids.sort();
    let letters = lab.letters();
    let found: Vec<_> = letters
        .iter()
        .map(|letter| (letter["key"].as_str().unwrap().to_owned(), letter["data"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(found, ids);
    assert!(letters.iter().all(|letter| letter["reason"] == "invalid-notification"));
    let line = process.says("rejected: not a notification");
    assert!(line["error"].as_str().unwrap().contains("it begins with"), "{line}");
    assert_eq!(process.metric("log_processor_dead_letters_total", &["invalid-notification"]), 3.0);
    process.terminate();
}

#[test]
fn a_body_that_is_no_notification_is_done_without_a_place_for_it() {
    let lab = Lab::new();
    lab.scene.send("no JSON at all");
    let process = lab.sqs();
    process.empties_the_queue();
    process.says("rejected: not a notification");
    assert_eq!(process.metric("log_processor_dead_letters_total", &["invalid-notification"]), 1.0);
    process.terminate();
}

#[test]
fn keys_that_name_no_tenant_are_dead_lettered_and_the_other_records_go_on() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let good = lab.object("acme", "a", &records("acme", 10));
    let bad = [
        "few/segments.json.gz",
        "prod-1//app/pod/x.json.gz",
        "prod-1/ /app/pod/x.json.gz",
        "prod-1/../app/pod/x.json.gz",
    ];
    for key in bad {
        lab.scene.put_object(key, gzip(records("acme", 1).as_bytes()));
    }
    let mut keys = bad.to_vec();
    keys.insert(2, &good);
    lab.scene.send(&lab.scene.announce(&keys));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(10));
    let letters = lab.letters();
    let mut found: Vec<_> = letters.iter().map(|letter| letter["key"].as_str().unwrap()).collect();
    found.sort_unstable();
    let mut expected = bad.to_vec();
    expected.sort_unstable();
    assert_eq!(found, expected);
    for letter in &letters {
        let record: Value = serde_json::from_str(letter["data"].as_str().unwrap()).unwrap();
        assert_eq!((letter["reason"].as_str(), letter["bucket"].as_str()), (Some("invalid-key"), Some("source-logs")));
        assert_eq!(record["eventName"], "ObjectCreated:Put");
    }
    assert_eq!(lab.count(Service::S3, "GetObject"), 1, "only the good one is read");
    assert_eq!(process.metric("log_processor_deliveries_total", &["rejected", "invalid-key"]), 4.0);
    process.terminate();
}

#[test]
fn a_record_that_names_no_object_is_dead_lettered_and_the_others_go_on() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let good = lab.object("acme", "a", &records("acme", 10));
    let mut bad = lab.scene.record(&good);
    bad["s3"]["object"].as_object_mut().unwrap().remove("key");
    lab.scene.send(&json!({"Records": [bad, lab.scene.record(&good)]}).to_string());
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(10));
    let kept = kept(&lab);
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].0, "invalid-notification");
    assert_eq!(serde_json::from_str::<Value>(&kept[0].1).unwrap(), bad);
    process.terminate();
}

#[test]
fn no_tenant_and_none_enabled_are_done_and_counted_by_reason() {
    let lab = Lab::new().dead_letters();
    lab.scene.add_delivery("sleeping", "cloudwatch", json!({"enabled": {"BOOL": false}}));
    lab.announced("nobody", "a", &records("nobody", 1));
    lab.announced("sleeping", "a", &records("sleeping", 1));
    let process = lab.sqs();
    process.empties_the_queue();
    let mut outcomes = process.done(2);
    outcomes.sort();
    assert_eq!(outcomes, ["object=ignored(none-enabled)", "object=ignored(unknown-tenant)"]);
    assert!(lab.letters().is_empty());
    assert_eq!(lab.count(Service::S3, "GetObject"), 0);
    for reason in ["none-enabled", "unknown-tenant"] {
        assert_eq!(process.metric("log_processor_deliveries_total", &["ignored", reason]), 1.0);
    }
    process.terminate();
}

#[test]
fn one_invalid_delivery_waits_until_it_is_mended_and_the_others_go_on() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let mended = lab.scene.add_s3_tenant("acme");
    lab.scene.add_delivery("acme", "s3", json!({"bucket_name": {"S": "no bucket"}}));
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    assert_eq!(sorted(&process.done(1)[0]), ["cloudwatch=delivered", "s3=failed(invalid-delivery)"]);
    assert_eq!(lab.messages(&tenant), texts(10));
    let line = &process.objects()[0];
    assert!(line["error"].as_str().unwrap().contains("bucket_name"), "{line}");
    let waiting = process.until("a message that waits", || lab.waiting().into_iter().next());
    assert!(lab.letters().is_empty());
    // Who mends the item need only wait for it; here it comes at once.
    lab.scene.add_delivery("acme", "s3", json!({"bucket_name": {"S": mended.bucket}}));
    process.terminate();
    lab.scene.send(&waiting.body);
    let process = lab.sqs();
    assert_eq!(process.done(1), ["s3=delivered"]);
    assert_eq!((lab.aws.keys(&mended.bucket).len(), lab.messages(&tenant).len()), (1, 10));
    process.terminate();
}

/// The deliveries of a line, sorted.
fn sorted(deliveries: &str) -> Vec<String> {
    let mut all: Vec<_> = deliveries.split(", ").map(str::to_owned).collect();
    all.sort();
    all
}

#[test]
fn an_item_of_an_unknown_type_waits_and_the_others_go_on() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.scene.add_delivery("acme", "S3", json!({"bucket_name": {"S": "acme-logs"}}));
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    assert_eq!(sorted(&process.done(1)[0]), ["cloudwatch=delivered", "object=failed(invalid-delivery)"]);
    process.wait("a message that waits", || lab.waiting().len() == 1);
    assert_eq!((lab.messages(&tenant), lab.letters().len()), (texts(10), 0));
    process.terminate();
}

#[test]
fn what_the_filter_does_not_want_is_not_even_read() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let fields = json!({
        "log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group},
        "desired_logs": {"L": [{"S": "something-else"}]},
    });
    lab.scene.add_delivery("acme", "cloudwatch", fields);
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["cloudwatch=filtered"]);
    for operation in ["GetObject", "HeadObject"] {
        assert_eq!(lab.count(Service::S3, operation), 0, "{operation}");
    }
    assert_eq!(lab.count(Service::Sts, "AssumeRole"), 0);
    assert!(!lab.aws.has_log_group(&tenant.account, "us-east-1", &tenant.group), "{}", pod("acme").name);
    assert_eq!(process.metric("log_processor_deliveries_total", &["filtered"]), 1.0);
    process.terminate();
}

/// The search itself finds what it is for: the beginning of a body that is no
/// notification is shown.
#[test]
#[should_panic(expected = "log contents on standard output")]
fn log_contents_in_the_log_would_be_found() {
    let lab = Lab::new();
    lab.scene.send(CANARY);
    let process = lab.sqs();
    process.empties_the_queue();
    process.terminate();
}
