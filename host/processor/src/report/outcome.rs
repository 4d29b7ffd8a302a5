//! Outcomes of deliveries, and their causes.

use serde::{Serialize, Serializer};

use model::{FailureKind, Reason, named};

/// The outcome of an object's delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All of it is delivered, but for what the delivery doesn't want.
    Delivered,
    /// Some of it is delivered; the rest never can be.
    Partial,
    /// Nothing of it is delivered, or ever can be.
    Rejected,
    /// The delivery doesn't want it.
    Filtered,
    /// Nobody wants the object: the tenant is unknown, or none of its deliveries is enabled.
    Ignored,
    /// An earlier run delivered it.
    AlreadyDelivered,
    /// The delivery failed and will be tried again.
    Failed,
    /// Stopped by request; a later run goes on.
    Interrupted,
}

impl Outcome {
    /// The name in reports, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Partial => "partial",
            Self::Rejected => "rejected",
            Self::Filtered => "filtered",
            Self::Ignored => "ignored",
            Self::AlreadyDelivered => "already-delivered",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether something is left to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Failed | Self::Interrupted)
    }
}

/// The cause of an entry's outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Something of it can never be delivered.
    Refused(Reason),
    /// Something failed, and is tried again.
    Failed(FailureKind),
    /// Nobody wants the object.
    Unwanted(Unwanted),
    /// The delivery was stopped by request.
    Interrupted,
}

impl Cause {
    /// The name in reports, logs and metrics: a bounded set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused(reason) => reason.name(),
            Self::Failed(kind) => kind.name(),
            Self::Unwanted(why) => why.name(),
            Self::Interrupted => "interrupted",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl From<Reason> for Cause {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl From<FailureKind> for Cause {
    fn from(kind: FailureKind) -> Self {
        Self::Failed(kind)
    }
}

impl From<Unwanted> for Cause {
    fn from(why: Unwanted) -> Self {
        Self::Unwanted(why)
    }
}

named! {
    /// Why nobody wants an object.
    pub enum Unwanted {
        /// The directory has no item of the tenant.
        UnknownTenant = "unknown-tenant",
        /// No delivery of the tenant is enabled.
        NoneEnabled = "none-enabled",
        /// All of the tenant's items have expired (`ttl`).
        Expired = "expired",
    }
}
