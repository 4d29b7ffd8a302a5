//! The records that announce objects.

use serde_json::{Map, Value, json};

use super::text::quote;
use super::{key, time};
use model::ObjectId;

/// An object that is announced.
#[derive(Debug, Clone, PartialEq)]
pub struct Announced {
    /// Bucket, and key, decoded.
    pub object: ObjectId,
    /// The object's version, if the bucket has versions.
    pub version_id: Option<String>,
    /// The object's ETag, without quotes.
    pub etag: Option<String>,
    /// The object's size in bytes, as stored.
    pub size: Option<u64>,
    /// eventTime, in milliseconds since the Unix epoch.
    pub event_time: Option<i64>,
    /// The record in the form of an S3 event (an EventBridge event is translated), for a
    /// message that is sent back.
    pub record: Value,
}

/// A record that names no object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct InvalidRecord {
    /// What is wrong, with the key if there is one.
    pub what: String,
    /// The record, for its dead letter.
    pub record: String,
}

/// Reads a record of an S3 event that tells of a new object.
pub(super) fn read_record(record: Value) -> Result<Announced, InvalidRecord> {
    let object = match object(&record) {
        Ok(object) => object,
        Err(what) => return Err(InvalidRecord { what, record: record.to_string() }),
    };
    let details = |field| record.pointer("/s3/object").and_then(|object| object.get(field));
    let unquoted = text(details("eTag")).map(|etag| etag.trim_matches('"'));
    Ok(Announced {
        object,
        version_id: text(details("versionId")).filter(|id| *id != "null").map(str::to_owned),
        etag: unquoted.filter(|etag| !etag.is_empty()).map(str::to_owned),
        size: size(details("size")),
        event_time: text(record.get("eventTime")).and_then(time::parse),
        record,
    })
}

/// The object that a record names.
fn object(record: &Value) -> Result<ObjectId, String> {
    let encoded = text(record.pointer("/s3/object/key")).ok_or("the record names no key")?;
    let about = |what: &str| format!("the key {} {what}", quote(encoded));
    let bucket = text(record.pointer("/s3/bucket/name")).ok_or_else(|| about("comes without a bucket"))?;
    let key = key::decode(encoded).map_err(about)?;
    Ok(ObjectId { bucket: bucket.to_owned(), key })
}

/// Reads an EventBridge event that announces a new object.
pub(super) fn from_event_bridge(event: &Value) -> Result<Announced, InvalidRecord> {
    read_record(to_s3_record(event)).map_err(|bad| InvalidRecord { record: event.to_string(), ..bad })
}

/// Translates an EventBridge event to the record of an S3 event. Fields of the wrong type are
/// left out, so that the reference can read it.
fn to_s3_record(event: &Value) -> Value {
    let detail = |path| event.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty());
    let mut object = Map::new();
    object.extend(detail("/detail/object/key").map(|key| ("key".to_owned(), json!(key::encode(key)))));
    object.extend(size(event.pointer("/detail/object/size")).map(|size| ("size".to_owned(), json!(size))));
    for (path, field) in [
        ("/detail/object/etag", "eTag"),
        ("/detail/object/version-id", "versionId"),
        ("/detail/object/sequencer", "sequencer"),
    ] {
        object.extend(detail(path).map(|text| (field.to_owned(), json!(text))));
    }
    let how = match detail("/detail/reason") {
        Some("CopyObject") => "Copy",
        Some("CompleteMultipartUpload") => "CompleteMultipartUpload",
        Some("POST Object") => "Post",
        _ => "Put",
    };
    let mut record = json!({
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "eventName": format!("ObjectCreated:{how}"),
        "s3": { "bucket": { "name": detail("/detail/bucket/name").unwrap_or_default() }, "object": object },
    });
    if let Some(record) = record.as_object_mut() {
        let time = detail("/time").filter(|time| time::parse(time).is_some());
        record.extend(time.map(|time| ("eventTime".to_owned(), json!(time))));
        record.extend(detail("/region").map(|region| ("awsRegion".to_owned(), json!(region))));
    }
    record
}

/// The value's text, if it isn't empty.
fn text(value: Option<&Value>) -> Option<&str> {
    value.and_then(Value::as_str).filter(|text| !text.is_empty())
}

/// A number of bytes, which may stand in quotes.
fn size(value: Option<&Value>) -> Option<u64> {
    match value? {
        Value::String(digits) => digits.parse().ok(),
        number => number.as_u64(),
    }
}

#[cfg(test)]
#[path = "record_tests.rs"]
mod tests;
