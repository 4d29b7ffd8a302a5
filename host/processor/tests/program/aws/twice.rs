//! What is announced, or comes, more than once; and messages that would mean more than
//! they say.

use std::time::Duration;

use fake_aws::scene::{DEAD_LETTERS, QUEUE};
use fake_aws::{Effect, PROCESSOR_ACCOUNT, Rule, Service};
use serde_json::{Value, json};

use super::support::{denied, metadata, sent_back, until_sent_back};
use crate::common::aws::{Lab, records, texts};

fn body(record: &Value, metadata: &Value) -> String {
    json!({"Message": json!({"Records": [record]}).to_string(), "processing_metadata": metadata}).to_string()
}

/// S3 notifies at least once: together, later, and twice in one message.
#[test]
fn the_same_notification_again_and_again_is_delivered_once() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let bucket = lab.scene.add_s3_tenant("acme");
    lab.aws.latency(Service::Logs, Duration::from_millis(300));
    let key = lab.object("acme", "1", &records("acme", 5));
    let record = lab.scene.record(&key);
    for _ in 0..3 {
        lab.scene.send(&json!({"Records": [record, record]}).to_string());
    }
    let process = lab.sqs();
    process.empties_the_queue();
    lab.scene.send(&json!({"Records": [record]}).to_string());
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(5));
    assert_eq!((lab.count(Service::S3, "CopyObject"), lab.aws.keys(&bucket.bucket).len()), (1, 1));
    // The same bytes, written again: S3 counts on, and so does the delivery.
    let mut again = record.clone();
    again["s3"]["object"]["sequencer"] = "0FFFFFFFFFFFFFFFFF".into();
    lab.scene.send(&json!({"Records": [again]}).to_string());
    process.empties_the_queue();
    assert_eq!((lab.messages(&tenant).len(), lab.count(Service::S3, "CopyObject")), (10, 2));
    process.terminate();
}

/// A copy that fails is no reason to drop the other.
#[test]
fn where_one_copy_fails_the_other_delivers() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(denied("PutLogEvents").times(1));
    let record = lab.scene.record(&lab.object("acme", "1", &records("acme", 5)));
    for _ in 0..2 {
        lab.scene.send(&json!({"Records": [record]}).to_string());
    }
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(5));
    process.terminate();
}

/// What failed for good and is redriven by hand is tried, in the same process too.
#[test]
fn what_is_redriven_by_hand_is_tried_again() {
    let lab = Lab::new().redrive_after(1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(denied("PutLogEvents").times(1));
    lab.last_try(&lab.object("acme", "1", &records("acme", 5)));
    let process = lab.sqs();
    process.redrives(1);
    assert!(lab.messages(&tenant).is_empty());
    lab.scene.send(&lab.redriven()[0]);
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(5));
    process.terminate();
}

#[test]
fn a_delivery_that_is_unknown_is_an_error_and_never_all_of_them() {
    let lab = Lab::new().redrive_after(1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let record = lab.scene.record(&lab.object("acme", "1", &records("acme", 5)));
    for delivery in [json!("S3"), json!(""), json!(7)] {
        lab.scene.send(&body(&record, &json!({"offset": 0, "retry_count": 0, "delivery": delivery})));
    }
    let process = lab.sqs();
    let failed = process.says("the message failed");
    assert!(failed["error"].as_str().unwrap().contains("processing_metadata names the delivery"), "{failed}");
    process.redrives(3);
    assert!(lab.messages(&tenant).is_empty());
    process.terminate();
}

/// An item whose type is a slip names a component, so its records wait: alone, and until
/// the type is right.
#[test]
fn an_item_of_unknown_type_waits_alone_and_widens_to_no_other_delivery() {
    let lab = Lab::new().set("TENANT_CACHE_SECONDS", 0);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let plugin = json!({"M": {"component": {"S": "s3://abc/x.wasm"}, "sha256": {"S": "0".repeat(64)}}});
    lab.scene.add_delivery("acme", "CloudWatch", json!({"bucket_name": {"S": "xyz-abc"}, "plugin": plugin}));
    lab.announced("acme", "1", &records("acme", 5));
    let process = lab.sqs();
    process.line("it goes back", |line| line["message"] == "sent back to the queue" && line["why"] == "item");
    let [message] = until_sent_back(&lab, &process, 1).try_into().unwrap();
    let metadata = metadata(&message);
    assert_eq!((&metadata["item"], &metadata["delivery"]), (&json!("CloudWatch"), &Value::Null));
    assert_eq!(metadata["retry_count"], 0);
    assert_eq!(lab.messages(&tenant), texts(5), "the healthy one has it, once");
    // It is looked at again, alone.
    lab.aws.make_visible(QUEUE, |_| true);
    process.wait("another look", || process.metric("log_processor_requeues_total", &["item"]) >= 2.0);
    assert_eq!(lab.aws.puts().iter().map(|put| put.stored).sum::<usize>(), 5);
    process.terminate();
}

/// Whoever mends a type makes another item, since the type is part of the key: what waits
/// for the old one is delivered to the new, and to no other before.
#[test]
fn what_waits_for_an_item_is_delivered_once_its_type_is_mended() {
    let lab = Lab::new().set("TENANT_CACHE_SECONDS", 0);
    let fields = json!({"bucket_name": {"S": lab.scene.add_s3_tenant("other").bucket}});
    lab.scene.add_delivery("acme", "cloudwach", fields);
    let record = lab.scene.record(&lab.object("acme", "1", &records("acme", 5)));
    lab.scene.send(&body(&record, &json!({"offset": 0, "retry_count": 0, "item": "cloudwach"})));
    let process = lab.sqs();
    let waits = |times| process.metric("log_processor_requeues_total", &["item"]) >= times;
    process.wait("it waits", || waits(1.0));
    // The right one stands beside it: which is meant is not known while the other is there.
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.make_visible(QUEUE, |_| true);
    process.wait("it waits on", || waits(2.0));
    assert!(lab.messages(&tenant).is_empty());
    lab.scene.add_delivery("acme", "cloudwach", json!({"enabled": {"BOOL": false}}));
    lab.aws.make_visible(QUEUE, |_| true);
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(5));
    process.terminate();
}

/// Metadata that no processor wrote: numbers that are none count as missing, and nothing
/// ends the process or vanishes.
#[test]
fn odd_metadata_costs_no_logs() {
    let lab = Lab::new().redrive_after(1);
    let odd = [
        json!({"offset": -1, "retry_count": -3}),
        json!({"offset": 2.5, "retry_count": 1.0}),
        json!({"offset": "3", "retry_count": "1"}),
        json!({"offset": 1e30, "retry_count": 1e30}),
        json!({"offset": u64::MAX, "retry_count": u64::MAX}),
        json!({"offset": null, "retry_count": [], "checkpoint": 7, "refused": [], "last_error": {}}),
        json!({"offset": 4, "checkpoint": {"etag": 1, "guests": null}, "first_failed_at": "yesterday"}),
        json!({"first_failed_at": "9999-12-31T23:59:59Z", "refused": {"counts": {"too-old": -1}, "from": -1}}),
        json!({"first_failed_at": "0001-01-01T00:00:00Z", "refused": {"counts": {}, "from": u64::MAX, "settled": true}}),
        json!({"first_failed_at": 1_700_000_000, "requeued_at": 7, "original_receipt_handle": null}),
        json!({}),
    ];
    let mut tenants = Vec::new();
    for (number, metadata) in odd.iter().enumerate() {
        let name = format!("t{number}");
        tenants.push(lab.scene.add_cloudwatch_tenant(&name));
        let record = lab.scene.record(&lab.object(&name, "1", &records(&name, 5)));
        lab.scene.send(&body(&record, metadata));
    }
    let process = lab.sqs();
    process.empties_the_queue();
    for (tenant, metadata) in tenants.iter().zip(&odd) {
        assert_eq!(lab.messages(tenant), texts(5), "{metadata}");
    }
    process.terminate();
}

#[test]
fn an_offset_beyond_the_objects_events_begins_at_the_first() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let record = lab.scene.record(&lab.object("acme", "1", &records("acme", 5)));
    let all = lab.scene.add_cloudwatch_tenant("all");
    let done = lab.scene.record(&lab.object("all", "1", &records("all", 5)));
    lab.scene.send(&body(&record, &json!({"offset": 6, "retry_count": 0, "delivery": "cloudwatch"})));
    lab.scene.send(&body(&done, &json!({"offset": 5, "retry_count": 0, "delivery": "cloudwatch"})));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(2), ["cloudwatch=delivered"; 2]);
    assert_eq!((lab.messages(&tenant), lab.messages(&all).len()), (texts(5), 0));
    assert_eq!(process.metric("log_processor_checkpoints_refused_total", &[]), 1.0);
    process.terminate();
}

/// SQS takes the first half of a batch and refuses the second, for longer than any call
/// is tried: the rest is sent until it is taken, and nothing is done twice.
#[test]
fn of_a_batch_that_is_taken_in_part_the_rest_is_sent_until_it_is_taken() {
    let lab = Lab::new().redrive_after(5).may_extend();
    let tenants = ["one", "two", "three", "four"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    for tenant in &tenants {
        lab.aws.fault(denied("PutLogEvents").account(&tenant.account).times(1));
    }
    lab.aws.fault(Rule::new(Effect::RefuseAfter(2)).operation("SendMessageBatch").times(1));
    lab.aws.fault(Rule::new(Effect::RefuseAfter(0)).operation("SendMessageBatch").times(6));
    let keys = tenants.each_ref().map(|tenant| lab.object(&tenant.name, "1", &records(&tenant.name, 3)));
    let id = lab.scene.send(&lab.scene.announce(&keys.each_ref().map(String::as_str)));
    let process = lab.sqs();
    process.says("a part can't be sent back to the queue");
    process.wait("the acknowledgement", || lab.aws.deleted(QUEUE).contains(&id));
    process.empties_the_queue();
    for tenant in &tenants {
        assert_eq!(lab.messages(tenant), texts(3), "{}", tenant.name);
    }
    assert_eq!(lab.count(Service::Sqs, "SendMessageBatch"), 8);
    assert!(process.lines().iter().all(|line| line["message"] != "the message failed"));
    assert!(lab.aws.receives(QUEUE).values().all(|receives| *receives == 1));
    process.terminate();
}

/// Where none of it is taken, the message fails, and nothing of it was sent.
#[test]
fn of_a_batch_that_is_refused_nothing_is_sent_and_the_message_fails() {
    let lab = Lab::new().redrive_after(2);
    let tenants = ["one", "two"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    lab.aws.fault(denied("PutLogEvents"));
    lab.aws.fault(Rule::new(Effect::RefuseAfter(0)).operation("SendMessageBatch"));
    let keys = tenants.each_ref().map(|tenant| lab.object(&tenant.name, "1", &records(&tenant.name, 3)));
    lab.scene.send(&lab.scene.announce(&keys.each_ref().map(String::as_str)));
    let process = lab.sqs();
    process.redrives(1);
    assert!(sent_back(&lab.aws).is_empty());
    process.terminate();
}

/// A record that names no object, whose dead letter can't be written, fails the message
/// as a whole: what failed beside it is not sent back as well.
#[test]
fn a_bad_record_that_can_not_be_kept_is_not_both_sent_back_and_failed() {
    let lab = Lab::new().set("DEAD_LETTER", "s3://no-such-bucket/x").redrive_after(2);
    let gone = crate::common::aws::key("acme", "gone");
    lab.scene.add_cloudwatch_tenant("acme");
    let mut bad = lab.scene.record(&gone);
    bad["s3"]["object"]["key"] = "prod-1/acme/app/pod/100%".into();
    lab.scene.send(&json!({"Records": [bad, lab.scene.record(&gone)]}).to_string());
    let process = lab.sqs();
    process.redrives(1);
    assert!(sent_back(&lab.aws).is_empty());
    assert!(process.lines().iter().all(|line| line["message"] != "sent back to the queue"));
    process.terminate();
}

/// A FIFO queue takes neither delays nor messages without a group: nothing is sent.
#[test]
fn nothing_is_sent_back_to_a_fifo_queue() {
    let redrive = Some((2, DEAD_LETTERS));
    let lab = Lab::new();
    let url = lab.aws.add_queue(PROCESSOR_ACCOUNT, "logs.fifo", Duration::from_secs(30), redrive);
    let lab = lab.set("SQS_QUEUE_URL", url).set("VISIBILITY_TIMEOUT", 10);
    let lab = lab
        .may("sqs:ReceiveMessage", "logs.fifo")
        .may("sqs:DeleteMessage", "logs.fifo")
        .may("sqs:SendMessage", "logs.fifo");
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let good = lab.object("acme", "1", &records("acme", 5));
    lab.aws.send_message("logs.fifo", &lab.scene.announce(&[&good, &crate::common::aws::key("acme", "gone")]));
    let process = lab.sqs();
    let failed = process.says("the message failed");
    assert!(failed["error"].as_str().unwrap().contains("FIFO queue"), "{failed}");
    process.wait("it is in the dead-letter queue", || lab.aws.messages(DEAD_LETTERS).len() == 1);
    assert_eq!(lab.messages(&tenant), texts(5), "delivered once");
    assert_eq!(lab.count(Service::Sqs, "SendMessageBatch"), 0);
    process.terminate();
}
