//! AWS's limits, each number once. Source: the API reference of CloudWatch Logs (PutLogEvents,
//! InputLogEvent), as of 2026.

/// The most events in a PutLogEvents call.
pub const MAX_BATCH_EVENTS: usize = 10_000;

/// The most bytes of a PutLogEvents call: the UTF-8 bytes of all messages, plus
/// [`EVENT_OVERHEAD_BYTES`] per event.
pub const MAX_BATCH_BYTES: usize = 1_048_576;

/// The bytes that each event counts in addition to its message.
pub const EVENT_OVERHEAD_BYTES: usize = 26;

/// The most bytes of one message: an event is at most as large as a batch.
pub const MAX_MESSAGE_BYTES: usize = MAX_BATCH_BYTES - EVENT_OVERHEAD_BYTES;

/// The most milliseconds between the first and the last event of a call: 24 hours.
pub const MAX_BATCH_SPAN_MS: i64 = 24 * 60 * 60 * 1000;

/// The most milliseconds that an event may lie in the past: 14 days.
pub const MAX_AGE_MS: i64 = 14 * 24 * 60 * 60 * 1000;

/// The most milliseconds that an event may lie in the future: 2 hours.
pub const MAX_AHEAD_MS: i64 = 2 * 60 * 60 * 1000;
