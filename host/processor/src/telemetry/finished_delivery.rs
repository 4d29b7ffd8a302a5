//! A delivery that ended, as the metrics count it.

use std::time::Duration;

use crate::report::Entry;

/// What is known of a delivery that ended.
#[derive(Debug)]
pub struct FinishedDelivery<'a> {
    /// Outcome, reason, numbers.
    pub entry: &'a Entry,
    /// From the object's LastModified to its delivery, in milliseconds.
    pub latency: Option<i64>,
    /// Time in guests.
    pub guest_time: Duration,
}
