//! What this process has done of messages that may come again: one whose
//! acknowledgement got lost, or that failed as a whole because of one delivery.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::object::Work;
use crate::notification::Resume;

/// Deliveries that are remembered: a few hundred bytes each.
const MOST: usize = 4096;

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remembered {
    /// It has its final outcome.
    Settled,
    /// It came this far.
    At(Resume),
}

/// Names a delivery of an object by a message: the same each time it comes.
pub(super) fn key(work: &Work<'_>, delivery: &str) -> String {
    let announced = work.announced;
    let version = announced.version_id.as_deref().unwrap_or_default();
    let etag = announced.etag.as_deref().unwrap_or_default();
    format!("{}\0{}\0{version}\0{etag}\0{delivery}", work.message.id, work.id)
}

/// The deliveries of late.
#[derive(Default)]
pub(super) struct Memory(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    known: HashMap<String, Remembered>,
    /// Oldest first.
    order: VecDeque<String>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, key: &str) -> Option<Remembered> {
        self.lock().known.get(key).cloned()
    }

    pub(super) fn settled(&self, key: String) {
        self.set(key, Remembered::Settled);
    }

    pub(super) fn at(&self, key: String, resume: Resume) {
        self.set(key, Remembered::At(resume));
    }

    fn set(&self, key: String, remembered: Remembered) {
        let mut inner = self.lock();
        if inner.known.insert(key.clone(), remembered).is_none() {
            inner.order.push_back(key);
        }
        if inner.order.len() > MOST
            && let Some(oldest) = inner.order.pop_front()
        {
            inner.known.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_known_and_no_more_than_that() {
        let memory = Memory::default();
        for n in 0..=MOST {
            memory.at(n.to_string(), Resume { offset: 1, ..Resume::default() });
            memory.settled(n.to_string());
        }
        assert_eq!(memory.get("0"), None);
        assert_eq!(memory.get("1"), Some(Remembered::Settled));
        let inner = memory.lock();
        assert_eq!((inner.known.len(), inner.order.len()), (MOST, MOST));
    }
}
