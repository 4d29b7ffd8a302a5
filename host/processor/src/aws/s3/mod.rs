//! S3: objects and their uploads.
//!
//! - `get`: reading objects, and their metadata.
//! - `list`: listing a bucket.
//! - `copy`: copies within S3, in parts if they are large.
//! - `upload`: writing objects, at once or in parts.
//! - `headers`: the headers of an object's content; `limits`: S3's limits.

mod copy;
mod get;
mod headers;
mod limits;
mod list;
mod upload;

use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

pub use self::get::Body;
pub use self::headers::Headers;
pub use self::upload::PartUpload;
use super::AwsError;
use super::own_account::OwnAccount;
use super::service::{Access, Service};
use crate::aws::operation::Operation;
use model::ObjectId;

/// The state of an object that a request is about. By default the current one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectVersion {
    /// The version's ID. Reading a version needs s3:GetObjectVersion.
    pub version_id: Option<String>,
    /// The ETag that the object must still have, without quotes.
    pub etag: Option<String>,
}

/// An object's metadata, as S3 has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredObject {
    /// The size in bytes, as stored.
    pub size: u64,
    /// LastModified, in milliseconds since the Unix epoch.
    pub last_modified: i64,
    /// The ETag, without quotes.
    pub etag: String,
    /// The version's ID, if the bucket has versions.
    pub version_id: Option<String>,
    /// The headers of its content.
    pub headers: Headers,
    /// The ARN of the KMS key that it is encrypted with, if there is one.
    pub kms_key: Option<String>,
}

/// The metadata of an object that is copied. S3 sends all of them. An emulator or a proxy may leave
/// out those that a copy doesn't need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopySource {
    /// The size in bytes, as stored.
    pub size: Option<u64>,
    /// The ETag, without quotes.
    pub etag: Option<String>,
    /// The headers of its content.
    pub headers: Headers,
    /// The ARN of the KMS key that it is encrypted with, if there is one.
    pub kms_key: Option<String>,
}

impl From<&StoredObject> for CopySource {
    fn from(stored: &StoredObject) -> Self {
        let StoredObject { size, etag, headers, kms_key, .. } = stored.clone();
        Self { size: Some(size), etag: Some(etag), headers, kms_key }
    }
}

/// An object that is being read.
pub struct Download {
    /// The object's metadata.
    pub stored: StoredObject,
    /// The object's bytes.
    pub body: Body,
}

/// The result of reading an object at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WholeObject {
    /// The object's bytes.
    Bytes(Vec<u8>),
    /// The object has this many bytes, which is more than the caller allows.
    TooLarge(u64),
}

/// A copy within S3.
#[derive(Debug, Clone)]
pub struct CopyRequest {
    /// The object that is copied.
    pub source: ObjectId,
    /// The state of the source that is copied.
    pub version: ObjectVersion,
    /// The copy.
    pub target: ObjectId,
    /// The user metadata in place of the source's: US-ASCII, at most 2 KB.
    pub metadata: Vec<(String, String)>,
    /// The source's headers, which S3 would drop together with its metadata.
    pub headers: Headers,
}

/// An object to be written.
#[derive(Debug, Clone, Default)]
pub struct PutRequest {
    /// The object's bucket and key.
    pub target: ObjectId,
    /// The user metadata: US-ASCII, at most 2 KB.
    pub metadata: Vec<(String, String)>,
    /// Whether the bucket's owner gets full control.
    pub owner_full_control: bool,
    /// The headers of its content.
    pub headers: Headers,
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// The key, decoded.
    pub key: String,
    /// The metadata that a listing has: no version, no headers, no KMS key.
    pub stored: StoredObject,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// The objects, in the order of their keys.
    pub objects: Vec<ListedObject>,
    /// The token of the next page. `None` if this is the last.
    pub next: Option<String>,
}

/// S3 in one region, with one identity. `Clone` is cheap.
#[derive(Clone)]
pub struct S3 {
    s3: Service<Client>,
    owner: BucketOwner,
    /// The account that must own the buckets that copies come from.
    source_owner: Option<Arc<str>>,
}

/// The account that must own the buckets of a client.
#[derive(Clone)]
enum BucketOwner {
    /// Any account.
    Anybody,
    Account(Arc<str>),
    /// The processor's own, which STS is asked for before the first call.
    Own(Arc<OwnAccount>),
}

impl S3 {
    pub(super) fn new(access: Access) -> Self {
        let s3 = Service::new(access, |access| {
            let config = aws_sdk_s3::config::Builder::from(&access.config);
            let config = config.force_path_style(access.path_style).retry_partition(access.retry_partition());
            Client::from_conf(config.build())
        });
        Self { s3, owner: BucketOwner::Anybody, source_owner: None }
    }

    /// The same client, for buckets that `account` must own, if it is given.
    pub(super) fn owned_by(self, account: Option<&str>) -> Self {
        Self { owner: account.map_or(BucketOwner::Anybody, |account| BucketOwner::Account(account.into())), ..self }
    }

    /// The same client, for buckets that the processor's own account must own.
    pub(super) fn owned_by_processor(self, account: &Arc<OwnAccount>) -> Self {
        Self { owner: BucketOwner::Own(Arc::clone(account)), ..self }
    }

    /// The same client, whose copies come from buckets that `account` must own, if it is given.
    pub(super) fn with_source_owner(self, account: Option<&str>) -> Self {
        Self { source_owner: account.map(Arc::from), ..self }
    }

    /// The SDK's client, once the buckets' owner is known. All calls begin here.
    async fn client(&self) -> Result<&Client, AwsError> {
        if let BucketOwner::Own(account) = &self.owner {
            // Boxed, since it is rare, and would make the future of every call larger.
            Box::pin(account.get()).await?;
        }
        self.s3.client().await
    }

    /// The account that must own the buckets. `None`: anybody.
    fn owner(&self) -> Option<Arc<str>> {
        match &self.owner {
            BucketOwner::Anybody => None,
            BucketOwner::Account(account) => Some(Arc::clone(account)),
            BucketOwner::Own(account) => account.get_if_found().map(Arc::from),
        }
    }

    /// The account that must own the buckets, as requests have it.
    fn expected_owner(&self) -> Option<String> {
        self.owner().map(|owner| owner.to_string())
    }

    fn classify<E>(&self, operation: Operation, object: &ObjectId, error: SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.s3.call(operation).classify(object.to_string(), error).with_owner(self.owner().as_ref())
    }
}

/// An ETag in quotes, as conditions have it.
fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// An ETag without the quotes that S3 gives it.
fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

#[cfg(test)]
mod own_account_tests;
#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;
