//! The corpora of the objects on AWS.

/// Folders of the corpora below `--folder`, and what is in them.
pub(crate) const SMALL: &str = "aws-small";
pub(crate) const LARGE: &str = "aws-large";
/// Decompressed bytes of a small object, and the tenants that they are from.
pub(crate) const SMALL_BYTES: u64 = 200_000;
pub(crate) const TENANTS: u64 = 20;
/// Large objects, each of a pod of its own, and the tenants that they are from: so
/// few of each that all are worked on at once.
pub(crate) const LARGE_OBJECTS: u64 = 8;
pub(crate) const LARGE_TENANTS: u64 = 4;
