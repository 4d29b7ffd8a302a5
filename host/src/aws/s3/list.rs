//! Objects of a bucket.

use aws_sdk_s3::types::{EncodingType, Object};
use percent_encoding::percent_decode_str;

use super::get::milliseconds;
use super::{Listed, Page, S3, Stored, unquoted};
use crate::aws::AwsError;

impl S3 {
    /// A page of the objects of a bucket, those after the key `after`; `next` from the
    /// page before, which knows better.
    ///
    /// # Errors
    /// `NoBucket`, `Denied`, ….
    pub async fn list(&self, bucket: &str, after: Option<&str>, next: Option<String>) -> Result<Page, AwsError> {
        let request = self.s3.client().await?.list_objects_v2().bucket(bucket);
        let answer = request
            // XML can't hold every character that a key may have.
            .encoding_type(EncodingType::Url)
            .set_start_after(after.filter(|_| next.is_none()).map(str::to_owned))
            .set_continuation_token(next)
            .send()
            .await
            .map_err(|error| self.s3.call("ListObjectsV2").failed(format!("bucket {bucket}"), error))?;
        let encoded = answer.encoding_type() == Some(&EncodingType::Url);
        let objects = answer.contents().iter().map(|object| listed(object, encoded)).collect();
        let more = answer.is_truncated() == Some(true);
        Ok(Page { objects, next: answer.next_continuation_token.filter(|_| more) })
    }
}

fn listed(object: &Object, encoded: bool) -> Listed {
    let key = object.key().unwrap_or_default();
    Listed {
        key: if encoded { decoded(key) } else { key.to_owned() },
        stored: Stored {
            size: object.size().and_then(|size| size.try_into().ok()).unwrap_or_default(),
            last_modified: milliseconds(object.last_modified()),
            etag: unquoted(object.e_tag()),
            version_id: None,
        },
    }
}

/// A form-encoded key: `+` is a space.
fn decoded(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}
