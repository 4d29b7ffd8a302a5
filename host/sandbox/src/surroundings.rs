//! What a guest sees of the world.

use std::sync::Arc;

use model::ObjectId;
use sha2::{Digest, Sha256};

/// What stands in for the world: the same at every attempt of an object's delivery.
#[derive(Clone)]
pub struct Surroundings {
    /// Every clock's time, in milliseconds since the Unix epoch.
    pub now: i64,
    /// What randomness comes of.
    pub seed: [u8; 32],
    /// Called now and then while the guest works, on its thread: to let others have
    /// their turn.
    pub pause: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Surroundings {
    /// Of one delivery (`cloudwatch`, `s3`, or nothing) of an object.
    pub fn of(object: &ObjectId, delivery: &str, now: i64) -> Self {
        let mut hash = Sha256::new();
        // Neither a bucket nor a delivery has a newline.
        hash.update(format!("{}\n{delivery}\n{}", object.bucket, object.key));
        Self { now, seed: hash.finalize().into(), pause: None }
    }

    /// Of no object: to look at a component.
    pub fn none() -> Self {
        Self { now: 0, seed: [0; 32], pause: None }
    }
}
