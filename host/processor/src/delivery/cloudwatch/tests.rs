use std::collections::VecDeque;
use std::sync::Mutex;

use super::*;
use crate::aws::Operation;
use crate::delivery::batch::BatchEvent;
use model::{Event, Fault};

/// CloudWatch Logs that knows which group and stream there is, and says what it is
/// told to say of puts.
#[derive(Default)]
struct Fake {
    group: Mutex<bool>,
    stream: Mutex<bool>,
    answers: Mutex<VecDeque<Result<RejectedRanges, AwsErrorKind>>>,
    calls: Mutex<Vec<&'static str>>,
    /// Somebody else is creating the group: it is there after so much time.
    coming: Option<Duration>,
    waited: Mutex<Duration>,
}

fn error(operation: Operation, kind: AwsErrorKind) -> AwsError {
    let effect_unknown = kind == AwsErrorKind::Unreachable;
    AwsError { effect_unknown, ..AwsError::new(operation, "log group /g", kind, "no") }
}

impl Fake {
    fn called(&self, call: &'static str) {
        self.calls.lock().unwrap().push(call);
    }
}

impl PutLogs for &Fake {
    async fn put(&self, group: &str, request: Bytes) -> Result<RejectedRanges, AwsError> {
        self.called("put");
        let request: serde_json::Value = serde_json::from_slice(&request).unwrap();
        assert_eq!(
            (group, &request["logGroupName"], &request["logStreamName"]),
            ("/g", &"/g".into(), &"%-p%3A1".into())
        );
        if !*self.stream.lock().unwrap() {
            return Err(error(Operation::PutLogEvents, AwsErrorKind::NotFound));
        }
        let answer = self.answers.lock().unwrap().pop_front().unwrap_or(Ok(RejectedRanges::default()));
        answer.map_err(|kind| error(Operation::PutLogEvents, kind))
    }

    async fn create_stream(&self, group: &str, stream: &str) -> Result<(), AwsError> {
        self.called("stream");
        assert_eq!((group, stream), ("/g", "%-p%3A1"));
        if !*self.group.lock().unwrap() {
            return Err(error(Operation::CreateLogStream, AwsErrorKind::NotFound));
        }
        *self.stream.lock().unwrap() = true;
        Ok(())
    }

    async fn create_group(&self, group: &str) -> Result<(), AwsError> {
        self.called("group");
        assert_eq!(group, "/g");
        if self.coming.is_some() {
            return Err(error(Operation::CreateLogGroup, AwsErrorKind::Conflict).with_fault(Fault::Host));
        }
        *self.group.lock().unwrap() = true;
        Ok(())
    }

    async fn wait(&self, time: Duration) {
        let mut waited = self.waited.lock().unwrap();
        *waited += time;
        if self.coming.is_some_and(|coming| *waited >= coming) {
            *self.group.lock().unwrap() = true;
        }
    }
}

fn batch(events: u64) -> Batch {
    let entry = |index| {
        let event = Event { line: index, timestamp: 1, message: "m".to_owned() };
        BatchEvent { index, event, continues: false }
    };
    Batch { entries: (0..events).map(entry).collect(), bytes: 27, settles_to: None }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// Puts one batch; the calls it took and what came of it.
fn put(fake: &Fake) -> (Vec<&'static str>, Result<Vec<RejectedEvent>, Failure>) {
    let activity = Activity::default();
    let stream = CloudWatchStream::new(fake, "/g", "p:1", activity.clone());
    assert_eq!(stream.puts_at_once(), 2);
    let result = block_on(stream.put(&batch(4)));
    let calls = std::mem::take(&mut *fake.calls.lock().unwrap());
    assert_eq!(activity.count(), calls.len() as u64, "each answer is a sign of life");
    (calls, result)
}

fn there(group: bool, stream: bool, answers: impl IntoIterator<Item = Result<RejectedRanges, AwsErrorKind>>) -> Fake {
    Fake {
        group: Mutex::new(group),
        stream: Mutex::new(stream),
        answers: Mutex::new(answers.into_iter().collect()),
        calls: Mutex::default(),
        coming: None,
        waited: Mutex::default(),
    }
}

#[test]
fn a_group_that_somebody_else_is_creating_is_waited_for() {
    let millis = Duration::from_millis;
    let fake = Fake { coming: Some(millis(700)), ..there(false, false, []) };
    let again = ["stream", "group"].repeat(3);
    let expected = [&["put"][..], &again, &["stream", "put"]].concat();
    assert_eq!(put(&fake), (expected, Ok(Vec::new())));
    assert_eq!(*fake.waited.lock().unwrap(), millis(700));
    // Not for ever; and then it is not the destination that failed.
    let fake = Fake { coming: Some(Duration::MAX), ..there(false, false, []) };
    let (calls, result) = put(&fake);
    let error = result.unwrap_err();
    assert_eq!((error.kind.name(), error.fault, calls.len()), ("conflict", Fault::Host, 1 + 2 * 7));
    assert!(*fake.waited.lock().unwrap() < Duration::from_secs(5));
}

#[test]
fn what_is_missing_is_created_and_nothing_is_asked_before() {
    for (group, stream, expected) in [
        (true, true, vec!["put"]),
        (true, false, vec!["put", "stream", "put"]),
        (false, false, vec!["put", "stream", "group", "stream", "put"]),
    ] {
        let fake = there(group, stream, []);
        assert_eq!(put(&fake), (expected, Ok(Vec::new())));
        assert_eq!(put(&fake), (vec!["put"], Ok(Vec::new())));
    }
}

#[test]
fn what_is_still_missing_after_that_fails() {
    let fake =
        there(true, true, [Err(AwsErrorKind::NotFound), Err(AwsErrorKind::NotFound), Ok(RejectedRanges::default())]);
    let (calls, result) = put(&fake);
    assert_eq!((calls, result.unwrap_err().kind.name()), (vec!["put", "stream", "put"], "not-found"));
}

#[test]
fn other_failures_are_not_tried_again_here() {
    for kind in [AwsErrorKind::Throttled, AwsErrorKind::Denied, AwsErrorKind::Expired, AwsErrorKind::Unreachable] {
        let (calls, result) = put(&there(true, true, [Err(kind)]));
        let error = result.unwrap_err();
        assert_eq!(
            (calls, error.kind, error.effect_unknown),
            (vec!["put"], kind.into(), kind == AwsErrorKind::Unreachable)
        );
    }
}

#[test]
fn rejected_ranges_are_a_union_and_each_event_has_one_reason() {
    use Reason::{Expired, TooNew, TooOld};
    let of = |too_old_before, expired_before, too_new_from| {
        let ranges = RejectedRanges { too_old_before, expired_before, too_new_from };
        let (_, result) = put(&there(true, true, [Ok(ranges)]));
        result.unwrap().into_iter().map(|rejected| (rejected.index, rejected.reason)).collect::<Vec<_>>()
    };
    assert_eq!(of(None, None, None), []);
    assert_eq!(of(Some(0), Some(0), Some(4)), []);
    // The ends are exclusive, the start is inclusive.
    assert_eq!(of(Some(1), None, Some(3)), [(0, TooOld), (3, TooNew)]);
    assert_eq!(of(Some(3), Some(1), None), [(0, Expired), (1, TooOld), (2, TooOld)]);
    assert_eq!(of(Some(1), Some(2), Some(1)), [(0, Expired), (1, Expired), (2, TooNew), (3, TooNew)]);
    assert_eq!(of(Some(2), None, Some(0)), [(0, TooOld), (1, TooOld), (2, TooNew), (3, TooNew)]);
    // What is beyond the batch is nobody's.
    assert_eq!(of(None, Some(99), None), [0, 1, 2, 3].map(|index| (index, Expired)));
    assert_eq!(of(None, None, Some(99)), []);
}

/// Compiles only where a delivery to CloudWatch Logs can be done on any task.
#[test]
fn it_may_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let _ = |stream: &CloudWatchStream, batch: &Batch| is_send(stream.put(batch));
}
