//! The words that every stage shares: what an object is, where it comes from,
//! what is delivered, and what became of each line. No stage lives here.
//!
//! - `buckets`: which ones a message may name; `fault`: whose failure it is.
//! - `circuit_breaker`: what keeps failing is not tried for a while.
//! - `credentials`: AWS credentials that were given as texts.
//! - `failure`: what can fail; `counts`: how often, by kind.
//! - `lock`: a mutex that outlives a panic.
//! - `named`: kinds that are shown by a name.
//! - `origin`: where an object comes from, and what its parts may be.
//! - `plugin`: what is said about a component.
//! - `timestamps`: how numbers are read as times.

mod buckets;
mod circuit_breaker;
mod counts;
mod credentials;
mod failure;
mod fault;
mod lock;
mod named;
mod origin;
mod plugin;
mod timestamps;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio_util::sync::CancellationToken;

pub use buckets::{BucketPatterns, LearnedBuckets};
pub use circuit_breaker::{BreakerChange, BreakerOpen, BreakerPermit, BreakerState, CircuitBreaker, CircuitBreakers};
pub use counts::Counts;
pub use credentials::StaticCredentials;
pub use failure::{AwsErrorKind, ComponentErrorKind, Failure, FailureKind, GuestErrorKind};
pub use fault::Fault;
pub use lock::lock;
pub use named::Named;
pub use origin::Origin;
pub use plugin::{AllowedSource, ComponentRef, Digest, Limits, OnError, ParseDigestError, Plugin, Plugins};
pub use timestamps::TimestampNumbers;

/// One object of the source: `s3://bucket/key`, or `DIR/bucket/key` of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Bucket, as S3 names it.
    pub bucket: String,
    /// Key, decoded (never form-encoded).
    pub key: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}

/// One enabled delivery of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The tenant that it belongs to.
    pub tenant_id: String,
    /// Applications that are wanted; with `groups` empty too: all.
    pub desired_logs: Vec<String>,
    /// Groups of applications that are wanted.
    pub groups: Vec<String>,
    /// AWS region of the destination.
    pub target_region: String,
    /// Where the logs go.
    pub destination: Destination,
    /// The components that it names.
    pub plugins: Plugins,
}

impl Delivery {
    /// What names it within its tenant: the table's sort key `type`.
    pub fn id(&self) -> &'static str {
        self.destination.kind()
    }
}

/// Where a delivery's logs go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A log group of CloudWatch Logs; the stream is the pod's name.
    CloudWatch {
        /// Role that may write there.
        role_arn: String,
        /// Twelve digits, from the role's ARN.
        account: String,
        /// Log group.
        log_group: String,
    },
    /// A bucket.
    S3 {
        /// Bucket.
        bucket: String,
        /// Prefix that ends in exactly one `/`, or is empty.
        prefix: String,
        /// Twelve digits, where the item says whose it is, by `account_id` or a role: nobody
        /// else's is written to.
        account: Option<String>,
    },
}

impl Destination {
    /// `cloudwatch` or `s3`: the `type` of the tenant's item.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::CloudWatch { .. } => "cloudwatch",
            Self::S3 { .. } => "s3",
        }
    }
}

/// One log event, in guest order until a window sorts it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Line of the object that it comes from (where a record spans several, its first).
    pub line: u64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Text, UTF-8.
    pub message: String,
}

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

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Asks running deliveries to stop, gently or at once. `Clone` is cheap, and
/// means the same deliveries.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    requested: CancellationToken,
    abandoned: CancellationToken,
}

impl Stop {
    /// Asks to end at the next chunk; what was handed over is still put.
    pub fn request(&self) {
        self.requested.cancel();
    }

    /// Asks to end at once: no put begins, and nobody waits for one in flight,
    /// whose effect stays unknown.
    pub fn abandon(&self) {
        self.requested.cancel();
        self.abandoned.cancel();
    }

    /// Whether either was asked.
    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    /// Whether it must end at once.
    pub fn is_abandoned(&self) -> bool {
        self.abandoned.is_cancelled()
    }

    /// Returns when either was asked, which may be never.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// Returns when it must end at once, which may be never.
    pub async fn abandoned(&self) {
        self.abandoned.cancelled().await;
    }

    /// A part of the work: it stops with the whole, may be stopped alone, and is
    /// abandoned when the scope ends, so that no thread waits for what nobody wants.
    pub fn scope(&self) -> StopScope {
        StopScope(Self { requested: self.requested.child_token(), abandoned: self.abandoned.child_token() })
    }
}

/// Abandons what is left of a part of the work when it is dropped.
#[derive(Debug)]
pub struct StopScope(Stop);

impl Deref for StopScope {
    type Target = Stop;

    fn deref(&self) -> &Stop {
        &self.0
    }
}

impl Drop for StopScope {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// Told of every sign of life of a delivery: bytes that arrived, a call that was
/// answered. Whoever watches it sees a destination that hangs. `Clone` is cheap.
#[derive(Debug, Clone, Default)]
pub struct Activity(Arc<AtomicU64>);

impl Activity {
    /// Something happened.
    pub fn record(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How often.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_has_two_levels() {
        let stop = Stop::default();
        assert!(!stop.is_requested());
        stop.request();
        assert!(stop.is_requested() && !stop.is_abandoned());
        stop.clone().abandon();
        assert!(stop.is_abandoned());
    }

    #[test]
    fn a_part_stops_with_the_whole_but_not_the_whole_with_a_part() {
        let whole = Stop::default();
        let (one, other) = (whole.scope(), whole.scope());
        let kept = (*one).clone();
        drop(one);
        assert!(kept.is_abandoned(), "what is left of a part that ended is abandoned");
        assert!(!other.is_requested() && !whole.is_requested());
        whole.request();
        assert!(other.is_requested() && !other.is_abandoned());
        whole.abandon();
        assert!(other.is_abandoned());
    }
}
