//! The object that a delivery makes of one of the source: its bucket and key.

use crate::aws::Headers;
use model::{ObjectId, Origin};

/// The object that a delivery makes of one of the source.
#[derive(Debug, Clone)]
pub struct Target {
    /// Source.
    pub source: ObjectId,
    /// The origin, from the source's key.
    pub origin: Origin,
    /// Target bucket.
    pub bucket: String,
    /// Target prefix, which ends in `/`.
    pub prefix: String,
    /// `delivery-timestamp`: seconds since the Unix epoch.
    pub now: i64,
    /// The source's, for what is written anew.
    pub headers: Headers,
}

impl Target {
    /// Bucket and key of the target: `{prefix}{tenant}/{application}/{pod}/{file}`.
    pub fn object(&self) -> ObjectId {
        ObjectId { bucket: self.bucket.clone(), key: key(&self.prefix, &self.origin, &self.source) }
    }
}

/// The key of what is made of `source`: the reference's layout. The cluster and the
/// folders between pod and file are not in it: see [`super::Targets`].
pub fn key(prefix: &str, origin: &Origin, source: &ObjectId) -> String {
    let Origin { tenant_id, application, pod_name, .. } = origin;
    let file = source.key.rsplit('/').next().unwrap_or_default();
    format!("{prefix}{tenant_id}/{application}/{pod_name}/{file}")
}
