//! What bounds the dead letters of an attempt at a delivery of an object: what a few
//! stored bytes inflate to must not fill the operator's bucket.
//!
//! Each letter is kept as long as all together have at most a multiple of the bytes
//! that the object has where it is stored. Then a letter for each reason says how many
//! more there are, and between which lines. What becomes a letter of its own is decided
//! by the object and its events alone, so that an attempt repeated writes the same ones.

use std::collections::BTreeMap;

use super::job::Job;
use crate::delivery::dead_letter::written_bytes;
use model::{DeadLetter, Reason};

/// Bytes of letters for each stored byte: what logs inflate to, with what each letter
/// says beside its line, is seldom more.
const BYTES_PER_STORED_BYTE: u64 = 16;

/// Bytes of letters that every object may have.
const MIN_BYTES: u64 = 1024 * 1024;

/// The bytes that are left for letters.
#[derive(Debug)]
pub(super) struct DeadLetterBudget {
    limit: u64,
    /// None: one did not fit, and none that follows is kept.
    remaining: Option<u64>,
    overflow: BTreeMap<Reason, Overflow>,
}

/// Letters that were not kept, of one reason.
#[derive(Debug)]
struct Overflow {
    count: u64,
    first: u64,
    last: u64,
    /// Of the first.
    offset: Option<u64>,
}

impl DeadLetterBudget {
    /// Of an object with so many stored bytes.
    pub(super) fn new(stored_bytes: u64) -> Self {
        let limit = stored_bytes.saturating_mul(BYTES_PER_STORED_BYTE).max(MIN_BYTES);
        Self { limit, remaining: Some(limit), overflow: BTreeMap::new() }
    }

    /// Whether no letter is kept any more: it need not be made, [`Self::count_overflow`] is enough.
    pub(super) fn is_exhausted(&self) -> bool {
        self.remaining.is_none()
    }

    /// The letter, if it is to be kept; else it is counted.
    pub(super) fn admit(&mut self, letter: DeadLetter) -> Option<DeadLetter> {
        self.remaining = self.remaining.and_then(|remaining| remaining.checked_sub(written_bytes(&letter)));
        if self.remaining.is_some() {
            return Some(letter);
        }
        let line = letter.lines.map_or(0, |(first, _)| first);
        self.count_overflow(letter.reason, line, letter.offset);
        None
    }

    /// Counts a letter that isn't kept: of a line, or an event of it, that begins at `offset`.
    pub(super) fn count_overflow(&mut self, reason: Reason, line: u64, offset: Option<u64>) {
        let overflow = self.overflow.entry(reason).or_insert(Overflow { count: 0, first: line, last: line, offset });
        overflow.count += 1;
        overflow.last = overflow.last.max(line);
        if line < overflow.first {
            (overflow.first, overflow.offset) = (line, offset);
        }
    }

    /// Letters for those that were not kept since this was asked last: one a reason.
    pub(super) fn take_overflow(&mut self, job: &Job) -> Vec<DeadLetter> {
        let limit = self.limit;
        let letter = |(reason, Overflow { count, first, last, offset }): (Reason, Overflow)| {
            let detail = format!(
                "{count} more lines or events of lines {first} to {last} are counted but not kept one by one: the dead \
                 letters of this object have {limit} bytes, {BYTES_PER_STORED_BYTE} times what it has where it is stored (or 1 \
                 MiB, if that is more); the object itself has them"
            );
            let whole = DeadLetter::of_object(&job.object, reason, detail).for_delivery(&job.delivery);
            DeadLetter { lines: Some((first, last)), offset, count: Some(count), ..whole }
        };
        std::mem::take(&mut self.overflow).into_iter().map(letter).collect()
    }
}

#[cfg(test)]
#[path = "dead_letter_budget_tests.rs"]
mod tests;
