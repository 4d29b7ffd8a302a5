//! Uploads in parts.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use uuid::Uuid;

use super::copy::{result, source, too_large};
use super::meta::written;
use super::{At, Object};
use crate::call::md5_hex;
use crate::reply::{Refusal, Reply};
use crate::state::State;
use crate::xml;

const MAX_PART_NUMBER: u32 = 10_000;

/// An upload on its way.
pub(super) struct Upload {
    /// `bucket/key`.
    pub(super) resource: String,
    /// What it becomes, without bytes.
    object: Object,
    parts: BTreeMap<u32, Part>,
}

struct Part {
    /// None: of an object that only pretends its size.
    bytes: Option<Bytes>,
    size: u64,
    etag: String,
}

pub(super) fn create(state: &mut State, at: &At<'_>) -> Result<Reply, Refusal> {
    let object = written(state, at)?;
    let id = Uuid::new_v4().simple().to_string();
    let upload = Upload { resource: at.call.resource.clone(), object, parts: BTreeMap::new() };
    state.buckets.uploads.insert(id.clone(), upload);
    let mut inner = String::new();
    xml::element(&mut inner, "Bucket", at.bucket);
    xml::element(&mut inner, "Key", at.key);
    xml::element(&mut inner, "UploadId", &id);
    Ok(Reply::xml(format!("<InitiateMultipartUploadResult>{inner}</InitiateMultipartUploadResult>")))
}

/// The upload that a call is about.
fn upload_of<'a>(state: &'a mut State, at: &At<'_>) -> Result<&'a mut Upload, Refusal> {
    let id = at.call.query.get("uploadId").unwrap_or("");
    let upload = state.buckets.uploads.get_mut(id).filter(|upload| upload.resource == at.call.resource);
    upload.ok_or_else(|| {
        let message = "The specified upload does not exist. The upload ID may be invalid, or the upload may have \
                       been aborted or completed.";
        Refusal::new(404, "NoSuchUpload", message)
    })
}

fn part_number(at: &At<'_>) -> Result<u32, Refusal> {
    let number = at.call.query.get("partNumber").and_then(|number| number.parse().ok());
    number
        .filter(|number| (1..=MAX_PART_NUMBER).contains(number))
        .ok_or_else(|| Refusal::bad("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive"))
}

pub(super) fn upload(state: &mut State, at: &At<'_>) -> Result<Reply, Refusal> {
    at.demand(state, "s3:PutObject")?;
    let number = part_number(at)?;
    let bytes = at.call.body.clone();
    let etag = md5_hex(&bytes);
    let part = Part { size: bytes.len() as u64, bytes: Some(bytes), etag: etag.clone() };
    upload_of(state, at)?.parts.insert(number, part);
    Ok(Reply::empty(200).header("etag", format!("\"{etag}\"")))
}

pub(super) fn upload_copy(state: &mut State, at: &At<'_>) -> Result<Reply, Refusal> {
    at.demand(state, "s3:PutObject")?;
    let number = part_number(at)?;
    let (_, source) = source(state, at)?;
    let range = match at.call.header("x-amz-copy-source-range") {
        None => 0..source.size,
        Some(range) => {
            let invalid = || {
                let message = format!("Range specified is not valid for source object of size: {}", source.size);
                Refusal::bad("InvalidArgument", message)
            };
            let (from, to) = range.strip_prefix("bytes=").and_then(|r| r.split_once('-')).ok_or_else(invalid)?;
            let from: u64 = from.parse().map_err(|_| invalid())?;
            let to: u64 = to.parse().map_err(|_| invalid())?;
            if from > to || to >= source.size {
                return Err(invalid());
            }
            from..to + 1
        }
    };
    let size = range.end - range.start;
    if size > state.buckets.copy_limit {
        return Err(too_large(state.buckets.copy_limit));
    }
    let bytes = source.bytes.as_ref().map(|bytes| bytes.slice(range.start as usize..range.end as usize));
    let etag = md5_hex(bytes.as_deref().unwrap_or(format!("{}-{range:?}", source.etag).as_bytes()));
    let answer = result("CopyPartResult", &Object { etag: etag.clone(), ..Object::clone(&source) });
    upload_of(state, at)?.parts.insert(number, Part { bytes, size, etag });
    Ok(Reply::xml(answer))
}

pub(super) fn complete(state: &mut State, at: &At<'_>) -> Result<Reply, Refusal> {
    at.demand(state, "s3:PutObject")?;
    let minimum = state.buckets.part_minimum;
    let upload = upload_of(state, at)?;
    let named = named_parts(&at.call.body)?;
    if !named.is_sorted_by(|before, after| before.0 < after.0) {
        let message = "The list of parts was not in ascending order. Parts must be ordered by part number.";
        return Err(Refusal::bad("InvalidPartOrder", message));
    }
    let mut parts = Vec::new();
    for (number, etag) in &named {
        let part = upload.parts.get(number).filter(|part| part.etag == *etag);
        parts.push(part.ok_or_else(|| {
            let message = "One or more of the specified parts could not be found. The part may not have been \
                           uploaded, or the specified entity tag may not match the part's entity tag.";
            Refusal::bad("InvalidPart", message)
        })?);
    }
    if parts.iter().rev().skip(1).any(|part| part.size < minimum) {
        let message = "Your proposed upload is smaller than the minimum allowed size";
        return Err(Refusal::bad("EntityTooSmall", message));
    }
    let object = assemble(&upload.object, &parts);
    let mut inner = String::new();
    xml::element(&mut inner, "Bucket", at.bucket);
    xml::element(&mut inner, "Key", at.key);
    xml::element(&mut inner, "ETag", &format!("\"{}\"", object.etag));
    state.buckets.uploads.remove(at.call.query.get("uploadId").unwrap_or(""));
    let version = state.buckets.store(at.bucket, at.key, object);
    let reply = Reply::xml(format!("<CompleteMultipartUploadResult>{inner}</CompleteMultipartUploadResult>"));
    Ok(match version {
        Some(version) => reply.header("x-amz-version-id", version),
        None => reply,
    })
}

/// Numbers and ETags, as CompleteMultipartUpload names them.
fn named_parts(body: &[u8]) -> Result<Vec<(u32, String)>, Refusal> {
    let malformed = || {
        let message = "The XML you provided was not well-formed or did not validate against our published schema";
        Refusal::bad("MalformedXML", message)
    };
    let body = std::str::from_utf8(body).map_err(|_| malformed())?;
    let part = |part: &str| {
        let number = xml::elements(part, "PartNumber").first()?.parse().ok()?;
        let etag = xml::elements(part, "ETag").first()?.replace("&quot;", "\"");
        Some((number, etag.trim_matches('"').to_owned()))
    };
    let parts: Option<Vec<_>> = xml::elements(body, "Part").into_iter().map(part).collect();
    parts.filter(|parts| !parts.is_empty()).ok_or_else(malformed)
}

fn assemble(object: &Object, parts: &[&Part]) -> Object {
    let mut bytes = Some(BytesMut::new());
    let mut digests = Vec::new();
    for part in parts {
        digests.extend((0..16).map(|at| u8::from_str_radix(&part.etag[2 * at..2 * at + 2], 16).unwrap()));
        match (&mut bytes, &part.bytes) {
            (Some(all), Some(part)) => all.extend_from_slice(part),
            _ => bytes = None,
        }
    }
    let etag = format!("{}-{}", md5_hex(&digests), parts.len());
    let size = parts.iter().map(|part| part.size).sum();
    Object { bytes: bytes.map(BytesMut::freeze), size, etag, ..object.clone() }
}

pub(super) fn abort(state: &mut State, at: &At<'_>) -> Result<Reply, Refusal> {
    at.demand(state, "s3:AbortMultipartUpload")?;
    upload_of(state, at)?;
    state.buckets.uploads.remove(at.call.query.get("uploadId").unwrap_or(""));
    Ok(Reply::empty(204))
}
