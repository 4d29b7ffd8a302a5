//! A batch as the JSON of PutLogEvents.

use bytes::Bytes;

use crate::delivery::batch::Batch;
use crate::delivery::json::{push_number, push_string};

/// Bytes of an event beside its message: its braces, names and timestamp.
const BESIDE_MESSAGE: usize = 48;

/// Builds the request. Logs that are JSON themselves have an escape every few bytes, so the
/// buffer has room for an eighth more than the messages take.
pub(super) fn put_log_events(group: &str, stream: &str, batch: &Batch) -> Bytes {
    let guess = batch.bytes + batch.bytes / 8 + batch.entries.len() * BESIDE_MESSAGE + 1024;
    let mut out = Vec::with_capacity(guess);
    out.extend_from_slice(b"{\"logGroupName\":");
    push_string(&mut out, group);
    out.extend_from_slice(b",\"logStreamName\":");
    push_string(&mut out, stream);
    out.extend_from_slice(b",\"logEvents\":[");
    for (index, entry) in batch.entries.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"{\"timestamp\":" } else { b",{\"timestamp\":" });
        push_number(&mut out, entry.event.timestamp);
        out.extend_from_slice(b",\"message\":");
        push_string(&mut out, &entry.event.message);
        out.push(b'}');
    }
    out.extend_from_slice(b"]}");
    Bytes::from(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::delivery::batch::BatchEvent;
    use model::Event;

    #[test]
    fn the_request_is_what_aws_reads() {
        let messages = ["plain", "{\"a\":\"b\\n\"}\n\t\u{1}", "é日本🦀", "\u{7f}\u{2028}"];
        let entry = |(index, message): (u64, &&str)| {
            let timestamp = 1_795_428_000_000 + i64::try_from(index).unwrap();
            let event = Event { line: index, timestamp, message: (*message).to_owned() };
            BatchEvent { index, event, continues: false }
        };
        let batch = Batch { entries: (0..).zip(&messages).map(entry).collect(), bytes: 0, settles_to: None };
        let sent: serde_json::Value = serde_json::from_slice(&put_log_events("/g\"", "s\\", &batch)).unwrap();
        let events: Vec<_> = (1_795_428_000_000i64..)
            .zip(messages)
            .map(|(timestamp, message)| serde_json::json!({ "timestamp": timestamp, "message": message }))
            .collect();
        assert_eq!(sent, serde_json::json!({ "logGroupName": "/g\"", "logStreamName": "s\\", "logEvents": events }));
    }
}
