//! What a destination of log events must be able to do.

use std::future::Future;

use super::batch::Batch;
use crate::model::{DeadLetter, Reason};

/// Why a destination took nothing, or not all; it may be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DeliveryError(pub String);

/// An event of a batch that the destination refused for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    /// Its index in the batch.
    pub index: usize,
    /// Why.
    pub reason: Reason,
}

/// A log stream, the dead letters beside it, and the memory of how far it is.
pub trait EventSink: Send {
    /// Puts a batch: all of it, but for those that it says it refused.
    fn put(&mut self, batch: &Batch) -> impl Future<Output = Result<Vec<Rejected>, DeliveryError>> + Send;

    /// Keeps what can't be delivered. Done before the checkpoint passes it.
    fn dead_letters(&mut self, letters: &[DeadLetter]) -> impl Future<Output = Result<(), DeliveryError>> + Send;

    /// The first `events` events, in guest order, are settled for good.
    fn checkpoint(&mut self, events: u64) -> impl Future<Output = Result<(), DeliveryError>> + Send;
}
