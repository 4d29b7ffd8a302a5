//! Which objects are done, in bounded memory.
//!
//! An object is remembered by 16 bytes of a hash of key and ETag. When there are
//! too many, the older half is forgotten, and whatever was last modified before the
//! newest of those counts as done: S3 lists an object as soon as it is there, so
//! all of that age have been seen, but for a multipart upload that was begun before
//! and completed later.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::aws::Listed;

/// Objects that are remembered: about 50 bytes each.
const MOST: usize = 500_000;

/// Objects that failed and wait for another try; while there are as many, nothing
/// new is begun.
const MOST_FAILED: usize = 10_000;

/// Until an object that failed is tried again: doubling from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

/// What an object is remembered by.
pub(super) type Fingerprint = [u8; 16];

#[derive(Debug, Clone, Copy)]
enum State {
    /// At work, or done; last modified then.
    Begun(i64),
    Failed {
        modified: i64,
        times: u32,
        again: Instant,
    },
}

/// The objects that were listed.
#[derive(Default)]
pub(super) struct Seen {
    known: HashMap<Fingerprint, State>,
    /// How often those failed that are at work again.
    retried: HashMap<Fingerprint, u32>,
    failed: usize,
    /// Older objects are done.
    done_before: Option<i64>,
}

impl Seen {
    /// Whether a listed object is to be worked on now.
    pub(super) fn begin(&mut self, listed: &Listed, now: Instant) -> Option<Fingerprint> {
        let fingerprint = fingerprint(&listed.key, &listed.stored.etag);
        let modified = listed.stored.last_modified;
        match self.known.get(&fingerprint) {
            Some(State::Failed { times, again, .. }) if *again <= now => {
                self.retried.insert(fingerprint, *times);
                self.failed = self.failed.saturating_sub(1);
            }
            Some(_) => return None,
            None if self.done_before.is_some_and(|before| modified < before) => return None,
            None if self.failed >= MOST_FAILED => return None,
            None => {}
        }
        self.known.insert(fingerprint, State::Begun(modified));
        self.forget(MOST);
        Some(fingerprint)
    }

    /// It is done.
    pub(super) fn done(&mut self, object: Fingerprint) {
        self.retried.remove(&object);
    }

    /// It is tried again later.
    pub(super) fn failed(&mut self, object: Fingerprint, now: Instant) {
        let times = self.retried.remove(&object).unwrap_or(0);
        let pause = (0..times).fold(PAUSES.0, |pause, _| (pause * 2).min(PAUSES.1));
        if let Some(state) = self.known.get_mut(&object)
            && let State::Begun(modified) = *state
        {
            *state = State::Failed { modified, times: times.saturating_add(1), again: now + pause };
            self.failed += 1;
        }
    }

    /// Forgets the older half when there are more than `most`; what failed stays.
    fn forget(&mut self, most: usize) {
        if self.known.len() <= most {
            return;
        }
        let mut ages: Vec<i64> = self
            .known
            .values()
            .map(|state| match state {
                State::Begun(modified) | State::Failed { modified, .. } => *modified,
            })
            .collect();
        let middle = ages.len() / 2;
        let (_, before, _) = ages.select_nth_unstable(middle);
        let before = *before;
        let retried = &self.retried;
        self.known.retain(|object, state| match state {
            State::Begun(modified) => *modified >= before || retried.contains_key(object),
            State::Failed { .. } => true,
        });
        self.done_before = self.done_before.max(Some(before));
        tracing::warn!(
            objects = self.known.len(),
            "the bucket holds more objects than are remembered: older ones count as done; let a lifecycle rule remove them"
        );
    }
}

fn fingerprint(key: &str, etag: &str) -> Fingerprint {
    let mut hash = Sha256::new();
    hash.update(key);
    hash.update([0]);
    hash.update(etag);
    let mut fingerprint = [0; 16];
    for (to, from) in fingerprint.iter_mut().zip(hash.finalize()) {
        *to = from;
    }
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::Stored;

    fn listed(key: &str, etag: &str, last_modified: i64) -> Listed {
        let stored = Stored { size: 1, last_modified, etag: etag.to_owned(), version_id: None };
        Listed { key: key.to_owned(), stored }
    }

    #[test]
    fn each_state_of_an_object_is_begun_once() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let first = seen.begin(&listed("a", "1", 0), now).unwrap();
        assert_eq!(seen.begin(&listed("a", "1", 0), now), None);
        seen.done(first);
        assert_eq!(seen.begin(&listed("a", "1", 0), now), None);
        assert!(seen.begin(&listed("a", "2", 0), now).is_some());
        assert!(seen.begin(&listed("b", "1", 0), now).is_some());
    }

    #[test]
    fn what_failed_comes_again_ever_later() {
        let (mut seen, mut now) = (Seen::default(), Instant::now());
        let object = listed("a", "1", 0);
        let mut waited = Vec::new();
        for _ in 0..12 {
            let begun = seen.begin(&object, now).unwrap();
            seen.failed(begun, now);
            let failed_at = now;
            while let Some(State::Failed { again, .. }) = seen.known.get(&begun)
                && *again > now
            {
                assert_eq!(seen.begin(&object, now), None);
                now += Duration::from_secs(5);
            }
            waited.push((now - failed_at).as_secs());
        }
        assert_eq!(waited[..4], [10, 20, 40, 80]);
        assert_eq!(waited.last(), Some(&3600));
        assert!(seen.begin(&object, now).is_some());
        assert_eq!(seen.failed, 0);
    }

    #[test]
    fn memory_is_bounded_and_what_is_forgotten_counts_as_done() {
        let (mut seen, now) = (Seen::default(), Instant::now());
        let failing = seen.begin(&listed("failing", "1", 0), now).unwrap();
        seen.failed(failing, now);
        let objects: Vec<_> = (0..100).map(|n| listed(&n.to_string(), "1", n)).collect();
        for object in &objects {
            assert!(seen.begin(object, now).is_some());
            seen.forget(50);
            assert!(seen.known.len() <= 51);
        }
        assert!(objects.iter().all(|object| seen.begin(object, now).is_none()));
        assert!(seen.begin(&listed("new", "1", 200), now).is_some());
        assert!(seen.begin(&listed("failing", "1", 0), now + PAUSES.0).is_some(), "what failed is not forgotten");
    }
}
