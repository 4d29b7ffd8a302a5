//! Reading objects, and their metadata.

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
    /// Reads an object from byte `from` on (GetObject).
    ///
    /// # Errors
    /// `NotFound`, `NoBucket`, `Denied`, `Precondition` (it has another ETag), ….
    pub async fn get(&self, object: &ObjectId, version: &ObjectVersion, from: u64) -> Result<Download, AwsError> {
        let request = self.client().await?.get_object().bucket(&object.bucket).key(&object.key);
        let response = request
            .set_version_id(version.version_id.clone())
            .set_if_match(version.etag.as_deref().map(quoted))
            .set_range((from > 0).then(|| format!("bytes={from}-")))
            .set_expected_bucket_owner(self.expected_owner())
            .send()
            .await
            .map_err(|error| self.classify(Operation::GetObject, object, error))?;
        let lacks = |what| self.s3.call(Operation::GetObject).missing_proof(object.to_string(), what);
        let announced = response.content_length().and_then(|length| u64::try_from(length).ok());
        let announced = announced.ok_or_else(|| lacks("Content-Length"))?;
        if !is_the_rest(response.content_range(), from, announced) {
            return Err(lacks(&format!("range from byte {from} on, to the end")));
        }
        let (etag, modified) = (response.e_tag(), response.last_modified());
        let stored = StoredObject {
            size: from.saturating_add(announced),
            last_modified: modified.map(milliseconds).ok_or_else(|| lacks("Last-Modified"))?,
            etag: non_empty_etag(etag).ok_or_else(|| lacks("ETag"))?,
            version_id: response.version_id().map(str::to_owned),
            headers: response.read_headers(),
            kms_key: response.ssekms_key_id().map(str::to_owned),
        };
        self.is_meant(Operation::GetObject, object, version, &stored.etag)?;
        let body = Body {
            stream: response.body,
            announced,
            received: 0,
            idle_timeout: self.s3.request_timeout,
            object: object.clone(),
            s3: self.s3.clone(),
        };
        Ok(Download { stored, body })
    }

    /// Reads a whole object of at most `max_bytes` bytes (GetObject).
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
            // The response may be longer than announced.
            let length = bytes.len().saturating_add(more.len());
            if u64::try_from(length).is_ok_and(|length| length > max_bytes) {
                return Ok(WholeObject::TooLarge(u64::try_from(length).unwrap_or(u64::MAX)));
            }
            bytes.extend_from_slice(&more);
        }
        Ok(WholeObject::Bytes(bytes))
    }

    /// Checks that a response is about the state that was asked for. A proxy may have overlooked the
    /// condition: then it is as if S3 had refused.
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

    /// Reads an object's metadata (HeadObject).
    ///
    /// # Errors
    /// As [`S3::get`].
    pub async fn head(&self, object: &ObjectId, version: &ObjectVersion) -> Result<StoredObject, AwsError> {
        self.client().await?;
        let owner = self.owner();
        let head_request = HeadRequest { region: &self.s3.region, fault: self.s3.fault, owner: owner.as_ref() };
        let response = self.head_as(object, version, &head_request).await?;
        let lacks = |what| self.s3.call(Operation::HeadObject).missing_proof(object.to_string(), what);
        Ok(StoredObject {
            size: size(&response).ok_or_else(|| lacks("Content-Length"))?,
            last_modified: response.last_modified().map(milliseconds).ok_or_else(|| lacks("Last-Modified"))?,
            etag: non_empty_etag(response.e_tag()).ok_or_else(|| lacks("ETag"))?,
            version_id: response.version_id().map(str::to_owned),
            kms_key: response.ssekms_key_id().map(str::to_owned),
            headers: response.read_headers(),
        })
    }

    /// Reads the metadata of an object that is copied (HeadObject): with this client's credentials,
    /// in the processor's region, or in the one that S3 names instead.
    ///
    /// # Errors
    /// As [`S3::get`], at the source's fault. `NoProof`: the response isn't S3's.
    pub async fn head_source(&self, object: &ObjectId, version: &ObjectVersion) -> Result<CopySource, AwsError> {
        let owner = self.source_owner.as_ref();
        let head_request = HeadRequest { region: &self.s3.own_region, fault: Fault::Source, owner };
        let response = match self.head_as(object, version, &head_request).await {
            Err(AwsError { kind: AwsErrorKind::OtherRegion, region: Some(region), .. }) => {
                match self.head_as(object, version, &HeadRequest { region: &region, ..head_request }).await {
                    // Only S3 itself may have a way to that region, as seen from a VPC.
                    Err(unreachable) if unreachable.kind == AwsErrorKind::Unreachable => {
                        let error = AwsError { kind: AwsErrorKind::OtherRegion, region: Some(region), ..unreachable };
                        return Err(error.with_fault(Fault::Source));
                    }
                    response => response?,
                }
            }
            response => response?,
        };
        // A proxy may drop the one or the other, and a copy needs neither.
        let etag = non_empty_etag(response.e_tag());
        if etag.is_none() && response.last_modified().is_none() {
            let call = self.s3.call_in(Operation::HeadObject, &self.s3.own_region, Fault::Source);
            return Err(call.missing_proof(object.to_string(), "ETag or Last-Modified"));
        }
        Ok(CopySource {
            size: size(&response),
            etag,
            kms_key: response.ssekms_key_id().map(str::to_owned),
            headers: response.read_headers(),
        })
    }

    async fn head_as(
        &self,
        object: &ObjectId,
        version: &ObjectVersion,
        head_request: &HeadRequest<'_>,
    ) -> Result<HeadObjectOutput, AwsError> {
        let call = self.s3.call_in(Operation::HeadObject, head_request.region, head_request.fault);
        let response = match self.head_once(object, version, head_request).await? {
            // A refusal of HEAD has no code that would make the SDK try again by AWS's clock, which
            // it has learned from the response.
            Err(error) if error.raw_response().is_some_and(is_signed_at_the_wrong_time) => {
                self.head_once(object, version, head_request).await?
            }
            response => response,
        };
        let response =
            response.map_err(|error| call.classify(object.to_string(), error).with_owner(head_request.owner))?;
        if let Some(etag) = non_empty_etag(response.e_tag()) {
            self.is_meant(Operation::HeadObject, object, version, &etag)
                .map_err(|error| error.with_fault(head_request.fault))?;
        }
        Ok(response)
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

/// The region, fault and expected owner of a HeadObject.
struct HeadRequest<'a> {
    region: &'a str,
    fault: Fault,
    owner: Option<&'a Arc<str>>,
}

/// The size in a response to HEAD.
fn size(response: &HeadObjectOutput) -> Option<u64> {
    response.content_length().and_then(|length| length.try_into().ok())
}

/// Whether `announced` bytes with this Content-Range are all of an object's bytes from `from` on. A
/// range that nobody asked for must not pass for the whole.
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

/// The ETag without its quotes, unless it is empty.
pub(super) fn non_empty_etag(etag: Option<&str>) -> Option<String> {
    Some(unquoted(etag)).filter(|etag| !etag.is_empty())
}

/// The bytes of an object, as they arrive.
pub struct Body {
    stream: ByteStream,
    announced: u64,
    received: u64,
    /// The longest time without bytes.
    idle_timeout: Duration,
    object: ObjectId,
    s3: Service<Client>,
}

impl Body {
    /// Waits for the next bytes. `None` at the end, once all announced bytes have arrived.
    ///
    /// # Errors
    /// `Unreachable`: the body was cut short or reset, or no bytes came within the request timeout.
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
        // The host was reached: it is not the network's fault.
        error.with_fault(self.s3.fault)
    }
}
