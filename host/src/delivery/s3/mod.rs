//! Objects for a tenant's bucket.
//!
//! - `copy`: as it is.
//! - `upload`: what a rewriter made of it, in bounded memory.
//! - `metadata`: what both say about the source.

mod copy;
mod metadata;
mod upload;

use crate::aws::Put;
use crate::model::{ObjectId, Origin};

pub use copy::copy;
pub use upload::{ObjectUpload, Parts, Uploads};

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
}

impl Target {
    /// Bucket and key of the target: `{prefix}{tenant}/{application}/{pod}/{file}`.
    pub fn object(&self) -> ObjectId {
        let Origin { tenant_id, application, pod_name, .. } = &self.origin;
        let file = self.source.key.rsplit('/').next().unwrap_or_default();
        let key = format!("{}{tenant_id}/{application}/{pod_name}/{file}", self.prefix);
        ObjectId { bucket: self.bucket.clone(), key }
    }

    fn put(&self) -> Put {
        Put { target: self.object(), metadata: metadata::of(self), owner_full_control: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{AwsError, Kind};

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
        }
    }

    pub(super) fn error(kind: Kind) -> AwsError {
        let (about, message) = ("s3://theirs/x".to_owned(), "no".to_owned());
        let effect_unknown = kind == Kind::Unreachable;
        AwsError { operation: "UploadPart", about, kind, code: None, message, effect_unknown }
    }

    pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }
}
