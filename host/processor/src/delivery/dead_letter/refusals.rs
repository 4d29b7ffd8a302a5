//! What of a delivery was refused for good so far, whether or not a letter keeps it.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use model::{DeadLetter, Reason, lock};

/// What was refused, shared by all who write a delivery's letters. `Clone` is cheap.
#[derive(Debug, Clone, Default)]
pub struct Refusals {
    /// Events that are settled, in guest order, while the delivery runs.
    settled: Arc<AtomicU64>,
    so_far: Arc<Mutex<SoFar>>,
}

/// What was refused so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SoFar {
    /// Events that were settled before the first refusal: to begin with them again misses
    /// none. Zero where nothing was refused.
    pub from: u64,
    /// Lines and events that were refused, by reason.
    pub counts: BTreeMap<Reason, u64>,
}

impl Refusals {
    /// `settled` tells how many events are settled, at any time.
    pub fn new(settled: Arc<AtomicU64>) -> Self {
        Self { settled, so_far: Arc::default() }
    }

    /// What was refused so far.
    pub fn so_far(&self) -> SoFar {
        lock(&self.so_far).clone()
    }

    pub(super) fn record(&self, letters: &[DeadLetter]) {
        let mut so_far = lock(&self.so_far);
        if so_far.counts.is_empty() && !letters.is_empty() {
            so_far.from = self.settled.load(Ordering::Relaxed);
        }
        for letter in letters {
            *so_far.counts.entry(letter.reason).or_default() += letter.count.unwrap_or(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::ObjectId;

    #[test]
    fn the_first_refusal_says_where_to_begin_again() {
        let settled = Arc::new(AtomicU64::new(7));
        let refusals = Refusals::new(Arc::clone(&settled));
        let object = Arc::new(ObjectId { bucket: "b".to_owned(), key: "k".to_owned() });
        let letter = |reason| DeadLetter::of_object(&object, reason, "why");
        refusals.record(&[]);
        assert_eq!(refusals.so_far(), SoFar::default());
        settled.store(9, Ordering::Relaxed);
        refusals.record(&[letter(Reason::TooOld), letter(Reason::Malformed)]);
        settled.store(20, Ordering::Relaxed);
        refusals.record(&[letter(Reason::TooOld), DeadLetter { count: Some(40), ..letter(Reason::Malformed) }]);
        let counts = [(Reason::TooOld, 2), (Reason::Malformed, 41)].into();
        assert_eq!(refusals.so_far(), SoFar { from: 9, counts });
    }
}
