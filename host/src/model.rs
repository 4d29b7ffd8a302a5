//! The words that every stage shares: what an object is, where it comes from,
//! what is delivered, and what became of each line. No stage lives here.

use std::fmt;
use std::sync::Arc;

/// One object of the source: `s3://bucket/key`, or `DIR/bucket/key` of a folder.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

/// Where an object comes from, as a key-parser reads it from the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Origin {
    /// First segment of the key.
    pub cluster_id: String,
    /// Second segment of the key.
    pub namespace: String,
    /// The tenant: the namespace, as the reference has it.
    pub tenant_id: String,
    /// Third segment of the key.
    pub application: String,
    /// Fourth segment of the key; the log stream's name.
    pub pod_name: String,
    /// `production`, `staging` or `development`.
    pub environment: String,
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

/// Why a line, an event or an object can never be delivered. The name is what
/// reports, metrics and dead letters carry: a bounded set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// The key names no tenant.
    InvalidKey,
    /// Not a record.
    Malformed,
    /// Longer than MAX_LINE_BYTES.
    LineTooLong,
    /// The decompressed object is larger than MAX_OBJECT_BYTES.
    ObjectTooLarge,
    /// Damaged or truncated gzip.
    Damaged,
    /// The tenant's guest refused the record.
    GuestRejected,
    /// Event with a timestamp before 1970.
    NegativeTimestamp,
    /// Event more than 14 days behind.
    TooOld,
    /// Event more than 2 hours ahead.
    TooNew,
}

impl Reason {
    /// The name in reports, metrics and dead letters.
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidKey => "invalid-key",
            Self::Malformed => "malformed",
            Self::LineTooLong => "line-too-long",
            Self::ObjectTooLarge => "object-too-large",
            Self::Damaged => "damaged",
            Self::GuestRejected => "guest-rejected",
            Self::NegativeTimestamp => "negative-timestamp",
            Self::TooOld => "too-old",
            Self::TooNew => "too-new",
        }
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
    /// The record or the beginning of it.
    pub data: Vec<u8>,
}
