//! What the processor keeps things in fails: dead letters, the queue, metrics.

use fake_aws::scene::{QUEUE, SOURCE};
use fake_aws::{Effect, Gate, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Rule, Service};
use serde_json::Value;

use crate::common::aws::{CANARY, Lab, ndjson, records, texts};

/// A bucket for dead letters, which may be written to.
fn with_bucket() -> Lab {
    let lab = Lab::new().set("DEAD_LETTER", "s3://letters/here").may("s3:PutObject", "letters/*");
    lab.aws.add_bucket(PROCESSOR_ACCOUNT, "letters");
    lab
}

/// Letters of [`with_bucket`].
fn letters(lab: &Lab) -> Vec<Value> {
    let keys = lab.aws.keys("letters");
    let text = |key: &String| {
        let object = lab.aws.object("letters", key).unwrap();
        String::from_utf8(object.bytes.clone().unwrap().to_vec()).unwrap()
    };
    keys.iter().flat_map(|key| ndjson(&text(key))).collect()
}

/// Forty records, with a malformed line after the twentieth.
fn lines() -> String {
    let text = records("acme", 40);
    let half: usize = text.split_inclusive('\n').take(20).map(str::len).sum();
    format!("{}{CANARY} is no JSON\n{}", &text[..half], &text[half..])
}

#[test]
fn a_dead_letter_that_can_not_be_written_holds_the_checkpoint() {
    let lab = with_bucket().set("MAX_BATCH_SIZE", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(PROCESSOR_ARN, "s3:PutObject");
    lab.announced("acme", "a", &lines());
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=failed(dead-letter)"]);
    let line = &process.objects()[0];
    assert!(line["error"].as_str().unwrap().contains("DEAD_LETTER"), "{line}");
    let sent = process.until("what is sent back", || lab.aws.messages(QUEUE).into_iter().find(|it| it.receives == 0));
    let body: Value = serde_json::from_str(&sent.body).unwrap();
    assert!(body["processing_metadata"]["offset"].as_u64().unwrap() <= 20, "{body}");
    lab.aws.allow_again(PROCESSOR_ARN);
    process.empties_the_queue();
    assert_eq!(process.outcomes()[1..], ["cloudwatch=partial(malformed)"]);
    let letters = letters(&lab);
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert_eq!((letters[0]["reason"].as_str(), letters[0]["attempt"].as_u64()), (Some("malformed"), Some(2)));
    assert_eq!((letters[0]["key"].as_str().is_some(), letters[0]["bucket"].as_str()), (true, Some(SOURCE)));
    let mut messages = lab.messages(&tenant);
    messages.sort();
    messages.dedup();
    assert_eq!(messages.len(), 40);
    process.terminate();
}

#[test]
fn dead_letters_that_fail_are_not_the_tenants_fault_and_end_in_the_dead_letter_queue() {
    let lab = Lab::new().set("DEAD_LETTER", "s3://nowhere").may("s3:PutObject", "nowhere/*").redrive_after(1);
    lab.scene.add_cloudwatch_tenant("acme");
    for name in ["a", "b", "c"] {
        lab.last_try(&lab.object("acme", name, &lines()));
    }
    let process = lab.sqs();
    assert_eq!(process.done(3), ["cloudwatch=failed(dead-letter)"; 3]);
    process.redrives(3);
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 0.0);
    process.terminate();
}

#[test]
fn a_letter_that_is_written_again_is_the_same_one() {
    let lab = with_bucket();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(Rule::new(Effect::ResetBefore).operation("PutLogEvents").after(1).times(2));
    lab.announced("acme", "a", &lines());
    let process = lab.sqs();
    process.done(2);
    process.empties_the_queue();
    assert_eq!(lab.count(Service::S3, "PutObject"), 2, "each attempt writes it");
    assert_eq!(letters(&lab).len(), 1);
    assert_eq!(lab.messages(&tenant), texts(40));
    process.terminate();
}

#[test]
fn a_notification_whose_letter_can_not_be_written_ends_in_the_dead_letter_queue() {
    let lab = with_bucket().redrive_after(1);
    lab.aws.deny(PROCESSOR_ARN, "s3:PutObject");
    lab.scene.send("no JSON at all");
    let process = lab.sqs();
    process.redrives(1);
    assert_eq!(lab.redriven(), ["no JSON at all"]);
    process.says("the message failed");
    process.terminate();
}

#[test]
fn what_can_not_be_sent_back_fails_its_message_and_never_both() {
    let lab = Lab::new().redrive_after(3);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(Rule::new(Effect::Throttle).operation("PutLogEvents").times(2));
    lab.aws.deny(PROCESSOR_ARN, "sqs:SendMessage");
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    let line = process.says("the message failed");
    assert!(line["error"].as_str().unwrap().contains("can't be sent back"), "{line}");
    assert_eq!((lab.aws.messages(QUEUE).len(), lab.aws.deleted(QUEUE).len()), (1, 0));
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(10));
    assert_eq!((lab.aws.receives(QUEUE).len(), lab.aws.receives(QUEUE).values().sum::<u32>()), (1, 2));
    assert_eq!(process.metric("log_processor_messages_total", &["failed"]), 1.0);
    assert_eq!(process.metric("log_processor_requeues_total", &[]), 0.0);
    process.terminate();
}

#[test]
fn what_can_never_be_sent_back_ends_in_the_dead_letter_queue() {
    let lab = Lab::new().redrive_after(2);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(&tenant.role, "logs:CreateLogGroup");
    lab.aws.deny(PROCESSOR_ARN, "sqs:SendMessage");
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    process.redrives(1);
    assert_eq!(process.outcomes(), ["cloudwatch=failed(denied)"; 2]);
    process.terminate();
}

#[test]
fn of_a_message_that_fails_as_a_whole_what_was_delivered_is_not_repeated() {
    let lab = Lab::new().redrive_after(3);
    let (logs, bucket) = (lab.scene.add_cloudwatch_tenant("acme"), lab.scene.add_s3_tenant("acme"));
    lab.aws.fault(Rule::new(Effect::Throttle).operation("CopyObject").times(2));
    lab.aws.deny(PROCESSOR_ARN, "sqs:SendMessage");
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=delivered, s3=failed(throttled)"]);
    process.empties_the_queue();
    assert_eq!(process.done(2)[1..], ["cloudwatch=already-delivered, s3=delivered"]);
    assert_eq!(lab.messages(&logs), texts(10));
    assert_eq!(lab.aws.keys(&bucket.bucket).len(), 1);
    process.terminate();
}

#[test]
fn only_the_delivery_that_failed_is_sent_back() {
    let lab = Lab::new();
    let (logs, bucket) = (lab.scene.add_cloudwatch_tenant("acme"), lab.scene.add_s3_tenant("acme"));
    lab.aws.fault(Rule::new(Effect::Throttle).operation("CopyObject").times(2));
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=delivered, s3=failed(throttled)"]);
    process.empties_the_queue();
    assert_eq!(process.outcomes()[1..], ["s3=delivered"]);
    assert_eq!(lab.messages(&logs), texts(10));
    assert_eq!(lab.aws.keys(&bucket.bucket).len(), 1);
    process.terminate();
}

#[test]
fn a_message_whose_deletion_was_lost_is_not_delivered_again() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let fault = |what: Effect| lab.aws.fault(Rule::new(what).operation("DeleteMessageBatch"));
    let gate = Gate::default();
    fault(Effect::Hold(gate.clone()));
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    process.wait("its deletion to be tried", || gate.held() > 0);
    // It comes again while its deletion is still tried.
    lab.aws.clear_faults();
    fault(Effect::ResetBefore);
    lab.aws.make_visible(QUEUE, |_| true);
    process.done(2);
    process.says("can't be deleted");
    lab.aws.clear_faults();
    // With the handle of the second receive, the first one's deletion is for nothing.
    gate.open();
    lab.aws.make_visible(QUEUE, |_| true);
    process.empties_the_queue();
    let done = process.done(2);
    let (first, again) = done.split_first().unwrap();
    assert_eq!(first, "cloudwatch=delivered");
    assert!(again.iter().all(|again| again == "cloudwatch=already-delivered"), "{again:?}");
    assert_eq!((lab.messages(&tenant), lab.count(Service::S3, "GetObject")), (texts(10), 1));
    process.terminate();
}

#[test]
fn metrics_that_can_not_be_sent_fail_nothing() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(PROCESSOR_ARN, "cloudwatch:PutMetricData");
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(10));
    let ended = process.terminate();
    assert!(ended.stdout.contains("metrics can't be sent"), "{}", ended.stdout);
    assert!(lab.count(Service::CloudWatch, "PutMetricData") > 0 && lab.aws.metrics().is_empty());
}
