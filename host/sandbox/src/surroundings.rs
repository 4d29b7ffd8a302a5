//! The world as a guest sees it.

use std::sync::Arc;

use model::ObjectId;
use sha2::{Digest, Sha256};

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
}

impl Surroundings {
    /// Surroundings of one delivery (`cloudwatch`, `s3`, or nothing) of an object.
    pub fn of(object: &ObjectId, delivery: &str, now: i64) -> Self {
        let mut hash = Sha256::new();
        // Neither a bucket nor a delivery has a newline.
        hash.update(format!("{}\n{delivery}\n{}", object.bucket, object.key));
        Self { now, seed: hash.finalize().into(), pause: None }
    }

    /// Surroundings without an object: to look at a component.
    pub fn none() -> Self {
        Self { now: 0, seed: [0; 32], pause: None }
    }
}
