//! Signs of life of a delivery, by which a destination that hangs is noticed.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A counter of a delivery's signs of life: bytes that arrived, calls that were answered.
/// A watcher that sees it stand still knows that the destination hangs. Clones share the counter.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<AtomicU64>);

impl Activity {
    /// Records one sign of life.
    pub fn record(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of signs so far.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
