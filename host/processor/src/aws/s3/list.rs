//! Listing a bucket.

use aws_sdk_s3::types::{EncodingType, Object};
use percent_encoding::percent_decode_str;

use super::get::milliseconds;
use super::{Headers, ListPage, ListedObject, S3, StoredObject, unquoted};
use crate::aws::AwsError;
use crate::aws::operation::Operation;

impl S3 {
    /// Lists one page of a bucket (ListObjectsV2): the objects after the key `after`, or those after
    /// the previous page, if `next` is its token.
    ///
    /// # Errors
    /// `NoBucket`, `Denied`, ….
    pub async fn list(&self, bucket: &str, after: Option<&str>, next: Option<String>) -> Result<ListPage, AwsError> {
        let (call, resource) = (self.s3.call(Operation::ListObjectsV2), || format!("bucket {bucket}"));
        let request = self.client().await?.list_objects_v2().bucket(bucket);
        let response = request
            // XML can't hold every character that a key may have.
            .encoding_type(EncodingType::Url)
            .set_start_after(after.filter(|_| next.is_none()).map(str::to_owned))
            .set_continuation_token(next)
            .set_expected_bucket_owner(self.expected_owner())
            .send()
            .await
            .map_err(|error| call.classify(resource(), error).with_owner(self.owner().as_ref()))?;
        // S3 always sends the number of keys. A response without it is no empty bucket.
        if response.key_count().is_none() && response.is_truncated().is_none() {
            return Err(call.missing_proof(resource(), "KeyCount"));
        }
        let encoded = response.encoding_type() == Some(&EncodingType::Url);
        let objects = response.contents().iter().map(|object| listed(object, encoded)).collect();
        let more = response.is_truncated() == Some(true);
        if more && response.next_continuation_token().is_none() {
            return Err(call.missing_proof(resource(), "NextContinuationToken, though it is truncated"));
        }
        Ok(ListPage { objects, next: response.next_continuation_token.filter(|_| more) })
    }
}

fn listed(object: &Object, encoded: bool) -> ListedObject {
    let key = object.key().unwrap_or_default();
    ListedObject {
        key: if encoded { decoded(key) } else { key.to_owned() },
        stored: StoredObject {
            size: object.size().and_then(|size| size.try_into().ok()).unwrap_or_default(),
            last_modified: object.last_modified().map(milliseconds).unwrap_or_default(),
            etag: unquoted(object.e_tag()),
            version_id: None,
            headers: Headers::default(),
            kms_key: None,
        },
    }
}

/// A form-encoded key: `+` is a space.
fn decoded(key: &str) -> String {
    percent_decode_str(&key.replace('+', " ")).decode_utf8_lossy().into_owned()
}
