//! Reads the records of a message's body.

use std::collections::BTreeMap;

use serde_json::Value;

use super::event::{self, EventKind};
use super::record::{from_event_bridge, read_record};
use super::text::quote;
use super::{Announced, InvalidRecord, Resume};

/// The most layers that may wrap a body: S3's event in SNS's, that in SQS's, and each once
/// more.
const MAX_WRAPPINGS: usize = 4;

/// A parsed message.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Notification {
    /// The objects it announces, or why a record announces none.
    pub records: Vec<Result<Announced, InvalidRecord>>,
    /// Events of S3's that need no work (removals, tests, …), by a bounded name.
    pub ignored: BTreeMap<&'static str, u64>,
    /// The checkpoint of an earlier attempt.
    pub resume: Option<Resume>,
    /// Why the message doesn't say what an earlier attempt left to do, if it should and
    /// doesn't.
    pub unclear: Option<String>,
}

/// The error for a body that is no notification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the message is no S3 notification ({what}); it begins with {beginning}")]
pub struct NotificationError {
    /// What is wrong with the body.
    pub what: String,
    /// The body's first bytes, escaped.
    pub beginning: String,
}

/// Reads a message's body: an S3 event or an EventBridge event, directly, in SNS's `Message`,
/// or in what SQS or SNS hand to a Lambda. Only the fields that are needed are read.
///
/// # Errors
/// The body is nothing that announces objects, nor another event of S3's.
pub fn parse(body: &str) -> Result<Notification, NotificationError> {
    read(body).map_err(|what| NotificationError { what, beginning: quote(body) })
}

fn read(body: &str) -> Result<Notification, String> {
    let body = body.trim_start_matches('\u{feff}');
    if body.trim().is_empty() {
        return Err("it is empty".to_owned());
    }
    let body = serde_json::from_str(body).map_err(|e| format!("it is not JSON: {e}"))?;
    let mut notification = Notification::default();
    notification.read_event(body, "it is JSON", 0)?;
    Ok(notification)
}

impl Notification {
    /// Reads an event, or what wraps one. `what` names it in errors.
    fn read_event(&mut self, mut event: Value, what: &'static str, depth: usize) -> Result<(), String> {
        if depth > MAX_WRAPPINGS {
            return Err(format!("it is wrapped more than {MAX_WRAPPINGS} times"));
        }
        // The outermost metadata counts: whoever sent the message back wrapped it.
        if self.resume.is_none() && self.unclear.is_none() {
            match read_resume(&event) {
                Ok(resume) => self.resume = resume,
                Err(why) => self.unclear = Some(why),
            }
        }
        if let Some(Value::Array(records)) = event.get_mut("Records").map(Value::take) {
            return self.read_records(records, depth);
        }
        let text = |field| event.get(field).and_then(Value::as_str);
        if let Some(message) = text("Message") {
            if let Some(kind) = text("Type").filter(|kind| kind.ends_with("Confirmation")) {
                return Err(format!("it is SNS's {}, which announces no object", quote(kind)));
            }
            let inner = serde_json::from_str(message).map_err(|e| format!("its Message is not JSON: {e}"))?;
            return self.read_event(inner, "its Message is JSON", depth + 1);
        }
        if let Value::String(inner) = &event {
            let inner = serde_json::from_str(inner).map_err(|e| format!("it is a text, which is not JSON: {e}"))?;
            return self.read_event(inner, "it is a text of JSON", depth + 1);
        }
        if text("detail-type").is_some() {
            return match event::classify_bridge_event(&event) {
                EventKind::Created => {
                    self.records.push(from_event_bridge(&event));
                    Ok(())
                }
                EventKind::Other(kind) => {
                    self.ignore(kind);
                    Ok(())
                }
                EventKind::Foreign(of) => Err(format!("it is {of}, and none of S3's own")),
            };
        }
        if text("Event") == Some("s3:TestEvent") {
            self.ignore(event::TEST);
            return Ok(());
        }
        Err(format!(
            "{what}, but neither an S3 event with a list of Records, nor an EventBridge event, nor a test event"
        ))
    }

    /// Reads the records of an event. Records of other services are bad records beside those
    /// of S3; alone, they make the message no notification.
    fn read_records(&mut self, records: Vec<Value>, depth: usize) -> Result<(), String> {
        let Some(first) = records.first() else { return Err("its list of Records is empty".to_owned()) };
        let alone = records.len() == 1;
        let foreign = |record: &Value| {
            matches!(event::classify_record(record), EventKind::Foreign(_)) && nested_body(record).is_none()
        };
        if let (EventKind::Foreign(of), true) = (event::classify_record(first), records.iter().all(foreign)) {
            return Err(format!("it holds {of}, and none of S3's"));
        }
        for record in records {
            if let Some(inner) = nested_body(&record) {
                match self.read_nested(inner, alone, depth) {
                    Ok(()) => {}
                    Err(what) if alone => return Err(what),
                    Err(what) => self.records.push(Err(InvalidRecord { what, record: record.to_string() })),
                }
                continue;
            }
            match event::classify_record(&record) {
                EventKind::Created => self.records.push(read_record(record)),
                EventKind::Other(kind) => self.ignore(kind),
                EventKind::Foreign(of) => {
                    let what = format!("it is {of}, and none of S3's");
                    self.records.push(Err(InvalidRecord { what, record: record.to_string() }));
                }
            }
        }
        Ok(())
    }

    /// Reads a message within the message. Metadata is about a message as a whole: if there
    /// are several inside, each starts from the beginning.
    fn read_nested(&mut self, body: &str, alone: bool, depth: usize) -> Result<(), String> {
        let body = serde_json::from_str(body).map_err(|e| format!("the body of its record is not JSON: {e}"))?;
        let mut inner = Self::default();
        inner.read_event(body, "the body of its record is JSON", depth + 1)?;
        self.records.extend(inner.records);
        for (kind, count) in inner.ignored {
            *self.ignored.entry(kind).or_default() += count;
        }
        self.resume = self.resume.take().or(inner.resume.filter(|_| alone));
        self.unclear = self.unclear.take().or(inner.unclear);
        Ok(())
    }

    fn ignore(&mut self, kind: &'static str) {
        *self.ignored.entry(kind).or_default() += 1;
    }
}

fn read_resume(message: &Value) -> Result<Option<Resume>, String> {
    match message.get("processing_metadata") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(metadata)) => Resume::read(metadata).map(Some),
        Some(_) => Err("its processing_metadata is no JSON object".to_owned()),
    }
}

/// The body of a message that a record wraps, as SQS and SNS hand them to a Lambda.
fn nested_body(record: &Value) -> Option<&str> {
    let text = |path| record.pointer(path).and_then(Value::as_str);
    if text("/eventSource") == Some("aws:sqs") {
        return text("/body");
    }
    text("/Sns/Message").filter(|_| text("/EventSource") == Some("aws:sns"))
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
