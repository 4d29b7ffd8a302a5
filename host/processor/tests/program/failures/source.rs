//! The object can't be read, or not as a whole.

use fake_aws::scene::SOURCE;
use std::time::Duration;

use fake_aws::scene::{CENTRAL_ROLE, QUEUE};
use fake_aws::{Effect, Gate, PROCESSOR_ARN, Rule, Service};
use serde_json::Value;

use crate::common::aws::{Lab, gzip, key, now, record, records, text, texts};

fn status(status: u16, code: &str, message: &str) -> Effect {
    Effect::Status { status, code: code.to_owned(), message: message.to_owned() }
}

/// Faults of GetObject.
fn get(what: Effect) -> Rule {
    Rule::new(what).operation("GetObject")
}

#[test]
fn a_missing_object_is_sent_back_and_at_last_in_the_dead_letter_queue() {
    let lab = Lab::new().dead_letters().redrive_after(2);
    lab.scene.add_cloudwatch_tenant("acme");
    let (fresh, spent) = (key("acme", "fresh"), key("acme", "spent"));
    lab.scene.send(&lab.scene.notify(&fresh));
    let failing = lab.last_try(&spent);
    let process = lab.sqs();
    assert_eq!(process.done(2), ["cloudwatch=failed(source)"; 2]);
    process.wait("the fresh one, sent back", || {
        let bodies: Vec<_> = lab.aws.messages(QUEUE).iter().map(|message| message.body.to_string()).collect();
        bodies.iter().any(|body| body.contains("fresh") && body.contains("\"retry_count\":1"))
    });
    process.wait("the spent one in the dead-letter queue", || lab.redriven().iter().any(|body| body.contains("spent")));
    assert_eq!(lab.redriven().len(), 1);
    assert_eq!(lab.aws.receives(QUEUE)[&failing], 2, "until redrive");
    let line = process.line("its line", |line| line["message"] == "object" && line["key"] == spent.as_str());
    assert!(line["error"].as_str().unwrap().contains("NoSuchKey"), "{line}");
    assert!(lab.letters().is_empty());
    process.kill();
}

#[test]
fn an_object_that_has_changed_is_ignored_but_kept_and_counted() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let key = lab.announced("acme", "a", &records("acme", 10));
    lab.scene.put_object(&key, gzip(records("acme", 20).as_bytes()));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["cloudwatch=ignored(changed)"]);
    assert_eq!(process.metric("log_processor_deliveries_total", &["ignored", "changed"]), 1.0);
    assert!(lab.messages(&tenant).is_empty());
    // It may be that nobody announces its new state.
    assert_eq!(process.objects()[0]["level"], "WARN");
    kept_as_changed(&lab, &key);
    assert_eq!(process.metric("log_processor_dead_letters_total", &["changed"]), 1.0);
    lab.scene.send(&lab.scene.notify(&key));
    process.done(2);
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(20), "its own notification follows");
    process.terminate();
}

/// One dead letter, with what announced the object.
#[track_caller]
fn kept_as_changed(lab: &Lab, key: &str) {
    let letters = lab.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((letters[0]["reason"].as_str(), letters[0]["key"].as_str()), (Some("changed"), Some(key)));
    let record: Value = serde_json::from_str(letters[0]["data"].as_str().unwrap()).unwrap();
    assert_eq!(record["s3"]["bucket"]["name"], SOURCE);
}

#[test]
fn an_object_that_has_changed_and_can_not_be_kept_fails() {
    let lab = Lab::new().set("DEAD_LETTER", "s3://no-such-bucket/x").redrive_after(1);
    lab.scene.add_cloudwatch_tenant("acme");
    let key = lab.object("acme", "a", &records("acme", 10));
    lab.last_try(&key);
    lab.scene.put_object(&key, gzip(records("acme", 20).as_bytes()));
    let process = lab.sqs();
    process.redrives(1);
    assert_eq!(process.done(1), ["cloudwatch=failed(dead-letter)"]);
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 0.0);
    process.terminate();
}

#[test]
fn an_object_that_changes_while_it_is_read_is_ignored() {
    let lab = Lab::new().dead_letters();
    lab.scene.add_cloudwatch_tenant("acme");
    let gate = Gate::default();
    lab.aws.fault(get(Effect::TruncateBody(1000)).times(1));
    lab.aws.fault(get(Effect::Hold(gate.clone())));
    let key = lab.announced("acme", "a", &records("acme", 2000));
    let process = lab.sqs();
    process.wait("the second range", || lab.count(Service::S3, "GetObject") == 2);
    lab.scene.put_object(&key, gzip(records("acme", 20).as_bytes()));
    gate.open();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["cloudwatch=ignored(changed)"]);
    kept_as_changed(&lab, &key);
    process.terminate();
}

/// The message ends in the dead-letter queue, and the log says why.
fn ends_in_the_dead_letter_queue(lab: &Lab, says: &str) {
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.last_try(&lab.object("acme", "a", &records("acme", 10)));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=failed(source)"]);
    process.redrives(1);
    let line = &process.objects()[0];
    assert!(line["error"].as_str().unwrap().contains(says), "{line}");
    assert!(lab.messages(&tenant).is_empty());
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 0.0, "it is not the tenant's fault");
    process.terminate();
}

#[test]
fn an_object_that_is_denied_ends_in_the_dead_letter_queue() {
    let lab = Lab::new().redrive_after(1);
    lab.aws.deny(PROCESSOR_ARN, "s3:GetObject");
    ends_in_the_dead_letter_queue(&lab, "AccessDenied");
}

#[test]
fn an_object_whose_key_kms_denies_ends_in_the_dead_letter_queue() {
    let lab = Lab::new().redrive_after(1);
    let message = "User: arn:aws:sts::000000000001:assumed-role/p/s is not authorized to perform: kms:Decrypt";
    lab.aws.fault(get(status(403, "AccessDenied", message)));
    ends_in_the_dead_letter_queue(&lab, "kms:Decrypt");
}

#[test]
fn an_object_whose_key_is_disabled_ends_in_the_dead_letter_queue() {
    let lab = Lab::new().redrive_after(1);
    lab.aws.fault(get(status(400, "KMS.DisabledException", "the key is disabled")));
    ends_in_the_dead_letter_queue(&lab, "KMS.DisabledException");
}

/// All of an object arrives in one attempt, with so many calls of GetObject.
fn arrives(rules: impl IntoIterator<Item = Rule>, gets: u64) {
    arrives_in(Lab::new(), rules, gets);
}

fn arrives_in(lab: Lab, rules: impl IntoIterator<Item = Rule>, gets: u64) {
    let lab = lab.dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    rules.into_iter().for_each(|rule| lab.aws.fault(rule));
    lab.announced("acme", "a", &records("acme", 2000));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["cloudwatch=delivered"]);
    assert_eq!(lab.messages(&tenant), texts(2000));
    assert_eq!(lab.count(Service::S3, "GetObject"), gets);
    assert_eq!(process.metric("log_processor_requeues_total", &[]), 0.0);
    assert!(lab.letters().is_empty());
    process.terminate();
}

#[test]
fn a_body_that_is_cut_short_goes_on_from_there() {
    arrives([get(Effect::TruncateBody(1000)).times(1)], 2);
}

#[test]
fn a_body_may_be_cut_short_again_and_again_while_it_goes_on() {
    arrives([get(Effect::TruncateBody(1000)).times(7)], 8);
}

#[test]
fn a_connection_that_is_reset_is_tried_again() {
    arrives([get(Effect::ResetBefore).times(1)], 2);
}

#[test]
fn an_error_of_aws_is_tried_again() {
    arrives([get(Effect::Throttle).times(1)], 2);
}

#[test]
fn a_slow_body_is_waited_for() {
    // Longer than a call may take without a sign of life.
    let slow = Effect::SlowBody { bytes: 4_000, every: Duration::from_millis(1000) };
    arrives_in(Lab::new().impatient(), [get(slow).times(1)], 1);
}

#[test]
fn a_body_that_stalls_is_asked_for_again() {
    let stalls = Effect::SlowBody { bytes: 1000, every: Duration::from_secs(3600) };
    arrives_in(Lab::new().impatient(), [get(stalls).times(1)], 2);
}

/// Records of a kilobyte each, and their messages.
fn large(count: usize) -> (String, Vec<String>) {
    let messages: Vec<_> = (0..count).map(|number| format!("{} {}", text(number), "x".repeat(1000))).collect();
    let begin = now() - 10_000;
    (messages.iter().zip(begin..).map(|(message, at)| record("acme", message, at)).collect(), messages)
}

#[test]
fn a_body_that_breaks_off_for_good_is_sent_back_with_its_checkpoint() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let (lines, messages) = large(4000);
    let key = lab.announced("acme", "a", &lines);
    let size = usize::try_from(lab.aws.object(SOURCE, &key).unwrap().size).unwrap();
    lab.aws.fault(get(Effect::TruncateBody(size * 4 / 5)).times(1));
    lab.aws.fault(get(Effect::TruncateBody(0)).times(2));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=failed(source)"]);
    let delivered = lab.messages(&tenant).len();
    let sent = process.until("what is sent back", || lab.aws.messages(QUEUE).into_iter().find(|it| it.receives == 0));
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    let metadata = &body["processing_metadata"];
    assert_eq!((metadata["offset"].as_u64(), metadata["retry_count"].as_u64()), (Some(delivered as u64), Some(0)));
    assert!((1000..3500).contains(&delivered), "{delivered}");
    process.empties_the_queue();
    assert_eq!(process.outcomes()[1..], ["cloudwatch=delivered"]);
    // Two puts may be in flight; their order of arrival is not the events'.
    let (mut arrived, mut expected) = (lab.messages(&tenant), messages);
    arrived.sort();
    expected.sort();
    assert!(arrived == expected, "each of them once: {} of {}", arrived.len(), expected.len());
    process.terminate();
}

#[test]
fn a_missing_object_is_not_the_fault_of_the_tenants_bucket() {
    let lab = Lab::new().redrive_after(1);
    lab.scene.add_s3_tenant("acme");
    for name in ["a", "b", "c", "d"] {
        lab.last_try(&key("acme", name));
    }
    let process = lab.sqs();
    assert_eq!(process.done(4), ["s3=failed(source)"; 4]);
    process.redrives(4);
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 0.0);
    process.terminate();
}

#[test]
fn an_object_that_has_changed_is_not_copied() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_s3_tenant("acme");
    let key = lab.announced("acme", "a", &records("acme", 10));
    lab.scene.put_object(&key, gzip(records("acme", 20).as_bytes()));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["s3=ignored(changed)"]);
    kept_as_changed(&lab, &key);
    assert!(lab.aws.keys(&tenant.bucket).is_empty());
    process.terminate();
}

#[test]
fn a_version_that_may_not_be_read_is_read_by_its_etag() {
    let lab = Lab::new();
    lab.aws.set_versioned(SOURCE);
    let (logs, bucket) = (lab.scene.add_cloudwatch_tenant("acme"), lab.scene.add_s3_tenant("acme"));
    let process = lab.sqs();
    for name in ["a", "b"] {
        lab.announced("acme", name, &records("acme", 10));
        process.empties_the_queue();
    }
    assert_eq!(process.done(2), ["cloudwatch=delivered, s3=delivered"; 2]);
    assert_eq!((lab.messages(&logs).len(), lab.aws.keys(&bucket.bucket).len()), (20, 2));
    let count = |operation| lab.count(Service::S3, operation);
    assert_eq!((count("GetObject"), count("HeadObject"), count("CopyObject")), (3, 3, 2), "found out once");
    process.terminate();
}

/// Four objects that can't be copied, and then one that can, at once: what is wrong with
/// the source never opens the destination's breaker.
fn the_source_is_charged(lab: &Lab, spoil: impl Fn(&Lab, &str), says: &[&str]) {
    let tenant = lab.scene.add_s3_tenant("acme");
    for name in ["a", "b", "c", "d"] {
        let key = lab.object("acme", name, &records("acme", 1));
        spoil(lab, &key);
        lab.last_try(&key);
    }
    let process = lab.sqs();
    assert_eq!(process.done(4), ["s3=failed(source)"; 4]);
    let line = &process.objects()[0];
    for part in says {
        assert!(line["error"].as_str().unwrap().contains(part), "no {part:?} in {line}");
    }
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 0.0);
    process.redrives(4);
    lab.aws.allow_again(CENTRAL_ROLE);
    lab.announced("acme", "healthy", &records("acme", 1));
    assert_eq!(process.done(5)[4], "s3=delivered");
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), 1);
    process.terminate();
}

#[test]
fn an_archived_object_is_not_the_fault_of_the_tenants_bucket() {
    let archived = |lab: &Lab, key: &str| lab.aws.change(SOURCE, key, |object| object.archived = true);
    let says = ["ObjectNotInActiveTierError", "must restore it"];
    the_source_is_charged(&Lab::new().redrive_after(1), archived, &says);
}

const KEY: &str = "arn:aws:kms:us-east-1:000000000001:key/source";

#[test]
fn the_sources_kms_key_is_not_the_fault_of_the_tenants_bucket() {
    let encrypted = |lab: &Lab, key: &str| {
        lab.aws.change(SOURCE, key, |object| object.kms_key = Some(KEY.to_owned()));
    };
    let says = ["kms:Decrypt", "on the source to the central role"];
    the_source_is_charged(&Lab::new().redrive_after(1), encrypted, &says);
}

#[test]
fn a_source_that_the_central_role_may_not_read_is_not_the_fault_of_the_tenants_bucket() {
    let denied = |lab: &Lab, _: &str| lab.aws.deny(CENTRAL_ROLE, "s3:GetObject");
    the_source_is_charged(&Lab::new().redrive_after(1), denied, &["HeadObject", "allow s3:GetObject on it"]);
}

#[test]
fn a_source_that_can_only_be_copied_is_copied() {
    for (code, refused) in [(403, "AccessDenied"), (501, "NotImplemented"), (405, "MethodNotAllowed")] {
        let lab = Lab::new();
        let tenant = lab.scene.add_s3_tenant("acme");
        let head = Rule::new(status(code, refused, "")).service(Service::S3).operation("HeadObject");
        lab.aws.fault(head);
        lab.announced("acme", "a", &records("acme", 1));
        let process = lab.sqs();
        assert_eq!(process.done(1), ["s3=delivered"], "{code}");
        assert_eq!(lab.aws.keys(&tenant.bucket).len(), 1);
        process.terminate();
    }
}

#[test]
fn an_archived_object_that_is_read_is_told_as_such() {
    let lab = Lab::new().redrive_after(1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    for name in ["a", "b", "c"] {
        let key = lab.object("acme", name, &records("acme", 1));
        lab.aws.change(SOURCE, &key, |object| object.archived = true);
        lab.last_try(&key);
    }
    let process = lab.sqs();
    assert_eq!(process.done(3), ["cloudwatch=failed(source)"; 3]);
    let error = process.objects()[0]["error"].to_string();
    assert!(error.contains("InvalidObjectState") && error.contains("must restore it"), "{error}");
    process.redrives(3);
    lab.announced("acme", "healthy", &records("acme", 10));
    assert_eq!(process.done(4)[3], "cloudwatch=delivered");
    assert_eq!(lab.messages(&tenant), texts(10));
    process.terminate();
}

#[test]
fn a_source_in_another_region_is_named_and_copied_from_all_the_same() {
    let lab = Lab::new().redrive_after(1);
    let (logs, bucket) = (lab.scene.add_cloudwatch_tenant("acme"), lab.scene.add_s3_tenant("acme"));
    let key = lab.object("acme", "a", &records("acme", 1));
    lab.aws.change(SOURCE, &key, |object| object.content_encoding = Some("gzip".to_owned()));
    lab.aws.set_bucket_region(SOURCE, "eu-west-1");
    lab.last_try(&key);
    let process = lab.sqs();
    process.redrives(1);
    assert_eq!(process.done(1)[0], "cloudwatch=failed(source), s3=delivered", "{:?}", process.objects());
    let error = process.objects()[0]["error"].to_string();
    assert!(error.contains("region us-east-1 was asked, the bucket is in eu-west-1"), "{error}");
    let copy = lab.aws.object(&bucket.bucket, &lab.aws.keys(&bucket.bucket)[0]).unwrap();
    assert_eq!(copy.content_encoding.as_deref(), Some("gzip"), "asked for in its region");
    assert!(lab.messages(&logs).is_empty());
    process.terminate();
}
