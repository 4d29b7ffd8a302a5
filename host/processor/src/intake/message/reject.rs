//! Rejects what of a message can never be delivered, and ignores what nobody wants.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::message_types::{Message, MessageOutcome};
use super::object_run::{ObjectResult, ObjectRun};
use super::processor::Processor;
use super::rejections::MessageRejections;
use super::unfinished::{DeliveryState, UnfinishedDelivery};
use crate::delivery::dead_letter::{DeadLetterWriter, Provenance};
use crate::notification::{InvalidRecord, Resume};
use crate::report::{Entry, Outcome, Unwanted};
use crate::telemetry::FinishedDelivery;
use model::{DeadLetter, ObjectId, Reason};

/// The message itself is what a letter is about that names no object.
fn about(message: &Message) -> Arc<ObjectId> {
    Arc::new(ObjectId { bucket: "messages".to_owned(), key: message.id.clone() })
}

impl Processor {
    /// Keeps a message that announces nothing.
    pub(super) async fn reject_message(&self, message: &Message, error: &str) -> MessageOutcome {
        let rejections = MessageRejections::default();
        tracing::warn!(message_id = %message.id, error, refused = self.dead_letters.describe(), "rejected: not a notification");
        self.reject(message, &rejections, error, message.body.clone());
        match self.write_rejected(message, &rejections).await {
            Ok(()) => MessageOutcome::Done,
            Err(error) => MessageOutcome::Failed(error),
        }
    }

    /// Rejects a record that names no object.
    pub(super) fn reject_record(&self, message: &Message, rejections: &MessageRejections, record: InvalidRecord) {
        let refused = self.dead_letters.describe();
        if rejections.admit_name() {
            tracing::warn!(message_id = %message.id, error = %record, refused, "rejected: a record that names no object");
        }
        self.reject(message, rejections, &record.what, record.record);
    }

    fn reject(&self, message: &Message, rejections: &MessageRejections, detail: &str, data: String) {
        let (about, reason) = (about(message), Reason::InvalidNotification);
        let entry = Entry::new(&about, None, None, Outcome::Rejected).with_reason(reason, detail);
        rejections.reject(DeadLetter::of_object(&about, reason, detail).with_data(data.into_bytes()));
        self.metrics.record_delivery(&FinishedDelivery { entry: &entry, latency: None, guest_time: Duration::ZERO });
    }

    /// Rejects an announced object, whose key names no tenant or which may not be named;
    /// `words` are for the log.
    pub(super) fn reject_object(
        &self,
        object: &ObjectRun<'_>,
        reason: Reason,
        detail: String,
        words: &str,
    ) -> ObjectResult {
        let rejected = Entry::new(&object.id, None, None, Outcome::Rejected).with_reason(reason, words);
        let data = object.announced.record.to_string().into_bytes();
        object.rejections.reject(DeadLetter::of_object(&object.id, reason, detail).with_data(data));
        self.count_without_delivery(rejected, None)
    }

    /// Writes the letters of all that is rejected of a message, at once; says how much
    /// more there was than was named.
    ///
    /// # Errors
    /// They can't be written, or the queue's own dead-letter queue is to keep the message.
    pub(super) async fn write_rejected(&self, message: &Message, rejections: &MessageRejections) -> Result<(), String> {
        self.log_unnamed(message, rejections);
        let about = about(message);
        let provenance = Provenance { attempt: message.attempt, ..Provenance::default() };
        let letters = DeadLetterWriter::new(self.dead_letters.clone(), &about, None, provenance);
        letters.write(&rejections.take_letters(&about)).await.map_err(|error| error.to_string())
    }

    fn log_unnamed(&self, message: &Message, rejections: &MessageRejections) {
        let unnamed = rejections.take_unnamed();
        if unnamed > 0 {
            let id = message.id.as_str();
            tracing::warn!(message_id = id, unnamed, "so many more records of this message came to nothing");
        }
    }

    /// With DEAD_LETTER=fail, all that is rejected of a message that holds more, `announced`
    /// in all: it is left to fail in a message of its own. If this one failed for it, the
    /// objects beside it would be delivered again by each process that it comes to.
    pub(super) fn split_rejected(
        &self,
        message: &Message,
        rejections: &MessageRejections,
        announced: usize,
    ) -> Option<UnfinishedDelivery> {
        self.requeue_target(message).filter(|queue| !queue.is_fifo())?;
        let (records, error) = rejections.split(announced)?;
        self.log_unnamed(message, rejections);
        let (record, resume) = (Value::Array(records), Resume::default());
        Some(UnfinishedDelivery { record, resume, state: DeliveryState::Refused, error, key: None })
    }

    /// An object that nobody wants: it is done, and its logs are gone, so whoever runs
    /// this is told, once a minute and tenant.
    pub(super) fn ignore(&self, object: &ObjectRun<'_>, tenant: &str, reason: Unwanted, why: &str) -> ObjectResult {
        if let Some(more) = self.ignored_throttle.admit(tenant, Instant::now()) {
            let (bucket, key) = (object.id.bucket.as_str(), object.id.key.as_str());
            tracing::warn!(
                tenant,
                reason = reason.name(),
                bucket,
                key,
                more,
                "logs that nobody wants are acknowledged and gone: {why}"
            );
        }
        let ignored = Entry::new(&object.id, Some(tenant), None, Outcome::Ignored);
        self.count_without_delivery(ignored.with_reason(reason, why), None)
    }
}
