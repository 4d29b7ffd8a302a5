//! A log stream of CloudWatch Logs, which events are put to.
//!
//! - `stream`: names of log streams.
//! - `request`: a batch as the JSON of PutLogEvents.

mod request;
pub mod stream;

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;

use super::batch::Batch;
use super::event_sink::{Activity, LogStream, RejectedEvent};
use crate::aws::{AwsError, AwsErrorKind, Logs, RejectedRanges};
use model::{Failure, Reason};

/// Puts of a stream that overlap: while one is sent, another is prepared.
const PUTS_AT_ONCE: usize = 2;

/// The waits for a group or stream that somebody else is creating: less than five seconds in
/// all, where a creation takes one.
const CREATION_WAITS: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(200),
    Duration::from_millis(400),
    Duration::from_millis(800),
    Duration::from_millis(1600),
    Duration::from_millis(1600),
];

/// The calls of CloudWatch Logs that a stream needs; errors as [`Logs`] has them.
pub trait PutLogs: Send + Sync {
    /// See [`Logs::put`].
    fn put(&self, group: &str, request: Bytes) -> impl Future<Output = Result<RejectedRanges, AwsError>> + Send;

    /// See [`Logs::create_stream`].
    fn create_stream(&self, group: &str, stream: &str) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// See [`Logs::create_group`].
    fn create_group(&self, group: &str) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// Waits.
    fn wait(&self, time: Duration) -> impl Future<Output = ()> + Send {
        sleep(time)
    }
}

impl PutLogs for Logs {
    async fn put(&self, group: &str, request: Bytes) -> Result<RejectedRanges, AwsError> {
        Self::put(self, group, request).await
    }

    async fn create_stream(&self, group: &str, stream: &str) -> Result<(), AwsError> {
        Self::create_stream(self, group, stream).await
    }

    async fn create_group(&self, group: &str) -> Result<(), AwsError> {
        Self::create_group(self, group).await
    }
}

/// A tenant's log stream.
pub struct CloudWatchStream<L = Logs> {
    logs: L,
    group: String,
    stream: String,
    activity: Activity,
}

impl<L: PutLogs> CloudWatchStream<L> {
    /// The stream [`stream::name`] of `pod`.
    pub fn new(logs: L, group: &str, pod: &str, activity: Activity) -> Self {
        let stream = stream::name(pod).into_owned();
        Self { logs, group: group.to_owned(), stream, activity }
    }

    /// Puts, and creates the stream only if it turns out to be missing, which is rare.
    async fn send(&self, request: Bytes) -> Result<RejectedRanges, AwsError> {
        match self.record_answer(self.logs.put(&self.group, request.clone()).await) {
            Err(error) if error.kind == AwsErrorKind::NotFound => {
                self.create().await?;
                self.record_answer(self.logs.put(&self.group, request).await)
            }
            answer => answer,
        }
    }

    /// Creates the stream, and the group if it is missing. The first objects of several pods
    /// arrive at once: a conflict says that somebody is creating the group, and then it is
    /// waited for.
    async fn create(&self) -> Result<(), AwsError> {
        let mut waits = CREATION_WAITS.into_iter();
        loop {
            match (self.create_both().await, waits.next()) {
                (Err(error), Some(wait)) if matches!(error.kind, AwsErrorKind::Conflict | AwsErrorKind::NotFound) => {
                    self.logs.wait(wait).await;
                }
                (answer, _) => return answer,
            }
        }
    }

    async fn create_both(&self) -> Result<(), AwsError> {
        let (group, stream) = (&self.group, &self.stream);
        match self.record_answer(self.logs.create_stream(group, stream).await) {
            Err(error) if error.kind == AwsErrorKind::NotFound => {
                self.record_answer(self.logs.create_group(group).await)?;
                self.record_answer(self.logs.create_stream(group, stream).await)
            }
            answer => answer,
        }
    }

    fn record_answer<T>(&self, answer: Result<T, AwsError>) -> Result<T, AwsError> {
        self.activity.record();
        answer
    }
}

impl<L: PutLogs> LogStream for CloudWatchStream<L> {
    fn puts_at_once(&self) -> usize {
        PUTS_AT_ONCE
    }

    async fn put(&self, batch: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        let request = request::put_log_events(&self.group, &self.stream, batch);
        let ranges = self.send(request).await?;
        Ok(rejected_events(ranges, batch.entries.len()))
    }
}

/// The union of ranges, which may overlap, each index once.
fn rejected_events(ranges: RejectedRanges, len: usize) -> Vec<RejectedEvent> {
    if ranges == RejectedRanges::default() {
        return Vec::new();
    }
    let before = |end: Option<usize>, index| end.is_some_and(|end| index < end);
    let why = |index| {
        if before(ranges.expired_before, index) {
            Some(Reason::Expired)
        } else if before(ranges.too_old_before, index) {
            Some(Reason::TooOld)
        } else {
            ranges.too_new_from.filter(|&start| index >= start).map(|_| Reason::TooNew)
        }
    };
    (0..len).filter_map(|index| why(index).map(|reason| RejectedEvent { index, reason })).collect()
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
