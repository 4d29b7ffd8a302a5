//! Reading objects, and what is known of them.

use std::time::Duration;

use aws_sdk_s3::primitives::{ByteStream, DateTime};
use bytes::Bytes;

use super::{Download, S3, Stored, Which, Whole, quoted, unquoted};
use crate::aws::AwsError;
use crate::aws::error::{Call, Kind, words};
use crate::model::ObjectId;

impl S3 {
    /// GetObject from byte `from` on.
    ///
    /// # Errors
    /// `NotFound`, `NoBucket`, `Denied`, `Precondition` (another ETag), ….
    pub async fn get(&self, object: &ObjectId, which: &Which, from: u64) -> Result<Download, AwsError> {
        let request = self.s3.client().await?.get_object().bucket(&object.bucket).key(&object.key);
        let answer = request
            .set_version_id(which.version_id.clone())
            .set_if_match(which.etag.as_deref().map(quoted))
            .set_range((from > 0).then(|| format!("bytes={from}-")))
            .send()
            .await
            .map_err(|error| self.failed("GetObject", object, error))?;
        let call = self.s3.call("GetObject");
        let Some(announced) = answer.content_length().and_then(|length| u64::try_from(length).ok()) else {
            return Err(call.error(object.to_string(), Kind::Other, None, "the answer has no Content-Length", false));
        };
        if from > 0 && answer.content_range().is_none() {
            let message = format!("the answer isn't the range from byte {from} on");
            return Err(call.error(object.to_string(), Kind::Other, None, message, false));
        }
        let stored = Stored {
            size: from.saturating_add(announced),
            last_modified: milliseconds(answer.last_modified()),
            etag: unquoted(answer.e_tag()),
            version_id: answer.version_id().map(str::to_owned),
        };
        let body = Body {
            stream: answer.body,
            announced,
            received: 0,
            patience: self.s3.request_timeout,
            object: object.clone(),
            region: self.s3.region.clone(),
        };
        Ok(Download { stored, body })
    }

    /// GetObject, all of it at once, where it has at most `most` bytes.
    ///
    /// # Errors
    /// As [`S3::get`], and as [`Body::next`].
    pub async fn get_whole(&self, object: &ObjectId, most: u64) -> Result<Whole, AwsError> {
        let Download { stored, mut body } = self.get(object, &Which::default(), 0).await?;
        if stored.size > most {
            return Ok(Whole::TooLarge(stored.size));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(stored.size).unwrap_or_default());
        while let Some(more) = body.next().await? {
            // Whatever was announced.
            let length = bytes.len().saturating_add(more.len());
            if u64::try_from(length).is_ok_and(|length| length > most) {
                return Ok(Whole::TooLarge(u64::try_from(length).unwrap_or(u64::MAX)));
            }
            bytes.extend_from_slice(&more);
        }
        Ok(Whole::Bytes(bytes))
    }

    /// HeadObject.
    ///
    /// # Errors
    /// As [`S3::get`].
    pub async fn head(&self, object: &ObjectId, which: &Which) -> Result<Stored, AwsError> {
        self.head_in(object, which, &self.s3.region).await
    }

    /// [`S3::head`], asked in `region`.
    pub(super) async fn head_in(&self, object: &ObjectId, which: &Which, region: &str) -> Result<Stored, AwsError> {
        let request = self.s3.client().await?.head_object().bucket(&object.bucket).key(&object.key);
        let there = aws_sdk_s3::Config::builder().region(aws_sdk_s3::config::Region::new(region.to_owned()));
        let answer = request
            .set_version_id(which.version_id.clone())
            .set_if_match(which.etag.as_deref().map(quoted))
            .customize()
            .config_override(there)
            .send()
            .await
            .map_err(|error| Call { operation: "HeadObject", region }.failed(object.to_string(), error))?;
        Ok(Stored {
            size: answer.content_length().and_then(|length| length.try_into().ok()).unwrap_or_default(),
            last_modified: milliseconds(answer.last_modified()),
            etag: unquoted(answer.e_tag()),
            version_id: answer.version_id().map(str::to_owned),
        })
    }
}

pub(super) fn milliseconds(time: Option<&DateTime>) -> i64 {
    time.and_then(|time| time.to_millis().ok()).unwrap_or_default()
}

/// Bytes of an object as they arrive.
pub struct Body {
    stream: ByteStream,
    announced: u64,
    received: u64,
    /// How long nothing may come.
    patience: Duration,
    object: ObjectId,
    region: String,
}

impl Body {
    /// The next bytes; none: the end, all that were announced having arrived.
    ///
    /// # Errors
    /// `Unreachable`: cut short, reset, or nothing for the time of a request.
    pub async fn next(&mut self) -> Result<Option<Bytes>, AwsError> {
        match tokio::time::timeout(self.patience, self.stream.next()).await {
            Err(_) => Err(self.broken(&format!("nothing came for {:?}", self.patience))),
            Ok(Some(Err(error))) => Err(self.broken(&words(&error))),
            Ok(None) if self.received < self.announced => Err(self.broken("the connection was closed")),
            Ok(None) => Ok(None),
            Ok(Some(Ok(bytes))) => {
                self.received = self.received.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
                Ok(Some(bytes))
            }
        }
    }

    fn broken(&self, why: &str) -> AwsError {
        let call = Call { operation: "GetObject", region: &self.region };
        let message = format!("the body broke off after {} of {} bytes: {why}", self.received, self.announced);
        call.error(self.object.to_string(), Kind::Unreachable, None, message, false)
    }
}
