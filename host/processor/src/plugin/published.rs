//! Compiled components in the operator's bucket, for where the disk is empty. Each
//! has the seal of PLUGIN_CACHE_KEY, which holds its component's digest: so its
//! component needn't be fetched at all.

use std::fmt;

use crate::aws::{AwsError, PutRequest, S3, WholeObject};
use model::{Digest, ObjectId};

/// PLUGIN_COMPILED: where the fleet reads compiled components.
#[derive(Clone)]
pub struct CompiledBucket {
    /// S3 with the central role's credentials.
    pub s3: S3,
    /// Bucket.
    pub bucket: String,
    /// The prefix, which ends in `/` or is empty.
    pub prefix: String,
}

impl CompiledBucket {
    /// The object with the compiled form of a component for an engine.
    pub(super) fn object(&self, fingerprint: Digest, sha256: Digest) -> ObjectId {
        ObjectId { bucket: self.bucket.clone(), key: format!("{}{fingerprint}/{sha256}.cwasm", self.prefix) }
    }

    /// Reads an object of at most `most` bytes; `None` if there is none.
    pub(super) async fn read(&self, object: &ObjectId, most: u64) -> Result<Option<Vec<u8>>, PublishedReadError> {
        match self.s3.get_whole(object, most).await {
            Ok(WholeObject::Bytes(bytes)) => Ok(Some(bytes)),
            Ok(WholeObject::TooLarge(bytes)) => Err(PublishedReadError::TooLarge { bytes, most }),
            Err(error) if error.is_missing() => Ok(None),
            Err(error) => Err(PublishedReadError::Aws(error)),
        }
    }

    pub(super) async fn write(&self, object: &ObjectId, sealed: Vec<u8>) -> Result<(), AwsError> {
        let put = PutRequest { target: object.clone(), ..PutRequest::default() };
        self.s3.put(&put, sealed.into()).await
    }
}

/// Why a published component can't be read.
#[derive(Debug)]
pub(super) enum PublishedReadError {
    Aws(AwsError),
    TooLarge { bytes: u64, most: u64 },
}

impl fmt::Display for PublishedReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aws(error) => error.fmt(f),
            Self::TooLarge { bytes, most } => write!(
                f,
                "it has {bytes} bytes, and may have {most}: 16 for each of the component's (`component_bytes` in the \
                 item's limits, PLUGIN_MAX_COMPONENT_BYTES), and no more than PLUGIN_LOADED_BYTES"
            ),
        }
    }
}
