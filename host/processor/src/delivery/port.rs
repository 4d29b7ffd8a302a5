//! What a destination of log events must be able to do.

use std::future::Future;

use super::batch::Batch;
use crate::aws::AwsError;
use model::{Charged, DeadLetter, Reason};

pub use model::Activity;

/// Why a destination took nothing, or not all; it may be tried again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct DeliveryError {
    /// A bounded name for metrics: a class of AWS's failures, or `destination`.
    pub name: &'static str,
    /// What is wrong with what, and the remedy.
    pub text: String,
    /// It may have been taken all the same.
    pub effect_unknown: bool,
    /// Whose failure it is.
    pub charged: Charged,
}

impl DeliveryError {
    /// A failure of no class, which had no effect, and is nobody's but the processor's.
    pub fn new(text: impl Into<String>) -> Self {
        Self { name: "destination", text: text.into(), effect_unknown: false, charged: Charged::Host }
    }
}

impl From<AwsError> for DeliveryError {
    fn from(error: AwsError) -> Self {
        let (name, effect_unknown, charged) = (error.kind.name(), error.effect_unknown, error.charged);
        Self { name, text: error.to_string(), effect_unknown, charged }
    }
}

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
    fn put(&self, batch: &Batch) -> impl Future<Output = Result<Vec<Rejected>, DeliveryError>> + Send;

    /// Keeps what can't be delivered. Done before the checkpoint passes it.
    fn dead_letters(&self, letters: &[DeadLetter]) -> impl Future<Output = Result<(), DeliveryError>> + Send;

    /// The first `events` events, in guest order, are settled for good.
    fn checkpoint(&self, events: u64) -> impl Future<Output = Result<(), DeliveryError>> + Send;
}
