//! S3.
//!
//! - `get`: reading objects, and what is known of them.
//! - `list`: objects of a bucket.
//! - `copy`: within S3, in parts where it must be.
//! - `upload`: writing objects, in parts or at once.
//! - `headers`: what an object says about its content; `limits`: S3's, and what is derived from them.

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

/// Which state of an object is meant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ObjectVersion {
    /// This version; needs s3:GetObjectVersion.
    pub version_id: Option<String>,
    /// Only while its ETag is this (without quotes).
    pub etag: Option<String>,
}

/// What S3 says about an object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredObject {
    /// Bytes as stored.
    pub size: u64,
    /// Milliseconds since the Unix epoch.
    pub last_modified: i64,
    /// Without quotes.
    pub etag: String,
    /// Where the bucket has versions.
    pub version_id: Option<String>,
    /// What it says about its content.
    pub headers: Headers,
    /// ARN of the KMS key that it is encrypted with, where there is one.
    pub kms_key: Option<String>,
}

/// What S3 says about an object that a copy is made from. S3 says all of it; what only
/// stands in for S3, or before it, may leave out what its copy doesn't need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CopySource {
    /// Bytes as stored.
    pub size: Option<u64>,
    /// Without quotes.
    pub etag: Option<String>,
    /// What it says about its content.
    pub headers: Headers,
    /// ARN of the KMS key that it is encrypted with, where there is one.
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
    /// What it is.
    pub stored: StoredObject,
    /// Its bytes.
    pub body: Body,
}

/// An object that was read at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WholeObject {
    /// Its bytes.
    Bytes(Vec<u8>),
    /// It has so many, more than were wanted; none was read.
    TooLarge(u64),
}

/// A copy within S3.
#[derive(Debug, Clone)]
pub struct CopyRequest {
    /// From.
    pub source: ObjectId,
    /// From which state of it.
    pub version: ObjectVersion,
    /// To.
    pub target: ObjectId,
    /// User metadata in place of the source's: US-ASCII, at most 2 KB.
    pub metadata: Vec<(String, String)>,
    /// The source's, which S3 would drop with its metadata.
    pub headers: Headers,
}

/// What is written.
#[derive(Debug, Clone, Default)]
pub struct PutRequest {
    /// To.
    pub target: ObjectId,
    /// User metadata: US-ASCII, at most 2 KB.
    pub metadata: Vec<(String, String)>,
    /// Gives the bucket's owner full control.
    pub owner_full_control: bool,
    /// What it says about its content.
    pub headers: Headers,
}

/// An object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Key, decoded.
    pub key: String,
    /// What the listing says; it knows no version.
    pub stored: StoredObject,
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListPage {
    /// In the order of keys.
    pub objects: Vec<ListedObject>,
    /// Where the next page goes on; none: this was the last.
    pub next: Option<String>,
}

/// S3 in one region, with one identity. `Clone` is cheap.
#[derive(Clone)]
pub struct S3 {
    s3: Service<Client>,
    owner: BucketOwner,
    /// The same of what copies are made from.
    source_owner: Option<Arc<str>>,
}

/// The account that must own the buckets.
#[derive(Clone)]
enum BucketOwner {
    /// Anybody's will do.
    Anybody,
    Account(Arc<str>),
    /// The processor's own, which is asked for with the first call.
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

    /// The same, of buckets that must be this account's.
    pub(super) fn owned_by(self, account: Option<&str>) -> Self {
        Self { owner: account.map_or(BucketOwner::Anybody, |account| BucketOwner::Account(account.into())), ..self }
    }

    /// The same, of buckets that must be of the processor's own account.
    pub(super) fn owned_by_processor(self, account: &Arc<OwnAccount>) -> Self {
        Self { owner: BucketOwner::Own(Arc::clone(account)), ..self }
    }

    /// The same, whose copies are from buckets that must be this account's.
    pub(super) fn with_source_owner(self, account: Option<&str>) -> Self {
        Self { source_owner: account.map(Arc::from), ..self }
    }

    /// The client, once it is known who must own the buckets. All calls begin here.
    async fn client(&self) -> Result<&Client, AwsError> {
        if let BucketOwner::Own(account) = &self.owner {
            // Boxed: rare, and else in every call's future.
            Box::pin(account.get()).await?;
        }
        self.s3.client().await
    }

    /// The account that must own the buckets; none: anybody's will do.
    fn owner(&self) -> Option<Arc<str>> {
        match &self.owner {
            BucketOwner::Anybody => None,
            BucketOwner::Account(account) => Some(Arc::clone(account)),
            BucketOwner::Own(account) => account.get_if_found().map(Arc::from),
        }
    }

    /// The same, as a request has it.
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

/// An ETag as conditions want it.
fn quoted(etag: &str) -> String {
    format!("\"{etag}\"")
}

/// An ETag as S3 gives it, without its quotes.
fn unquoted(etag: Option<&str>) -> String {
    etag.unwrap_or_default().trim_matches('"').to_owned()
}

#[cfg(test)]
mod own_account_tests;
#[cfg(test)]
#[path = "s3_tests.rs"]
mod tests;
