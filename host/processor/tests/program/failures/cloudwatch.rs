//! CloudWatch Logs refuses events, or takes them with difficulties.

use std::collections::BTreeMap;

use fake_aws::scene::{CloudWatchTenant, QUEUE};
use fake_aws::{Effect, REGION, Rule, Service};
use serde_json::Value;

use crate::common::aws::{Lab, Process, now, record, records, text, texts};

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// So far from a limit, on either side.
const NEAR: i64 = 600_000;

fn put(what: Effect) -> Rule {
    Rule::new(what).operation("PutLogEvents")
}

/// Two lines a time, each with a number for its message; the number of each time's first.
fn at(times: &[i64]) -> String {
    let twice = times.iter().flat_map(|time| [*time, *time + 1]);
    (0..).zip(twice).map(|(number, at)| record("acme", &text(number), at)).collect()
}

/// Events that were refused, by number: reason.
fn refused(lab: &Lab) -> BTreeMap<String, String> {
    let letters = lab.letters();
    let text = |letter: &Value, field: &str| letter[field].as_str().unwrap().to_owned();
    let by_message: BTreeMap<_, _> =
        letters.iter().map(|letter| (text(letter, "data"), text(letter, "reason"))).collect();
    assert_eq!(by_message.len(), letters.len(), "a letter an event");
    by_message
}

/// Delivers an object of which CloudWatch refuses some events; each event of
/// `expected` was refused with its reason, and each other one arrived once.
fn dead_lettered_exactly(lab: &Lab, tenant: &CloudWatchTenant, lines: &str, expected: &[(usize, &str)]) {
    lab.announced("acme", "a", lines);
    let process = lab.sqs();
    process.empties_the_queue();
    let outcome = &process.done(1)[0];
    let some = expected.len() < lines.lines().count();
    assert!(outcome.starts_with(if some { "cloudwatch=partial(" } else { "cloudwatch=rejected(" }), "{outcome}");
    let line = &process.objects()[0];
    assert_eq!((line["level"].as_str(), line["dead_lettered"].as_u64()), (Some("WARN"), Some(expected.len() as u64)));
    let expected: BTreeMap<_, _> =
        expected.iter().map(|(number, reason)| (text(*number), (*reason).to_owned())).collect();
    assert_eq!(refused(lab), expected);
    let all = texts(lines.lines().count());
    let good: Vec<_> = all.iter().filter(|text| !expected.contains_key(*text)).cloned().collect();
    let mut messages = lab.messages(tenant);
    messages.sort();
    assert_eq!(messages, good);
    let sent: usize = lab.aws.puts().iter().map(|put| put.events).sum();
    assert_eq!(sent, all.len(), "nothing is sent again");
    for reason in ["too-old", "too-new", "expired"] {
        let count = expected.values().filter(|found| *found == reason).count() as u32;
        assert_eq!(process.metric("log_processor_dead_letters_total", &[reason]), f64::from(count), "{reason}");
    }
    process.terminate();
}

#[test]
fn too_old_events_are_dead_lettered_exactly() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let limit = now() - 14 * DAY;
    let lines = at(&[limit - NEAR, limit + NEAR, limit + DAY / 2]);
    dead_lettered_exactly(&lab, &tenant, &lines, &[(0, "too-old"), (1, "too-old")]);
}

#[test]
fn too_new_events_are_dead_lettered_exactly() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let limit = now() + 2 * HOUR;
    dead_lettered_exactly(&lab, &tenant, &at(&[now(), limit - NEAR, limit + NEAR]), &[(4, "too-new"), (5, "too-new")]);
}

#[test]
fn expired_events_are_dead_lettered_exactly() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.add_log_group(&tenant.account, REGION, &tenant.group, Some(1));
    let limit = now() - DAY;
    dead_lettered_exactly(&lab, &tenant, &at(&[limit - NEAR, limit + NEAR]), &[(0, "expired"), (1, "expired")]);
}

#[test]
fn of_ranges_that_overlap_each_event_is_dead_lettered_once() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    // What is too old is expired as well; all in one put.
    lab.aws.add_log_group(&tenant.account, REGION, &tenant.group, Some(14));
    let limit = now() - 14 * DAY;
    let lines = at(&[limit - 2 * NEAR, limit - NEAR, limit + NEAR]);
    let expected: Vec<_> = (0..4).map(|number| (number, "expired")).collect();
    dead_lettered_exactly(&lab, &tenant, &lines, &expected);
    let puts = lab.aws.puts();
    assert_eq!(puts.iter().map(|put| (put.events, put.stored)).collect::<Vec<_>>(), [(6, 2)]);
}

#[test]
fn refused_on_both_sides_and_in_every_put() {
    let lab = Lab::new().dead_letters().set("MAX_BATCH_SIZE", 3);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let (old, new) = (now() - 14 * DAY - NEAR, now() + 2 * HOUR + NEAR);
    let lines = at(&[old, old + 10, now(), now() + 10, new, new + 10]);
    let expected: Vec<_> = (0..4).map(|n| (n, "too-old")).chain((8..12).map(|n| (n, "too-new"))).collect();
    dead_lettered_exactly(&lab, &tenant, &lines, &expected);
}

/// A process that has made the stream, so that a fault of a put is one of an event's.
fn warm(lab: &Lab) -> Process {
    lab.announced("acme", "first", &record("acme", "first", now()));
    let process = lab.sqs();
    process.empties_the_queue();
    process
}

/// What arrived after [`warm`], sorted.
fn arrived(lab: &Lab, tenant: &CloudWatchTenant) -> Vec<String> {
    let mut messages = lab.messages(tenant).split_off(1);
    messages.sort();
    messages
}

fn sorted(count: usize) -> Vec<String> {
    let mut all = texts(count);
    all.sort();
    all
}

/// One failure, which the SDK's second attempt mends; then two, which go back to the queue.
fn arrives_once(what: &Effect) {
    for failures in [1, 2] {
        let lab = if matches!(what, Effect::Hang) { Lab::new().impatient() } else { Lab::new() };
        let lab = lab.dead_letters().set("MAX_BATCH_SIZE", 10);
        let tenant = lab.scene.add_cloudwatch_tenant("acme");
        let process = warm(&lab);
        let before = lab.count(Service::Logs, "PutLogEvents");
        lab.aws.fault(put(what.clone()).times(failures));
        lab.announced("acme", "a", &records("acme", 30));
        let outcomes = process.done(2);
        process.empties_the_queue();
        assert_eq!(outcomes[1].as_str() == "cloudwatch=delivered", failures == 1, "{outcomes:?}");
        assert_eq!(arrived(&lab, &tenant), sorted(30), "{what:?}");
        assert_eq!(lab.count(Service::Logs, "PutLogEvents") - before, 3 + u64::from(failures), "{what:?}");
        assert!(lab.letters().is_empty());
        process.terminate();
    }
}

#[test]
fn throttled_arrives_once() {
    arrives_once(&Effect::Throttle);
}

#[test]
fn an_error_of_aws_arrives_once() {
    let message = "on purpose".to_owned();
    arrives_once(&Effect::Status { status: 503, code: "ServiceUnavailableException".to_owned(), message });
}

#[test]
fn no_answer_arrives_once() {
    arrives_once(&Effect::Hang);
}

#[test]
fn a_reset_before_the_effect_arrives_once() {
    arrives_once(&Effect::ResetBefore);
}

#[test]
fn a_reset_after_the_effect_repeats_that_put_at_most() {
    for failures in [1, 2] {
        let lab = Lab::new().dead_letters().set("MAX_BATCH_SIZE", 10);
        let tenant = lab.scene.add_cloudwatch_tenant("acme");
        let process = warm(&lab);
        // The second of five puts.
        lab.aws.fault(put(Effect::ResetAfter).after(1).times(failures));
        lab.announced("acme", "a", &records("acme", 50));
        process.done(2);
        process.empties_the_queue();
        let arrived = arrived(&lab, &tenant);
        let mut each = arrived.clone();
        each.dedup();
        assert_eq!(each, sorted(50), "nothing is missing");
        let repeated: Vec<_> =
            (0..50).filter(|n| arrived.iter().filter(|message| **message == text(*n)).count() > 1).collect();
        // Its own ten, and where it went back to the queue those of the put beside it.
        assert!((10..=10 * failures as usize).contains(&repeated.len()), "{repeated:?}");
        let together = repeated[repeated.len() - 1] - repeated[0] < 10 * failures as usize;
        assert!(together && repeated.iter().all(|n| (10..40).contains(n)), "{repeated:?}");
        process.terminate();
    }
}

#[test]
fn an_effect_that_is_unknown_is_told() {
    let lab = Lab::new();
    lab.scene.add_cloudwatch_tenant("acme");
    let process = warm(&lab);
    lab.aws.fault(put(Effect::ResetAfter).times(2));
    lab.announced("acme", "a", &records("acme", 10));
    process.done(2);
    let line = &process.objects()[1];
    assert!(line["error"].as_str().unwrap().contains("its effect is unknown"), "{line}");
    process.terminate();
}

/// Calls of CloudWatch Logs, in order.
fn calls(lab: &Lab) -> Vec<String> {
    let logged = lab.aws.log().into_iter();
    logged.filter(|call| call.service == Service::Logs).map(|call| call.operation).collect()
}

#[test]
fn what_is_missing_is_made_with_no_call_too_many() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let process = lab.sqs();
    let deliver = |name: &str| {
        lab.announced("acme", name, &records("acme", 10));
        process.empties_the_queue();
        let made = calls(&lab);
        lab.aws.forget_calls();
        made
    };
    let whole = ["PutLogEvents", "CreateLogStream", "CreateLogGroup", "CreateLogStream", "PutLogEvents"];
    assert_eq!(deliver("a"), whole);
    assert_eq!(deliver("b"), ["PutLogEvents"]);
    lab.aws.remove_log_group(&tenant.account, REGION, &tenant.group);
    lab.aws.add_log_group(&tenant.account, REGION, &tenant.group, None);
    assert_eq!(deliver("c"), ["PutLogEvents", "CreateLogStream", "PutLogEvents"]);
    assert_eq!(lab.messages(&tenant), texts(10));
    assert!(lab.aws.messages(QUEUE).is_empty());
    process.terminate();
}
