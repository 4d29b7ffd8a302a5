//! Checks what CloudWatch Logs takes and refuses (API_PutLogEvents).

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use crate::reply::Refusal;

const MAX_EVENTS: usize = 10_000;
const MAX_BYTES: usize = 1_048_576;
/// Counted for an event beside its message.
const EVENT_BYTES: usize = 26;
const DAY: i64 = 86_400_000;
const MAX_SPAN: i64 = DAY;
const TOO_OLD: i64 = 14 * DAY;
const TOO_NEW: i64 = 2 * 3_600_000;

/// An event's message, or only what is counted of it.
pub(crate) trait Message {
    fn bytes(&self) -> usize;
}

impl Message for String {
    fn bytes(&self) -> usize {
        self.len()
    }
}

/// The bytes of a message that isn't kept, so that none is allocated.
#[derive(Debug)]
pub(crate) struct Length(usize);

impl Message for Length {
    fn bytes(&self) -> usize {
        self.0
    }
}

impl<'de> Deserialize<'de> for Length {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Measure;
        impl Visitor<'_> for Measure {
            type Value = Length;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a message")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Length, E> {
                Ok(Length(text.len()))
            }
        }
        deserializer.deserialize_str(Measure)
    }
}

/// An event as it comes.
#[derive(Debug, Deserialize)]
pub(crate) struct Event<M> {
    pub(crate) timestamp: i64,
    pub(crate) message: M,
}

/// PutLogEvents as it comes.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Request<M> {
    pub(crate) log_group_name: String,
    pub(crate) log_stream_name: String,
    pub(crate) log_events: Vec<Event<M>>,
}

impl<M: Message> Request<M> {
    /// Checks the batch; returns the bytes that AWS counts, or refuses the call as a whole.
    pub(crate) fn check(&self) -> Result<usize, Refusal> {
        check_group(&self.log_group_name)?;
        check_stream(&self.log_stream_name)?;
        let events = &self.log_events;
        if !(1..=MAX_EVENTS).contains(&events.len()) {
            let message = "Value at 'logEvents' failed to satisfy constraint: Member must have length 1 to 10000";
            return Err(invalid(message));
        }
        if events.iter().any(|event| event.message.bytes() == 0) {
            return Err(invalid("Value at 'logEvents.message' must have length greater than or equal to 1"));
        }
        if events.iter().any(|event| event.timestamp < 0) {
            return Err(invalid("Value at 'logEvents.timestamp' must have value greater than or equal to 0"));
        }
        let bytes = events.iter().map(|event| event.message.bytes() + EVENT_BYTES).sum();
        if bytes > MAX_BYTES {
            return Err(invalid(&format!("Upload too large: {bytes} bytes exceeds limit of {MAX_BYTES}")));
        }
        if !events.is_sorted_by_key(|event| event.timestamp) {
            return Err(invalid("Log events in a single PutLogEvents request must be in chronological order."));
        }
        if events[events.len() - 1].timestamp - events[0].timestamp > MAX_SPAN {
            let message = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours.";
            return Err(invalid(message));
        }
        Ok(bytes)
    }

    /// Which events are stored, and what is said of the others; to be asked after `check`.
    pub(crate) fn accept(&self, now: i64, retention: Option<i64>) -> (std::ops::Range<usize>, Value) {
        let before = |limit: i64| self.log_events.partition_point(|event| event.timestamp < limit);
        let too_old = before(now - TOO_OLD);
        let expired = retention.map_or(0, |days| before(now - days * DAY));
        let too_new = before(now + TOO_NEW + 1);
        let mut info = json!({});
        if too_old > 0 {
            info["tooOldLogEventEndIndex"] = too_old.into();
        }
        if expired > 0 {
            info["expiredLogEventEndIndex"] = expired.into();
        }
        if too_new < self.log_events.len() {
            info["tooNewLogEventStartIndex"] = too_new.into();
        }
        let first = too_old.max(expired).min(too_new);
        (first..too_new, info)
    }
}

/// 1 to 512 of `a-zA-Z0-9_-/.#`.
pub(crate) fn check_group(name: &str) -> Result<(), Refusal> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_-/.#".contains(c);
    if (1..=512).contains(&name.len()) && name.chars().all(fits) {
        return Ok(());
    }
    Err(invalid("Value at 'logGroupName' failed to satisfy constraint: [\\.\\-_/#A-Za-z0-9]+, length 1 to 512"))
}

/// 1 to 512 characters without `:` and `*`.
pub(crate) fn check_stream(name: &str) -> Result<(), Refusal> {
    if (1..=512).contains(&name.chars().count()) && !name.contains([':', '*']) {
        return Ok(());
    }
    Err(invalid("Value at 'logStreamName' failed to satisfy constraint: [^:*]*, length 1 to 512"))
}

fn invalid(message: &str) -> Refusal {
    Refusal::bad("InvalidParameterException", message)
}
