//! What can never be delivered, and why.

use std::fmt;
use std::sync::Arc;

use super::delivery::Delivery;
use super::object::ObjectId;

crate::named! {
    /// Why a line, an event or an object can never be delivered. The name is what
    /// reports, metrics and dead letters carry: a bounded set.
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
        /// The tenant's guest refused the record.
        GuestRejected = "guest-rejected",
        /// The tenant's guest fails on the record (`on_error: quarantine`).
        Poison = "poison",
        /// Event with a timestamp before 1970.
        NegativeTimestamp = "negative-timestamp",
        /// Event more than 14 days behind.
        TooOld = "too-old",
        /// Event more than 2 hours ahead.
        TooNew = "too-new",
        /// Event past the log group's retention.
        Expired = "expired",
        /// A message that announces no objects.
        InvalidNotification = "invalid-notification",
        /// A message that names a bucket beyond SOURCE_BUCKETS.
        ForeignBucket = "foreign-bucket",
        /// The object has changed since it was announced.
        Changed = "changed",
    }
}

impl Reason {
    /// The reason of a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What is kept of something that can never be delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    /// The object.
    pub object: Arc<ObjectId>,
    /// The tenant, where the key named one.
    pub tenant: Option<String>,
    /// `cloudwatch` or `s3`; none: the object as a whole.
    pub delivery: Option<&'static str>,
    /// Why.
    pub reason: Reason,
    /// Why in words: limit, remedy. Never log contents.
    pub detail: String,
    /// First and last line, counted from 0 over the decompressed object.
    pub lines: Option<(u64, u64)>,
    /// Byte offset in the decompressed object.
    pub offset: Option<u64>,
    /// Bytes that this is about, of which `data` may hold only the first.
    pub length: Option<u64>,
    /// Timestamp of the event, where it is an event that was refused.
    pub timestamp: Option<i64>,
    /// Lines or events that it stands for, where it is one for many.
    pub count: Option<u64>,
    /// The record or the beginning of it.
    pub data: Vec<u8>,
}

impl DeadLetter {
    /// A letter about an object as a whole, or about what should have announced one.
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

    /// The same for one delivery.
    #[must_use]
    pub fn for_delivery(self, delivery: &Delivery) -> Self {
        Self { tenant: Some(delivery.tenant_id.clone()), delivery: Some(delivery.id()), ..self }
    }

    /// With all the bytes that it is about.
    #[must_use]
    pub fn with_data(self, data: Vec<u8>) -> Self {
        Self { length: Some(data.len() as u64), data, ..self }
    }
}
