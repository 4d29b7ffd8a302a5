//! Copies an object unchanged, from bucket to bucket.
//!
//! HeadObject comes first, with the credentials that copy. S3 drops the content headers when
//! metadata is replaced, so they must be sent along; and CopyObject's AccessDenied doesn't say
//! which of the two buckets denies. One HeadObject solves both. If the source can't be asked
//! about, it is copied all the same, with a warning that it lost its content headers.

use std::future::Future;
use std::time::Instant;

use super::metadata;
use super::target::Target;
use crate::aws::Operation;
use crate::aws::{AwsError, AwsErrorKind, CopyRequest, CopySource, ObjectVersion, S3, StoredObject};
use model::{Activity, Fault, LearnedBuckets, ObjectId};

/// Source buckets whose versions the central role was denied to read.
static NO_VERSIONS: LearnedBuckets = LearnedBuckets::new();

/// The calls of S3 that a copy needs; errors as [`S3`] has them.
trait CopyObjects: Sync {
    /// See [`S3::head_source`].
    fn head(
        &self,
        source: &ObjectId,
        version: &ObjectVersion,
    ) -> impl Future<Output = Result<CopySource, AwsError>> + Send;

    /// See [`S3::copy`].
    fn copy(&self, copy: &CopyRequest, size: Option<u64>) -> impl Future<Output = Result<(), AwsError>> + Send;
}

impl CopyObjects for S3 {
    async fn head(&self, source: &ObjectId, version: &ObjectVersion) -> Result<CopySource, AwsError> {
        self.head_source(source, version).await
    }

    async fn copy(&self, copy: &CopyRequest, size: Option<u64>) -> Result<(), AwsError> {
        Self::copy(self, copy, size).await
    }
}

/// A finished copy.
#[derive(Debug, PartialEq, Eq)]
pub struct Copied {
    /// The size in bytes, if it is known.
    pub bytes: Option<u64>,
    /// A warning about the copy.
    pub warning: Option<String>,
}

/// Copies the source unchanged, without reading it. `known`: what S3 has said about it
/// already. If reading a version is denied, its ETag is used instead.
///
/// # Errors
/// As S3 says, fault to the source or the destination.
pub async fn copy(
    s3: &S3,
    target: &Target,
    version: &ObjectVersion,
    known: Option<&StoredObject>,
    activity: &Activity,
) -> Result<Copied, AwsError> {
    let copying = Copier { s3, target, no_versions: &NO_VERSIONS, now: Instant::now(), activity };
    copying.copied(version, known.map(CopySource::from).as_ref()).await
}

struct Copier<'a, C> {
    s3: &'a C,
    target: &'a Target,
    no_versions: &'a LearnedBuckets,
    now: Instant,
    activity: &'a Activity,
}

impl<C: CopyObjects> Copier<'_, C> {
    async fn copied(&self, version: &ObjectVersion, known: Option<&CopySource>) -> Result<Copied, AwsError> {
        let Some(known) = known else {
            return match self.head(version).await {
                Ok((version, source)) => self.copy(&version, Some(&source)).await,
                Err(error) if may_copy_unchecked(&error) => self.copy_unchecked(version, error).await,
                Err(error) => Err(error),
            };
        };
        match self.copy(version, Some(known)).await {
            Err(error) if error.kind == AwsErrorKind::Denied && error.fault == Fault::Destination => {
                // The object was read with other credentials; these may be denied.
                let (readable, source) = self.head(version).await?;
                if readable == *version { Err(error) } else { self.copy(&readable, Some(&source)).await }
            }
            answer => answer,
        }
    }

    /// Copies without HeadObject: a policy, or a server that stands in for S3, may allow only
    /// the copy.
    async fn copy_unchecked(&self, version: &ObjectVersion, refusal: AwsError) -> Result<Copied, AwsError> {
        let copied = match (self.copy(version, None).await, by_etag(version)) {
            (Err(error), Some(with_etag)) if error.kind == AwsErrorKind::Denied => self.copy(&with_etag, None).await,
            (answer, _) => answer,
        };
        match copied {
            Ok(copied) => {
                let warning = format!("its content type and encoding can't be asked for, and are not kept: {refusal}");
                Ok(Copied { warning: Some(warning), ..copied })
            }
            // The source can't be read at all.
            Err(error) if error.kind == AwsErrorKind::Denied && refusal.kind == AwsErrorKind::Denied => Err(refusal),
            Err(error) => Err(error),
        }
    }

    /// Asks S3 about the source; returns also the state that can be asked for.
    async fn head(&self, version: &ObjectVersion) -> Result<(ObjectVersion, CopySource), AwsError> {
        let bucket = &self.target.source.bucket;
        let with_etag = by_etag(version);
        if let Some(with_etag) = with_etag.clone().filter(|_| self.no_versions.has(bucket, self.now)) {
            return self.head_version(with_etag).await;
        }
        match (self.head_version(version.clone()).await, with_etag) {
            (Err(error), Some(with_etag)) if error.kind == AwsErrorKind::Denied => {
                let answer = match self.head_version(with_etag).await {
                    // Only the refusal is known.
                    Err(second) if second.kind == AwsErrorKind::Unreachable => return Err(error),
                    answer => answer?,
                };
                // Only this success shows that the version was denied, and not the object.
                self.no_versions.learn(bucket, self.now);
                Ok(answer)
            }
            (answer, _) => answer,
        }
    }

    async fn head_version(&self, version: ObjectVersion) -> Result<(ObjectVersion, CopySource), AwsError> {
        let answer = self.s3.head(&self.target.source, &version).await;
        self.activity.record();
        Ok((version, answer?))
    }

    async fn copy(&self, version: &ObjectVersion, known: Option<&CopySource>) -> Result<Copied, AwsError> {
        let (source, headers) = (self.target.source.clone(), known.map(|known| known.headers.clone()));
        let headers = headers.unwrap_or_default();
        // The copy must be of the state that the headers belong to, even if the notification
        // named none.
        let etag = version.etag.clone().or_else(|| known.and_then(|known| known.etag.clone()));
        let version = ObjectVersion { version_id: version.version_id.clone(), etag };
        let metadata = metadata::user_metadata(self.target);
        let copy = CopyRequest { source, version, target: self.target.object(), metadata, headers };
        let bytes = known.and_then(|known| known.size);
        let answer = self.s3.copy(&copy, bytes).await;
        self.activity.record();
        match answer {
            Ok(()) => Ok(Copied { bytes, warning: None }),
            Err(error) => {
                let fault = fault(&error, known);
                Err(error.with_fault(fault))
            }
        }
    }
}

/// The same state by its ETag alone; `None` if another version could be taken for it.
fn by_etag(version: &ObjectVersion) -> Option<ObjectVersion> {
    version.version_id.as_ref()?;
    version.etag.clone().map(|etag| ObjectVersion { version_id: None, etag: Some(etag) })
}

/// Whether only the question about the source failed, and not the access to it. Throttling and
/// lost connections are tried again later, when a complete copy may work.
fn may_copy_unchecked(error: &AwsError) -> bool {
    let of_question = matches!(
        error.kind,
        AwsErrorKind::OtherRegion | AwsErrorKind::Denied | AwsErrorKind::NoProof | AwsErrorKind::Other
    );
    of_question && error.fault == Fault::Source
}

/// Whose failure a copy's is, after the source was asked about. S3 has one answer for both
/// buckets, so its words must do, and the key that the source is encrypted with.
fn fault(error: &AwsError, source: Option<&CopySource>) -> Fault {
    let says = |word: &str| error.message.contains(word);
    let of_source = match (error.kind, error.operation) {
        // Failures of an upload are the destination's.
        (AwsErrorKind::NotFound, operation) => matches!(operation, Operation::CopyObject | Operation::HeadObject),
        (AwsErrorKind::Archived | AwsErrorKind::Precondition, _) => true,
        (AwsErrorKind::Denied, Operation::CopyObject | Operation::UploadPartCopy) => {
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
    if of_source { Fault::Source } else { error.fault }
}

#[cfg(test)]
#[path = "copy_tests.rs"]
mod tests;
