//! ListObjectsV2.

use std::fmt::Write as _;
use std::ops::Bound;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::At;
use crate::clock;
use crate::reply::{Refusal, Reply};
use crate::state::State;
use crate::xml;

/// What `encoding-type=url` leaves as it is; a space becomes a plus.
const ENCODED: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'*').remove(b'/').remove(b' ');
/// Tokens mean nothing to a client: the last key, in hex.
const TOKEN: &str = "token-";

pub(super) fn list(state: &State, at: &At<'_>) -> Result<Reply, Refusal> {
    state.demand(at.call, at.who, "s3:ListBucket", at.bucket)?;
    let query = &at.call.query;
    if query.has("delimiter") {
        return Err(Refusal::new(501, "NotImplemented", "delimiter isn't played."));
    }
    let encodes = match query.get("encoding-type") {
        None => false,
        Some("url") => true,
        Some(_) => return Err(Refusal::bad("InvalidArgument", "Invalid Encoding Method specified in Request")),
    };
    let after = match query.get("continuation-token") {
        Some(token) => Some(
            decode(token)
                .ok_or_else(|| Refusal::bad("InvalidArgument", "The continuation token provided is incorrect"))?,
        ),
        None => query.get("start-after").map(str::to_owned),
    };
    let asked = query.get("max-keys").map(|keys| keys.parse::<usize>());
    let asked = asked.transpose().map_err(|_| Refusal::bad("InvalidArgument", "max-keys is no number"))?;
    let most = asked.unwrap_or(usize::MAX).min(state.buckets.page);
    let prefix = query.get("prefix").unwrap_or("");

    let from = after.map_or(Bound::Included(prefix.to_owned()), |after| {
        if after.as_str() < prefix { Bound::Included(prefix.to_owned()) } else { Bound::Excluded(after) }
    });
    let objects = state.buckets.bucket(at.bucket)?.objects.range((from, Bound::Unbounded));
    let mut objects = objects.take_while(|(key, _)| key.starts_with(prefix)).peekable();
    let (mut contents, mut count, mut last) = (String::new(), 0, None);
    while count < most
        && let Some((key, versions)) = objects.next()
    {
        let Some(object) = versions.last() else { continue };
        let name = if encodes { encode(key) } else { key.clone() };
        contents.push_str("<Contents>");
        xml::element(&mut contents, "Key", &name);
        xml::element(&mut contents, "LastModified", &clock::iso(object.last_modified));
        xml::element(&mut contents, "ETag", &format!("\"{}\"", object.etag));
        let _ = write!(contents, "<Size>{}</Size><StorageClass>STANDARD</StorageClass></Contents>", object.size);
        count += 1;
        last = Some(key);
    }
    let next = last.filter(|_| objects.peek().is_some());
    Ok(Reply::xml(page(at, prefix, most, count, next, encodes, &contents)))
}

fn page(
    at: &At<'_>,
    prefix: &str,
    most: usize,
    count: usize,
    next: Option<&String>,
    url: bool,
    contents: &str,
) -> String {
    let mut inner = String::with_capacity(contents.len() + 512);
    xml::element(&mut inner, "Name", at.bucket);
    xml::element(&mut inner, "Prefix", &if url { encode(prefix) } else { prefix.to_owned() });
    let _ = write!(inner, "<MaxKeys>{most}</MaxKeys><KeyCount>{count}</KeyCount>");
    let _ = write!(inner, "<IsTruncated>{}</IsTruncated>", next.is_some());
    if url {
        inner.push_str("<EncodingType>url</EncodingType>");
    }
    if let Some(next) = next {
        let hex: String = next.bytes().map(|byte| format!("{byte:02x}")).collect();
        xml::element(&mut inner, "NextContinuationToken", &format!("{TOKEN}{hex}"));
    }
    inner.push_str(contents);
    format!("<ListBucketResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{inner}</ListBucketResult>")
}

fn encode(key: &str) -> String {
    utf8_percent_encode(key, ENCODED).to_string().replace(' ', "+")
}

fn decode(token: &str) -> Option<String> {
    let hex = token.strip_prefix(TOKEN)?;
    let byte = |at: usize| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok();
    String::from_utf8((0..hex.len()).step_by(2).map(byte).collect::<Option<_>>()?).ok()
}
