//! GetObject, HeadObject, PutObject.

use std::ops::Range;

use super::meta::written;
use super::{At, Object, decrypted, precondition, readable};
use crate::call::md5_hex;
use crate::clock;
use crate::reply::{Refusal, Reply};
use crate::state::State;

pub(super) fn get(state: &State, at: &At<'_>) -> Result<Reply, Refusal> {
    let object = readable(state, at, at.bucket, at.key, at.call.query.get("versionId"))?;
    precondition(at.call.header("if-match"), &object.etag)?;
    let range = at.call.header("range").map(|range| parse(range, object.size)).transpose()?.flatten();
    let mut reply = headers(Reply::empty(if range.is_some() { 206 } else { 200 }), &object);
    if let Some(range) = &range {
        let content = format!("bytes {}-{}/{}", range.start, range.end - 1, object.size);
        reply = reply.header("content-range", content);
    }
    let range = range.unwrap_or(0..object.size);
    if at.call.operation == "GetObject" {
        decrypted(state, at, &object)?;
    } else {
        reply.length = Some(range.end - range.start);
        return Ok(reply);
    }
    let bytes = object.bytes.as_ref();
    let bytes = bytes.ok_or_else(|| Refusal::new(500, "InternalError", "This object only pretends its size."))?;
    reply.body = bytes.slice(range.start as usize..range.end as usize);
    Ok(reply)
}

fn headers(mut reply: Reply, object: &Object) -> Reply {
    reply = reply
        .header("etag", format!("\"{}\"", object.etag))
        .header("last-modified", clock::http_date(object.last_modified))
        .header("accept-ranges", "bytes")
        .header("content-type", object.content_type.as_deref().unwrap_or("binary/octet-stream"));
    if let Some(encoding) = &object.content_encoding {
        reply = reply.header("content-encoding", encoding.as_str());
    }
    for (name, value) in &object.more_headers {
        reply = reply.header(name.clone(), value.as_str());
    }
    if let Some(key) = &object.kms_key {
        reply = reply.header("x-amz-server-side-encryption-aws-kms-key-id", key.as_str());
    }
    if let Some(version) = &object.version_id {
        reply = reply.header("x-amz-version-id", version.as_str());
    }
    for (name, value) in &object.metadata {
        reply = reply.header(format!("x-amz-meta-{name}"), value.as_str());
    }
    reply
}

/// `bytes=a-b`, `bytes=a-`, `bytes=-n`; anything else is ignored, as S3 does.
fn parse(range: &str, size: u64) -> Result<Option<Range<u64>>, Refusal> {
    let Some((from, to)) = range.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Ok(None);
    };
    let range = match (from.parse::<u64>(), to.parse::<u64>()) {
        (Ok(from), Ok(to)) if from <= to => from..size.min(to.saturating_add(1)),
        (Ok(from), Err(_)) if to.is_empty() => from..size,
        (Err(_), Ok(last)) if from.is_empty() && last > 0 => size.saturating_sub(last)..size,
        _ => return Ok(None),
    };
    if range.start >= size {
        return Err(Refusal::new(416, "InvalidRange", "The requested range is not satisfiable"));
    }
    Ok(Some(range))
}

pub(super) fn put(state: &mut State, at: &At<'_>) -> Result<Reply, Refusal> {
    let mut object = written(state, at)?;
    object.etag = md5_hex(&at.call.body);
    object.size = at.call.body.len() as u64;
    object.bytes = Some(at.call.body.clone());
    let etag = format!("\"{}\"", object.etag);
    let version = state.buckets.store(at.bucket, at.key, object);
    let reply = Reply::empty(200).header("etag", etag);
    Ok(match version {
        Some(version) => reply.header("x-amz-version-id", version),
        None => reply,
    })
}
