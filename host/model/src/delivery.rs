//! What is delivered, and where.

use super::plugin::Plugins;

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
