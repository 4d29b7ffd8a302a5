//! Copies within S3, in parts where it must be.

use std::fmt::Write as _;
use std::ops::Range;
use std::time::Duration;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{CompletedPart, CopyObjectResult, MetadataDirective, ObjectCannedAcl};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::get::non_empty_etag;
use super::upload::{Open, part_number};
use super::{CopyRequest, PutRequest, S3, quoted};
use crate::aws::config::timeouts;
use crate::aws::{AwsError, AwsErrorKind};

/// Bytes that one CopyObject takes. Source: API_CopyObject.
pub(super) const MAX_AT_ONCE: u64 = 5 * 1024 * 1024 * 1024;

/// Parts of an upload. Source: Amazon S3 multipart upload limits.
const MAX_PARTS: u64 = 10_000;

/// Smaller parts would only be more calls.
const MIN_PART: u64 = 512 * 1024 * 1024;

/// Parts on their way at the same time.
const PARTS_AT_ONCE: usize = 4;

/// A copy that is slower than this, in bytes a second, counts as hanging. S3 answers
/// when all is copied, at many times this speed.
const SLOWEST: u64 = 32 * 1024 * 1024;

/// What stays as it is in `x-amz-copy-source`.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl S3 {
    /// CopyObject, or UploadPartCopy in parts where `size` (or S3's answer) asks for
    /// it; aborted on failure. Metadata is replaced, ACL bucket-owner-full-control.
    ///
    /// # Errors
    /// As S3 says; an error in the body of a 200 is one, and so is a success without an
    /// ETag: S3 answers 200 before it has copied. Charged to the destination, though it
    /// may be the source's.
    pub async fn copy(&self, copy: &CopyRequest, size: Option<u64>) -> Result<(), AwsError> {
        match size {
            Some(size) if size > MAX_AT_ONCE => self.copy_in_parts(copy, size).await,
            _ => match self.copy_at_once(copy, size).await {
                Err(error) if error.kind == AwsErrorKind::TooLarge => {
                    // The source is in the processor's region, the target's may be another.
                    let size = self.head_source(&copy.source, &copy.version).await?.size;
                    // Without its size it can't be divided.
                    self.copy_in_parts(copy, size.ok_or(error)?).await
                }
                result => result,
            },
        }
    }

    async fn copy_at_once(&self, copy: &CopyRequest, size: Option<u64>) -> Result<(), AwsError> {
        let timeout = self.s3.request_timeout + copy_timeout(size.unwrap_or(MAX_AT_ONCE));
        let request = self.client().await?.copy_object().bucket(&copy.target.bucket).key(&copy.target.key);
        let headers = &copy.headers;
        let answer = request
            .copy_source(source(copy))
            .set_copy_source_if_match(copy.version.etag.as_deref().map(quoted))
            .metadata_directive(MetadataDirective::Replace)
            .set_metadata(Some(copy.metadata.iter().cloned().collect()))
            .set_content_type(headers.content_type.clone())
            .set_content_encoding(headers.content_encoding.clone())
            .set_content_language(headers.content_language.clone())
            .set_content_disposition(headers.content_disposition.clone())
            .set_cache_control(headers.cache_control.clone())
            .set_expires(headers.expires.map(DateTime::from_secs))
            .acl(ObjectCannedAcl::BucketOwnerFullControl)
            .set_expected_bucket_owner(self.expected_owner())
            .set_expected_source_bucket_owner(self.source_owner.as_deref().map(str::to_owned))
            .customize()
            .config_override(aws_sdk_s3::Config::builder().timeout_config(timeouts(timeout)))
            .send()
            .await;
        let call = self.s3.call("CopyObject");
        let answer =
            answer.map_err(|error| call.classify(describe_copy(copy), error).with_owner(self.owner().as_ref()))?;
        let etag = answer.copy_object_result().and_then(CopyObjectResult::e_tag);
        non_empty_etag(etag)
            .map(drop)
            .ok_or_else(|| call.missing_proof(describe_copy(copy), "CopyObjectResult with an ETag"))
    }

    async fn copy_in_parts(&self, copy: &CopyRequest, size: u64) -> Result<(), AwsError> {
        let put = PutRequest {
            target: copy.target.clone(),
            metadata: copy.metadata.clone(),
            owner_full_control: true,
            headers: copy.headers.clone(),
        };
        let mut upload = self.begin_upload(&put).await?;
        let copied = match upload.open() {
            Some(open) => copy_parts(open, copy, size, self.source_owner.as_deref()).await,
            None => return Ok(()),
        };
        match copied {
            Ok(parts) => {
                upload.set_parts(parts);
                upload.complete().await
            }
            Err(error) => {
                upload.abort().await;
                Err(error)
            }
        }
    }
}

async fn copy_parts(
    open: &Open,
    copy: &CopyRequest,
    size: u64,
    source_owner: Option<&str>,
) -> Result<Vec<CompletedPart>, AwsError> {
    let parts = stream::iter(ranges(size).into_iter().enumerate());
    parts
        .map(|(index, range)| copy_part(open, copy, part_number(index), range, source_owner))
        .buffered(PARTS_AT_ONCE)
        .try_collect()
        .await
}

async fn copy_part(
    open: &Open,
    copy: &CopyRequest,
    number: i32,
    range: Range<u64>,
    source_owner: Option<&str>,
) -> Result<CompletedPart, AwsError> {
    let timeout = open.s3.request_timeout + copy_timeout(range.end.saturating_sub(range.start));
    let request = open.s3.client().await?.upload_part_copy();
    let request = request.bucket(&open.target.bucket).key(&open.target.key).upload_id(&open.id).part_number(number);
    let answer = request
        .copy_source(source(copy))
        .set_copy_source_if_match(copy.version.etag.as_deref().map(quoted))
        .copy_source_range(format!("bytes={}-{}", range.start, range.end.saturating_sub(1)))
        .set_expected_bucket_owner(open.owner())
        .set_expected_source_bucket_owner(source_owner.map(str::to_owned))
        .customize()
        .config_override(aws_sdk_s3::Config::builder().timeout_config(timeouts(timeout)))
        .send()
        .await
        .map_err(|error| {
            open.call("UploadPartCopy").classify(describe_copy(copy), error).with_owner(open.owner.as_ref())
        })?;
    let etag = answer.copy_part_result.and_then(|result| result.e_tag).filter(|etag| !etag.is_empty());
    let lacks = || open.call("UploadPartCopy").missing_proof(describe_copy(copy), "CopyPartResult with an ETag");
    Ok(CompletedPart::builder().part_number(number).e_tag(etag.ok_or_else(lacks)?).build())
}

/// Time that a copy of so many bytes may take beyond that of any call.
pub(super) fn copy_timeout(bytes: u64) -> Duration {
    Duration::from_secs(bytes / SLOWEST)
}

/// A size in parts of whole MiB, but for the last.
pub(super) fn ranges(size: u64) -> Vec<Range<u64>> {
    let mib = 1024 * 1024;
    let part = size.div_ceil(MAX_PARTS).next_multiple_of(mib).max(MIN_PART);
    let mut ranges = Vec::new();
    let mut start = 0;
    while start < size {
        let end = size.min(start.saturating_add(part));
        ranges.push(start..end);
        start = end;
    }
    ranges
}

/// `bucket/key`, URI-encoded, and the version where one is asked for.
fn source(copy: &CopyRequest) -> String {
    let mut source = format!("{}/{}", copy.source.bucket, utf8_percent_encode(&copy.source.key, UNRESERVED));
    if let Some(id) = &copy.version.version_id {
        // Writing to a string can't fail.
        let _ = write!(source, "?versionId={}", utf8_percent_encode(id, UNRESERVED));
    }
    source
}

fn describe_copy(copy: &CopyRequest) -> String {
    format!("{} to {}", copy.source, copy.target)
}
