//! SQS: receiving, deleting and sending messages, and their visibility.

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
    /// The message's ID.
    pub message_id: String,
    /// The receipt handle, by which the message is deleted and its visibility is set.
    pub receipt_handle: String,
    /// The message's body.
    pub body: String,
    /// The number of receives, including this one.
    pub receive_count: u32,
}

/// A message to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutgoingMessage {
    /// The message's body.
    pub body: String,
    /// The time before the message can be received, in seconds: at most 900.
    pub delay_seconds: u32,
    /// The attributes of type Number.
    pub numbers: Vec<(&'static str, u64)>,
}

/// The result of setting one message's visibility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VisibilityResult {
    /// The message is invisible for that long from now on.
    Extended,
    /// Another consumer has the message by now, or it is gone.
    Lost(String),
    /// The call may be tried again.
    Failed(String),
}

/// One queue. `Clone` is cheap.
#[derive(Clone)]
pub struct Queue {
    sqs: Service<Client>,
    url: Arc<str>,
}

/// The client of all queues.
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

    /// Whether the queue is a FIFO queue, which takes no message without a group, and none with a
    /// delay of its own. Source: API_SendMessage.
    pub fn is_fifo(&self) -> bool {
        self.url.ends_with(".fifo")
    }

    /// Gets the number of receives after which the queue's redrive policy moves a message to the
    /// dead-letter queue. `None` if the queue has no such policy.
    ///
    /// # Errors
    /// `Denied`: the role may not call GetQueueAttributes; no mode needs it.
    pub async fn max_receive_count(&self) -> Result<Option<u32>, AwsError> {
        let request = self.sqs.client().await?.get_queue_attributes().queue_url(&*self.url);
        let response = request
            .attribute_names(QueueAttributeName::RedrivePolicy)
            .send()
            .await
            .map_err(|error| self.classify(Operation::GetQueueAttributes, error))?;
        let policy = response.attributes().and_then(|all| all.get(&QueueAttributeName::RedrivePolicy));
        let policy = policy.and_then(|json| serde_json::from_str::<serde_json::Value>(json).ok());
        let count = policy.as_ref().and_then(|policy| policy.get("maxReceiveCount"));
        // The policy's author may have put the number in quotes.
        let number = count.and_then(|count| count.as_u64().or_else(|| count.as_str()?.parse().ok()));
        Ok(number.map(|number| u32::try_from(number).unwrap_or(u32::MAX)))
    }

    /// Receives at most 10 messages. Waits up to `wait_seconds` for the first.
    ///
    /// # Errors
    /// The call failed after all attempts. `NoProof`: a success without a JSON document.
    pub async fn receive(&self, wait_seconds: u32, visibility_seconds: u32) -> Result<Vec<ReceivedMessage>, AwsError> {
        let timeout = self.sqs.request_timeout + Duration::from_secs(wait_seconds.into());
        let empty = EmptyResponseCheck::default();
        let response = self
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
        // Taken for an empty queue, it would be polled again at once, for ever, and count as ready.
        if empty.was_empty() {
            return Err(self
                .sqs
                .call(Operation::ReceiveMessage)
                .missing_proof(format!("queue {}", self.url), "JSON document"));
        }
        Ok(response.messages.unwrap_or_default().into_iter().map(received_message).collect())
    }

    /// Deletes at most 10 messages by their receipt handles. Returns one result per handle, in order.
    ///
    /// # Errors
    /// The call as a whole failed.
    pub async fn delete(&self, receipt_handles: &[String]) -> Result<Vec<Result<(), String>>, AwsError> {
        if receipt_handles.is_empty() {
            return Ok(Vec::new());
        }
        let entry = |(id, handle): (usize, &String)| {
            DeleteMessageBatchRequestEntry::builder().id(id.to_string()).receipt_handle(handle).build()
        };
        let entries: Result<Vec<_>, _> = receipt_handles.iter().enumerate().map(entry).collect();
        let request = self.sqs.client().await?.delete_message_batch().queue_url(&*self.url);
        let response = request
            .set_entries(Some(entries.map_err(|error| self.invalid(Operation::DeleteMessageBatch, &error))?))
            .send()
            .await
            .map_err(|error| self.classify(Operation::DeleteMessageBatch, error))?;
        let done = response.successful().iter().map(DeleteMessageBatchResultEntry::id);
        Ok(in_request_order(receipt_handles.len(), done, response.failed()))
    }

    /// Makes at most 10 messages invisible for `seconds` from now on (0: visible).
    ///
    /// # Errors
    /// The call as a whole failed. `Denied`: the role may not change visibility.
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
        let response = request
            .set_entries(Some(entries.map_err(|error| self.invalid(Operation::ChangeMessageVisibilityBatch, &error))?))
            .send()
            .await
            .map_err(|error| self.classify(Operation::ChangeMessageVisibilityBatch, error))?;
        let mut results = vec![VisibilityResult::Failed(NOT_MENTIONED.to_owned()); receipt_handles.len()];
        for done in response.successful() {
            set_result(&mut results, done.id(), VisibilityResult::Extended);
        }
        for failed in response.failed() {
            set_result(&mut results, failed.id(), visibility_failure(failed));
        }
        Ok(results)
    }

    /// Sends at most 10 messages. Returns one result per message, in order.
    ///
    /// # Errors
    /// The call as a whole failed.
    pub async fn send(&self, messages: &[OutgoingMessage]) -> Result<Vec<Result<(), String>>, AwsError> {
        if messages.is_empty() {
            return Ok(Vec::new());
        }
        let entries: Result<Vec<_>, _> =
            messages.iter().enumerate().map(|(id, message)| send_entry(id, message)).collect();
        let request = self.sqs.client().await?.send_message_batch().queue_url(&*self.url);
        let response = request
            .set_entries(Some(entries.map_err(|error| self.invalid(Operation::SendMessageBatch, &error))?))
            .send()
            .await
            .map_err(|error| self.classify(Operation::SendMessageBatch, error))?;
        let done = response.successful().iter().map(SendMessageBatchResultEntry::id);
        Ok(in_request_order(messages.len(), done, response.failed()))
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

/// The error of a message that SQS's response doesn't mention. The call may be tried again.
const NOT_MENTIONED: &str = "SQS said nothing about this message";

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

/// The results of a batch, in the order of its messages. The IDs are their indexes.
fn in_request_order<'a>(
    count: usize,
    done: impl Iterator<Item = &'a str>,
    failed: &[BatchResultErrorEntry],
) -> Vec<Result<(), String>> {
    let mut results = vec![Err(NOT_MENTIONED.to_owned()); count];
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

/// The result of an entry that failed. SQS reports an expired handle as an invalid parameter, and
/// only the message says so. Source: API_ChangeMessageVisibility, Errors.
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
