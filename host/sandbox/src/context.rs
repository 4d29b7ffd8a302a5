//! The context that a guest is given.

use model::{Delivery, ObjectId, Origin, TimestampNumbers};

/// The context of a guest's work: object, delivery, settings.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Origin of the object, as its key says.
    pub origin: &'a Origin,
    /// Delivery that the object is processed for.
    pub delivery: &'a Delivery,
    /// Bucket and key.
    pub object: &'a ObjectId,
    /// Settings that the tenant gives its component.
    pub settings: &'a [(String, String)],
    /// Time, in milliseconds since the Unix epoch: the guest's only clock.
    pub now: i64,
    /// Time at which the object was modified last, in milliseconds since the Unix epoch.
    pub last_modified: i64,
    /// Most bytes of a line (MAX_LINE_BYTES).
    pub max_line_bytes: usize,
    /// How numbers are read as timestamps (TIMESTAMP_NUMBERS).
    pub timestamp_numbers: TimestampNumbers,
}
