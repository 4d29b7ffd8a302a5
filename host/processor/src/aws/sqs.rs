//! SQS.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::error::{BuildError, ProvideErrorMetadata, SdkError};
use aws_sdk_sqs::types::{
    BatchResultErrorEntry, ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry,
    DeleteMessageBatchResultEntry, Message, MessageAttributeValue, MessageSystemAttributeName, QueueAttributeName,
    SendMessageBatchRequestEntry, SendMessageBatchResultEntry,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;

use super::config::timeouts;
use super::empty_response::EmptyResponseCheck;
use super::operation::Operation;
use super::service::{Access, Service};
use super::{AwsError, AwsErrorKind};

/// A message that was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedMessage {
    /// Its ID.
    pub message_id: String,
    /// What it is deleted and extended by.
    pub receipt_handle: String,
    /// Its body.
    pub body: String,
    /// How often it was received, this time included.
    pub receive_count: u32,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// Its body.
    pub body: String,
    /// Seconds before it can be received, at most 900.
    pub delay_seconds: u32,
    /// Attributes of type Number.
    pub numbers: Vec<(&'static str, u64)>,
}

/// What became of one message's visibility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VisibilityResult {
    /// It is invisible for that long from now.
    Extended,
    /// The message is someone else's by now, or gone.
    Lost(String),
    /// It may be tried again.
    Failed(String),
}

/// One queue. `Clone` is cheap.
#[derive(Clone)]
pub struct Queue {
    sqs: Service<Client>,
    url: Arc<str>,
}

/// SQS, for all queues.
pub(super) fn client(access: Access) -> Service<Client> {
    Service::new(access, |access| {
        let config = aws_sdk_sqs::config::Builder::from(&access.config).retry_partition(access.retry_partition());
        Client::from_conf(config.build())
    })
}

impl Queue {
    pub(super) fn new(sqs: Service<Client>, url: &str) -> Self {
        Self { sqs, url: url.into() }
    }

    /// Whether it is a FIFO queue: it takes no message without a group, nor one with a
    /// delay of its own. Source: API_SendMessage.
    pub fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    /// How often a message is received before the queue's redrive policy takes it away;
    /// none: it has no such policy.
    ///
    /// # Errors
    /// `Denied` where the role may not ask: no mode needs it.
    pub async fn max_receive_count(&self) -> Result<Option<u32>, AwsError> {
        let request = self.sqs.client().await?.get_queue_attributes().queue_url(&*self.url);
        let answer = request
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(|error| self.classify(Operation::GetQueueAttributes, error))?;
        let policy = answer.attributes().and_then(|all| all.get(&QueueAttributeName::RedrivePolicy));
        let policy = policy.and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
        let count = policy.as_ref().and_then(|policy| policy.get("maxReceiveCount"));
        // A number, or one in quotes, as it was given.
        let number = count.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()));
        Ok(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// Receives at most 10 messages; waits up to `wait_seconds` for the first.
    ///
    /// # Errors
    /// After the SDK's attempts. `NoProof`: a success without a document.
    pub async fn receive(&self, wait_seconds: u32, visibility_seconds: u32) -> Result<Vec<ReceivedMessage>, AwsError> {
        let timeout = self.sqs.request_timeout + Duration::from_secs(wait_seconds.into());
        let empty = EmptyResponseCheck::default();
        let answer = self
            .sqs
            .client()
            .await?
            .receive_message()
            .queue_url(&*self.url)
            .max_number_of_messages(10)
            .wait_time_seconds(seconds(wait_seconds))
            .visibility_timeout(seconds(visibility_seconds))
            .message_system_attribute_names(MessageSystemAttributeName::ApproximateReceiveCount)
            .customize()
            .config_override(aws_sdk_sqs::Config::builder().timeout_config(timeouts(timeout)))
            .interceptor(empty.clone())
            .send()
            .await
            .map_err(|error| self.classify(Operation::ReceiveMessage, error))?;
        // No empty queue: it would be asked again at once, for ever, and count as ready.
        if empty.was_empty() {
            return Err(self
                .sqs
                .call(Operation::ReceiveMessage)
                .missing_proof(format!("queue {}", self.url), "JSON document"));
        }
        Ok(answer.messages.unwrap_or_default().into_iter().map(received_message).collect())
    }

    /// Deletes messages by their receipt handles, at most 10; one result for each, in order.
    ///
    /// # Errors
    /// When the call as a whole failed.
    pub async fn delete(&self, receipt_handles: &[String]) -> Result<Vec<Result<(), String>>, AwsError> {
        if receipt_handles.is_empty() {
            return Ok(Vec::new());
        }
        let entry = |(id, handle): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(handle).build()
        };
        let entries: Result<Vec<_>, _> = receipt_handles.iter().enumerate().map(entry).collect();
        let request = self.sqs.client().await?.delete_message_batch().queue_url(&*self.url);
        let answer = request
            .set_entries(Some(entries.map_err(|error| self.invalid(Operation::DeleteMessageBatch, &error))?))
            .send()
            .await
            .map_err(|error| self.classify(Operation::DeleteMessageBatch, error))?;
        let done = answer.successful().iter().map(DeleteMessageBatchResultEntry::id);
        Ok(in_request_order(receipt_handles.len(), done, answer.failed()))
    }

    /// Makes messages invisible for `seconds` from now (0: visible), at most 10.
    ///
    /// # Errors
    /// When the call as a whole failed; `Denied` where the role may not.
    pub async fn set_visibility(
        &self,
        receipt_handles: &[String],
        seconds: u32,
    ) -> Result<Vec<VisibilityResult>, AwsError> {
        if receipt_handles.is_empty() {
            return Ok(Vec::new());
        }
        let entry = |(id, handle): (usize, &String)| {
            let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string()).receipt_handle(handle);
            entry.visibility_timeout(self::seconds(seconds)).build()
        };
        let entries: Result<Vec<_>, _> = receipt_handles.iter().enumerate().map(entry).collect();
        let request = self.sqs.client().await?.change_message_visibility_batch().queue_url(&*self.url);
        let answer = request
            .set_entries(Some(entries.map_err(|error| self.invalid(Operation::ChangeMessageVisibilityBatch, &error))?))
            .send()
            .await
            .map_err(|error| self.classify(Operation::ChangeMessageVisibilityBatch, error))?;
        let mut results = vec![VisibilityResult::Failed(NO_ANSWER.to_owned()); receipt_handles.len()];
        for done in answer.successful() {
            set_result(&mut results, done.id(), VisibilityResult::Extended);
        }
        for failed in answer.failed() {
            set_result(&mut results, failed.id(), visibility_failure(failed));
        }
        Ok(results)
    }

    /// Sends at most 10 messages; one result for each, in order.
    ///
    /// # Errors
    /// When the call as a whole failed.
    pub async fn send(&self, messages: &[OutgoingMessage]) -> Result<Vec<Result<(), String>>, AwsError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let entries: Result<Vec<_>, _> =
            messages.iter().enumerate().map(|(id, message)| send_entry(id, message)).collect();
        let request = self.sqs.client().await?.send_message_batch().queue_url(&*self.url);
        let answer = request
            .set_entries(Some(entries.map_err(|error| self.invalid(Operation::SendMessageBatch, &error))?))
            .send()
            .await
            .map_err(|error| self.classify(Operation::SendMessageBatch, error))?;
        let done = answer.successful().iter().map(SendMessageBatchResultEntry::id);
        Ok(in_request_order(messages.len(), done, answer.failed()))
    }

    fn classify<E>(&self, operation: Operation, error: SdkError<E, HttpResponse>) -> AwsError
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        self.sqs.call(operation).classify(format!("queue {}", self.url), error)
    }

    fn invalid(&self, operation: Operation, error: &BuildError) -> AwsError {
        self.sqs.call(operation).error(
            format!("queue {}", self.url),
            AwsErrorKind::Other,
            None,
            error.to_string(),
            false,
        )
    }
}

/// What SQS said nothing about may be tried again.
const NO_ANSWER: &str = "SQS said nothing about this message";

fn seconds(seconds: u32) -> i32 {
    seconds.try_into().unwrap_or(i32::MAX)
}

fn received_message(message: Message) -> ReceivedMessage {
    let count = message.attributes().and_then(|all| all.get(&MessageSystemAttributeName::ApproximateReceiveCount));
    ReceivedMessage {
        receive_count: count.and_then(|count| count.parse().ok()).unwrap_or(1),
        message_id: message.message_id.unwrap_or_default(),
        receipt_handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
    }
}

fn send_entry(id: usize, message: &OutgoingMessage) -> Result<SendMessageBatchRequestEntry, BuildError> {
    let mut entry = SendMessageBatchRequestEntry::builder()
        .id(id.to_string())
        .message_body(&message.body)
        .delay_seconds(seconds(message.delay_seconds));
    for (name, value) in &message.numbers {
        let value = MessageAttributeValue::builder().data_type("Number").string_value(value.to_string()).build()?;
        entry = entry.message_attributes(*name, value);
    }
    entry.build()
}

/// One result for each message, whose IDs are their places.
fn in_request_order<'a>(
    count: usize,
    done: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Vec<Result<(), String>> {
    let mut results = vec![Err(NO_ANSWER.to_owned()); count];
    for id in done {
        set_result(&mut results, id, Ok(()));
    }
    for entry in failed {
        set_result(&mut results, entry.id(), Err(reason(entry)));
    }
    results
}

fn set_result<T>(results: &mut [T], id: &str, result: T) {
    if let Some(place) = id.parse().ok().and_then(|place: usize| results.get_mut(place)) {
        *place = result;
    }
}

/// Source: API_ChangeMessageVisibility, Errors. An expired handle is reported as an
/// invalid parameter, and only its words say so.
fn visibility_failure(entry: &BatchResultErrorEntry) -> VisibilityResult {
    let code = entry.code().rsplit('.').next().unwrap_or_default();
    let words = entry.message().unwrap_or_default();
    match code {
        "ReceiptHandleIsInvalid" | "MessageNotInflight" => VisibilityResult::Lost(reason(entry)),
        "InvalidParameterValue"
            if words.contains("expired") || words.contains("eceipt") || words.contains("available") =>
        {
            VisibilityResult::Lost(reason(entry))
        }
        _ => VisibilityResult::Failed(reason(entry)),
    }
}

fn reason(entry: &BatchResultErrorEntry) -> String {
    match entry.message() {
        Some(message) => format!("{}: {message}", entry.code()),
        None => entry.code().to_owned(),
    }
}

#[cfg(test)]
#[path = "sqs_tests.rs"]
mod tests;
