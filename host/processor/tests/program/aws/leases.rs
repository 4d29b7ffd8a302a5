//! Messages stay invisible while they are worked on.

use std::time::Duration;

use fake_aws::scene::QUEUE;
use fake_aws::{Effect, Gate, Rule, Service};

use super::support::{calls, metadata, repeated, until_sent_back};
use crate::common::aws::{Lab, NEVER, records, texts};

#[test]
fn every_message_of_a_receive_is_extended_at_half_its_time_until_it_is_done() {
    let lab = Lab::new().may_extend().set("VISIBILITY_TIMEOUT", 10).set("REQUEST_TIMEOUT", NEVER);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let gate = Gate::default();
    lab.aws.fault(Rule::new(Effect::Hold(gate.clone())).operation("PutLogEvents"));
    // Two have their turn, eight wait for theirs.
    let names = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"];
    lab.announced_together("acme", &names, &records("acme", 3));
    let process = lab.sqs();
    let extensions = || process.metric("log_processor_lease_extensions_total", &["result=\"extended\""]);
    // Ten, twice: also the second time by no more than the half.
    process.wait("all to be extended again", || extensions() >= 20.0);
    gate.open();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant).len(), 30);
    assert!(lab.aws.receives(QUEUE).values().all(|&times| times == 1), "{:?}", lab.aws.receives(QUEUE));
    let received = calls(&lab.aws, Service::Sqs, "ReceiveMessage")[0].when;
    let extended = calls(&lab.aws, Service::Sqs, "ChangeMessageVisibilityBatch");
    // In time, or it would have been received again; and no sooner than it has to be.
    let first = extended[0].when - received;
    assert!(first >= Duration::from_secs(5), "at half of 10 s: {first:?}");
    let is_held = || process.metric("log_processor_messages_in_flight", &[]) > 0.5;
    process.wait("nothing to be held", || !is_held());
    // What is done is let go: of the next one's time no other is extended.
    let (last, before) = (calls(&lab.aws, Service::Sqs, "ChangeMessageVisibilityBatch").len(), extensions());
    let gate = Gate::default();
    lab.aws.clear_faults();
    lab.aws.fault(Rule::new(Effect::Hold(gate.clone())).operation("PutLogEvents"));
    lab.announced("acme", "next", &records("acme", 3));
    process.wait("the next one to be extended", || extensions() > before);
    gate.open();
    process.wait("nothing to be held", || !is_held());
    let since = calls(&lab.aws, Service::Sqs, "ChangeMessageVisibilityBatch").len() - last;
    assert_eq!(extensions(), before + since as f64, "one message for each call");
    process.terminate();
}

/// The reference's role has no ChangeMessageVisibility.
#[test]
fn where_extending_is_denied_the_work_stops_in_time_with_its_checkpoint() {
    // The last fifth of the time is for sending back what is left: four seconds.
    let lab = Lab::new().set("VISIBILITY_TIMEOUT", 20).set("MAX_BATCH_SIZE", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.latency(Service::Logs, Duration::from_millis(500));
    lab.announced("acme", "1", &records("acme", 1000));
    let process = lab.sqs();
    let [message] = until_sent_back(&lab, &process, 1).try_into().unwrap();
    lab.aws.latency(Service::Logs, Duration::ZERO);
    let metadata = metadata(&message);
    let offset = metadata["offset"].as_u64().unwrap();
    assert!(offset > 0 && metadata["retry_count"] == 0, "{metadata}");
    process.says("sqs:ChangeMessageVisibility");
    process.empties_the_queue();
    let repeated = repeated(&lab, &tenant, 1000);
    assert!(repeated.len() <= 40, "{repeated:?}");
    assert!(lab.aws.receives(QUEUE).values().all(|&times| times == 1), "each was sent back before its time was up");
    process.terminate();
}

/// Somebody else has it by now: no further put, and nothing is sent back.
#[test]
fn a_lost_lease_stops_the_work_before_its_next_put() {
    let lab = Lab::new().may_extend().set("VISIBILITY_TIMEOUT", 4).set("MAX_BATCH_SIZE", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.latency(Service::Logs, Duration::from_millis(200));
    lab.announced("acme", "1", &records("acme", 1000));
    let process = lab.sqs();
    process.wait("a first put", || !lab.messages(&tenant).is_empty());
    // Purged.
    lab.aws.add_queue(fake_aws::PROCESSOR_ACCOUNT, QUEUE, Duration::from_secs(30), None);
    process.says("the lease of a message is lost");
    let puts = lab.count(Service::Logs, "PutLogEvents");
    // Its work has ended, with the two puts that were on their way.
    process.says("was lost to another worker");
    process.terminate();
    assert!(lab.count(Service::Logs, "PutLogEvents") <= puts + 2);
    assert!(lab.messages(&tenant).len() < texts(1000).len());
    assert!(lab.aws.messages(QUEUE).is_empty());
}
