//! What a destination of log events must be able to do.

use std::future::Future;

use super::batch::Batch;
use model::{DeadLetter, Failure, Reason};

pub use model::Activity;

/// An event of a batch that the destination refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    /// Its index in the batch.
    pub index: usize,
    /// Why.
    pub reason: Reason,
}

/// A log stream, the dead letters beside it, and the memory of how far it is.
pub trait EventSink: Sync {
    /// Puts that may be in flight at once, at least 1. With 1 the order of the puts
    /// is the order of the batches.
    fn puts_at_once(&self) -> usize {
        1
    }

    /// Puts a batch: all of it, but for those that it says it refused.
    fn put(&self, batch: &Batch) -> impl Future<Output = Result<Vec<Rejected>, Failure>> + Send;

    /// Keeps what can't be delivered. Done before the checkpoint passes it.
    fn dead_letters(&self, letters: &[DeadLetter]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// The first `events` events, in guest order, are settled for good.
    fn checkpoint(&self, events: u64) -> impl Future<Output = Result<(), Failure>> + Send;
}
