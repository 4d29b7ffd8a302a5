//! What a delivery of an object is about, and what bounds it.

use std::sync::Arc;

use crate::memory::DeliveryMemory;
use crate::object::ReadLimits;
use model::{Delivery, ObjectId, Origin, TimestampNumbers};
use sandbox::Context;

/// One object, for one delivery of its tenant.
#[derive(Debug, Clone)]
pub struct Job {
    /// The object.
    pub object: Arc<ObjectId>,
    /// From its key.
    pub origin: Arc<Origin>,
    /// Where it goes.
    pub delivery: Arc<Delivery>,
    /// The guests' clock, in milliseconds since the Unix epoch: the same at each attempt.
    pub now: i64,
    /// LastModified, in milliseconds since the Unix epoch.
    pub last_modified: i64,
    /// How the default guest reads numbers as times.
    pub timestamp_numbers: TimestampNumbers,
    /// Bytes of the object where it is stored: they bound its dead letters.
    pub stored_bytes: u64,
    /// Events, in guest order, that an earlier attempt settled.
    pub resume_from: u64,
    /// What bounds the reading.
    pub limits: ReadLimits,
    /// Bytes of events that gather before they are put, at most, counted as
    /// CloudWatch Logs does. Larger: fewer puts where the events are in no order.
    pub window_bytes: usize,
    /// Events a put.
    pub max_batch_events: usize,
    /// Against what ages are judged; none: the destination does it.
    pub age_at: Option<i64>,
    /// Differences of a shadow are shown as they are, not as hashes.
    pub shadow_contents: bool,
    /// What it has claimed of the memory.
    pub memory: DeliveryMemory,
    /// Whoever sees errors may see the guest's own words in them, which may quote a line.
    pub guest_words: bool,
}

impl Job {
    /// What its guests are told.
    pub fn context<'a>(&'a self, settings: &'a [(String, String)]) -> Context<'a> {
        Context {
            origin: &self.origin,
            delivery: &self.delivery,
            object: &self.object,
            settings,
            now: self.now,
            last_modified: self.last_modified,
            max_line_bytes: self.limits.max_line_bytes,
            timestamp_numbers: self.timestamp_numbers,
        }
    }
}
