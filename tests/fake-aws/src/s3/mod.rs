//! S3, path style: buckets of accounts, objects with versions, uploads in parts.
//!
//! - `object`: GetObject, HeadObject, PutObject; `meta`: the headers of what is written.
//! - `copy`: CopyObject; `multipart`: uploads in parts; `list`: ListObjectsV2.

mod copy;
mod inspect;
mod list;
mod meta;
mod multipart;
mod object;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use percent_encoding::percent_decode_str;

use crate::call::{Call, Input};
use crate::identity::Session;
use crate::reply::{Refusal, Reply};
use crate::state::State;

/// Conditions that would change an answer.
const UNPLAYED: [&str; 5] = [
    "if-none-match",
    "if-modified-since",
    "if-unmodified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-modified-since",
];

/// An object, or a version of one.
#[derive(Debug, Clone)]
pub struct Object {
    /// None: it only pretends its size.
    pub bytes: Option<Bytes>,
    /// Bytes.
    pub size: u64,
    /// Without quotes: MD5 in hex, of parts `MD5-count`.
    pub etag: String,
    /// Milliseconds since the Unix epoch, of a whole second.
    pub last_modified: i64,
    /// Where the bucket has versions.
    pub version_id: Option<String>,
    /// User metadata, without `x-amz-meta-`.
    pub metadata: BTreeMap<String, String>,
    /// `x-amz-acl` as it was sent.
    pub acl: Option<String>,
    /// Content-Type as it was sent.
    pub content_type: Option<String>,
    /// Content-Encoding as it was sent.
    pub content_encoding: Option<String>,
    /// Content-Language, Content-Disposition, Cache-Control and Expires as they were sent,
    /// by their names.
    pub more_headers: BTreeMap<String, String>,
    /// It is in a storage class that can't be read.
    pub archived: bool,
    /// The KMS key that it is encrypted with.
    pub kms_key: Option<String>,
    /// Who wrote it; none: the test.
    pub who: Option<Arc<Session>>,
}

struct Bucket {
    account: String,
    region: String,
    versioned: bool,
    /// The KMS key that what is written is encrypted with.
    kms_key: Option<String>,
    /// Versions of each key, the current one last.
    objects: BTreeMap<String, Vec<Arc<Object>>>,
}

/// All buckets.
pub(crate) struct Buckets {
    buckets: HashMap<String, Bucket>,
    uploads: BTreeMap<String, multipart::Upload>,
    copy_limit: u64,
    part_minimum: u64,
    page: usize,
    versions: u64,
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            buckets: HashMap::new(),
            uploads: BTreeMap::new(),
            copy_limit: 5 << 30,
            part_minimum: 5 << 20,
            page: 1000,
            versions: 0,
        }
    }
}

impl Buckets {
    fn bucket(&self, name: &str) -> Result<&Bucket, Refusal> {
        self.buckets.get(name).ok_or_else(|| Refusal::new(404, "NoSuchBucket", "The specified bucket does not exist"))
    }

    /// The current version.
    fn current(&self, bucket: &str, key: &str) -> Option<&Arc<Object>> {
        self.buckets.get(bucket)?.objects.get(key)?.last()
    }

    /// Stores an object as the current version; its version, where there are any.
    fn store(&mut self, bucket: &str, key: &str, mut object: Object) -> Option<String> {
        self.versions += 1;
        let bucket = self.buckets.get_mut(bucket).expect("a bucket that is there");
        let versions = bucket.objects.entry(key.to_owned()).or_default();
        if bucket.versioned {
            object.version_id = Some(format!("version-{}", self.versions));
        } else {
            versions.clear();
        }
        let id = object.version_id.clone();
        versions.push(Arc::new(object));
        id
    }
}

/// Operation from method and query; resource from the path.
pub(crate) fn input(call: &mut Call) -> Result<Input, Refusal> {
    let path = call.path.strip_prefix('/').unwrap_or("");
    let path = percent_decode_str(path).decode_utf8();
    let path = path.map_err(|_| Refusal::bad("InvalidURI", "Couldn't parse the specified URI."))?.into_owned();
    let (has, copies) = (|name: &str| call.query.has(name), call.headers.contains_key("x-amz-copy-source"));
    let has_key = path.split_once('/').is_some_and(|(_, key)| !key.is_empty());
    let operation = match (&call.method, has_key) {
        (&Method::GET, false) if call.query.get("list-type") == Some("2") => "ListObjectsV2",
        (&Method::HEAD, false) => "HeadBucket",
        (&Method::GET, true) => "GetObject",
        (&Method::HEAD, true) => "HeadObject",
        (&Method::PUT, true) if has("uploadId") && copies => "UploadPartCopy",
        (&Method::PUT, true) if has("uploadId") => "UploadPart",
        (&Method::PUT, true) if copies => "CopyObject",
        (&Method::PUT, true) => "PutObject",
        (&Method::POST, true) if has("uploads") => "CreateMultipartUpload",
        (&Method::POST, true) if has("uploadId") => "CompleteMultipartUpload",
        (&Method::DELETE, true) if has("uploadId") => "AbortMultipartUpload",
        _ => "Unknown",
    };
    call.operation = operation.to_owned();
    call.resource = path.strip_suffix('/').filter(|_| !has_key).unwrap_or(&path).to_owned();
    Ok(Input::None)
}

pub(crate) fn run(state: &mut State, call: &Call, who: &Arc<Session>) -> Result<Reply, Refusal> {
    let (bucket, key) = call.resource.split_once('/').unwrap_or((&call.resource, ""));
    let Bucket { region, account, .. } = state.buckets.bucket(bucket)?;
    if region != call.region() {
        return Err(elsewhere(call.region(), region));
    }
    owned("x-amz-expected-bucket-owner", call, account)?;
    if let Some(header) = UNPLAYED.into_iter().find(|header| call.headers.contains_key(*header)) {
        return Err(Refusal::new(501, "NotImplemented", format!("{header} isn't played.")));
    }
    let at = At { call, who, bucket, key };
    match call.operation.as_str() {
        "GetObject" | "HeadObject" => object::get(state, &at),
        "PutObject" => object::put(state, &at),
        "CopyObject" => copy::copy(state, &at),
        "CreateMultipartUpload" => multipart::create(state, &at),
        "UploadPart" => multipart::upload(state, &at),
        "UploadPartCopy" => multipart::upload_copy(state, &at),
        "CompleteMultipartUpload" => multipart::complete(state, &at),
        "AbortMultipartUpload" => multipart::abort(state, &at),
        "ListObjectsV2" => list::list(state, &at),
        "HeadBucket" => {
            state.demand(call, who, "s3:ListBucket", bucket)?;
            Ok(Reply::empty(200).header("x-amz-bucket-region", call.region()))
        }
        _ => Err(Refusal::new(501, "NotImplemented", "This isn't played.")),
    }
}

/// The oldest region knows where other buckets are, and says it another way than the rest.
fn elsewhere(asked: &str, region: &str) -> Refusal {
    let refusal = if asked == crate::REGION {
        let message =
            format!("The authorization header is malformed; the region '{asked}' is wrong; expecting '{region}'");
        Refusal::bad("AuthorizationHeaderMalformed", message)
    } else {
        let message = "The bucket you are attempting to access must be addressed using the specified endpoint. Please \
                       send all future requests to this endpoint.";
        Refusal::new(301, "PermanentRedirect", message)
    };
    Refusal { bucket_region: Some(region.to_owned()), ..refusal }
}

/// Whether a bucket is of the account that a header names.
fn owned(header: &str, call: &Call, account: &str) -> Result<(), Refusal> {
    match call.header(header) {
        Some(expected) if expected.len() != 12 || !expected.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(Refusal::bad(
                "InvalidBucketOwnerAWSAccountID",
                "The value of the expected bucket owner parameter must be an AWS account ID",
            ))
        }
        Some(expected) if expected != account => Err(Refusal::new(403, "AccessDenied", "Access Denied")),
        _ => Ok(()),
    }
}

/// A call, and what it is about.
struct At<'a> {
    call: &'a Call,
    who: &'a Arc<Session>,
    bucket: &'a str,
    key: &'a str,
}

impl At<'_> {
    /// Whether the caller may do `action` to the object.
    fn demand(&self, state: &State, action: &str) -> Result<(), Refusal> {
        state.demand(self.call, self.who, action, &self.call.resource)
    }
}

/// What may be copied or read: not archived, and with its key.
fn decrypted(state: &State, at: &At<'_>, object: &Object) -> Result<(), Refusal> {
    if object.archived {
        let copies = at.call.headers.contains_key("x-amz-copy-source");
        return Err(if copies {
            let message = "The source object of the COPY action is not in the active tier and is only stored in Amazon \
                           S3 Glacier.";
            Refusal::new(403, "ObjectNotInActiveTierError", message)
        } else {
            let message = "The operation is not valid for the object's storage class";
            Refusal::new(403, "InvalidObjectState", message)
        });
    }
    match &object.kms_key {
        Some(key) => state.demand_kms(at.who, "kms:Decrypt", key),
        None => Ok(()),
    }
}

/// An object that may be read: with its permissions, in the version that is asked for.
fn readable(
    state: &State,
    at: &At<'_>,
    bucket: &str,
    key: &str,
    version: Option<&str>,
) -> Result<Arc<Object>, Refusal> {
    let action = if version.is_some() { "s3:GetObjectVersion" } else { "s3:GetObject" };
    state.demand(at.call, at.who, action, &format!("{bucket}/{key}"))?;
    let versions = state.buckets.bucket(bucket)?.objects.get(key).map_or(&[][..], Vec::as_slice);
    let found = match version {
        None => versions.last(),
        Some(version) => versions.iter().find(|object| object.version_id.as_deref().unwrap_or("null") == version),
    };
    if let Some(found) = found {
        return Ok(Arc::clone(found));
    }
    // Who may not list isn't told that a key is missing.
    state.demand(at.call, at.who, "s3:ListBucket", bucket)?;
    if version.is_some() {
        return Err(Refusal::new(404, "NoSuchVersion", "The specified version does not exist."));
    }
    Err(Refusal::new(404, "NoSuchKey", "The specified key does not exist."))
}

fn precondition(wanted: Option<&str>, etag: &str) -> Result<(), Refusal> {
    if wanted.is_none_or(|wanted| wanted == "*" || wanted.trim_matches('"') == etag) {
        return Ok(());
    }
    let message = "At least one of the pre-conditions you specified did not hold";
    Err(Refusal::new(412, "PreconditionFailed", message))
}
