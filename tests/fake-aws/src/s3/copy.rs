//! CopyObject, and the source of any copy.

use std::sync::Arc;

use percent_encoding::percent_decode_str;

use super::meta::written;
use super::{At, Object, decrypted, owned, precondition, readable};
use crate::clock;
use crate::reply::{Refusal, Reply};
use crate::state::State;
use crate::xml;

pub(super) fn copy(state: &mut State, at: &At<'_>) -> Result<Reply, Refusal> {
    let (place, source) = source(state, at)?;
    if source.size > state.buckets.copy_limit {
        return Err(too_large(state.buckets.copy_limit));
    }
    let mut object = written(state, at)?;
    match at.call.header("x-amz-metadata-directive").unwrap_or("COPY") {
        "REPLACE" => {}
        "COPY" if place == at.call.resource => {
            let message = "This copy request is illegal because it is trying to copy an object to itself without \
                           changing the object's metadata, storage class, website redirect location or encryption \
                           attributes.";
            return Err(Refusal::bad("InvalidRequest", message));
        }
        "COPY" => {
            object.metadata.clone_from(&source.metadata);
            object.content_type.clone_from(&source.content_type);
            object.content_encoding.clone_from(&source.content_encoding);
            object.more_headers.clone_from(&source.more_headers);
        }
        _ => return Err(Refusal::bad("InvalidArgument", "Unknown metadata directive.")),
    }
    (object.bytes, object.size) = (source.bytes.clone(), source.size);
    object.etag.clone_from(&source.etag);
    let result = result("CopyObjectResult", &object);
    let version = state.buckets.store(at.bucket, at.key, object);
    let reply = Reply::xml(result);
    Ok(match version {
        Some(version) => reply.header("x-amz-version-id", version),
        None => reply,
    })
}

/// What is copied from: `bucket/key`, and the object. The header is decoded as
/// S3 does: a `+` is a space.
pub(super) fn source(state: &State, at: &At<'_>) -> Result<(String, Arc<Object>), Refusal> {
    let invalid = || {
        let message = "Copy Source must mention the source bucket and key: /sourcebucket/sourcekey";
        Refusal::bad("InvalidArgument", message)
    };
    let header = at.call.header("x-amz-copy-source").ok_or_else(invalid)?;
    let (path, version) = match header.split_once("?versionId=") {
        Some((path, version)) => (path, Some(version)),
        None => (header, None),
    };
    let path = path.strip_prefix('/').unwrap_or(path).replace('+', " ");
    let path = percent_decode_str(&path).decode_utf8().map_err(|_| invalid())?;
    let (bucket, key) = path.split_once('/').filter(|(_, key)| !key.is_empty()).ok_or_else(invalid)?;
    owned("x-amz-source-expected-bucket-owner", at.call, &state.buckets.bucket(bucket)?.account)?;
    let object = readable(state, at, bucket, key, version)?;
    decrypted(state, at, &object)?;
    precondition(at.call.header("x-amz-copy-source-if-match"), &object.etag)?;
    Ok((path.into_owned(), object))
}

pub(super) fn too_large(limit: u64) -> Refusal {
    let message =
        format!("The specified copy source is larger than the maximum allowable size for a copy source: {limit}");
    Refusal::bad("InvalidRequest", message)
}

/// The answer to a copy.
pub(super) fn result(name: &str, object: &Object) -> String {
    let mut inner = String::new();
    xml::element(&mut inner, "LastModified", &clock::iso(object.last_modified));
    xml::element(&mut inner, "ETag", &format!("\"{}\"", object.etag));
    format!("<{name}>{inner}</{name}>")
}
