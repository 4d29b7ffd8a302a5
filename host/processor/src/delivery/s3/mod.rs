//! Objects for a tenant's bucket.
//!
//! - `copy`: as it is.
//! - `target`: where what is made lies; `targets`: copies that replace those of other objects.
//! - `upload`: what a rewriter made of it, in bounded memory.
//! - `metadata`: what both say about the source.

mod copy;
mod metadata;
mod target;
mod targets;
mod upload;

pub use copy::{Copied, copy};
pub use target::{Target, key};
pub use targets::Targets;
pub use upload::{MultipartUpload, ObjectUpload, Uploads};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::{AwsError, AwsErrorKind, Headers, Operation};
    use crate::testing::origin;
    use model::ObjectId;

    pub(super) fn target(key: &str) -> Target {
        Target {
            source: ObjectId { bucket: "central".into(), key: key.into() },
            origin: origin(),
            bucket: "theirs".into(),
            prefix: "logs/".into(),
            now: 1_795_428_000,
            headers: Headers::default(),
        }
    }

    pub(super) fn error(kind: AwsErrorKind) -> AwsError {
        let effect_unknown = kind == AwsErrorKind::Unreachable;
        AwsError { effect_unknown, ..AwsError::new(Operation::UploadPart, "s3://theirs/x", kind, "no") }
    }

    pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }
}
