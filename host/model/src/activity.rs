//! Signs of life of a delivery.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Told of every sign of life of a delivery: bytes that arrived, a call that was
/// answered. Whoever watches it sees a destination that hangs. `Clone` is cheap.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<AtomicU64>);

impl Activity {
    /// Something happened.
    pub fn record(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
