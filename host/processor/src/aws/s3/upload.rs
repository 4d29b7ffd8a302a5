//! Writing objects, at once or in parts.

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart, ObjectCannedAcl};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_types::body::SdkBody;
use bytes::Bytes;

use super::get::non_empty_etag;
use super::headers::SetHeaders;
use super::limits::{MAX_COPY_BYTES, copy_timeout};
use super::{PutRequest, S3};
use crate::aws::config::timeouts;
use crate::aws::error::CallInfo;
use crate::aws::operation::Operation;
use crate::aws::service::Service;
use crate::aws::{AwsError, AwsErrorKind};
use model::ObjectId;

impl S3 {
    /// Writes an object at once (PutObject).
    ///
    /// # Errors
    /// S3's. `NoProof`: a success without an ETag.
    pub async fn put(&self, put: &PutRequest, bytes: Bytes) -> Result<(), AwsError> {
        let target = &put.target;
        let request = self.client().await?.put_object().bucket(&target.bucket).key(&target.key);
        let response = request
            .set_metadata(Some(put.metadata.iter().cloned().collect()))
            .set_headers(&put.headers)
            .set_acl(acl(put.owner_full_control))
            .set_expected_bucket_owner(self.expected_owner())
            .body(SdkBody::from(bytes).into())
            .send()
            .await
            .map_err(|error| self.classify(Operation::PutObject, target, error))?;
        let lacks = || self.s3.call(Operation::PutObject).missing_proof(target.to_string(), "ETag");
        non_empty_etag(response.e_tag()).map(drop).ok_or_else(lacks)
    }

    /// Begins an upload in parts (CreateMultipartUpload).
    ///
    /// # Errors
    /// S3's. `NoProof`: a success without an upload ID.
    pub async fn begin_upload(&self, put: &PutRequest) -> Result<PartUpload, AwsError> {
        let target = &put.target;
        let request = self.client().await?.create_multipart_upload().bucket(&target.bucket).key(&target.key);
        let response = request
            .set_metadata(Some(put.metadata.iter().cloned().collect()))
            .set_headers(&put.headers)
            .set_acl(acl(put.owner_full_control))
            .set_expected_bucket_owner(self.expected_owner())
            .send()
            .await
            .map_err(|error| self.classify(Operation::CreateMultipartUpload, target, error))?;
        let lacks = || self.s3.call(Operation::CreateMultipartUpload).missing_proof(target.to_string(), "UploadId");
        let id = response.upload_id.filter(|id| !id.is_empty()).ok_or_else(lacks)?;
        let open = OpenUpload { s3: self.s3.clone(), target: target.clone(), id, owner: self.owner() };
        Ok(PartUpload { open: Some(open), parts: Vec::new() })
    }
}

fn acl(owner_full_control: bool) -> Option<ObjectCannedAcl> {
    owner_full_control.then_some(ObjectCannedAcl::BucketOwnerFullControl)
}

/// A multipart upload that S3 keeps until it is completed or aborted.
#[derive(Clone)]
pub(super) struct OpenUpload {
    pub(super) s3: Service<Client>,
    pub(super) target: ObjectId,
    pub(super) id: String,
    /// The account that must own the bucket.
    pub(super) owner: Option<Arc<str>>,
}

impl OpenUpload {
    pub(super) fn owner(&self) -> Option<String> {
        self.owner.as_deref().map(str::to_owned)
    }

    fn classify<E>(&self, operation: Operation, error: SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.call(operation).classify(self.target.to_string(), error).with_owner(self.owner.as_ref())
    }

    pub(super) fn call(&self, operation: Operation) -> CallInfo<'_> {
        self.s3.call(operation)
    }

    async fn abort(&self) {
        if let Err(error) = self.try_abort().await
            // Not found: it was completed or aborted after all.
            && error.kind != AwsErrorKind::NotFound
        {
            tracing::warn!(%error, "an upload in parts is left behind; a lifecycle rule of the bucket can remove it");
        }
    }

    async fn try_abort(&self) -> Result<(), AwsError> {
        let request = self.s3.client().await?.abort_multipart_upload();
        let request = request.bucket(&self.target.bucket).key(&self.target.key).upload_id(&self.id);
        let response = request.set_expected_bucket_owner(self.owner()).send().await;
        response.map(drop).map_err(|error| self.classify(Operation::AbortMultipartUpload, error))
    }

    async fn complete(&self, parts: Vec<CompletedPart>) -> Result<(), AwsError> {
        // S3 may take minutes to put the parts together before it answers.
        let timeout = self.s3.request_timeout + copy_timeout(MAX_COPY_BYTES);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.s3.client().await?.complete_multipart_upload();
        let request = request.bucket(&self.target.bucket).key(&self.target.key).upload_id(&self.id);
        let response = request
            .multipart_upload(parts)
            .set_expected_bucket_owner(self.owner())
            .customize()
            .config_override(aws_sdk_s3::Config::builder().timeout_config(timeouts(timeout)))
            .send()
            .await
            .map_err(|error| self.classify(Operation::CompleteMultipartUpload, error))?;
        let lacks = || self.call(Operation::CompleteMultipartUpload).missing_proof(self.target.to_string(), "ETag");
        non_empty_etag(response.e_tag()).map(drop).ok_or_else(lacks)
    }
}

/// A multipart upload in progress. It is aborted if it is dropped before it is complete.
pub struct PartUpload {
    /// The upload. `None` once it is completed or aborted.
    open: Option<OpenUpload>,
    parts: Vec<CompletedPart>,
}

impl PartUpload {
    /// Uploads the next part (UploadPart): at least 5 MiB, unless it is the last.
    ///
    /// # Errors
    /// S3's. `NoProof`: a success without an ETag.
    pub async fn upload_part(&mut self, bytes: Bytes) -> Result<(), AwsError> {
        let Some(open) = &self.open else { return Ok(()) };
        let number = part_number(self.parts.len());
        let request = open.s3.client().await?.upload_part();
        let request = request.bucket(&open.target.bucket).key(&open.target.key).upload_id(&open.id);
        let request = request.part_number(number).set_expected_bucket_owner(open.owner());
        let response = request.body(SdkBody::from(bytes).into()).send().await;
        let response = response.map_err(|error| open.classify(Operation::UploadPart, error))?;
        let lacks = || open.call(Operation::UploadPart).missing_proof(open.target.to_string(), "ETag");
        let etag = response.e_tag.filter(|etag| !etag.is_empty()).ok_or_else(lacks)?;
        self.parts.push(CompletedPart::builder().part_number(number).e_tag(etag).build());
        Ok(())
    }

    /// Completes the upload (CompleteMultipartUpload), or aborts it if that fails.
    ///
    /// # Errors
    /// S3's, also in the body of a 200. `NoProof`: a success without an ETag.
    pub async fn complete(mut self) -> Result<(), AwsError> {
        let Some(open) = &self.open else { return Ok(()) };
        match open.complete(std::mem::take(&mut self.parts)).await {
            Ok(()) => {
                self.open = None;
                Ok(())
            }
            Err(error) => {
                self.abort().await;
                Err(error)
            }
        }
    }

    /// Aborts the upload (AbortMultipartUpload). A failure is only logged, since nothing else can be
    /// done.
    pub async fn abort(mut self) {
        if let Some(open) = &self.open {
            open.abort().await;
            self.open = None;
        }
    }

    /// The upload, to which a copy adds its parts.
    pub(super) fn open(&self) -> Option<&OpenUpload> {
        self.open.as_ref()
    }

    /// Sets the parts that a copy made, in order.
    pub(super) fn set_parts(&mut self, parts: Vec<CompletedPart>) {
        self.parts = parts;
    }
}

impl Drop for PartUpload {
    fn drop(&mut self) {
        // Abandoned in the middle, at a deadline for one. Parts that are left behind cost money.
        if let (Some(open), Ok(runtime)) = (self.open.take(), tokio::runtime::Handle::try_current()) {
            runtime.spawn(async move { open.abort().await });
        }
    }
}

/// The number of the part at an index. Numbers begin with 1.
pub(super) fn part_number(index: usize) -> i32 {
    i32::try_from(index).unwrap_or(i32::MAX).saturating_add(1)
}
