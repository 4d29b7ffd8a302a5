//! What of a message can never be delivered, and what nobody wants: kept, said and
//! counted within bounds that do not grow with the message. One of 1 MiB can hold
//! hundreds of thousands of records.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::object::{ObjectResult, ObjectRun};
use super::unfinished::{DeliveryState, UnfinishedDelivery};
use super::{Message, MessageOutcome, Processor};
use crate::delivery::dead_letter::{DeadLetterWriter, Provenance};
use crate::notification::{InvalidRecord, Resume};
use crate::report::{Entry, Outcome, Unwanted};
use crate::telemetry::FinishedDelivery;
use model::{DeadLetter, ObjectId, Reason, lock};

/// Records of a message that are named in the log, and have a letter each; those beyond
/// share one.
const MAX_NAMED: u64 = 10;

/// Bytes that the letter of those beyond keeps: as much as a letter may.
const MAX_DATA_BYTES: usize = 256 << 10;

/// What of one message is rejected, and how many of its objects have been named.
#[derive(Debug, Default)]
pub(super) struct MessageRejections {
    /// Whether records are kept as they are.
    keeps: bool,
    named: AtomicU64,
    unnamed: AtomicU64,
    rejected: Mutex<RejectedRecords>,
}

#[derive(Debug, Default)]
struct RejectedRecords {
    /// As they came.
    records: Vec<Value>,
    letters: Vec<DeadLetter>,
    /// Those beyond, a line each.
    unnamed_data: Vec<u8>,
    unnamed_bytes: u64,
    unnamed_records: u64,
}

impl MessageRejections {
    /// Of a message whose rejected records may have to go [apart](Processor::split_rejected).
    pub(super) fn new(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    /// Whether one more may be named in the log; if not, it is counted.
    pub(super) fn admit_name(&self) -> bool {
        let may = self.named.fetch_add(1, Ordering::Relaxed) < MAX_NAMED;
        self.unnamed.fetch_add(u64::from(!may), Ordering::Relaxed);
        may
    }

    /// Keeps a letter for [`Processor::write_rejected`].
    pub(super) fn reject(&self, letter: DeadLetter) {
        let mut rejected = self.lock();
        if self.keeps {
            let text = || Value::String(String::from_utf8_lossy(&letter.data).into_owned());
            rejected.records.push(serde_json::from_slice(&letter.data).unwrap_or_else(|_| text()));
        }
        if (rejected.letters.len() as u64) < MAX_NAMED {
            rejected.letters.push(letter);
            return;
        }
        rejected.unnamed_records += 1;
        rejected.unnamed_bytes += letter.data.len() as u64 + 1;
        if rejected.unnamed_data.len() < MAX_DATA_BYTES {
            rejected.unnamed_data.extend_from_slice(&letter.data);
            rejected.unnamed_data.push(b'\n');
        }
    }

    fn lock(&self) -> MutexGuard<'_, RejectedRecords> {
        lock(&self.rejected)
    }

    /// All letters, of which there are few.
    fn take_letters(&self, about: &Arc<ObjectId>) -> Vec<DeadLetter> {
        let RejectedRecords { mut letters, unnamed_data, unnamed_bytes, unnamed_records, .. } =
            std::mem::take(&mut *self.lock());
        if unnamed_records > 0 {
            let detail = format!("{unnamed_records} more records of the message, a line each, that announce nothing");
            let whole = DeadLetter::of_object(about, Reason::InvalidNotification, detail).with_data(unnamed_data);
            letters.push(DeadLetter { length: Some(unnamed_bytes), count: Some(unnamed_records), ..whole });
        }
        letters
    }
}

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
        let unnamed = rejections.unnamed.swap(0, Ordering::Relaxed);
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
        self.requeue_target(message).filter(|queue| rejections.keeps && !queue.is_fifo())?;
        let mut rejected = rejections.lock();
        if rejected.records.is_empty() || rejected.records.len() >= announced {
            return None;
        }
        let RejectedRecords { records, letters, .. } = std::mem::take(&mut *rejected);
        drop(rejected);
        self.log_unnamed(message, rejections);
        let error = letters.into_iter().next().map(|letter| letter.detail).unwrap_or_default();
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

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(number: u64) -> DeadLetter {
        let object = Arc::new(ObjectId { bucket: "b".to_owned(), key: number.to_string() });
        DeadLetter::of_object(&object, Reason::InvalidKey, "why").with_data(format!("record {number}").into_bytes())
    }

    #[test]
    fn few_records_have_a_letter_each_and_the_rest_one() {
        let (rejections, about) = (MessageRejections::default(), letter(0).object);
        (0..MAX_NAMED).for_each(|number| rejections.reject(letter(number)));
        assert_eq!(rejections.take_letters(&about).len() as u64, MAX_NAMED);
        (0..MAX_NAMED + 2).for_each(|number| rejections.reject(letter(number)));
        let letters = rejections.take_letters(&about);
        assert_eq!(letters.len() as u64, MAX_NAMED + 1);
        let rest = letters.last().unwrap();
        assert_eq!((rest.data.as_slice(), rest.length), (b"record 10\nrecord 11\n".as_slice(), Some(20)));
        assert!(rest.detail.starts_with("2 more records") && rest.count == Some(2), "{}", rest.detail);
        assert!(rejections.take_letters(&about).is_empty());
    }

    #[test]
    fn what_is_kept_of_very_many_is_bounded_and_their_length_is_told() {
        let (rejections, about) = (MessageRejections::default(), letter(0).object);
        let count = 100_000;
        (0..count).for_each(|_| rejections.reject(letter(0)));
        let rest = rejections.take_letters(&about).pop().unwrap();
        assert!(rest.data.len() < MAX_DATA_BYTES + 16, "{}", rest.data.len());
        assert_eq!(rest.length, Some((count - MAX_NAMED) * 9));
    }

    #[test]
    fn few_are_named_and_the_rest_is_counted() {
        let rejections = MessageRejections::default();
        let named = (0..1000).filter(|_| rejections.admit_name()).count() as u64;
        assert_eq!((named, rejections.unnamed.load(Ordering::Relaxed)), (MAX_NAMED, 1000 - MAX_NAMED));
    }
}
