//! Counts what was refused for good of a delivery, whether or not a dead letter keeps it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::delivery::settled::Settled;
use model::{DeadLetter, Reason, lock};

/// The refusals of a delivery, shared by all who write its dead letters. `Clone` is cheap.
#[derive(Debug, Clone, Default)]
pub struct RefusalCounter {
    /// The number of settled events, in guest order, while the delivery runs.
    settled: Settled,
    counts: Arc<Mutex<RefusalCounts>>,
}

/// A snapshot of the refusals.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RefusalCounts {
    /// The number of events that were settled before the first refusal: an attempt that starts
    /// there misses none. 0 if nothing was refused.
    pub from: u64,
    /// Lines and events that were refused, by reason.
    pub counts: BTreeMap<Reason, u64>,
}

impl RefusalCounter {
    /// No refusals yet. `settled` always holds the number of settled events.
    pub fn new(settled: Settled) -> Self {
        Self { settled, counts: Arc::default() }
    }

    /// Returns the refusals so far.
    pub fn snapshot(&self) -> RefusalCounts {
        lock(&self.counts).clone()
    }

    pub(super) fn record(&self, letters: &[DeadLetter]) {
        let mut refused = lock(&self.counts);
        if refused.counts.is_empty() && !letters.is_empty() {
            refused.from = self.settled.get();
        }
        for letter in letters {
            *refused.counts.entry(letter.reason).or_default() += letter.count.unwrap_or(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ObjectId;

    #[test]
    fn the_first_refusal_says_where_to_begin_again() {
        let settled = Settled::default();
        settled.set(7);
        let refusals = RefusalCounter::new(settled.clone());
        let object = Arc::new(ObjectId { bucket: "b".to_owned(), key: "k".to_owned() });
        let letter = |reason| DeadLetter::of_object(&object, reason, "why");
        refusals.record(&[]);
        assert_eq!(refusals.snapshot(), RefusalCounts::default());
        settled.set(9);
        refusals.record(&[letter(Reason::TooOld), letter(Reason::Malformed)]);
        settled.set(20);
        refusals.record(&[letter(Reason::TooOld), DeadLetter { count: Some(40), ..letter(Reason::Malformed) }]);
        let counts = [(Reason::TooOld, 2), (Reason::Malformed, 41)].into();
        assert_eq!(refusals.snapshot(), RefusalCounts { from: 9, counts });
    }
}
