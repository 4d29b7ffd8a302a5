//! Objects for a tenant's bucket.
//!
//! - `copy`: as it is.
//! - `targets`: copies that replace those of other objects.
//! - `upload`: what a rewriter made of it, in bounded memory.
//! - `metadata`: what both say about the source.

mod copy;
mod metadata;
mod targets;
mod upload;

use crate::aws::{Headers, PutRequest};
use model::{ObjectId, Origin};

pub use copy::{Copied, copy};
pub use targets::Targets;
pub use upload::{MultipartUpload, ObjectUpload, Uploads};

/// The object that a delivery makes of one of the source.
#[derive(Debug, Clone)]
pub struct Target {
    /// Source.
    pub source: ObjectId,
    /// From its key.
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

    fn put(&self) -> PutRequest {
        let headers = self.headers.clone();
        PutRequest { target: self.object(), metadata: metadata::user_metadata(self), owner_full_control: true, headers }
    }
}

/// The key of what is made of `source`: the reference's layout. The cluster and the
/// folders between pod and file are not in it: see [`Targets`].
pub fn key(prefix: &str, origin: &Origin, source: &ObjectId) -> String {
    let Origin { tenant_id, application, pod_name, .. } = origin;
    let file = source.key.rsplit('/').next().unwrap_or_default();
    format!("{prefix}{tenant_id}/{application}/{pod_name}/{file}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{AwsError, AwsErrorKind};

    pub(super) fn target(key: &str) -> Target {
        Target {
            source: ObjectId { bucket: "central".into(), key: key.into() },
            origin: Origin {
                cluster_id: "c".into(),
                namespace: "n".into(),
                tenant_id: "n".into(),
                application: "a".into(),
                pod_name: "p".into(),
                environment: "production".into(),
            },
            bucket: "theirs".into(),
            prefix: "logs/".into(),
            now: 1_795_428_000,
            headers: Headers::default(),
        }
    }

    pub(super) fn error(kind: AwsErrorKind) -> AwsError {
        let effect_unknown = kind == AwsErrorKind::Unreachable;
        AwsError { effect_unknown, ..AwsError::new("UploadPart", "s3://theirs/x", kind, "no") }
    }

    pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }
}
