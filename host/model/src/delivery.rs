//! Deliveries, their destinations, and the events that they carry.

use std::fmt;

use super::plugin::Plugins;

/// One enabled delivery of a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The tenant that the delivery belongs to.
    pub tenant_id: String,
    /// Applications whose logs are wanted. All are, if this and `groups` are empty.
    pub desired_logs: Vec<String>,
    /// Groups of applications whose logs are wanted.
    pub groups: Vec<String>,
    /// AWS region of the destination.
    pub target_region: String,
    /// The destination of the logs.
    pub destination: Destination,
    /// The plugins that the delivery's item names.
    pub plugins: Plugins,
}

impl Delivery {
    /// The delivery within its tenant: the table's sort key `type`.
    pub fn id(&self) -> DestinationKind {
        self.destination.kind()
    }
}

crate::named! {
    /// The kind of a destination, of which a tenant has at most one each.
    pub enum DestinationKind {
        /// A log group of CloudWatch Logs.
        CloudWatch = "cloudwatch",
        /// A bucket of S3.
        S3 = "s3",
    }
}

impl DestinationKind {
    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for DestinationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The destination of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Destination {
    /// A log group of CloudWatch Logs. Its streams are named after pods.
    CloudWatch {
        /// The role that may write there.
        role_arn: String,
        /// The role's account: twelve digits, from its ARN.
        account: String,
        /// The log group.
        log_group: String,
    },
    /// A bucket of S3.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix, which ends in exactly one `/` or is empty.
        prefix: String,
        /// The account that must own the bucket (twelve digits), if the item has an
        /// `account_id` or a role. Another account's bucket is never written to.
        account: Option<String>,
    },
}

impl Destination {
    /// The kind of the destination: the `type` of the tenant's item.
    pub fn kind(&self) -> DestinationKind {
        match self {
            Self::CloudWatch { .. } => DestinationKind::CloudWatch,
            Self::S3 { .. } => DestinationKind::S3,
        }
    }
}

/// One log event. Events are in the order of the guest's output until a window sorts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The line of the object that the event comes from: the first, if its record spans several.
    pub line: u64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// The text.
    pub message: String,
}
