//! Objects of the source.

use std::fmt;

/// One object of the source: `s3://bucket/key`, or `DIR/bucket/key` of a folder.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// Bucket, as S3 names it.
    pub bucket: String,
    /// Key, decoded (never form-encoded).
    pub key: String,
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.key)
    }
}
