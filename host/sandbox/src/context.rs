//! What a guest is told.

use model::{Delivery, ObjectId, Origin, TimestampNumbers};

/// What a guest is told about the object and the delivery.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// From the key.
    pub origin: &'a Origin,
    /// The delivery that the object is processed for.
    pub delivery: &'a Delivery,
    /// The object.
    pub object: &'a ObjectId,
    /// The tenant's settings for its component.
    pub settings: &'a [(String, String)],
    /// Milliseconds since the epoch: the guest's only clock.
    pub now: i64,
    /// Milliseconds since the epoch.
    pub last_modified: i64,
    /// MAX_LINE_BYTES.
    pub max_line_bytes: usize,
    /// TIMESTAMP_NUMBERS.
    pub timestamp_numbers: TimestampNumbers,
}
