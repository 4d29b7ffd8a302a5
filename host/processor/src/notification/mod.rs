//! Messages: S3 events, directly or by SNS or EventBridge, and the processing metadata of
//! messages that were sent back.
//!
//! - `envelope`: from a message's body to its records; `event`: what each tells of.
//! - `record`: one object that is announced; `key`, `time`: two of its fields.
//! - `metadata`: the checkpoint of an earlier attempt; the body of the next message.

mod envelope;
mod event;
mod key;
mod metadata;
mod record;
mod text;
mod time;

pub use envelope::{Notification, NotificationError, parse};
pub use key::encode as form_encode;
pub use metadata::{Checkpoint, PriorRefusals, Resume, Scope, requeue};
pub use record::{Announced, InvalidRecord};
pub(crate) use text::truncate_error;
pub use time::format as rfc3339;
