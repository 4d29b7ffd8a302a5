//! Whose fault a failure is: who can remedy it, and whose circuit breaker it may open.

/// The party at fault. Only a destination's fault opens that destination's circuit breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The owner of the source: the object is missing, archived or denied; the source
    /// bucket's policy or KMS key is wrong.
    Source,
    /// The tenant, as the owner of the destination: its bucket, log group, role, KMS key, region.
    Destination,
    /// The tenant's component: it can't be loaded, or it failed.
    Component,
    /// The processor, its network, or nobody: there are no credentials, the central role
    /// can't be assumed, dead letters can't be written.
    Host,
}
