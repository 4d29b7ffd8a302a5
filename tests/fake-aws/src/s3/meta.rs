//! The headers of what is written: user metadata, ACL, content.

use std::collections::BTreeMap;

use super::{At, Object};
use crate::clock;
use crate::reply::Refusal;
use crate::state::State;

/// Names and values of user metadata together.
const MAX_METADATA: usize = 2048;
const PREFIX: &str = "x-amz-meta-";

/// What is to be written: metadata, ACL and content type of the request, no
/// bytes yet; and whether the caller may write it.
pub(super) fn written(state: &State, at: &At<'_>) -> Result<Object, Refusal> {
    at.demand(state, "s3:PutObject")?;
    // Buckets have no ACLs, as new ones have none: the owner has full control anyway.
    let acl = at.call.header("x-amz-acl").map(str::to_owned);
    if acl.as_deref().is_some_and(|acl| acl != "bucket-owner-full-control") {
        return Err(Refusal::bad("AccessControlListNotSupported", "The bucket does not allow ACLs"));
    }
    let kms_key = state.buckets.bucket(at.bucket)?.kms_key.clone();
    if let Some(key) = &kms_key {
        state.demand_kms(at.who, "kms:GenerateDataKey", key)?;
    }
    let encoding = at.call.header("content-encoding").map(|encoding| {
        let stored = encoding.split(',').map(str::trim).filter(|part| *part != "aws-chunked" && !part.is_empty());
        stored.collect::<Vec<_>>().join(",")
    });
    Ok(Object {
        bytes: None,
        size: 0,
        etag: String::new(),
        last_modified: clock::now() / 1000 * 1000,
        version_id: None,
        metadata: metadata(at)?,
        acl,
        content_type: at.call.header("content-type").map(str::to_owned),
        content_encoding: encoding.filter(|encoding| !encoding.is_empty()),
        more_headers: more_headers(at),
        archived: false,
        kms_key,
        who: Some(at.who.clone()),
    })
}

/// What else describes the content.
const MORE: [&str; 4] = ["content-language", "content-disposition", "cache-control", "expires"];

fn more_headers(at: &At<'_>) -> BTreeMap<String, String> {
    let sent = |name: &str| Some((name.to_owned(), at.call.header(name)?.to_owned()));
    MORE.into_iter().filter_map(sent).collect()
}

fn metadata(at: &At<'_>) -> Result<BTreeMap<String, String>, Refusal> {
    let mut metadata = BTreeMap::new();
    let mut bytes = 0;
    for (name, value) in &at.call.headers {
        let Some(name) = name.as_str().strip_prefix(PREFIX) else { continue };
        let text = value.to_str().map_err(|_| Refusal::bad("InvalidArgument", "Metadata values must be US-ASCII"))?;
        bytes += name.len() + text.len();
        metadata.insert(name.to_owned(), text.to_owned());
    }
    if bytes > MAX_METADATA {
        let message = "Your metadata headers exceed the maximum allowed metadata size";
        return Err(Refusal::bad("MetadataTooLarge", message));
    }
    Ok(metadata)
}
