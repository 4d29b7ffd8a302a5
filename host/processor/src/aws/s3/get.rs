//! Reading objects, and what is known of them.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::operation::head_object::{HeadObjectError, HeadObjectOutput};
use aws_sdk_s3::primitives::{ByteStream, DateTime};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use bytes::Bytes;

use super::headers::ReadHeaders;
use super::{CopySource, Download, ObjectVersion, S3, StoredObject, WholeObject, quoted, unquoted};
use crate::aws::error::describe_transport_error;
use crate::aws::operation::Operation;
use crate::aws::service::Service;
use crate::aws::skew::detect_skew;
use crate::aws::{AwsError, AwsErrorKind};
use model::{Fault, ObjectId};

impl S3 {
    /// GetObject from byte `from` on.
    ///
    /// # Errors
    /// `NotFound`, `NoBucket`, `Denied`, `Precondition` (another ETag), ….
    pub async fn get(&self, object: &ObjectId, version: &ObjectVersion, from: u64) -> Result<Download, AwsError> {
        let request = self.client().await?.get_object().bucket(&object.bucket).key(&object.key);
        let answer = request
            .set_version_id(version.version_id.clone())
            .set_if_match(version.etag.as_deref().map(quoted))
            .set_range((from > 0).then(|| format!("bytes={from}-")))
            .set_expected_bucket_owner(self.expected_owner())
            .send()
            .await
            .map_err(|error| self.classify(Operation::GetObject, object, error))?;
        let lacks = |what| self.s3.call(Operation::GetObject).missing_proof(object.to_string(), what);
        let announced = answer.content_length().and_then(|length| u64::try_from(length).ok());
        let announced = announced.ok_or_else(|| lacks("Content-Length"))?;
        if !is_the_rest(answer.content_range(), from, announced) {
            return Err(lacks(&format!("range from byte {from} on, to the end")));
        }
        let (etag, modified) = (answer.e_tag(), answer.last_modified());
        let stored = StoredObject {
            size: from.saturating_add(announced),
            last_modified: modified.map(milliseconds).ok_or_else(|| lacks("Last-Modified"))?,
            etag: non_empty_etag(etag).ok_or_else(|| lacks("ETag"))?,
            version_id: answer.version_id().map(str::to_owned),
            headers: answer.read_headers(),
            kms_key: answer.ssekms_key_id().map(str::to_owned),
        };
        self.is_meant(Operation::GetObject, object, version, &stored.etag)?;
        let body = Body {
            stream: answer.body,
            announced,
            received: 0,
            idle_timeout: self.s3.request_timeout,
            object: object.clone(),
            s3: self.s3.clone(),
        };
        Ok(Download { stored, body })
    }

    /// GetObject, all of it at once, where it has at most `most` bytes.
    ///
    /// # Errors
    /// As [`S3::get`], and as [`Body::next`].
    pub async fn get_whole(&self, object: &ObjectId, max_bytes: u64) -> Result<WholeObject, AwsError> {
        let Download { stored, mut body } = self.get(object, &ObjectVersion::default(), 0).await?;
        if stored.size > max_bytes {
            return Ok(WholeObject::TooLarge(stored.size));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(stored.size).unwrap_or_default());
        while let Some(more) = body.next().await? {
            // Whatever was announced.
            let length = bytes.len().saturating_add(more.len());
            if u64::try_from(length).is_ok_and(|length| length > max_bytes) {
                return Ok(WholeObject::TooLarge(u64::try_from(length).unwrap_or(u64::MAX)));
            }
            bytes.extend_from_slice(&more);
        }
        Ok(WholeObject::Bytes(bytes))
    }

    /// An answer about another state than the one that was asked for (what stands before
    /// S3 may overlook conditions) is the same as a refusal.
    fn is_meant(
        &self,
        operation: Operation,
        object: &ObjectId,
        version: &ObjectVersion,
        answered: &str,
    ) -> Result<(), AwsError> {
        if version.etag.as_ref().is_none_or(|etag| etag == answered) {
            return Ok(());
        }
        let message = "the answer has another ETag than the one that was asked for";
        Err(self.s3.call(operation).error(object.to_string(), AwsErrorKind::Precondition, None, message, false))
    }

    /// HeadObject.
    ///
    /// # Errors
    /// As [`S3::get`].
    pub async fn head(&self, object: &ObjectId, version: &ObjectVersion) -> Result<StoredObject, AwsError> {
        self.client().await?;
        let owner = self.owner();
        let head_request = HeadRequest { region: &self.s3.region, fault: self.s3.fault, owner: owner.as_ref() };
        let answer = self.head_as(object, version, &head_request).await?;
        let lacks = |what| self.s3.call(Operation::HeadObject).missing_proof(object.to_string(), what);
        Ok(StoredObject {
            size: size(&answer).ok_or_else(|| lacks("Content-Length"))?,
            last_modified: answer.last_modified().map(milliseconds).ok_or_else(|| lacks("Last-Modified"))?,
            etag: non_empty_etag(answer.e_tag()).ok_or_else(|| lacks("ETag"))?,
            version_id: answer.version_id().map(str::to_owned),
            kms_key: answer.ssekms_key_id().map(str::to_owned),
            headers: answer.read_headers(),
        })
    }

    /// HeadObject of what a copy is made from: with the same credentials, in the
    /// processor's region or, where S3 says another, there. Its failure is the source's.
    ///
    /// # Errors
    /// As [`S3::get`]; `NoProof` where the answer is none of S3's.
    pub async fn head_source(&self, object: &ObjectId, version: &ObjectVersion) -> Result<CopySource, AwsError> {
        let owner = self.source_owner.as_ref();
        let head_request = HeadRequest { region: &self.s3.own_region, fault: Fault::Source, owner };
        let answer = match self.head_as(object, version, &head_request).await {
            Err(AwsError { kind: AwsErrorKind::OtherRegion, region: Some(region), .. }) => {
                match self.head_as(object, version, &HeadRequest { region: &region, ..head_request }).await {
                    // There may be no way to that region, from a VPC for one, but S3's own.
                    Err(unreachable) if unreachable.kind == AwsErrorKind::Unreachable => {
                        let error = AwsError { kind: AwsErrorKind::OtherRegion, region: Some(region), ..unreachable };
                        return Err(error.with_fault(Fault::Source));
                    }
                    answer => answer?,
                }
            }
            answer => answer?,
        };
        // What stands before S3 may drop the one or the other, and S3's copy needs neither.
        let etag = non_empty_etag(answer.e_tag());
        if etag.is_none() && answer.last_modified().is_none() {
            let call = self.s3.call_in(Operation::HeadObject, &self.s3.own_region, Fault::Source);
            return Err(call.missing_proof(object.to_string(), "ETag or Last-Modified"));
        }
        Ok(CopySource {
            size: size(&answer),
            etag,
            kms_key: answer.ssekms_key_id().map(str::to_owned),
            headers: answer.read_headers(),
        })
    }

    async fn head_as(
        &self,
        object: &ObjectId,
        version: &ObjectVersion,
        head_request: &HeadRequest<'_>,
    ) -> Result<HeadObjectOutput, AwsError> {
        let call = self.s3.call_in(Operation::HeadObject, head_request.region, head_request.fault);
        let answer = match self.head_once(object, version, head_request).await? {
            // A refusal of HEAD has no code that would tell the SDK to try again by AWS's
            // clock, which it has learned from it.
            Err(error) if error.raw_response().is_some_and(is_signed_at_the_wrong_time) => {
                self.head_once(object, version, head_request).await?
            }
            answer => answer,
        };
        let answer = answer.map_err(|error| call.classify(object.to_string(), error).with_owner(head_request.owner))?;
        if let Some(etag) = non_empty_etag(answer.e_tag()) {
            self.is_meant(Operation::HeadObject, object, version, &etag)
                .map_err(|error| error.with_fault(head_request.fault))?;
        }
        Ok(answer)
    }

    async fn head_once(
        &self,
        object: &ObjectId,
        version: &ObjectVersion,
        head_request: &HeadRequest<'_>,
    ) -> Result<Result<HeadObjectOutput, SdkError<HeadObjectError, HttpResponse>>, AwsError> {
        let request = self.client().await?.head_object().bucket(&object.bucket).key(&object.key);
        let there =
            aws_sdk_s3::Config::builder().region(aws_sdk_s3::config::Region::new(head_request.region.to_owned()));
        let request = request
            .set_version_id(version.version_id.clone())
            .set_if_match(version.etag.as_deref().map(quoted))
            .set_expected_bucket_owner(head_request.owner.map(|owner| owner.to_string()));
        Ok(request.customize().config_override(there).send().await)
    }
}

/// How HeadObject is head_request.
struct HeadRequest<'a> {
    region: &'a str,
    fault: Fault,
    owner: Option<&'a Arc<str>>,
}

/// Bytes as an answer to HEAD has them.
fn size(answer: &HeadObjectOutput) -> Option<u64> {
    answer.content_length().and_then(|length| length.try_into().ok())
}

/// Whether `announced` bytes with this Content-Range are an object's bytes from `from`
/// on, all of them. A part that nobody asked for must not look like the whole.
fn is_the_rest(range: Option<&str>, from: u64, announced: u64) -> bool {
    let Some(range) = range else { return from == 0 };
    let read = || {
        let (begin, rest) = range.strip_prefix("bytes ")?.split_once('-')?;
        Some((begin.parse::<u64>().ok()?, rest.split_once('/')?.1))
    };
    let end = from.saturating_add(announced);
    read().is_some_and(|(begin, all)| begin == from && (all == "*" || all.parse() == Ok(end)))
}

fn is_signed_at_the_wrong_time(refusal: &HttpResponse) -> bool {
    matches!(refusal.status().as_u16(), 400 | 403) && detect_skew(refusal).is_some()
}

pub(super) fn milliseconds(time: &DateTime) -> i64 {
    time.to_millis().unwrap_or_default()
}

/// An ETag that is there, without its quotes.
pub(super) fn non_empty_etag(etag: Option<&str>) -> Option<String> {
    Some(unquoted(etag)).filter(|etag| !etag.is_empty())
}

/// Bytes of an object as they arrive.
pub struct Body {
    stream: ByteStream,
    announced: u64,
    received: u64,
    /// How long nothing may come.
    idle_timeout: Duration,
    object: ObjectId,
    s3: Service<Client>,
}

impl Body {
    /// The next bytes; none: the end, all that were announced having arrived.
    ///
    /// # Errors
    /// `Unreachable`: cut short, reset, or nothing for the time of a request.
    pub async fn next(&mut self) -> Result<Option<Bytes>, AwsError> {
        match tokio::time::timeout(self.idle_timeout, self.stream.next()).await {
            Err(_) => Err(self.broken(&format!("nothing came for {:?}", self.idle_timeout))),
            Ok(Some(Err(error))) => Err(self.broken(&describe_transport_error(&error))),
            Ok(None) if self.received < self.announced => Err(self.broken("the connection was closed")),
            Ok(None) => Ok(None),
            Ok(Some(Ok(bytes))) => {
                self.received = self.received.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                Ok(Some(bytes))
            }
        }
    }

    fn broken(&self, why: &str) -> AwsError {
        let message = format!("the body broke off after {} of {} bytes: {why}", self.received, self.announced);
        let error = self.s3.call(Operation::GetObject).error(
            self.object.to_string(),
            AwsErrorKind::Unreachable,
            None,
            message,
            false,
        );
        // It was reached.
        error.with_fault(self.s3.fault)
    }
}
