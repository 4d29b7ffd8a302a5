//! Objects of the source.

use std::fmt;

/// An object of the source: `s3://bucket/key`, or the file `DIR/bucket/key`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// The bucket, as S3 names it.
    pub bucket: String,
    /// The key, decoded (never form-encoded).
    pub key: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}
