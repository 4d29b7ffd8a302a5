//! A message, its outcome, and how its work is ended from outside.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use model::{ObjectId, Origin, Stop};

/// A message, wherever it came from.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its ID, the same each time it is received.
    pub id: String,
    /// Its body.
    pub body: String,
    /// For `original_receipt_handle`; may be empty.
    pub receipt_handle: String,
    /// How often it was received.
    pub attempt: u32,
    /// Whose its first object is, where that was asked before.
    pub owner: Option<ObjectOwner>,
}

/// Whose an object is, by its key.
#[derive(Debug, Clone)]
pub struct ObjectOwner {
    pub(super) object: ObjectId,
    pub(super) origin: Origin,
}

impl ObjectOwner {
    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.origin.tenant_id
    }
}

impl Message {
    /// Whether it came from a queue, and may be sent back to one. What came otherwise
    /// fails where something is left, so that whoever sent it sends it again.
    pub(super) fn is_queued(&self) -> bool {
        !self.receipt_handle.is_empty()
    }
}

/// What is to be done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageOutcome {
    /// Everything has its outcome, or was sent back by itself: acknowledge it.
    Done,
    /// Something is left, and couldn't be sent back: it must come again.
    Failed(String),
    /// Nothing was done of it: it may be given back at once.
    NotStarted,
    /// It is somebody else's by now: leave it alone.
    LeaseLost,
}

/// How a message's work is ended from outside. `Clone` is cheap.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Asks its deliveries to end.
    pub stop: Stop,
    lost: Arc<AtomicBool>,
    settling: Arc<AtomicBool>,
}

impl Control {
    /// The lease is lost: no further put, and nothing is sent back.
    pub fn mark_lease_lost(&self) {
        self.lost.store(true, Ordering::Relaxed);
        self.stop.abandon();
    }

    /// What is left is sent back from now on.
    pub(super) fn begin_settling(&self) {
        self.settling.store(true, Ordering::Relaxed);
    }

    /// Whether what is left is being sent back: whoever gives the work up now would
    /// send it back once more.
    pub fn is_settling(&self) -> bool {
        self.settling.load(Ordering::Relaxed)
    }

    /// Whether the lease is lost.
    pub fn is_lease_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}
