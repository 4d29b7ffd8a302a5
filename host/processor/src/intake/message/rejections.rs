//! What of a message is rejected, kept within bounds that do not grow with the message. One of
//! 1 MiB can hold hundreds of thousands of records.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

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

    /// Takes the number of objects and records that were not named in the log.
    pub(super) fn take_unnamed(&self) -> u64 {
        self.unnamed.swap(0, Ordering::Relaxed)
    }

    /// Takes the rejected records, as they came, and why the first is rejected, if they are kept and
    /// the message announces more than them (`announced` in all).
    pub(super) fn split(&self, announced: usize) -> Option<(Vec<Value>, String)> {
        let mut rejected = self.lock();
        if rejected.records.is_empty() || rejected.records.len() >= announced {
            return None;
        }
        let RejectedRecords { records, letters, .. } = std::mem::take(&mut *rejected);
        let error = letters.into_iter().next().map(|letter| letter.detail).unwrap_or_default();
        Some((records, error))
    }

    fn lock(&self) -> MutexGuard<'_, RejectedRecords> {
        lock(&self.rejected)
    }

    /// All letters, of which there are few.
    pub(super) fn take_letters(&self, about: &Arc<ObjectId>) -> Vec<DeadLetter> {
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
