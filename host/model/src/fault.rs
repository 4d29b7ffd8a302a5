//! Who is charged with a failure: whose remedy it takes, and whose circuit breaker
//! it may open.

/// Whose failure it is. Only a destination's opens that destination's breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The source's: an object that is missing, archived or denied, the source bucket's
    /// policy, its KMS key.
    Source,
    /// The tenant's own: its bucket, log group, role, KMS key, region.
    Destination,
    /// The tenant's component's: it can't be had, or it failed.
    Component,
    /// The processor's own, its network's, or nobody's: no credentials, a central role
    /// that can't be assumed, a place for dead letters that can't be written to.
    Host,
}
