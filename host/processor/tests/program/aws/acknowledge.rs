//! A message is acknowledged when each of its deliveries has its outcome; what
//! failed goes back alone, or the message fails. Never both.

use std::time::Duration;

use fake_aws::scene::QUEUE;
use fake_aws::{Effect, Rule, Service};
use serde_json::json;

use super::support::{announced, denied, metadata, until_sent_back};
use crate::common::aws::{Lab, records, retried, texts};

const MINUTE: Duration = Duration::from_secs(60);

#[test]
fn a_failed_delivery_goes_back_alone_and_what_succeeded_is_not_repeated() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.scene.add_s3_tenant("acme");
    lab.aws.fault(denied("PutLogEvents").times(1));
    let key = lab.object("acme", "1", &records("acme", 20));
    let first = lab.scene.send(&lab.scene.notify(&key));
    let process = lab.sqs();
    process.wait("the acknowledgement", || lab.aws.deleted(QUEUE) == [first.clone()]);

    let [message] = until_sent_back(&lab, &process, 1).try_into().unwrap();
    assert_eq!(announced(&message), [key]);
    let metadata = metadata(&message);
    assert_eq!((&metadata["offset"], &metadata["retry_count"]), (&json!(0), &json!(1)));
    assert_eq!(metadata["delivery"], "cloudwatch");
    assert!(metadata["original_receipt_handle"].as_str().unwrap().starts_with("fake-"));
    assert!(metadata["requeued_at"].as_str().unwrap().starts_with("20"));
    let number = |value: &str| json!({"DataType": "Number", "StringValue": value});
    assert_eq!(message.attributes["ProcessingOffset"], number("0"));
    assert_eq!(message.attributes["RetryCount"], number("1"));
    assert_eq!(message.attributes.len(), 2);
    assert_eq!(message.delay, Duration::from_secs(2));

    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(20));
    assert_eq!(lab.count(Service::S3, "CopyObject"), 1);
    assert_eq!(process.outcomes().last().unwrap(), "cloudwatch=delivered");
    assert_eq!(lab.aws.receives(QUEUE).values().collect::<Vec<_>>(), [&1, &1]);
    process.terminate();
}

#[test]
fn each_retry_waits_longer_and_after_three_the_message_fails() {
    let lab = Lab::new();
    lab.aws.fault(denied("PutLogEvents"));
    let send = |retries: u32| {
        let tenant = format!("acme-{retries}");
        lab.scene.add_cloudwatch_tenant(&tenant);
        let key = lab.object(&tenant, "1", &records(&tenant, 1));
        (key.clone(), lab.scene.send(&retried(&lab.scene.record(&key), retries)))
    };
    let sent: Vec<_> = (0..4).map(send).collect();
    // One receive brings all of them, and none comes again meanwhile.
    lab.aws.fault(Rule::new(Effect::Hang).operation("ReceiveMessage").after(1));
    let process = lab.sqs();
    process.says("the message failed");
    process.wait("three acknowledgements", || lab.aws.deleted(QUEUE).len() == 3);
    let messages = lab.aws.messages(QUEUE);
    assert_eq!(messages.len(), 4);
    assert!(messages.iter().any(|message| message.id == sent[3].1), "the one whose retries are spent stays");
    for (retries, (key, id)) in (0_u32..).zip(&sent[..3]) {
        assert!(lab.aws.deleted(QUEUE).contains(id));
        let message = messages.iter().find(|message| message.id != *id && announced(message) == [key.as_str()]);
        let message = message.unwrap();
        assert_eq!(metadata(message)["retry_count"], retries + 1);
        assert_eq!(message.delay, Duration::from_secs(2 << retries), "{retries} retries");
    }
    process.kill();
}

#[test]
fn without_a_queue_just_the_message_fails_and_is_not_repeated_whole() {
    let lab = Lab::new().unset("SQS_QUEUE_URL").set("MAX_BATCH_SIZE", 10);
    let good = lab.scene.add_cloudwatch_tenant("good");
    let bad = lab.scene.add_cloudwatch_tenant("bad");
    lab.scene.add_s3_tenant("bad");
    // The stream is missing, the first ten events are taken.
    lab.aws.fault(denied("PutLogEvents").account(&bad.account).after(2).times(1));
    let body = |tenant: &str| lab.scene.notify(&lab.object(tenant, "1", &records(tenant, 20)));
    let (one, two) = (body("good"), body("bad"));
    let process = lab.lambda();
    assert_eq!(lab.invoke(&process, &[("one", &one), ("two", &two)], MINUTE), ["two"]);
    assert_eq!((lab.messages(&good).len(), lab.messages(&bad)), (20, texts(10)));
    // The same process remembers what it did.
    assert_eq!(lab.invoke(&process, &[("two", &two)], MINUTE), [""; 0]);
    assert_eq!(lab.messages(&bad), texts(20));
    assert_eq!(lab.count(Service::S3, "CopyObject"), 1);
    // And once more, as when an answer got lost.
    assert_eq!(lab.invoke(&process, &[("one", &one), ("two", &two)], MINUTE), [""; 0]);
    assert_eq!((lab.messages(&good).len(), lab.messages(&bad).len()), (20, 20));
    assert_eq!(lab.count(Service::Sqs, "SendMessageBatch"), 0);
    process.kill();
}

#[test]
fn of_several_objects_each_that_failed_goes_back_by_itself() {
    let lab = Lab::new();
    let tenants: Vec<_> = (0..12).map(|n| lab.scene.add_cloudwatch_tenant(&format!("acme-{n}"))).collect();
    for tenant in &tenants[1..] {
        lab.aws.fault(denied("PutLogEvents").account(&tenant.account).times(1));
    }
    let keys: Vec<_> = tenants.iter().map(|t| lab.object(&t.name, "1", &records(&t.name, 3))).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    let id = lab.scene.send(&lab.scene.announce(&keys));
    let process = lab.sqs();
    let messages = until_sent_back(&lab, &process, 11);
    process.wait("the acknowledgement", || lab.aws.deleted(QUEUE) == [id.clone()]);
    let mut back: Vec<_> = messages.iter().flat_map(announced).collect();
    back.sort();
    let mut failed: Vec<_> = keys[1..].iter().map(|&key| key.to_owned()).collect();
    failed.sort();
    assert_eq!(back, failed);
    assert_eq!(lab.count(Service::Sqs, "SendMessageBatch"), 2, "eleven don't go into one");
    process.empties_the_queue();
    for tenant in &tenants {
        assert_eq!(lab.messages(tenant), texts(3), "{}", tenant.name);
    }
    process.terminate();
}

/// A character that SQS refuses in a message, and JSON doesn't, is no obstacle.
#[test]
fn what_no_message_may_hold_goes_back_escaped() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(denied("PutLogEvents").times(1));
    let mut record = lab.scene.record(&lab.object("acme", "1", &records("acme", 3)));
    record["note"] = json!("\u{fffe}");
    let body = json!({"Records": [record]}).to_string().replace('\u{fffe}', "\\ufffe");
    lab.scene.send(&body);
    let process = lab.sqs();
    until_sent_back(&lab, &process, 1);
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(3));
    process.terminate();
}
