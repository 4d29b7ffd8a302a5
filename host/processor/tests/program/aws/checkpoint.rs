//! A delivery that failed half-way begins again at the first event that was not
//! delivered.

use std::collections::BTreeSet;
use std::time::Duration;

use fake_aws::Service;
use fake_aws::scene::QUEUE;
use serde_json::{Value, json};

use super::support::{arrivals, denied, metadata, records_at, repeated, until_sent_back};
use crate::common::aws::{Lab, records, text, texts};

/// The body of a message that was sent back.
fn body(record: &Value, metadata: &Value) -> String {
    let event = json!({"Records": [record]});
    json!({"Message": event.to_string(), "processing_metadata": metadata}).to_string()
}

#[test]
fn in_time_order_the_second_run_begins_at_the_first_event_that_is_missing() {
    let lab = Lab::new().set("MAX_BATCH_SIZE", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.latency(Service::Logs, Duration::from_millis(20));
    // The stream is missing, then five are taken.
    lab.aws.fault(denied("PutLogEvents").after(6).times(1));
    lab.announced("acme", "1", &records("acme", 200));
    let process = lab.sqs();
    let [message] = until_sent_back(&lab, &process, 1).try_into().unwrap();
    let metadata = metadata(&message);
    let offset = usize::try_from(metadata["offset"].as_u64().unwrap()).unwrap();
    // Of two on their way either may arrive first.
    assert!([50, 60].contains(&offset), "{metadata}");
    assert_eq!(metadata["retry_count"], 0, "it made progress");
    assert_eq!(message.attributes["ProcessingOffset"]["StringValue"], offset.to_string());
    let beside: Vec<_> = arrivals(&lab, &tenant).into_keys().filter(|&number| number >= offset).collect();
    assert!(beside.len() <= 10, "at most one put was beside it: {beside:?}");
    process.empties_the_queue();
    assert_eq!(repeated(&lab, &tenant, 200), beside);
    process.terminate();
}

#[test]
fn out_of_time_order_it_begins_at_a_window() {
    let lab = Lab::new().set("MAX_BATCH_SIZE", 500);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let count = 6000;
    // Each message is filled up to about a kilobyte, so that windows of 2 MiB fill.
    let lines = records_at("acme", (0..count).map(|n| n * 7919 % count));
    let filler = format!(" {}", "x".repeat(1000));
    let lines: String = (0..6000).zip(lines.lines()).fold(String::new(), |all, (number, line)| {
        let message = format!("\"message\":\"{}", text(number));
        all + &line.replace(&format!("{message}\""), &format!("{message}{filler}\"")) + "\n"
    });
    lab.aws.fault(denied("PutLogEvents").after(9).times(1));
    lab.announced("acme", "1", &lines);
    let process = lab.sqs();
    let [message] = until_sent_back(&lab, &process, 1).try_into().unwrap();
    let offset = usize::try_from(metadata(&message)["offset"].as_u64().unwrap()).unwrap();
    assert!(offset > 1500 && offset < 5000, "{offset}");
    let before = arrivals(&lab, &tenant);
    assert!((0..offset).all(|number| before.contains_key(&number)), "all before {offset} is there");
    process.empties_the_queue();
    let repeated = repeated(&lab, &tenant, 6000);
    assert!(repeated.iter().all(|&number| number >= offset), "nothing of an earlier window is repeated");
    assert!(repeated.len() < 2500, "at most a window: {}", repeated.len());
    process.terminate();
}

#[test]
fn a_checkpoint_of_another_object_or_guest_is_refused() {
    let lab = Lab::new().set("MAX_BATCH_SIZE", 10);
    let names = ["etag", "guests", "right"];
    let tenants = names.map(|name| lab.scene.add_cloudwatch_tenant(name));
    // A checkpoint that is right, to begin with.
    lab.aws.fault(denied("PutLogEvents").account(&tenants[2].account).after(2).times(1));
    lab.announced("right", "1", &records("right", 30));
    let process = lab.sqs();
    let [message] = until_sent_back(&lab, &process, 1).try_into().unwrap();
    process.empties_the_queue();
    repeated(&lab, &tenants[2], 30);
    let right = metadata(&message)["checkpoint"].clone();
    for (tenant, field) in tenants.iter().zip(&names[..2]) {
        let key = lab.object(&tenant.name, "1", &records(&tenant.name, 30));
        let record = lab.scene.record(&key);
        let mut checkpoint = right.clone();
        checkpoint["etag"] = record["s3"]["object"]["eTag"].clone();
        checkpoint[*field] = json!("0123");
        let metadata = json!({"offset": 10, "retry_count": 0, "delivery": "cloudwatch", "checkpoint": checkpoint});
        lab.scene.send(&body(&record, &metadata));
    }
    // And one that is right for another object.
    let key = lab.object("right", "2", &records("right", 30));
    let record = lab.scene.record(&key);
    let mut checkpoint = right;
    checkpoint["etag"] = record["s3"]["object"]["eTag"].clone();
    let before = lab.messages(&tenants[2]).len();
    let metadata = json!({"offset": 10, "retry_count": 0, "delivery": "cloudwatch", "checkpoint": checkpoint});
    lab.scene.send(&body(&record, &metadata));
    process.done(5);
    process.empties_the_queue();
    // Two puts overlap, in any order.
    let all = |messages: &[String]| messages.iter().cloned().collect::<BTreeSet<_>>();
    for tenant in &tenants[..2] {
        assert!(repeated(&lab, tenant, 30).is_empty());
    }
    let right = &lab.messages(&tenants[2])[before..];
    assert_eq!((right.len(), all(right)), (20, all(&texts(30)[10..])));
    assert!((process.metric("log_processor_checkpoints_refused_total", &[]) - 2.0).abs() < 0.1);
    process.terminate();
}

/// The reference names no delivery: the offset is CloudWatch's, and S3 gets its copy.
#[test]
fn a_message_that_the_reference_sent_back_is_honoured() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let s3 = lab.scene.add_s3_tenant("acme");
    let key = lab.object("acme", "1", &records("acme", 30));
    let metadata = json!({
        "offset": 12, "retry_count": 1, "original_receipt_handle": "x", "requeued_at": "2026-11-23T10:00:00Z",
    });
    lab.scene.send(&body(&lab.scene.record(&key), &metadata));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(30)[12..]);
    assert_eq!(lab.aws.keys(&s3.bucket).len(), 1);
    assert_eq!(lab.aws.deleted(QUEUE).len(), 1);
    process.terminate();
}
