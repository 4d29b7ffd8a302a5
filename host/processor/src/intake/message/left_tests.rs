use super::*;
use crate::notification::parse;

const SECOND: Duration = Duration::from_secs(1);
const WINDOW: Duration = Duration::from_secs(6 * 3600);
const NOW: i64 = 1_800_000_000_000;

fn ago(time: Duration) -> i64 {
    NOW - i64::try_from(time.as_millis()).unwrap()
}

fn left(retry_count: u32) -> Left {
    let record = json!({ "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } } });
    let resume = Resume { retry_count, only: Only::of_item("s3"), ..Resume::default() };
    Left::failed(record, resume, "AccessDenied".to_owned())
}

fn since(left: Left, first: Duration) -> Left {
    Left { resume: Resume { first_failed_at: Some(ago(first)), ..left.resume.clone() }, ..left }
}

fn stopped(left: Left) -> Left {
    Left { cause: Cause::Stopped, ..left }
}

const ALL_WAITS: [Waits; 4] = [Waits::Breaker, Waits::Suspension, Waits::Turn, Waits::Item];

#[test]
fn only_attempts_that_came_no_further_count() {
    assert_eq!(left(1).retries(), 2);
    assert_eq!(stopped(left(1)).retries(), 2, "it hung");
    assert_eq!(Left { progress: true, ..left(1) }.retries(), 1);
    assert_eq!(Left { progress: true, ..stopped(left(1)) }.retries(), 1);
    for what in ALL_WAITS {
        assert_eq!(left(1).waits(what, SECOND).retries(), 1, "{what:?}");
    }
}

#[test]
fn after_three_retries_an_attempt_is_the_last_and_waiting_never_is() {
    assert_eq!(left(2).spent(NOW, WINDOW), None);
    assert_eq!(left(3).spent(NOW, WINDOW).unwrap(), "after 3 retries: AccessDenied");
    assert!(stopped(left(3)).spent(NOW, WINDOW).is_some());
    assert_eq!(Left { progress: true, ..left(3) }.spent(NOW, WINDOW), None);
    for what in ALL_WAITS {
        assert_eq!(left(3).waits(what, SECOND).spent(NOW, WINDOW), None, "{what:?}");
        assert_eq!(left(9).waits(what, SECOND).spent(NOW, WINDOW), None, "{what:?}");
    }
}

#[test]
fn the_window_ends_failing_and_waiting_with_the_last_attempts_reason() {
    let just = WINDOW.saturating_sub(SECOND);
    for what in [Waits::Breaker, Waits::Suspension, Waits::Item] {
        let mut waits = since(left(0), WINDOW).waits(what, SECOND);
        waits.error = "not tried".to_owned();
        let last = waits.spent(NOW, WINDOW).unwrap();
        assert_eq!(last, "after 360 minutes of failing or waiting, more than RETRY_WINDOW: not tried");
        waits.resume.last_error = Some("AssumeRole: denied".to_owned());
        assert!(waits.spent(NOW, WINDOW).unwrap().ends_with(": AssumeRole: denied"));
        assert_eq!(since(waits, just).spent(NOW, WINDOW), None, "{what:?}");
    }
    let failed = since(left(0), WINDOW);
    assert!(failed.spent(NOW, WINDOW).unwrap().ends_with(": AccessDenied"));
    // What is stopped, or came further, goes on.
    assert_eq!(stopped(since(left(0), WINDOW)).spent(NOW, WINDOW), None);
    assert_eq!(since(left(0), WINDOW).waits(Waits::Turn, SECOND).spent(NOW, WINDOW), None);
    assert_eq!(Left { progress: true, ..since(left(0), WINDOW) }.spent(NOW, WINDOW), None);
}

#[test]
fn the_first_failure_is_kept_until_it_comes_further() {
    let first = |left: Left| left.next(NOW).first_failed_at;
    let hour = 3600 * SECOND;
    assert_eq!(first(left(0)), Some(NOW));
    assert_eq!(first(left(0).waits(Waits::Breaker, SECOND)), Some(NOW), "it waits from now on");
    assert_eq!(first(left(0).waits(Waits::Turn, SECOND)), None, "it was never begun");
    assert_eq!(first(stopped(left(0))), Some(NOW), "it hung");
    for cause in [Cause::Failed, Cause::Stopped, Cause::Refused].into_iter().chain(ALL_WAITS.map(Cause::Waits)) {
        assert_eq!(first(Left { cause, ..since(left(0), hour) }), Some(ago(hour)), "{cause:?}");
    }
    assert_eq!(first(Left { progress: true, ..since(left(0), hour) }), Some(NOW));
    assert_eq!(first(Left { progress: true, ..stopped(since(left(0), hour)) }), None);
    // A clock that was ahead.
    let mut ahead = left(0);
    ahead.resume.first_failed_at = Some(NOW + 1);
    assert_eq!(first(ahead), Some(NOW));
}

#[test]
fn the_reason_is_the_last_attempts_and_bounded() {
    let mut waits = left(0).waits(Waits::Breaker, SECOND);
    waits.error = "not tried".to_owned();
    assert_eq!(waits.next(NOW).last_error, None);
    waits.resume.last_error = Some("denied".to_owned());
    assert_eq!(waits.next(NOW).last_error.as_deref(), Some("denied"));
    let failed = Left { error: "ä".repeat(1000), ..left(0) };
    assert_eq!(failed.next(NOW).last_error.unwrap().len(), 512);
}

#[test]
fn delays_are_the_references_or_as_long_as_nothing_is_let_through() {
    let delays = [0, 1, 2, 3].map(|retries| left(retries).delay().as_secs());
    assert_eq!(delays, [2, 4, 8, 16]);
    assert_eq!(left(60).delay(), LONGEST_DELAY);
    assert_eq!(stopped(left(3)).delay(), Duration::ZERO);
    assert_eq!(left(3).waits(Waits::Turn, SECOND).delay(), Duration::ZERO);
    // Whole seconds, after the end of the time, whatever was tried before.
    for what in [Waits::Breaker, Waits::Suspension, Waits::Item] {
        assert_eq!(left(3).waits(what, Duration::from_millis(4001)).delay(), 5 * SECOND);
        assert_eq!(left(3).waits(what, Duration::from_nanos(1)).delay(), SECOND);
        assert_eq!(left(0).waits(what, 1000 * SECOND).delay(), LONGEST_DELAY);
    }
    assert_eq!(Left { wait: 30 * SECOND, ..left(0) }.delay(), 30 * SECOND, "it opened the breaker");
}

fn message() -> Message {
    Message { id: "m".to_owned(), body: String::new(), receipt_handle: "h".to_owned(), attempt: 1, whose: None }
}

#[test]
fn what_goes_back_says_what_the_next_attempt_needs() {
    let mut left = left(1);
    left.resume.offset = 7;
    let outgoing = left.outgoing(&message(), NOW).unwrap();
    assert_eq!((outgoing.delay_seconds, outgoing.numbers), (4, vec![("ProcessingOffset", 7), ("RetryCount", 2)]));
    let resume = parse(&outgoing.body).unwrap().resume.unwrap();
    assert_eq!(resume, left.next(NOW));
    assert_eq!(resume.first_failed_at, Some(NOW));
}

#[test]
fn a_large_record_goes_back_without_what_no_attempt_needs() {
    let mut large = left(0);
    let object = json!({ "key": "k", "size": 3, "eTag": "e", "versionId": "v", "sequencer": "5", "more": "x".repeat(MOST_BODY) });
    large.record = json!({
        "eventName": "ObjectCreated:Put", "eventTime": "2026-11-26T21:00:00.000Z", "junk": "y".repeat(MOST_BODY),
        "s3": { "bucket": { "name": "b", "arn": "z" }, "object": object },
    });
    let body = large.outgoing(&message(), NOW).unwrap().body;
    let again = parse(&body).unwrap();
    let announced = again.records[0].as_ref().unwrap();
    assert_eq!((announced.object.to_string().as_str(), announced.size), ("s3://b/k", Some(3)));
    assert_eq!((announced.etag.as_deref(), announced.version_id.as_deref()), (Some("e"), Some("v")));
    assert_eq!(announced.record["s3"]["object"]["sequencer"], "5");
    assert!(announced.event_time.is_some() && body.len() < 2000, "{body}");
    // A key that no object can have.
    large.record = json!({ "s3": { "bucket": { "name": "b" }, "object": { "key": "k".repeat(MOST_BODY) } } });
    assert!(large.outgoing(&message(), NOW).unwrap_err().contains("and SQS takes"));
}
