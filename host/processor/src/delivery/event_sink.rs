//! The interface of a destination of log events.

use std::future::Future;

use super::batch::Batch;
use model::{DeadLetter, Failure, Reason};

pub use model::Activity;

/// An event of a batch that the destination refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RejectedEvent {
    /// The event's index in the batch.
    pub index: usize,
    /// The reason.
    pub reason: Reason,
}

/// A log stream that events are put to.
pub trait LogStream: Sync {
    /// The number of puts that may be in flight at once, at least 1. With 1, the puts happen
    /// in the order of the batches.
    fn puts_at_once(&self) -> usize {
        1
    }

    /// Puts a batch; returns the events of it that were refused for good.
    fn put(&self, batch: &Batch) -> impl Future<Output = Result<Vec<RejectedEvent>, Failure>> + Send;
}

/// A destination: a log stream, the dead letters beside it, and the checkpoint.
pub trait EventSink: Sync {
    /// The number of puts that may be in flight at once, at least 1. With 1, the puts happen
    /// in the order of the batches.
    fn puts_at_once(&self) -> usize {
        1
    }

    /// Puts a batch; returns the events that the destination refused.
    fn put(&self, batch: &Batch) -> impl Future<Output = Result<Vec<RejectedEvent>, Failure>> + Send;

    /// Keeps dead letters. This happens before the checkpoint passes their lines.
    fn dead_letters(&self, letters: &[DeadLetter]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Records that the first `events` events, in guest order, are settled for good.
    fn checkpoint(&self, events: u64) -> impl Future<Output = Result<(), Failure>> + Send;
}
