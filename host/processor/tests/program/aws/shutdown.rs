//! SIGTERM: no new receives, what is at work ends, the rest goes back.

use fake_aws::scene::QUEUE;
use fake_aws::{Effect, Gate, Rule, Service};

use super::support::{announced, metadata, puts_of, sent_back};
use crate::common::aws::{Lab, NEVER, records, texts};

/// Its parts are seconds: enough for what is sent back in the last of them, on
/// however busy a machine.
const GRACE: u64 = 10;

#[test]
fn what_is_at_work_ends_and_what_waits_is_given_back() {
    let lab = Lab::new().may_extend().set("MAX_CONCURRENT_OBJECTS", 1).set("REQUEST_TIMEOUT", NEVER);
    // It ends when its work does, and not when its grace is over.
    let lab = lab.set("SHUTDOWN_GRACE_SECONDS", 3 * NEVER);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "0", &records("acme", 1));
    let process = lab.sqs();
    process.empties_the_queue();
    let gate = Gate::default();
    lab.aws.fault(Rule::new(Effect::Hold(gate.clone())).operation("PutLogEvents"));
    lab.announced_together("acme", &["1", "2", "3", "4", "5"], &records("acme", 2));
    process.wait("a put", || gate.held() > 0);
    process.wait("all to be received", || lab.aws.queue_counts(QUEUE).in_flight == 5);
    process.signal("TERM");
    process.says("no new messages");
    let later = lab.announced("acme", "later", &records("acme", 2));
    gate.open();
    let ended = process.ended();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(lab.messages(&tenant).len(), 3, "the one at work is done");
    let messages = lab.aws.messages(QUEUE);
    assert_eq!(messages.len(), 5);
    assert!(messages.iter().all(|message| message.invisible_for.is_none()), "they can be received at once");
    assert!(messages.iter().all(|message| metadata(message).is_null()), "and are the same as before");
    // The open receive may have brought the later one.
    let (late, others): (Vec<_>, Vec<_>) = messages.iter().partition(|m| announced(m) == [later.clone()]);
    assert!(late.len() == 1 && late[0].receives <= 1, "{messages:?}");
    assert!(others.iter().all(|message| message.receives == 1), "{messages:?}");
}

#[test]
fn what_hangs_is_sent_back_with_its_checkpoint_or_given_back_and_never_both() {
    let lab = Lab::new().may_extend().set("SHUTDOWN_GRACE_SECONDS", GRACE).set("REQUEST_TIMEOUT", NEVER);
    let lab = lab.set("MAX_BATCH_SIZE", 10);
    let tenants = ["begun", "hung"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    let hang = |index: usize| Rule::new(Effect::Hang).operation("PutLogEvents").account(&tenants[index].account);
    lab.aws.fault(hang(0).after(2));
    lab.aws.fault(hang(1));
    let begun = lab.announced("begun", "1", &records("begun", 50));
    let hung = lab.announced("hung", "1", &records("hung", 50));
    let process = lab.sqs();
    process.wait("a first put", || lab.messages(&tenants[0]).len() == 10);
    process.wait("both to hang", || puts_of(&lab, &tenants[0]) >= 3 && puts_of(&lab, &tenants[1]) >= 1);
    process.signal("TERM");
    // Far sooner than the calls that hang.
    let ended = process.ended();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    let messages = lab.aws.messages(QUEUE);
    assert_eq!(messages.len(), 2, "{messages:?}");
    assert!(messages.iter().all(|message| message.invisible_for.is_none()), "{messages:?}");
    let [back] = sent_back(&lab.aws).try_into().unwrap();
    assert_eq!((announced(&back), metadata(&back)["offset"].clone()), (vec![begun], 10.into()));
    let given = messages.iter().find(|message| metadata(message).is_null()).unwrap();
    assert_eq!((announced(given), given.receives), (vec![hung], 1));
    assert_eq!(lab.messages(&tenants[0]), texts(10));
}

#[test]
fn scan_ends_within_its_grace_and_sends_its_metrics() {
    let lab = Lab::new().set("SHUTDOWN_GRACE_SECONDS", GRACE).set("REQUEST_TIMEOUT", NEVER).set("SCAN_INTERVAL", NEVER);
    let tenants = ["done", "hung"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents").account(&tenants[1].account));
    tenants.iter().for_each(|tenant| drop(lab.object(&tenant.name, "1", &records(&tenant.name, 2))));
    let process = lab.scan();
    process.done(1);
    process.wait("the other to be begun", || puts_of(&lab, &tenants[1]) >= 1);
    assert_eq!(lab.count(Service::CloudWatch, "PutMetricData"), 0);
    process.signal("TERM");
    // Far sooner than the call that hangs.
    let ended = process.ended();
    assert_eq!(ended.code, 0, "{}", ended.stdout);
    assert_eq!(lab.count(Service::CloudWatch, "PutMetricData"), 1);
    assert_eq!(lab.messages(&tenants[0]), texts(2));
}

/// A message of two objects, of which one is done: just the other goes back.
#[test]
fn of_a_message_that_is_done_in_part_the_rest_is_sent_back() {
    let lab = Lab::new().may_extend().set("SHUTDOWN_GRACE_SECONDS", GRACE).set("REQUEST_TIMEOUT", NEVER);
    let tenants = ["done", "hung"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents").account(&tenants[1].account));
    let keys = tenants.each_ref().map(|tenant| lab.object(&tenant.name, "1", &records(&tenant.name, 2)));
    let id = lab.scene.send(&lab.scene.announce(&[&keys[0], &keys[1]]));
    let process = lab.sqs();
    process.done(1);
    process.wait("the other to be begun", || puts_of(&lab, &tenants[1]) >= 1);
    process.signal("TERM");
    assert_eq!(process.ended().code, 0);
    assert_eq!(lab.aws.deleted(QUEUE), [id]);
    let [message] = lab.aws.messages(QUEUE).try_into().unwrap();
    assert_eq!((announced(&message), message.invisible_for), (vec![keys[1].clone()], None));
    assert_eq!(lab.messages(&tenants[0]), texts(2));
}

/// Nothing of what hangs here listens to its being stopped.
#[test]
fn a_message_whose_work_hangs_for_good_goes_back_as_it_came() {
    let lab = Lab::new().may_extend().set("SHUTDOWN_GRACE_SECONDS", GRACE).set("REQUEST_TIMEOUT", NEVER);
    lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(Rule::new(Effect::Hang).operation("Query"));
    let key = lab.announced("acme", "1", &records("acme", 2));
    let process = lab.sqs();
    process.wait("a lookup", || lab.count(Service::DynamoDb, "Query") > 0);
    process.terminate();
    let [message] = lab.aws.messages(QUEUE).try_into().unwrap();
    assert_eq!((announced(&message), message.invisible_for), (vec![key], None));
}

/// What is being sent back when its time is up isn't given back as well.
#[test]
fn what_is_being_sent_back_is_not_given_back_too() {
    let lab = Lab::new().may_extend().set("SHUTDOWN_GRACE_SECONDS", GRACE).set("REQUEST_TIMEOUT", NEVER);
    let lab = lab.set("MAX_BATCH_SIZE", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents").after(2));
    // More than the process waits for what hangs, which is a tenth of its grace.
    let late = std::time::Duration::from_millis(1500);
    lab.aws.fault(Rule::new(Effect::Delay(late)).operation("SendMessageBatch"));
    lab.announced("acme", "1", &records("acme", 50));
    let process = lab.sqs();
    process.wait("a first put", || lab.messages(&tenant).len() == 10);
    process.wait("one to hang", || puts_of(&lab, &tenant) >= 3);
    process.terminate();
    assert_eq!(lab.aws.messages(QUEUE).len(), 1);
    assert_eq!(sent_back(&lab.aws).len(), 1);
}
