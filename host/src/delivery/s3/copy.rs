//! An object as it is, from bucket to bucket.
//!
//! The source is asked about first (HeadObject), with the credentials that copy it.
//! S3 drops what an object says about its content when its metadata is replaced, so it
//! must be sent along; and CopyObject's AccessDenied doesn't say which of the two buckets
//! denies. One answer tells both.

use std::future::Future;
use std::time::Instant;

use super::{Target, metadata};
use crate::aws::{AwsError, Copy, Headers, Kind, S3, Stored, Which};
use crate::model::{Activity, Buckets, Charged, ObjectId};

/// Source buckets whose versions the central role may not read, as was found out.
static NO_VERSIONS: Buckets = Buckets::new();

/// What a copy needs of S3; errors as [`S3`] has them.
trait Copies: Sync {
    /// See [`S3::head_source`].
    fn head(&self, source: &ObjectId, which: &Which) -> impl Future<Output = Result<Stored, AwsError>> + Send;

    /// See [`S3::copy`].
    fn copy(&self, copy: &Copy, size: Option<u64>) -> impl Future<Output = Result<(), AwsError>> + Send;
}

impl Copies for S3 {
    async fn head(&self, source: &ObjectId, which: &Which) -> Result<Stored, AwsError> {
        self.head_source(source, which).await
    }

    async fn copy(&self, copy: &Copy, size: Option<u64>) -> Result<(), AwsError> {
        Self::copy(self, copy, size).await
    }
}

/// A copy that is there.
#[derive(Debug, PartialEq, Eq)]
pub struct Copied {
    /// Bytes, where they are known.
    pub bytes: Option<u64>,
    /// What is odd about it.
    pub warning: Option<String>,
}

/// Copies the source as it is, without reading it. `known`: what S3 has said about it
/// already. Where a version is denied, its ETag is relied on instead.
///
/// # Errors
/// As S3 says, charged to the source or the destination.
pub async fn copy(
    s3: &S3,
    target: &Target,
    which: &Which,
    known: Option<&Stored>,
    activity: &Activity,
) -> Result<Copied, AwsError> {
    let copying = Copying { s3, target, no_versions: &NO_VERSIONS, now: Instant::now(), activity };
    copying.copied(which, known).await
}

struct Copying<'a, C> {
    s3: &'a C,
    target: &'a Target,
    no_versions: &'a Buckets,
    now: Instant,
    activity: &'a Activity,
}

impl<C: Copies> Copying<'_, C> {
    async fn copied(&self, which: &Which, known: Option<&Stored>) -> Result<Copied, AwsError> {
        let Some(known) = known else {
            return match self.head(which).await {
                Ok((which, stored)) => self.copy(&which, Some(&stored)).await,
                // The bucket can't be asked from here, and yet be copied from.
                Err(error) if error.kind == Kind::OtherRegion => {
                    let copied = self.copy(which, None).await?;
                    let warning =
                        format!("its content type and encoding can't be asked for, and are not kept: {error}");
                    Ok(Copied { warning: Some(warning), ..copied })
                }
                Err(error) => Err(error),
            };
        };
        match self.copy(which, Some(known)).await {
            Err(error) if error.kind == Kind::Denied && error.charged == Charged::Destination => {
                // It was asked about with other credentials. May these read it?
                let (readable, stored) = self.head(which).await?;
                if readable == *which { Err(error) } else { self.copy(&readable, Some(&stored)).await }
            }
            answer => answer,
        }
    }

    /// What S3 says about the source, and which state of it can be asked for.
    async fn head(&self, which: &Which) -> Result<(Which, Stored), AwsError> {
        let bucket = &self.target.source.bucket;
        let with_etag = Which { version_id: None, etag: which.etag.clone() };
        // Without an ETag another version would be taken for this one.
        let replaceable = which.version_id.is_some() && which.etag.is_some();
        if replaceable && self.no_versions.has(bucket, self.now) {
            return self.head_of(with_etag).await;
        }
        match self.head_of(which.clone()).await {
            Err(error) if error.kind == Kind::Denied && replaceable => {
                let answer = self.head_of(with_etag).await?;
                // Only now it is known that the version was what was denied.
                self.no_versions.learn(bucket, self.now);
                Ok(answer)
            }
            answer => answer,
        }
    }

    async fn head_of(&self, which: Which) -> Result<(Which, Stored), AwsError> {
        let answer = self.s3.head(&self.target.source, &which).await;
        self.activity.tick();
        Ok((which, answer?))
    }

    async fn copy(&self, which: &Which, stored: Option<&Stored>) -> Result<Copied, AwsError> {
        let (source, headers) =
            (self.target.source.clone(), stored.map_or_else(Headers::default, |s| s.headers.clone()));
        // The state that the headers are of, also where the notification named none.
        let etag = which.etag.clone().or_else(|| stored.map(|stored| stored.etag.clone()));
        let which = Which { version_id: which.version_id.clone(), etag };
        let metadata = metadata::of(self.target);
        let copy = Copy { source, which, target: self.target.object(), metadata, headers };
        let bytes = stored.map(|stored| stored.size);
        let answer = self.s3.copy(&copy, bytes).await;
        self.activity.tick();
        match answer {
            Ok(()) => Ok(Copied { bytes, warning: None }),
            Err(error) => {
                let charged = charged(&error, stored);
                Err(error.charged_to(charged))
            }
        }
    }
}

/// Whose failure a copy's is, once the source was asked about. S3 has one answer for
/// both buckets, so its words must do, and the key that the source is encrypted with.
fn charged(error: &AwsError, source: Option<&Stored>) -> Charged {
    let says = |word: &str| error.message.contains(word);
    let of_source = match (error.kind, error.operation) {
        // What is said of an upload is the destination's.
        (Kind::NotFound, operation) => matches!(operation, "CopyObject" | "HeadObject"),
        (Kind::Archived | Kind::Precondition, _) => true,
        (Kind::Denied, "CopyObject" | "UploadPartCopy") => {
            let of_kms = says("kms:") || error.code.as_deref().is_some_and(|code| code.starts_with("KMS"));
            let key = source.and_then(|source| source.kms_key.as_deref());
            match key {
                _ if says("s3:GetObject") => true,
                Some(key) if of_kms => says(key) || says("kms:Decrypt") && !says(":key/"),
                _ => false,
            }
        }
        _ => false,
    };
    if of_source { Charged::Source } else { error.charged }
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
