use model::{ComponentErrorKind, Failure, FailureKind};

use super::*;
use crate::notification::{Scope, parse};

const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(6 * 3600);
const NOW: i64 = 1_800_000_000_000;

fn ago(time: Duration) -> i64 {
    NOW - i64::try_from(time.as_millis()).unwrap()
}

const LATER: Duration = Duration::from_secs(30);

/// Each state, not to be tried before 30 s where it says so.
const STATES: [DeliveryState; 11] = [
    DeliveryState::Failed { retry_after: LATER },
    DeliveryState::FailedWithProgress { retry_after: LATER },
    DeliveryState::Stopped,
    DeliveryState::StoppedWithProgress,
    DeliveryState::NoRoom,
    DeliveryState::NotStarted,
    DeliveryState::BreakerOpen { retry_after: LATER },
    DeliveryState::Suspended { retry_after: LATER },
    DeliveryState::InvalidItem,
    DeliveryState::Refused,
    DeliveryState::MustFail,
];

/// What waits and was not tried, and may wait no longer than RETRY_WINDOW.
const WAITING: [DeliveryState; 3] = [
    DeliveryState::BreakerOpen { retry_after: SECOND },
    DeliveryState::Suspended { retry_after: SECOND },
    DeliveryState::InvalidItem,
];

fn unfinished(retry_count: u32) -> UnfinishedDelivery {
    let record = json!({ "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } });
    let resume = Resume { retry_count, scope: Scope::of_item("s3"), ..Resume::default() };
    UnfinishedDelivery { record, resume, state: DeliveryState::FAILED, error: "AccessDenied".to_owned(), key: None }
}

fn since(unfinished: UnfinishedDelivery, first: Duration) -> UnfinishedDelivery {
    UnfinishedDelivery {
        resume: Resume { first_failed_at: Some(ago(first)), ..unfinished.resume.clone() },
        ..unfinished
    }
}

fn with(state: DeliveryState, unfinished: UnfinishedDelivery) -> UnfinishedDelivery {
    UnfinishedDelivery { state, ..unfinished }
}

fn progressed(unfinished: UnfinishedDelivery) -> UnfinishedDelivery {
    with(DeliveryState::FailedWithProgress { retry_after: Duration::ZERO }, unfinished)
}

/// What becomes of each state that has failed for a minute, at its second retry.
#[derive(Debug, PartialEq)]
struct Becomes {
    retries: u32,
    failing_for: Option<Duration>,
    /// Whether the next attempt is told this one's error.
    says: bool,
    delay: u64,
    /// Whether it is not tried again after its last retry, and after RETRY_WINDOW.
    spent: [bool; 2],
    name: &'static str,
}

#[test]
fn each_state_becomes_what_it_should() {
    let minute = Some(60 * SECOND);
    for state in STATES {
        // A new state doesn't compile here before it has its row.
        let (retries, failing_for, says, delay, spent, name) = match state {
            DeliveryState::Failed { .. } => (2, minute, true, 30, [true, true], "failed"),
            DeliveryState::FailedWithProgress { .. } => (1, Some(Duration::ZERO), true, 30, [false, false], "failed"),
            DeliveryState::Stopped => (2, minute, true, 0, [true, false], "interrupted"),
            DeliveryState::StoppedWithProgress => (1, None, true, 0, [false, false], "interrupted"),
            DeliveryState::NoRoom => (1, minute, false, 10, [false, false], "host"),
            DeliveryState::NotStarted => (1, minute, false, 0, [false, false], "interrupted"),
            DeliveryState::BreakerOpen { .. } => (1, minute, false, 30, [false, true], "breaker"),
            DeliveryState::Suspended { .. } => (1, minute, false, 30, [false, true], "suspended"),
            DeliveryState::InvalidItem => (1, minute, false, 300, [false, true], "item"),
            DeliveryState::Refused | DeliveryState::MustFail => (1, minute, false, 0, [false, false], "refused"),
        };
        let unfinished = with(state, since(unfinished(1), 60 * SECOND));
        let next = unfinished.next(NOW);
        let last = with(state, since(super::tests::unfinished(MAX_RETRIES), 60 * SECOND));
        let old = with(state, since(super::tests::unfinished(1), WINDOW));
        let becomes = Becomes {
            retries: next.retry_count,
            failing_for: next.first_failed_at.map(|at| Duration::from_millis(u64::try_from(NOW - at).unwrap())),
            says: next.last_error.as_deref() == Some("AccessDenied"),
            delay: unfinished.delay().as_secs(),
            spent: [last, old].map(|unfinished| unfinished.check_exhausted(NOW, WINDOW).is_some()),
            name: state.name(),
        };
        assert_eq!(becomes, Becomes { retries, failing_for, says, delay, spent, name }, "{state:?}");
    }
}

#[test]
fn an_attempt_ends_as_it_came_and_how_far() {
    let ended = |failed, progressed| DeliveryState::after_attempt(failed, progressed, LATER);
    let [failed, failed_further, stopped, stopped_further, ..] = STATES;
    assert_eq!([ended(true, false), ended(true, true)], [failed, failed_further]);
    assert_eq!([ended(false, false), ended(false, true)], [stopped, stopped_further]);
    let progressed: Vec<DeliveryState> = STATES.into_iter().filter(|state| state.made_progress()).collect();
    assert_eq!(progressed, [failed_further, stopped_further]);
    let refused: Vec<DeliveryState> = STATES.into_iter().filter(|state| state.is_refused()).collect();
    assert_eq!(refused, [DeliveryState::Refused, DeliveryState::MustFail]);
}

#[test]
fn a_component_that_cannot_be_had_is_an_attempt_and_a_suspended_one_is_none() {
    let error = |kind| PlanError { failure: Failure::new(kind, "why"), wait: LATER, component: None };
    let suspended = DeliveryState::of_plan(&error(FailureKind::Suspended));
    assert_eq!(suspended, DeliveryState::Suspended { retry_after: LATER });
    let missing = DeliveryState::of_plan(&error(ComponentErrorKind::Missing.into()));
    assert_eq!(missing, DeliveryState::Failed { retry_after: LATER });
}

#[test]
fn what_the_host_had_no_room_for_is_no_attempt() {
    for kind in FailureKind::all() {
        let state = DeliveryState::of_host(Some(kind));
        assert_eq!(state, (kind.name() == "host").then_some(DeliveryState::NoRoom), "{kind:?}");
    }
    assert_eq!(DeliveryState::of_host(None), None);
}

#[test]
fn only_attempts_that_came_no_further_count() {
    assert_eq!(unfinished(1).retries(), 2);
    assert_eq!(with(DeliveryState::Stopped, unfinished(1)).retries(), 2, "it hung");
    assert_eq!(progressed(unfinished(1)).retries(), 1);
    assert_eq!(with(DeliveryState::StoppedWithProgress, unfinished(1)).retries(), 1);
    for state in WAITING.into_iter().chain([DeliveryState::NotStarted]) {
        assert_eq!(with(state, unfinished(1)).retries(), 1, "{state:?}");
    }
}

#[test]
fn after_three_retries_an_attempt_is_the_last_and_waiting_never_is() {
    assert_eq!(unfinished(2).check_exhausted(NOW, WINDOW), None);
    assert_eq!(unfinished(3).check_exhausted(NOW, WINDOW).unwrap(), "after 3 retries: AccessDenied");
    assert!(with(DeliveryState::Stopped, unfinished(3)).check_exhausted(NOW, WINDOW).is_some());
    assert_eq!(progressed(unfinished(3)).check_exhausted(NOW, WINDOW), None);
    for state in WAITING.into_iter().chain([DeliveryState::NotStarted]) {
        assert_eq!(with(state, unfinished(3)).check_exhausted(NOW, WINDOW), None, "{state:?}");
        assert_eq!(with(state, unfinished(9)).check_exhausted(NOW, WINDOW), None, "{state:?}");
    }
}

#[test]
fn the_window_ends_failing_and_waiting_with_the_last_attempts_reason() {
    let just = WINDOW.saturating_sub(SECOND);
    for state in WAITING {
        let mut waits = with(state, since(unfinished(0), WINDOW));
        waits.error = "not tried".to_owned();
        let last = waits.check_exhausted(NOW, WINDOW).unwrap();
        assert_eq!(last, "after 360 minutes of failing or waiting, more than RETRY_WINDOW: not tried");
        waits.resume.last_error = Some("AssumeRole: denied".to_owned());
        assert!(waits.check_exhausted(NOW, WINDOW).unwrap().ends_with(": AssumeRole: denied"));
        assert_eq!(since(waits, just).check_exhausted(NOW, WINDOW), None, "{state:?}");
    }
    let failed = since(unfinished(0), WINDOW);
    assert!(failed.check_exhausted(NOW, WINDOW).unwrap().ends_with(": AccessDenied"));
    // What is stopped, or came further, goes on.
    assert_eq!(with(DeliveryState::Stopped, since(unfinished(0), WINDOW)).check_exhausted(NOW, WINDOW), None);
    assert_eq!(with(DeliveryState::NotStarted, since(unfinished(0), WINDOW)).check_exhausted(NOW, WINDOW), None);
    assert_eq!(progressed(since(unfinished(0), WINDOW)).check_exhausted(NOW, WINDOW), None);
}

#[test]
fn the_first_failure_is_kept_until_it_comes_further() {
    let first = |unfinished: UnfinishedDelivery| unfinished.next(NOW).first_failed_at;
    let hour = 3600 * SECOND;
    assert_eq!(first(unfinished(0)), Some(NOW));
    assert_eq!(
        first(with(DeliveryState::BreakerOpen { retry_after: SECOND }, unfinished(0))),
        Some(NOW),
        "it waits from now on"
    );
    assert_eq!(first(with(DeliveryState::NotStarted, unfinished(0))), None, "it was never begun");
    assert_eq!(first(with(DeliveryState::Stopped, unfinished(0))), Some(NOW), "it hung");
    for state in STATES.into_iter().filter(|state| !state.made_progress()) {
        assert_eq!(first(with(state, since(unfinished(0), hour))), Some(ago(hour)), "{state:?}");
    }
    assert_eq!(first(progressed(since(unfinished(0), hour))), Some(NOW));
    assert_eq!(first(with(DeliveryState::StoppedWithProgress, since(unfinished(0), hour))), None);
    // A clock that was ahead.
    let mut ahead = unfinished(0);
    ahead.resume.first_failed_at = Some(NOW + 1);
    assert_eq!(first(ahead), Some(NOW));
}

#[test]
fn the_reason_is_the_last_attempts_and_bounded() {
    let mut waits = with(DeliveryState::BreakerOpen { retry_after: SECOND }, unfinished(0));
    waits.error = "not tried".to_owned();
    assert_eq!(waits.next(NOW).last_error, None);
    waits.resume.last_error = Some("denied".to_owned());
    assert_eq!(waits.next(NOW).last_error.as_deref(), Some("denied"));
    let failed = UnfinishedDelivery { error: "ä".repeat(1000), ..unfinished(0) };
    assert_eq!(failed.next(NOW).last_error.unwrap().len(), 512);
}

#[test]
fn delays_are_the_references_or_as_long_as_nothing_is_let_through() {
    let delays = [0, 1, 2, 3].map(|retries| unfinished(retries).delay().as_secs());
    assert_eq!(delays, [2, 4, 8, 16]);
    assert_eq!(unfinished(60).delay(), MAX_DELAY);
    assert_eq!(with(DeliveryState::Stopped, unfinished(3)).delay(), Duration::ZERO);
    assert_eq!(with(DeliveryState::NotStarted, unfinished(3)).delay(), Duration::ZERO);
    // Whole seconds, after the end of the time, whatever was tried before.
    let states = [
        |retry_after| DeliveryState::BreakerOpen { retry_after },
        |retry_after| DeliveryState::Suspended { retry_after },
    ];
    for state in states {
        assert_eq!(with(state(Duration::from_millis(4001)), unfinished(3)).delay(), 5 * SECOND);
        assert_eq!(with(state(Duration::from_nanos(1)), unfinished(3)).delay(), SECOND);
        assert_eq!(with(state(1000 * SECOND), unfinished(0)).delay(), MAX_DELAY);
    }
    assert_eq!(with(DeliveryState::InvalidItem, unfinished(3)).delay(), INVALID_ITEM_DELAY);
    let opened = DeliveryState::Failed { retry_after: 30 * SECOND };
    assert_eq!(with(opened, unfinished(0)).delay(), 30 * SECOND, "it opened the breaker");
}

fn message() -> Message {
    Message { id: "m".to_owned(), body: String::new(), receipt_handle: "h".to_owned(), attempt: 1, owner: None }
}

#[test]
fn what_goes_back_says_what_the_next_attempt_needs() {
    let mut unfinished = unfinished(1);
    unfinished.resume.offset = 7;
    let outgoing = unfinished.to_message(&message(), NOW).unwrap();
    assert_eq!((outgoing.delay_seconds, outgoing.numbers), (4, vec![("ProcessingOffset", 7), ("RetryCount", 2)]));
    let resume = parse(&outgoing.body).unwrap().resume.unwrap();
    assert_eq!(resume, unfinished.next(NOW));
    assert_eq!(resume.first_failed_at, Some(NOW));
}

#[test]
fn a_large_record_goes_back_without_what_no_attempt_needs() {
    let mut large = unfinished(0);
    let object = json!({ "key": "k", "size": 3, "eTag": "e", "versionId": "v", "sequencer": "5", "more": "x".repeat(MAX_BODY_BYTES) });
    large.record = json!({
        "eventName": "ObjectCreated:Put", "eventTime": "2026-11-26T21:00:00.000Z", "junk": "y".repeat(MAX_BODY_BYTES),
        "s3": { "bucket": { "name": "b", "arn": "z" }, "object": object },
    });
    let body = large.to_message(&message(), NOW).unwrap().body;
    let again = parse(&body).unwrap();
    let announced = again.records[0].as_ref().unwrap();
    assert_eq!((announced.object.to_string().as_str(), announced.size), ("s3://b/k", Some(3)));
    assert_eq!((announced.etag.as_deref(), announced.version_id.as_deref()), (Some("e"), Some("v")));
    assert_eq!(announced.record["s3"]["object"]["sequencer"], "5");
    assert!(announced.event_time.is_some() && body.len() < 2000, "{body}");
    // A key that no object can have.
    large.record = json!({ "s3": { "bucket": { "name": "b" }, "object": { "key": "k".repeat(MAX_BODY_BYTES) } } });
    assert!(large.to_message(&message(), NOW).unwrap_err().contains("and SQS takes"));
}
