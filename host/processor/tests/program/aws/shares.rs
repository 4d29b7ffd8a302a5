//! What one tenant has too much of waits by itself.

use std::time::Duration;

use fake_aws::scene::QUEUE;
use fake_aws::{Effect, Rule, Service};

use crate::common::aws::{Lab, NEVER, records, texts};

/// More than one process holds of one tenant.
const FLOOD: usize = 1600;

#[test]
fn however_many_slow_messages_are_ahead_another_tenants_arrives() {
    let lab = Lab::new().may_extend().set("REQUEST_TIMEOUT", 300).set("VISIBILITY_TIMEOUT", 600);
    let lab = lab.set("SHUTDOWN_GRACE_SECONDS", 1);
    let slow = lab.scene.add_cloudwatch_tenant("slow");
    let good = lab.scene.add_cloudwatch_tenant("good");
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents").account(&slow.account));
    let body = lab.scene.notify(&lab.object("slow", "0", &records("slow", 1)));
    (0..FLOOD).for_each(|_| drop(lab.scene.send(&body)));
    lab.announced("good", "0", &records("good", 3));
    let process = lab.sqs();
    process.wait("the other tenant's", || lab.messages(&good) == texts(3));
    process.wait("what is deferred", || lab.aws.queue_counts(QUEUE).delayed > 0);
    let counts = || lab.aws.queue_counts(QUEUE);
    process.wait("all of them", || counts().visible == 0 && counts().in_flight + counts().delayed == FLOOD);
    assert!((1000..1200).contains(&counts().in_flight), "a ninth is held: {:?}", counts());
    let messages = lab.aws.messages(QUEUE);
    let delays = messages.iter().filter(|m| m.receives == 0).filter_map(|m| m.invisible_for);
    assert!(delays.into_iter().all(|delay| delay <= Duration::from_secs(30)));
    assert!(messages.iter().all(|message| *message.body == *body), "each is the same");
    assert!(process.metric("log_processor_messages_total", &["deferred"]) >= 400.0);
    process.kill();
}

/// Nothing can be sent: then more is held than the tenant's share.
#[test]
fn where_nothing_can_be_sent_back_it_is_held() {
    let lab = Lab::new().may_extend().set("REQUEST_TIMEOUT", 300).set("VISIBILITY_TIMEOUT", 600);
    let slow = lab.scene.add_cloudwatch_tenant("slow");
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents").account(&slow.account));
    lab.aws.fault(super::support::denied("SendMessageBatch"));
    let body = lab.scene.notify(&lab.object("slow", "0", &records("slow", 1)));
    (0..FLOOD).for_each(|_| drop(lab.scene.send(&body)));
    let process = lab.sqs();
    process.wait("all to be held", || lab.aws.queue_counts(QUEUE).in_flight == FLOOD);
    process.wait("the count", || process.metric("log_processor_messages_in_flight", &[]) as usize == FLOOD);
    assert!(lab.count(Service::Sqs, "SendMessageBatch") > 0);
    process.kill();
}

/// What is put off and can't be sent, since SQS doesn't answer, goes back at the end as
/// all else does.
#[test]
fn what_hangs_while_it_is_put_off_goes_back_at_the_end() {
    let lab = Lab::new().may_extend().set("REQUEST_TIMEOUT", NEVER).set("VISIBILITY_TIMEOUT", 600);
    let lab = lab.set("SHUTDOWN_GRACE_SECONDS", 10);
    let slow = lab.scene.add_cloudwatch_tenant("slow");
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents").account(&slow.account));
    lab.aws.fault(Rule::new(Effect::Hang).operation("SendMessageBatch"));
    let body = lab.scene.notify(&lab.object("slow", "0", &records("slow", 1)));
    (0..FLOOD).for_each(|_| drop(lab.scene.send(&body)));
    let process = lab.sqs();
    process.wait("all to be held", || lab.aws.queue_counts(QUEUE).in_flight == FLOOD);
    process.wait("what is put off", || lab.count(Service::Sqs, "SendMessageBatch") > 20);
    process.terminate();
    let messages = lab.aws.messages(QUEUE);
    assert_eq!(messages.len(), FLOOD);
    let invisible = messages.iter().filter(|message| message.invisible_for.is_some()).count();
    assert_eq!(invisible, 0, "of {FLOOD}");
}
