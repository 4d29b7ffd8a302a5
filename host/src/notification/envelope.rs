//! From a message's body to its records.

use serde_json::Value;

use super::record::{from_event_bridge, from_s3};
use super::{Announced, BadRecord, Resume, shown};

/// What a message says.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    /// The objects it announces, or why a record announces none.
    pub records: Vec<Result<Announced, BadRecord>>,
    /// Records that need no work: removals, tests, other events.
    pub ignored: usize,
    /// How far an earlier attempt came.
    pub resume: Option<Resume>,
}

/// The body is no notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message is no S3 notification ({what}); it begins with {beginning}")]
pub struct NotificationError {
    /// What is wrong.
    pub what: String,
    /// Its first bytes, escaped.
    pub beginning: String,
}

/// Reads a message's body: an S3 event, directly or in SNS's `Message`, or an
/// EventBridge event, likewise. Only what is needed is looked at.
///
/// # Errors
/// The body is nothing that announces objects.
pub fn parse(body: &str) -> Result<Notification, NotificationError> {
    read(body).map_err(|what| NotificationError { what, beginning: shown(body) })
}

fn read(body: &str) -> Result<Notification, String> {
    if body.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    let outer: Value = serde_json::from_str(body).map_err(|e| format!("it is not JSON: {e}"))?;
    let resume = resume(&outer);
    let direct = outer.get("Records").is_some_and(Value::is_array);
    let (event, what) = match outer.get("Message") {
        Some(Value::String(message)) if !direct => {
            let inner: Value = serde_json::from_str(message).map_err(|e| format!("its Message is not JSON: {e}"))?;
            (inner, "its Message is JSON")
        }
        _ => (outer, "it is JSON"),
    };
    let resume = resume.or_else(|| self::resume(&event));
    let (records, ignored) = records(event).ok_or_else(|| {
        format!("{what}, but neither an S3 event with a list of Records, nor an EventBridge event, nor a test event")
    })?;
    Ok(Notification { records, ignored, resume })
}

fn resume(message: &Value) -> Option<Resume> {
    Some(Resume::read(message.get("processing_metadata")?.as_object()?))
}

type Records = Vec<Result<Announced, BadRecord>>;

/// The records of an event, and how many are ignored; none: it is no event.
fn records(mut event: Value) -> Option<(Records, usize)> {
    if let Some(Value::Array(all)) = event.get_mut("Records").map(Value::take) {
        let count = all.len();
        let records: Records = all.into_iter().filter_map(from_s3).collect();
        let ignored = count - records.len();
        return Some((records, ignored));
    }
    let text = |field| event.get(field).and_then(Value::as_str);
    if text("detail-type").is_some() {
        let records: Records = from_event_bridge(&event).into_iter().collect();
        let ignored = usize::from(records.is_empty());
        return Some((records, ignored));
    }
    (text("Event") == Some("s3:TestEvent")).then(|| (Vec::new(), 1))
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
