//! The payloads of invocations: a batch of SQS records, or one announcement by S3 itself, by
//! SNS, or by EventBridge.

use serde_json::Value;

use crate::intake::message::Message;

/// A parsed invocation.
#[derive(Debug)]
pub(super) enum Invocation {
    /// Records of a queue; failures are reported one by one.
    Batch(Vec<Message>),
    /// Messages of another caller; a failure fails the invocation, so that it is repeated.
    Direct(Vec<Message>),
}

/// The payload announces no objects.
#[derive(Debug, thiserror::Error)]
#[error(
    "the event is neither a batch of SQS records ({{\"Records\": [{{\"messageId\": …, \"body\": …}}]}}) nor an S3 \
     event, directly, from SNS or from EventBridge: trigger the function by the queue that S3 notifies"
)]
pub(super) struct UnknownPayload;

impl Invocation {
    /// Parses a payload. `request_id`: the invocation's, the same when it is repeated.
    ///
    /// # Errors
    /// The payload has no known form.
    pub(super) fn read(payload: Value, request_id: &str) -> Result<Self, UnknownPayload> {
        let direct = |body: String| message(request_id.to_owned(), body);
        let Some(records) = payload.get("Records").and_then(Value::as_array) else {
            let bridge = payload.get("detail-type").is_some_and(Value::is_string);
            let test = text(&payload, "Event") == Some("s3:TestEvent");
            return if bridge || test {
                Ok(Self::Direct(vec![direct(payload.to_string())]))
            } else {
                Err(UnknownPayload)
            };
        };
        // Recognized by fields that only they have: names of sources are spelled in several
        // ways.
        if records.iter().all(|record| record.get("messageId").is_some_and(Value::is_string)) {
            return Ok(Self::Batch(records.iter().map(sqs_message).collect()));
        }
        if records.iter().all(|record| record.get("Sns").is_some_and(Value::is_object)) {
            return Ok(Self::Direct(records.iter().filter_map(|record| record.get("Sns")).map(sns_message).collect()));
        }
        if records.iter().any(|record| record.get("s3").is_some_and(Value::is_object)) {
            return Ok(Self::Direct(vec![direct(payload.to_string())]));
        }
        Err(UnknownPayload)
    }
}

fn message(id: String, body: String) -> Message {
    Message { id, body, receipt_handle: String::new(), attempt: 1, owner: None }
}

/// The message of an SQS record. A field that is missing or null counts as empty.
fn sqs_message(record: &Value) -> Message {
    let owned = |field| text(record, field).unwrap_or_default().to_owned();
    let count = record.pointer("/attributes/ApproximateReceiveCount");
    let count = count.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()));
    Message {
        receipt_handle: owned("receiptHandle"),
        attempt: count.and_then(|count| count.try_into().ok()).unwrap_or(1),
        ..message(owned("messageId"), owned("body"))
    }
}

/// The message of an SNS notification, with a body as SQS would have it.
fn sns_message(sns: &Value) -> Message {
    message(text(sns, "MessageId").unwrap_or_default().to_owned(), sns.to_string())
}

fn text<'a>(value: &'a Value, field: &str) -> Option<&'a str> {
    value.get(field).and_then(Value::as_str)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Messages as pairs of ID and body.
    fn read(payload: Value) -> Result<(bool, Vec<(String, Value)>), String> {
        let (batch, messages) = match Invocation::read(payload, "request") {
            Ok(Invocation::Batch(messages)) => (true, messages),
            Ok(Invocation::Direct(messages)) => (false, messages),
            Err(error) => return Err(error.to_string()),
        };
        let pair = |message: Message| (message.id, serde_json::from_str(&message.body).unwrap_or_default());
        Ok((batch, messages.into_iter().map(pair).collect()))
    }

    #[test]
    fn a_batch_of_sqs_whatever_is_missing() {
        let batch = json!({"Records": [
            {"messageId": "a", "receiptHandle": "h", "body": "1", "attributes": {"ApproximateReceiveCount": "2"}},
            {"messageId": "b", "body": "2", "attributes": {"ApproximateReceiveCount": 3}},
            {"messageId": "c", "receiptHandle": null, "attributes": null},
        ]});
        let Ok(Invocation::Batch(messages)) = Invocation::read(batch, "request") else { panic!("it is a batch") };
        let seen: Vec<_> = messages.iter().map(|m| (&*m.id, &*m.receipt_handle, &*m.body, m.attempt)).collect();
        assert_eq!(seen, [("a", "h", "1", 2), ("b", "", "2", 3), ("c", "", "", 1)]);
        assert_eq!(read(json!({"Records": []})), Ok((true, vec![])));
    }

    #[test]
    fn what_others_than_sqs_send_is_taken_as_messages() {
        let s3 = json!({"Records": [{"eventSource": "aws:s3", "s3": {"object": {"key": "k"}}}]});
        assert_eq!(read(s3.clone()), Ok((false, vec![("request".to_owned(), s3.clone())])));
        let sns = json!({"Type": "Notification", "MessageId": "m", "Message": s3.to_string()});
        let published = json!({"Records": [{"EventSource": "aws:sns", "Sns": sns}]});
        assert_eq!(read(published), Ok((false, vec![("m".to_owned(), sns)])));
        let bridge = json!({"source": "aws.s3", "detail-type": "Object Created", "detail": {}});
        assert_eq!(read(bridge.clone()), Ok((false, vec![("request".to_owned(), bridge)])));
    }

    #[test]
    fn anything_else_is_an_error_that_says_what_was_expected() {
        for odd in [
            json!({"key1": "value1"}),
            json!(null),
            json!([]),
            json!("text"),
            json!({"Records": null}),
            json!({"Records": [{"kinesis": {}}]}),
            json!({"Records": [{"messageId": "a"}, {}]}),
        ] {
            let error = read(odd.clone()).unwrap_err();
            assert!(error.contains("a batch of SQS records") && !error.contains("value1"), "{odd}: {error}");
        }
    }
}
