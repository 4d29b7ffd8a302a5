//! Objects that are found by listing; and one message by hand.

use fake_aws::scene::SOURCE;
use fake_aws::{Effect, Gate, REGION, Rule, Service};

use super::support::{denied, stream};
use crate::common::aws::{Lab, NEVER, Process, gzip, key, now, records, text, texts};

/// An object of one event, with a pod of its own.
fn put(lab: &Lab, name: &str) {
    lab.scene.put_object(&format!("prod-1/acme/app/{name}/f-{name}"), gzip(records("acme", 1).as_bytes()));
}

#[test]
fn every_object_on_all_pages_is_delivered_once_and_a_new_state_again() {
    let lab = Lab::new().set("SCAN_INTERVAL", 1).set("SCAN_SUFFIXES", ".json.gz, .log");
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.set_list_page(2);
    let names = ["1.json.gz", "2.json.gz", "3.log", "4.log", "5.json.gz"];
    names.iter().for_each(|name| put(&lab, name));
    put(&lab, "6.txt");
    put(&lab, "7.json");
    let process = lab.scan();
    process.done(5);
    // Seven objects, two a page: four pages a pass.
    let pages = lab.count(Service::S3, "ListObjectsV2");
    process.wait("two more passes", || lab.count(Service::S3, "ListObjectsV2") >= pages + 12);
    assert_eq!(process.outcomes().len(), 5, "once");
    // One that is new, and one that is another by now.
    put(&lab, "8.log");
    let overwritten = "prod-1/acme/app/1.json.gz/f-1.json.gz";
    lab.scene.put_object(overwritten, gzip(records("acme", 2).as_bytes()));
    process.done(7);
    let streams = lab.aws.log_streams(&tenant.account, REGION, &tenant.group);
    let found: Vec<_> = streams.keys().map(String::as_str).collect();
    assert_eq!(found, ["1.json.gz", "2.json.gz", "3.log", "4.log", "5.json.gz", "8.log"]);
    assert_eq!(stream(&lab.aws, &tenant, "1.json.gz"), [text(0), text(0), text(1)]);
    process.terminate();
}

/// Ten seconds later, which is the first pause.
#[test]
fn an_object_that_failed_is_tried_again() {
    let lab = Lab::new().set("SCAN_INTERVAL", 1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(denied("PutLogEvents").times(1));
    lab.object("acme", "1", &records("acme", 3));
    let process = lab.scan();
    assert_eq!(process.done(2), ["cloudwatch=failed(denied)", "cloudwatch=delivered"]);
    assert_eq!(lab.messages(&tenant), texts(3));
    assert_eq!(lab.count(Service::Sqs, "SendMessageBatch"), 0, "it is the listing that comes again");
    process.terminate();
}

#[test]
fn by_hand_it_ends_with_0_or_with_1_and_why() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let key = lab.object("acme", "1", &records("acme", 3));
    let body = lab.scene.notify(&key);
    let done = lab.manual(&body);
    assert_eq!((done.code, lab.messages(&tenant)), (0, texts(3)), "{}", done.stderr);
    lab.aws.fault(denied("PutLogEvents").times(1));
    let failed = lab.manual(&body);
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains(&tenant.group), "{}", failed.stderr);
    let nothing = lab.manual("{}");
    assert_eq!(nothing.code, 1);
    assert!(nothing.stderr.contains("no S3 notification"), "{}", nothing.stderr);
    assert_eq!(lab.count(Service::Sqs, "SendMessageBatch"), 0, "what didn't come from the queue doesn't go there");
}

/// A key that the announcement has to encode.
#[test]
fn keys_of_all_kinds_are_found() {
    let lab = Lab::new().set("SCAN_INTERVAL", 1);
    let tenant = lab.scene.add_s3_tenant("acme");
    for file in ["a b", "a+b", "100%", "ü"] {
        lab.aws.put_object(SOURCE, &format!("{}-{file}.json.gz", key("acme", "1")), gzip(b"{}"));
    }
    let process = lab.scan();
    assert_eq!(process.done(4), ["s3=delivered"; 4]);
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), 4);
    process.terminate();
}

/// How many objects were nobody's.
fn ignored(process: &Process) -> usize {
    process.metric("log_processor_deliveries_total", &["unknown-tenant"]) as usize
}

/// Waits for 8000, a step at a time: however slow the machine is, it gets on.
fn all_ignored(process: &Process) {
    for count in (1000..=8000).step_by(1000) {
        process.wait("more that are nobody's", || ignored(process) >= count);
    }
}

/// S3 lists in the order of keys: those of others come first, and hang.
#[test]
fn however_many_objects_of_one_tenant_wait_a_new_one_of_another_is_begun() {
    let lab = Lab::new().set("SCAN_INTERVAL", 1).set("SHUTDOWN_GRACE_SECONDS", 1);
    let slow = lab.scene.add_cloudwatch_tenant("slow");
    let good = lab.scene.add_cloudwatch_tenant("good");
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents").account(&slow.account));
    let bytes = gzip(records("slow", 1).as_bytes());
    for n in 0..5000 {
        lab.aws.put_object(SOURCE, &format!("a/slow/app/pod/{n:04}.json.gz"), bytes.clone());
    }
    let process = lab.scan();
    process.wait("a second listing", || lab.count(Service::S3, "ListObjectsV2") >= 10);
    let held = process.metric("log_processor_messages_in_flight", &[]);
    assert!((3000.0..3700.0).contains(&held), "a ninth of 30,000: {held}");
    lab.object("good", "1", &records("good", 3));
    process.wait("the other's", || lab.messages(&good) == texts(3));
    process.kill();
}

/// What one listing puts off comes before the next.
#[test]
fn all_that_one_tenant_has_too_much_of_is_delivered_in_the_end() {
    let lab = Lab::new().set("SCAN_INTERVAL", 1);
    // Nobody's: they cost nothing but being looked up.
    let bytes = gzip(b"{}");
    for n in 0..8000 {
        lab.aws.put_object(SOURCE, &format!("a/nobody/app/pod/{n:04}.json.gz"), bytes.clone());
    }
    let process = lab.scan();
    all_ignored(&process);
    let lists = lab.count(Service::S3, "ListObjectsV2");
    process.wait("two more listings", || lab.count(Service::S3, "ListObjectsV2") >= lists + 16);
    assert_eq!(ignored(&process), 8000, "each once");
    process.terminate();
}

#[test]
fn a_folder_marker_is_no_object() {
    let lab = Lab::new().set("SCAN_INTERVAL", 1).set("SCAN_SUFFIXES", "/,.json.gz");
    lab.scene.add_s3_tenant("acme");
    lab.aws.put_object(SOURCE, "prod-1/acme/app/pod/", Vec::new());
    lab.object("acme", "1", &records("acme", 1));
    let process = lab.scan();
    process.wait("two listings", || lab.count(Service::S3, "ListObjectsV2") >= 2);
    assert_eq!(process.done(1), ["s3=delivered"]);
    process.terminate();
}

/// In a large bucket, or under throttling, each listing meets with a failure: it goes on
/// where it was.
#[test]
fn a_listing_that_fails_in_the_middle_goes_on() {
    let lab = Lab::new().set("SCAN_INTERVAL", NEVER).set("RETRY_ATTEMPTS", 1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.set_list_page(1);
    let names = ["1.json.gz", "2.json.gz", "3.json.gz", "4.json.gz"];
    names.iter().for_each(|name| put(&lab, name));
    let fails = |what, after| Rule::new(what).operation("ListObjectsV2").after(after).times(2);
    lab.aws.fault(fails(Effect::Throttle, 2));
    lab.aws.fault(fails(Effect::ResetBefore, 1));
    let process = lab.scan();
    process.done(4);
    assert_eq!(lab.aws.log_streams(&tenant.account, REGION, &tenant.group).len(), 4);
    assert_eq!(lab.count(Service::S3, "ListObjectsV2"), 8, "four pages, and four that failed");
    process.terminate();
}

/// What one listing put off of a tenant that hangs keeps what follows waiting for a moment.
#[test]
fn what_is_put_off_of_one_tenant_holds_up_nobody_elses() {
    let lab = Lab::new().set("SCAN_INTERVAL", NEVER).set("SHUTDOWN_GRACE_SECONDS", 1).set("REQUEST_TIMEOUT", NEVER);
    let slow = lab.scene.add_cloudwatch_tenant("slow");
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents").account(&slow.account));
    let gate = Gate::default();
    lab.aws.fault(Rule::new(Effect::Hold(gate.clone())).operation("Query"));
    let bytes = gzip(records("slow", 1).as_bytes());
    for (tenant, count) in [("slow", 5000), ("tenantless", 8000)] {
        for n in 0..count {
            lab.aws.put_object(SOURCE, &format!("a/{tenant}/app/pod/{n:04}.json.gz"), bytes.clone());
        }
    }
    let process = lab.scan();
    process.wait("what was put off", || lab.count(Service::S3, "ListObjectsV2") > 13);
    gate.open();
    all_ignored(&process);
    process.kill();
}

/// Deleted and put again, with the same bytes, before anybody missed it.
#[test]
fn an_object_that_is_made_anew_is_delivered_again() {
    let lab = Lab::new().set("SCAN_INTERVAL", 1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let bytes = gzip(records("acme", 1).as_bytes());
    let put = || lab.scene.put_object("prod-1/acme/app/1.json.gz/f.json.gz", bytes.clone());
    put();
    let process = lab.scan();
    process.done(1);
    // S3 tells times by the second.
    let second = now() / 1000;
    process.wait("the next second", || now() / 1000 > second);
    put();
    process.done(2);
    let lists = lab.count(Service::S3, "ListObjectsV2");
    process.wait("two more listings", || lab.count(Service::S3, "ListObjectsV2") >= lists + 2);
    assert_eq!(stream(&lab.aws, &tenant, "1.json.gz"), [text(0), text(0)]);
    process.terminate();
}
