//! The world as a guest sees it.

use std::sync::Arc;

use model::ObjectId;
use sha2::{Digest, Sha256};

/// Grants one instance memory beyond its base, out of what all instances share. When it is
/// dropped, with the instance, what it granted is free again.
pub trait MemoryGrant: Send + Sync {
    /// Bytes of memory and tables that the instance may have without asking.
    fn base_bytes(&self) -> usize;

    /// Whether the instance may now have `bytes` in all, of memory and tables. It is asked at
    /// the first growth beyond the base, for the most that the instance's limits let it have.
    /// May block the calling thread for a bounded time, which no call's time limit counts. A
    /// refusal ends the call as [`GuestError::Host`](crate::GuestError::Host).
    fn grow_to(&self, bytes: usize) -> bool;
}

/// The world as a guest sees it: the same at every attempt of an object's delivery.
#[derive(Clone)]
pub struct Surroundings {
    /// Time of every clock, in milliseconds since the Unix epoch.
    pub now: i64,
    /// Seed of all randomness.
    pub seed: [u8; 32],
    /// A function that is called between time slices of the guest, on its thread: to let
    /// others have their turn.
    pub pause: Option<Arc<dyn Fn() + Send + Sync>>,
    /// Who is asked before the instance's memory grows, within its own limit; `None`: nobody.
    /// Each instance needs its own.
    pub memory: Option<Arc<dyn MemoryGrant>>,
}

impl Surroundings {
    /// Surroundings of one delivery (`cloudwatch`, `s3`, or nothing) of an object.
    pub fn of(object: &ObjectId, delivery: &str, now: i64) -> Self {
        let mut hash = Sha256::new();
        // Neither a bucket nor a delivery has a newline.
        hash.update(format!("{}\n{delivery}\n{}", object.bucket, object.key));
        Self { now, seed: hash.finalize().into(), pause: None, memory: None }
    }

    /// Surroundings without an object: to look at a component.
    pub fn none() -> Self {
        Self { now: 0, seed: [0; 32], pause: None, memory: None }
    }
}
