//! Dead letters: what can never be delivered, and why.

use std::fmt;
use std::sync::Arc;

use super::delivery::{Delivery, DestinationKind};
use super::object::ObjectId;

crate::named! {
    /// The reason why a line, an event or an object can never be delivered. Reports,
    /// metrics and dead letters have its name.
    pub enum Reason {
        /// The key names no tenant.
        InvalidKey = "invalid-key",
        /// Not a record.
        Malformed = "malformed",
        /// Longer than MAX_LINE_BYTES.
        LineTooLong = "line-too-long",
        /// The decompressed object is larger than MAX_OBJECT_BYTES.
        ObjectTooLarge = "object-too-large",
        /// Damaged or truncated gzip.
        Damaged = "damaged",
        /// The tenant's plugin refused the record.
        GuestRejected = "guest-rejected",
        /// The tenant's plugin fails on the record (`on_error: quarantine`).
        Poison = "poison",
        /// An event with a timestamp before 1970.
        NegativeTimestamp = "negative-timestamp",
        /// An event more than 14 days old.
        TooOld = "too-old",
        /// An event more than 2 hours in the future.
        TooNew = "too-new",
        /// An event past the log group's retention.
        Expired = "expired",
        /// A message that announces no objects.
        InvalidNotification = "invalid-notification",
        /// A message that names a bucket outside of SOURCE_BUCKETS.
        ForeignBucket = "foreign-bucket",
        /// The object has changed since it was announced.
        Changed = "changed",
    }
}

impl Reason {
    /// The reason that has this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A record of something that can never be delivered: lines, an event, or an object as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The object that it is about.
    pub object: Arc<ObjectId>,
    /// The tenant, if the key names one.
    pub tenant: Option<String>,
    /// The delivery; `None` if the letter is about the object as a whole.
    pub delivery: Option<DestinationKind>,
    /// The reason.
    pub reason: Reason,
    /// The reason in words, with the limit and the remedy; never log contents.
    pub detail: String,
    /// The first and the last line, counted from 0 in the decompressed object.
    pub lines: Option<(u64, u64)>,
    /// The byte offset in the decompressed object.
    pub offset: Option<u64>,
    /// The length of the record in bytes. `data` may hold only the first of them.
    pub length: Option<u64>,
    /// The timestamp of the event in milliseconds since the Unix epoch, if an event was refused.
    pub timestamp: Option<i64>,
    /// The number of lines or events, if this one letter stands for many.
    pub count: Option<u64>,
    /// The record, or its beginning.
    pub data: Vec<u8>,
}

impl DeadLetter {
    /// A dead letter about an object as a whole, or about a message that should have announced one.
    pub fn of_object(object: &Arc<ObjectId>, reason: Reason, detail: impl Into<String>) -> Self {
        Self {
            object: Arc::clone(object),
            tenant: None,
            delivery: None,
            reason,
            detail: detail.into(),
            lines: None,
            offset: None,
            length: None,
            timestamp: None,
            count: None,
            data: Vec::new(),
        }
    }

    /// The same dead letter, about one delivery of the object.
    #[must_use]
    pub fn for_delivery(self, delivery: &Delivery) -> Self {
        Self { tenant: Some(delivery.tenant_id.clone()), delivery: Some(delivery.id()), ..self }
    }

    /// The same dead letter, with the whole record.
    #[must_use]
    pub fn with_data(self, data: Vec<u8>) -> Self {
        Self { length: Some(data.len() as u64), data, ..self }
    }
}
