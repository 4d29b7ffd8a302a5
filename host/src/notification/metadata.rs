//! How far an earlier attempt came, in a message's `processing_metadata`: the
//! reference's four fields, and this project's own.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::time;

/// How far an earlier attempt came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resume {
    /// `offset`: events, in guest order, that are delivered.
    pub offset: u64,
    /// `retry_count`: attempts that made no progress.
    pub retry_count: u32,
    /// `delivery`: the only one that is left, `cloudwatch` or `s3`; none: all
    /// (the reference's own messages).
    pub delivery: Option<String>,
    /// `checkpoint`: what `offset` belongs to; none: the reference's own.
    pub checkpoint: Option<Checkpoint>,
    /// `refused`: what was refused for good by the attempts before.
    pub refused: Option<Refused>,
}

/// What of an object was refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Refused {
    /// `from`: where no letter keeps it (DEAD_LETTER=fail), the offset to begin with again,
    /// so that none of it is missed.
    pub from: Option<u64>,
    /// `counts`: lines and events, by reason.
    pub counts: BTreeMap<String, u64>,
    /// `settled`: all else is delivered. The message is only there to fail, for the
    /// queue's dead-letter queue to keep it (DEAD_LETTER=fail).
    pub settled: bool,
}

/// What an offset belongs to; where it differs, the offset means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// ETag of the object, without quotes.
    pub etag: String,
    /// SHA-256 (hex) of what decides which events the object becomes: guests, settings.
    pub guests: String,
}

impl Resume {
    /// Reads the metadata of a message. A field that is not as it should be counts as
    /// missing: what is delivered twice is better than what is never delivered.
    pub(super) fn read(metadata: &Map<String, Value>) -> Self {
        let number = |field| metadata.get(field).and_then(Value::as_u64);
        let delivery = metadata.get("delivery").and_then(Value::as_str);
        Self {
            offset: number("offset").unwrap_or_default(),
            retry_count: number("retry_count").and_then(|n| n.try_into().ok()).unwrap_or_default(),
            delivery: delivery.filter(|kind| matches!(*kind, "cloudwatch" | "s3")).map(str::to_owned),
            checkpoint: metadata.get("checkpoint").and_then(Checkpoint::read),
            refused: metadata.get("refused").and_then(Refused::read),
        }
    }
}

impl Checkpoint {
    fn read(value: &Value) -> Option<Self> {
        let text = |field| value.get(field).and_then(Value::as_str).map(str::to_owned);
        Some(Self { etag: text("etag")?, guests: text("guests")? })
    }
}

/// Reasons that are read of a message: more than there are.
const MOST_REASONS: usize = 32;

impl Refused {
    /// Names of reasons are words of ours; what else stands in a message is left out.
    fn read(value: &Value) -> Option<Self> {
        let word = |name: &String| name.len() <= 32 && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let counts = value.get("counts")?.as_object()?.iter().filter(|(name, _)| word(name));
        let counts = counts.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?)));
        Some(Self {
            from: value.get("from").and_then(Value::as_u64),
            counts: counts.take(MOST_REASONS).collect(),
            settled: value.get("settled").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    fn write(&self) -> Value {
        json!({ "from": self.from, "counts": self.counts, "settled": self.settled })
    }
}

/// The body of a message that carries one record and what is known of its
/// delivery: in SNS's form, as the reference reads it. `now` is in milliseconds
/// since the Unix epoch (`requeued_at`, RFC 3339).
pub fn requeue(record: &Value, resume: &Resume, receipt_handle: &str, now: i64) -> String {
    let mut metadata = json!({
        "offset": resume.offset,
        "retry_count": resume.retry_count,
        "original_receipt_handle": receipt_handle,
        "requeued_at": time::format(now),
    });
    if let Some(metadata) = metadata.as_object_mut() {
        let checkpoint = |it: &Checkpoint| json!({ "etag": it.etag, "guests": it.guests });
        metadata.extend(resume.delivery.as_ref().map(|kind| ("delivery".to_owned(), json!(kind))));
        metadata.extend(resume.refused.as_ref().map(|it| ("refused".to_owned(), it.write())));
        metadata.extend(resume.checkpoint.as_ref().map(|it| ("checkpoint".to_owned(), checkpoint(it))));
    }
    let event = json!({ "Records": [record] });
    json!({ "Message": event.to_string(), "processing_metadata": metadata }).to_string()
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
