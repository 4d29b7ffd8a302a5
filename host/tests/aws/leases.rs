//! Messages stay invisible while they are worked on.

use std::time::Duration;

use fake_aws::scene::QUEUE;
use fake_aws::{Rule, Service, What};

use crate::aws::{Lab, records, texts};
use crate::support::{calls, metadata, repeated, until_sent_back};

#[test]
fn every_message_of_a_receive_is_extended_at_half_its_time_until_it_is_done() {
    let lab = Lab::new().may_extend().set("VISIBILITY_TIMEOUT", 3).set("REQUEST_TIMEOUT", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    // Two at first, more with each success: ten take a few rounds.
    lab.aws.fault(Rule::new(What::Delay(Duration::from_millis(900))).operation("PutLogEvents"));
    (0..10).for_each(|n| drop(lab.announced("acme", &n.to_string(), &records("acme", 3))));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant).len(), 30);
    assert!(lab.aws.receives(QUEUE).values().all(|&times| times == 1), "{:?}", lab.aws.receives(QUEUE));
    let received = calls(&lab.aws, Service::Sqs, "ReceiveMessage")[0].when;
    let extended = calls(&lab.aws, Service::Sqs, "ChangeMessageVisibilityBatch");
    let first = extended[0].when - received;
    assert!((1400..2400).contains(&first.as_millis()), "at half of 3 s: {first:?}");
    let count = process.metric("log_processor_lease_extensions_total", &["result=\"extended\""]);
    assert!(count >= 10.0, "each of the ten that wait: {count}");
    let last = extended.last().unwrap().when;
    std::thread::sleep(Duration::from_millis(1700));
    assert_eq!(calls(&lab.aws, Service::Sqs, "ChangeMessageVisibilityBatch").last().unwrap().when, last);
    process.terminate();
}

/// The reference's role has no ChangeMessageVisibility.
#[test]
fn where_extending_is_denied_the_work_stops_in_time_with_its_checkpoint() {
    let lab = Lab::new().set("VISIBILITY_TIMEOUT", 4).set("MAX_BATCH_SIZE", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.latency(Service::Logs, Duration::from_millis(150));
    lab.announced("acme", "1", &records("acme", 500));
    let process = lab.sqs();
    let [message] = until_sent_back(&lab, &process, 1).try_into().unwrap();
    let metadata = metadata(&message);
    let offset = metadata["offset"].as_u64().unwrap();
    assert!(offset > 0 && metadata["retry_count"] == 0, "{metadata}");
    process.says("sqs:ChangeMessageVisibility");
    process.empties_the_queue();
    let repeated = repeated(&lab, &tenant, 500);
    assert!(repeated.len() <= 40, "{repeated:?}");
    assert!(lab.aws.receives(QUEUE).values().all(|&times| times == 1), "each was sent back before its time was up");
    process.terminate();
}

/// Somebody else has it by now: no further put, and nothing is sent back.
#[test]
fn a_lost_lease_stops_the_work_before_its_next_put() {
    let lab = Lab::new().may_extend().set("VISIBILITY_TIMEOUT", 2).set("MAX_BATCH_SIZE", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.latency(Service::Logs, Duration::from_millis(200));
    lab.announced("acme", "1", &records("acme", 1000));
    let process = lab.sqs();
    process.wait("a first put", || !lab.messages(&tenant).is_empty());
    // Purged.
    lab.aws.add_queue(fake_aws::PROCESSOR_ACCOUNT, QUEUE, Duration::from_secs(30), None);
    process.says("the lease of a message is lost");
    let puts = lab.count(Service::Logs, "PutLogEvents");
    std::thread::sleep(Duration::from_millis(700));
    assert_eq!(lab.count(Service::Logs, "PutLogEvents"), puts);
    assert!(lab.messages(&tenant).len() < texts(1000).len());
    assert!(lab.aws.messages(QUEUE).is_empty());
    process.terminate();
}
