//! How far a delivery is settled, while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The number of events that are settled, in guest order. `Clone` is cheap, and of the
/// same delivery.
#[derive(Debug, Clone, Default)]
pub struct Settled(Arc<AtomicU64>);

impl Settled {
    /// The number.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// So many are.
    pub fn set(&self, events: u64) {
        self.0.store(events, Ordering::Relaxed);
    }
}
