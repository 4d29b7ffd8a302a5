//! What AWS refuses, each number once. Source: the API reference of CloudWatch
//! Logs (PutLogEvents, InputLogEvent), as of 2026.

/// Events in a PutLogEvents call.
pub const MAX_BATCH_EVENTS: usize = 10_000;

/// Bytes of a PutLogEvents call: UTF-8 bytes of all messages, plus
/// [`EVENT_OVERHEAD_BYTES`] an event.
pub const MAX_BATCH_BYTES: usize = 1_048_576;

/// What each event counts beside its message.
pub const EVENT_OVERHEAD_BYTES: usize = 26;

/// Bytes of one message: an event is at most as large as a batch.
pub const MAX_MESSAGE_BYTES: usize = MAX_BATCH_BYTES - EVENT_OVERHEAD_BYTES;

/// Milliseconds from the first to the last event of a call: 24 hours.
pub const MAX_BATCH_SPAN_MS: i64 = 24 * 60 * 60 * 1000;

/// Milliseconds that an event may lie behind: 14 days.
pub const MAX_AGE_MS: i64 = 14 * 24 * 60 * 60 * 1000;

/// Milliseconds that an event may lie ahead: 2 hours.
pub const MAX_AHEAD_MS: i64 = 2 * 60 * 60 * 1000;
