//! Copies within S3, in parts if they are large.

use std::fmt::Write as _;
use std::ops::Range;

use aws_sdk_s3::types::{CompletedPart, CopyObjectResult, MetadataDirective, ObjectCannedAcl};
use futures_util::stream::{self, StreamExt, TryStreamExt};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::get::non_empty_etag;
use super::headers::SetHeaders;
use super::limits::{COPIES_IN_FLIGHT, MAX_COPY_BYTES, copy_timeout, part_ranges};
use super::upload::{OpenUpload, part_number};
use super::{CopyRequest, PutRequest, S3, quoted};
use crate::aws::config::timeouts;
use crate::aws::operation::Operation;
use crate::aws::{AwsError, AwsErrorKind};

/// The characters that aren't encoded in `x-amz-copy-source`.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

impl S3 {
    /// Copies an object at once (CopyObject), or in parts (UploadPartCopy) if `size` or S3's response
    /// demands it; a copy in parts that fails is aborted. The user metadata is replaced, and the ACL is
    /// bucket-owner-full-control.
    ///
    /// # Errors
    /// S3's, also in the body of a 200, since S3 answers before it has copied. `NoProof`: a success
    /// without an ETag. The fault is the destination's, though it may be the source's.
    pub async fn copy(&self, copy: &CopyRequest, size: Option<u64>) -> Result<(), AwsError> {
        match size {
            Some(size) if size > MAX_COPY_BYTES => self.copy_in_parts(copy, size).await,
            _ => match self.copy_at_once(copy, size).await {
                Err(error) if error.kind == AwsErrorKind::TooLarge => {
                    // The source is in the processor's region; the target may be in another.
                    let size = self.head_source(&copy.source, &copy.version).await?.size;
                    // Without its size it can't be copied in parts.
                    self.copy_in_parts(copy, size.ok_or(error)?).await
                }
                result => result,
            },
        }
    }

    async fn copy_at_once(&self, copy: &CopyRequest, size: Option<u64>) -> Result<(), AwsError> {
        let timeout = self.s3.request_timeout + copy_timeout(size.unwrap_or(MAX_COPY_BYTES));
        let request = self.client().await?.copy_object().bucket(&copy.target.bucket).key(&copy.target.key);
        let response = request
            .copy_source(source(copy))
            .set_copy_source_if_match(copy.version.etag.as_deref().map(quoted))
            .metadata_directive(MetadataDirective::Replace)
            .set_metadata(Some(copy.metadata.iter().cloned().collect()))
            .set_headers(&copy.headers)
            .acl(ObjectCannedAcl::BucketOwnerFullControl)
            .set_expected_bucket_owner(self.expected_owner())
            .set_expected_source_bucket_owner(self.source_owner.as_deref().map(str::to_owned))
            .customize()
            .config_override(aws_sdk_s3::Config::builder().timeout_config(timeouts(timeout)))
            .send()
            .await;
        let call = self.s3.call(Operation::CopyObject);
        let response =
            response.map_err(|error| call.classify(describe_copy(copy), error).with_owner(self.owner().as_ref()))?;
        let etag = response.copy_object_result().and_then(CopyObjectResult::e_tag);
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
    open: &OpenUpload,
    copy: &CopyRequest,
    size: u64,
    source_owner: Option<&str>,
) -> Result<Vec<CompletedPart>, AwsError> {
    let parts = stream::iter(part_ranges(size).into_iter().enumerate());
    parts
        .map(|(index, range)| copy_part(open, copy, part_number(index), range, source_owner))
        .buffered(COPIES_IN_FLIGHT)
        .try_collect()
        .await
}

async fn copy_part(
    open: &OpenUpload,
    copy: &CopyRequest,
    number: i32,
    range: Range<u64>,
    source_owner: Option<&str>,
) -> Result<CompletedPart, AwsError> {
    let timeout = open.s3.request_timeout + copy_timeout(range.end.saturating_sub(range.start));
    let request = open.s3.client().await?.upload_part_copy();
    let request = request.bucket(&open.target.bucket).key(&open.target.key).upload_id(&open.id).part_number(number);
    let response = request
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
            open.call(Operation::UploadPartCopy).classify(describe_copy(copy), error).with_owner(open.owner.as_ref())
        })?;
    let etag = response.copy_part_result.and_then(|result| result.e_tag).filter(|etag| !etag.is_empty());
    let lacks =
        || open.call(Operation::UploadPartCopy).missing_proof(describe_copy(copy), "CopyPartResult with an ETag");
    Ok(CompletedPart::builder().part_number(number).e_tag(etag.ok_or_else(lacks)?).build())
}

/// `bucket/key`, URI-encoded, with the version if there is one.
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
