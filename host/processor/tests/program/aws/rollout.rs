//! Rolling restarts and busy queues: nothing stays invisible, nothing untouched ends in
//! the dead-letter queue.

use std::collections::BTreeSet;
use std::time::Duration;

use fake_aws::scene::{DEAD_LETTERS, QUEUE};
use fake_aws::{Effect, PROCESSOR_ACCOUNT, Rule, Service};

use super::support::announced;
use crate::common::aws::{LIMIT, Lab, NEVER, Process, records, texts};

/// Its last fifth is a second: enough for what goes back, on however busy a machine.
const GRACE: u64 = 5;

/// One object at a time, which hangs: what else is received waits.
fn backlog(lab: &Lab, count: usize) -> BTreeSet<String> {
    lab.scene.add_cloudwatch_tenant("slow");
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents"));
    (0..count).map(|n| lab.announced("slow", &n.to_string(), &records("slow", 1))).collect()
}

fn keys(lab: &Lab) -> BTreeSet<String> {
    lab.aws.messages(QUEUE).iter().flat_map(announced).collect()
}

#[track_caller]
fn nothing_is_invisible(lab: &Lab) {
    let messages = lab.aws.messages(QUEUE);
    assert!(messages.iter().all(|message| message.invisible_for.is_none()), "{messages:?}");
}

/// Waits until no poll is open any more, also of those that outlive their clients.
fn polls_end(lab: &Lab) {
    assert!(lab.aws.until_blocking(LIMIT, |aws| (aws.open_polls() == 0).then_some(())).is_some());
}

fn all_received(process: &Process, lab: &Lab) {
    process.wait("all to be received", || lab.aws.queue_counts(QUEUE).visible == 0);
}

#[test]
fn messages_that_were_never_begun_survive_any_number_of_restarts() {
    let lab = Lab::new().may_extend().set("MAX_CONCURRENT_OBJECTS", 1).set("SHUTDOWN_GRACE_SECONDS", GRACE);
    let keys_before = backlog(&lab, 30);
    // More than the queue's maxReceiveCount.
    for _ in 0..5 {
        let process = lab.sqs();
        all_received(&process, &lab);
        process.terminate();
        nothing_is_invisible(&lab);
        assert_eq!(keys(&lab), keys_before);
    }
    assert!(lab.redriven().is_empty());
    assert_eq!(lab.aws.messages(QUEUE).len(), 30, "each once");
}

/// The reference's role: no ChangeMessageVisibility, no GetQueueAttributes.
#[test]
fn what_may_not_be_made_visible_is_sent_back_as_it_is() {
    let lab = Lab::new().set("MAX_CONCURRENT_OBJECTS", 1).set("SHUTDOWN_GRACE_SECONDS", GRACE);
    let keys_before = backlog(&lab, 12);
    let bodies = |lab: &Lab| lab.aws.messages(QUEUE).into_iter().map(|m| m.body.to_string()).collect::<BTreeSet<_>>();
    let before = bodies(&lab);
    let process = lab.sqs();
    all_received(&process, &lab);
    process.says("GetQueueAttributes");
    process.terminate();
    nothing_is_invisible(&lab);
    assert_eq!(keys(&lab), keys_before);
    assert!(bodies(&lab).intersection(&before).count() >= 10, "all but those that were begun");
}

/// The fresh messages can't be sent, and what is near the last receive becomes visible all
/// the same; so does what waits for its place in another queue.
#[test]
fn sending_that_hangs_leaves_nothing_invisible() {
    let lab = Lab::new().may_extend().set("MAX_CONCURRENT_OBJECTS", 1).set("REQUEST_TIMEOUT", NEVER);
    let lab = lab.set("SHUTDOWN_GRACE_SECONDS", 4);
    let mut keys_before = backlog(&lab, 12);
    for _ in 0..2 {
        let process = lab.sqs();
        all_received(&process, &lab);
        process.terminate();
        nothing_is_invisible(&lab);
        lab.aws.fault(Rule::new(Effect::Hang).operation("SendMessageBatch"));
        keys_before.insert(lab.announced("slow", "new", &records("slow", 1)));
    }
    assert!(lab.count(Service::Sqs, "SendMessageBatch") > 0);
    assert!(keys(&lab).is_superset(&keys_before));
}

/// SQS goes on filling a long poll whose client is gone.
#[test]
fn what_an_open_poll_brings_after_sigterm_goes_back() {
    let lab = Lab::new().may_extend();
    lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.polls_outlive_clients();
    let process = lab.sqs();
    process.wait("an open poll", || lab.count(Service::Sqs, "ReceiveMessage") > 0);
    process.signal("TERM");
    process.says("no new messages");
    let later: BTreeSet<_> = (0..5).map(|n| lab.announced("acme", &n.to_string(), &records("acme", 1))).collect();
    let ended = process.ended();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    // The poll's time is over, or it brought them: either way they are there.
    polls_end(&lab);
    nothing_is_invisible(&lab);
    assert_eq!(keys(&lab), later);
}

/// And the same where it takes long to stop: the poll is waited for beside that.
#[test]
fn an_open_poll_is_waited_for_beside_what_is_at_work() {
    let lab = Lab::new().may_extend().set("REQUEST_TIMEOUT", 30).set("SHUTDOWN_GRACE_SECONDS", 8);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.polls_outlive_clients();
    lab.aws.fault(Rule::new(Effect::Delay(Duration::from_secs(2))).operation("PutLogEvents"));
    lab.announced("acme", "0", &records("acme", 2));
    let process = lab.sqs();
    process.wait("a put", || lab.count(Service::Logs, "PutLogEvents") > 0);
    process.signal("TERM");
    process.says("no new messages");
    let later = lab.announced("acme", "later", &records("acme", 2));
    let ended = process.ended();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(lab.messages(&tenant), texts(2), "what was at work is done");
    polls_end(&lab);
    nothing_is_invisible(&lab);
    assert_eq!(keys(&lab), BTreeSet::from([later]));
}

/// A queue that says how often: there the count is not near its end.
#[test]
fn where_the_queue_allows_many_receives_a_message_is_given_back_itself() {
    let lab = Lab::new().may_extend().may("sqs:GetQueueAttributes", QUEUE).set("MAX_CONCURRENT_OBJECTS", 1);
    let lab = lab.set("SHUTDOWN_GRACE_SECONDS", GRACE);
    lab.aws.add_queue(PROCESSOR_ACCOUNT, QUEUE, Duration::from_secs(300), Some((100, DEAD_LETTERS)));
    backlog(&lab, 5);
    let first: BTreeSet<_> = lab.aws.messages(QUEUE).into_iter().map(|message| message.id).collect();
    for _ in 0..3 {
        let process = lab.sqs();
        process.wait("the attributes", || lab.count(Service::Sqs, "GetQueueAttributes") > 0);
        all_received(&process, &lab);
        process.terminate();
        nothing_is_invisible(&lab);
    }
    let last: BTreeSet<_> = lab.aws.messages(QUEUE).into_iter().map(|message| message.id).collect();
    assert!(first.intersection(&last).count() >= 2, "those that were never begun: {first:?} {last:?}");
}

/// Deletions that hang hold the process no longer than its grace and a little.
#[test]
fn deletions_and_metrics_that_hang_do_not_hold_the_end_up() {
    let lab = Lab::new().set("SHUTDOWN_GRACE_SECONDS", 1).set("REQUEST_TIMEOUT", 300);
    lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(Rule::new(Effect::Hang).operation("DeleteMessageBatch"));
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutMetricData"));
    lab.announced("acme", "0", &records("acme", 2));
    let process = lab.sqs();
    process.wait("a deletion", || lab.count(Service::Sqs, "DeleteMessageBatch") > 0);
    // It must end by itself, and these would take 300 s each.
    let ended = process.terminate();
    assert!(ended.stdout.contains("stopped before SQS answered the last calls"), "{}", ended.stdout);
}
