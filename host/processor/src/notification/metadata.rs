//! The checkpoint of an earlier attempt, in a message's `processing_metadata`: the reference's
//! four fields, and this project's own.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::text::{quote, truncate_error};
use super::time;
use model::DestinationKind;

/// The most characters of an item's type that are kept.
const MAX_ITEM_CHARS: usize = 64;

/// The state that an earlier attempt left.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Resume {
    /// `offset`: the number of events, in guest order, that are delivered.
    pub offset: u64,
    /// `retry_count`: the number of attempts without progress.
    pub retry_count: u32,
    /// `delivery`, `item`: the deliveries that are left.
    pub scope: Scope,
    /// `checkpoint`: what `offset` belongs to; `None` in the reference's own messages.
    pub checkpoint: Option<Checkpoint>,
    /// `first_failed_at`: since when the delivery fails or waits without progress, in
    /// milliseconds since the Unix epoch (RFC 3339 in the message).
    pub first_failed_at: Option<i64>,
    /// `last_error`: why the last attempt failed; at most 512 bytes.
    pub last_error: Option<String>,
    /// `refused`: what was refused for good by the attempts before.
    pub refused: Option<PriorRefusals>,
}

/// Lines and events of an object that were refused for good.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PriorRefusals {
    /// `from`: the offset to start again from so that no refusal is missed, if no dead letter
    /// keeps them (DEAD_LETTER=fail).
    pub from: Option<u64>,
    /// `counts`: lines and events, by reason.
    pub counts: BTreeMap<String, u64>,
    /// `settled`: everything else is delivered. The message exists only to fail, so that the
    /// queue's dead-letter queue keeps it (DEAD_LETTER=fail).
    pub settled: bool,
}

/// The deliveries of a tenant that a message is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Scope {
    /// All deliveries: S3's own messages, and the reference's.
    #[default]
    All,
    /// `delivery`: one delivery.
    Delivery(DestinationKind),
    /// `item`: the delivery that an item of this `type`, which no delivery has, is meant to
    /// become.
    Item(String),
}

impl Scope {
    /// The delivery of an item of this `type`.
    pub fn of_item(kind: &str) -> Self {
        match DestinationKind::parse(kind) {
            Some(known) => Self::Delivery(known),
            None => Self::Item(kind.chars().take(MAX_ITEM_CHARS).collect()),
        }
    }

    /// Whether the message is about the item of this `type`.
    pub fn has_item(&self, kind: &str) -> bool {
        match self {
            Self::All => true,
            Self::Delivery(known) => known.name() == kind,
            Self::Item(item) => item == kind,
        }
    }

    /// The name in logs; `None` for all deliveries.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::All => None,
            Self::Delivery(known) => Some(known.name()),
            Self::Item(kind) => Some(kind),
        }
    }

    /// Reads the deliveries that a message is about which was sent back: never more than it
    /// names.
    fn read(metadata: &Map<String, Value>) -> Result<Self, String> {
        let field_value = |field| metadata.get(field).filter(|value| !value.is_null());
        match (field_value("delivery"), field_value("item")) {
            (None, None) => Ok(Self::All),
            (None, Some(Value::String(kind))) => Ok(Self::of_item(kind)),
            (Some(Value::String(kind)), None) if DestinationKind::parse(kind).is_some() => Ok(Self::of_item(kind)),
            (Some(other), None) => Err(format!(
                "its processing_metadata names the delivery {}, and there are cloudwatch and s3; \
                 send the message without processing_metadata where all of the tenant's deliveries are meant",
                quote(&other.to_string())
            )),
            (_, Some(_)) => {
                Err("its processing_metadata has an item that is no text, or a delivery beside it".to_owned())
            }
        }
    }
}

/// What an offset belongs to. If it differs, the offset means nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// ETag of the object, without quotes.
    pub etag: String,
    /// SHA-256 (hex) of everything that decides which events the object becomes: guests,
    /// settings.
    pub guests: String,
}

impl Resume {
    /// Reads a message's metadata. An invalid number or time counts as missing, and so does an
    /// offset whose checkpoint can't be read: delivering twice is better than never.
    ///
    /// # Errors
    /// The deliveries that the message is about can't be read.
    pub(super) fn read(metadata: &Map<String, Value>) -> Result<Self, String> {
        let number = |field| metadata.get(field).and_then(Value::as_u64);
        let text = |field| metadata.get(field).and_then(Value::as_str);
        let scope = Scope::read(metadata)?;
        let checkpoint = metadata.get("checkpoint").filter(|value| !value.is_null());
        let (offset, checkpoint) = match checkpoint.map(Checkpoint::read) {
            None => (number("offset").unwrap_or_default(), None),
            Some(Some(checkpoint)) => (number("offset").unwrap_or_default(), Some(checkpoint)),
            Some(None) => (0, None),
        };
        Ok(Self {
            offset,
            retry_count: number("retry_count").and_then(|n| n.try_into().ok()).unwrap_or_default(),
            scope,
            checkpoint,
            first_failed_at: text("first_failed_at").and_then(time::parse),
            last_error: text("last_error").map(truncate_error),
            refused: metadata.get("refused").and_then(PriorRefusals::read),
        })
    }
}

impl Checkpoint {
    fn read(value: &Value) -> Option<Self> {
        let text = |field| value.get(field).and_then(Value::as_str).map(str::to_owned);
        Some(Self { etag: text("etag")?, guests: text("guests")? })
    }
}

/// The most reasons that are read from a message: more than exist.
const MAX_REASONS: usize = 32;

impl PriorRefusals {
    /// Reads refusals. Names of reasons are this program's own; anything else in the message
    /// is left out.
    fn read(value: &Value) -> Option<Self> {
        let word = |name: &String| name.len() <= 32 && name.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let counts = value.get("counts")?.as_object()?.iter().filter(|(name, _)| word(name));
        let counts = counts.filter_map(|(name, count)| Some((name.clone(), count.as_u64()?)));
        Some(Self {
            from: value.get("from").and_then(Value::as_u64),
            counts: counts.take(MAX_REASONS).collect(),
            settled: value.get("settled").and_then(Value::as_bool).unwrap_or_default(),
        })
    }

    fn write(&self) -> Value {
        json!({ "from": self.from, "counts": self.counts, "settled": self.settled })
    }
}

/// The body of a message that carries a record, or a list of records, and the state of its
/// delivery, in SNS's form as the reference reads it. `now` is in milliseconds since the Unix
/// epoch (`requeued_at`, RFC 3339).
pub fn requeue(record: &Value, resume: &Resume, receipt_handle: &str, now: i64) -> String {
    let mut metadata = json!({
        "offset": resume.offset,
        "retry_count": resume.retry_count,
        "original_receipt_handle": receipt_handle,
        "requeued_at": time::format(now),
    });
    if let Some(metadata) = metadata.as_object_mut() {
        let scope = match &resume.scope {
            Scope::All => None,
            Scope::Delivery(kind) => Some(("delivery", json!(kind.name()))),
            Scope::Item(kind) => Some(("item", json!(kind))),
        };
        let checkpoint = resume.checkpoint.as_ref().map(|it| json!({ "etag": it.etag, "guests": it.guests }));
        let optional = scope
            .into_iter()
            .chain(checkpoint.map(|it| ("checkpoint", it)))
            .chain(resume.refused.as_ref().map(|it| ("refused", it.write())))
            .chain(resume.first_failed_at.map(|at| ("first_failed_at", json!(time::format(at)))))
            .chain(resume.last_error.as_deref().map(|error| ("last_error", json!(truncate_error(error)))));
        metadata.extend(optional.map(|(field, value)| (field.to_owned(), value)));
    }
    let event = match record {
        Value::Array(records) => json!({ "Records": records }),
        record => json!({ "Records": [record] }),
    };
    escape_for_sqs(&json!({ "Message": event.to_string(), "processing_metadata": metadata }).to_string())
}

/// Escapes the two characters that JSON allows and SQS refuses. Source: API_SendMessage,
/// MessageBody.
fn escape_for_sqs(json: &str) -> String {
    json.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff")
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
