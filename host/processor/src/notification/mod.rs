//! What a message says: S3 events, directly or by SNS or EventBridge; and the
//! processing metadata of a message that was sent back.
//!
//! - `envelope`: from a message's body to its records; `event`: what each tells of.
//! - `record`: one object that is announced; `key`, `time`: two of its fields.
//! - `metadata`: how far an earlier attempt came; the body of the next one.

mod envelope;
mod event;
mod key;
mod metadata;
mod record;
mod time;

pub use envelope::{Notification, NotificationError, parse};
pub use key::encode as form_encode;
pub(crate) use metadata::bounded;
pub use metadata::{Checkpoint, Only, Refused, Resume, requeue};
pub use record::{Announced, BadRecord};
pub use time::format as rfc3339;

/// The beginning of a text as an error shows it: quoted, escaped, 200 bytes of it.
fn quote(text: &str) -> String {
    const MAX_BYTES: usize = 200;
    let end = text.floor_char_boundary(MAX_BYTES);
    let cut = if end < text.len() { "…" } else { "" };
    format!("{:?}{cut}", text.get(..end).unwrap_or_default())
}
