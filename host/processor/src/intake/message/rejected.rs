//! What of a message can never be delivered, and what nobody wants: kept, said and
//! counted within bounds that do not grow with the message. One of 1 MiB can hold
//! hundreds of thousands of records.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::left::{Left, State};
use super::object::{ObjectResult, ObjectRun};
use super::{Message, Processor, Verdict};
use crate::delivery::dead_letter::{DeadLetterWriter, Provenance};
use crate::notification::{InvalidRecord, Resume};
use crate::report::{Entry, Outcome, Unwanted};
use crate::telemetry::FinishedDelivery;
use model::{DeadLetter, ObjectId, Reason, lock};

/// Records of a message that are named in the log, and have a letter each; those beyond
/// share one.
const MOST_NAMED: u64 = 10;

/// Bytes that the letter of those beyond keeps: as much as a letter may.
const MOST_BYTES: usize = 256 << 10;

/// What of one message is rejected, and how many of its objects have been named.
#[derive(Debug, Default)]
pub(super) struct OfMessage {
    /// Whether records are kept as they are.
    keeps: bool,
    named: AtomicU64,
    unnamed: AtomicU64,
    rejected: Mutex<Rejected>,
}

#[derive(Debug, Default)]
struct Rejected {
    /// As they came.
    records: Vec<Value>,
    letters: Vec<DeadLetter>,
    /// Those beyond, a line each.
    more: Vec<u8>,
    more_bytes: u64,
    more_records: u64,
}

impl OfMessage {
    /// Of a message whose rejected records may have to go [apart](Processor::apart).
    pub(super) fn new(keeps: bool) -> Self {
        Self { keeps, ..Self::default() }
    }

    /// Whether one more may be named in the log; if not, it is counted.
    pub(super) fn may_name(&self) -> bool {
        let may = self.named.fetch_add(1, Ordering::Relaxed) < MOST_NAMED;
        self.unnamed.fetch_add(u64::from(!may), Ordering::Relaxed);
        may
    }

    /// Keeps a letter for [`Processor::keep_rejected`].
    pub(super) fn reject(&self, letter: DeadLetter) {
        let mut rejected = self.lock();
        if self.keeps {
            let text = || Value::String(String::from_utf8_lossy(&letter.data).into_owned());
            rejected.records.push(serde_json::from_slice(&letter.data).unwrap_or_else(|_| text()));
        }
        if (rejected.letters.len() as u64) < MOST_NAMED {
            rejected.letters.push(letter);
            return;
        }
        rejected.more_records += 1;
        rejected.more_bytes += letter.data.len() as u64 + 1;
        if rejected.more.len() < MOST_BYTES {
            rejected.more.extend_from_slice(&letter.data);
            rejected.more.push(b'\n');
        }
    }

    fn lock(&self) -> MutexGuard<'_, Rejected> {
        lock(&self.rejected)
    }

    /// All letters, of which there are few.
    fn take(&self, about: &Arc<ObjectId>) -> Vec<DeadLetter> {
        let Rejected { mut letters, more, more_bytes, more_records, .. } = std::mem::take(&mut *self.lock());
        if more_records > 0 {
            let detail = format!("{more_records} more records of the message, a line each, that announce nothing");
            let whole = DeadLetter::of_object(about, Reason::InvalidNotification, detail).with_data(more);
            letters.push(DeadLetter { length: Some(more_bytes), count: Some(more_records), ..whole });
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
    pub(super) async fn no_notification(&self, message: &Message, error: &str) -> Verdict {
        let of_message = OfMessage::default();
        tracing::warn!(message_id = %message.id, error, refused = self.dead_letters.describe(), "rejected: not a notification");
        self.reject(message, &of_message, error, message.body.clone());
        match self.keep_rejected(message, &of_message).await {
            Ok(()) => Verdict::Done,
            Err(error) => Verdict::Failed(error),
        }
    }

    /// Rejects a record that names no object.
    pub(super) fn bad_record(&self, message: &Message, of_message: &OfMessage, record: InvalidRecord) {
        let refused = self.dead_letters.describe();
        if of_message.may_name() {
            tracing::warn!(message_id = %message.id, error = %record, refused, "rejected: a record that names no object");
        }
        self.reject(message, of_message, &record.what, record.record);
    }

    fn reject(&self, message: &Message, of_message: &OfMessage, detail: &str, data: String) {
        let (about, reason) = (about(message), Reason::InvalidNotification);
        let entry = Entry::new(&about, None, None, Outcome::Rejected).with_reason(reason, detail);
        of_message.reject(DeadLetter::of_object(&about, reason, detail).with_data(data.into_bytes()));
        self.metrics.record_delivery(&FinishedDelivery { entry: &entry, latency: None, guest_time: Duration::ZERO });
    }

    /// Rejects an announced object, whose key names no tenant or which may not be named;
    /// `words` are for the log.
    pub(super) fn rejected(&self, object: &ObjectRun<'_>, reason: Reason, detail: String, words: &str) -> ObjectResult {
        let rejected = Entry::new(&object.id, None, None, Outcome::Rejected).with_reason(reason, words);
        let data = object.announced.record.to_string().into_bytes();
        object.of_message.reject(DeadLetter::of_object(&object.id, reason, detail).with_data(data));
        self.without_delivery(rejected, None)
    }

    /// Writes the letters of all that is rejected of a message, at once; says how much
    /// more there was than was named.
    ///
    /// # Errors
    /// They can't be written, or the queue's own dead-letter queue is to keep the message.
    pub(super) async fn keep_rejected(&self, message: &Message, of_message: &OfMessage) -> Result<(), String> {
        self.say_unnamed(message, of_message);
        let about = about(message);
        let provenance = Provenance { attempt: message.attempt, ..Provenance::default() };
        let letters = DeadLetterWriter::new(self.dead_letters.clone(), &about, None, provenance);
        letters.write(&of_message.take(&about)).await.map_err(|error| error.to_string())
    }

    fn say_unnamed(&self, message: &Message, of_message: &OfMessage) {
        let unnamed = of_message.unnamed.swap(0, Ordering::Relaxed);
        if unnamed > 0 {
            let id = message.id.as_str();
            tracing::warn!(message_id = id, unnamed, "so many more records of this message came to nothing");
        }
    }

    /// With DEAD_LETTER=fail, all that is rejected of a message that holds more, `announced`
    /// in all: it is left to fail in a message of its own. If this one failed for it, the
    /// objects beside it would be delivered again by each process that it comes to.
    pub(super) fn apart(&self, message: &Message, of_message: &OfMessage, announced: usize) -> Option<Left> {
        self.sends_to(message).filter(|queue| of_message.keeps && !queue.is_fifo())?;
        let mut rejected = of_message.lock();
        if rejected.records.is_empty() || rejected.records.len() >= announced {
            return None;
        }
        let Rejected { records, letters, .. } = std::mem::take(&mut *rejected);
        drop(rejected);
        self.say_unnamed(message, of_message);
        let error = letters.into_iter().next().map(|letter| letter.detail).unwrap_or_default();
        let (record, resume) = (Value::Array(records), Resume::default());
        Some(Left { record, resume, state: State::Refused, error, key: None })
    }

    /// An object that nobody wants: it is done, and its logs are gone, so whoever runs
    /// this is told, once a minute and tenant.
    pub(super) fn unwanted(&self, object: &ObjectRun<'_>, tenant: &str, reason: Unwanted, why: &str) -> ObjectResult {
        if let Some(more) = self.unwanted.admit(tenant, Instant::now()) {
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
        self.without_delivery(ignored.with_reason(reason, why), None)
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
        let (of_message, about) = (OfMessage::default(), letter(0).object);
        (0..MOST_NAMED).for_each(|number| of_message.reject(letter(number)));
        assert_eq!(of_message.take(&about).len() as u64, MOST_NAMED);
        (0..MOST_NAMED + 2).for_each(|number| of_message.reject(letter(number)));
        let letters = of_message.take(&about);
        assert_eq!(letters.len() as u64, MOST_NAMED + 1);
        let rest = letters.last().unwrap();
        assert_eq!((rest.data.as_slice(), rest.length), (b"record 10\nrecord 11\n".as_slice(), Some(20)));
        assert!(rest.detail.starts_with("2 more records") && rest.count == Some(2), "{}", rest.detail);
        assert!(of_message.take(&about).is_empty());
    }

    #[test]
    fn what_is_kept_of_very_many_is_bounded_and_their_length_is_told() {
        let (of_message, about) = (OfMessage::default(), letter(0).object);
        let count = 100_000;
        (0..count).for_each(|_| of_message.reject(letter(0)));
        let rest = of_message.take(&about).pop().unwrap();
        assert!(rest.data.len() < MOST_BYTES + 16, "{}", rest.data.len());
        assert_eq!(rest.length, Some((count - MOST_NAMED) * 9));
    }

    #[test]
    fn few_are_named_and_the_rest_is_counted() {
        let of_message = OfMessage::default();
        let named = (0..1000).filter(|_| of_message.may_name()).count() as u64;
        assert_eq!((named, of_message.unnamed.load(Ordering::Relaxed)), (MOST_NAMED, 1000 - MOST_NAMED));
    }
}
