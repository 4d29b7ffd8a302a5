//! A delivery that ended, as the metrics count it.

use std::time::Duration;

use crate::report::Entry;

/// A delivery that ended, as metrics see it.
#[derive(Debug)]
pub struct FinishedDelivery<'a> {
    /// Outcome, reason, numbers.
    pub entry: &'a Entry,
    /// Milliseconds from the object's LastModified to its delivery.
    pub latency: Option<i64>,
    /// Time in guests.
    pub guest_time: Duration,
}
