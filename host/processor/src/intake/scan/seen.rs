//! Which objects of the bucket are done, in bounded memory.

use std::time::Instant;

use super::failed::Failed;
use super::known::{Fingerprint, Known};
use crate::aws::ListedObject;

/// Objects that are known at once: 8 bytes each, and half of that again while the new
/// ones of a listing are merged.
const MOST: usize = 16_000_000;

/// What is to be done about an object that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is done, at work, or waits after a failure.
    Before,
    /// It is to be worked on.
    Now(Fingerprint),
    /// There is no room to know it by: it has to wait until other objects are gone.
    NoRoom,
}

/// What is known of the bucket's objects.
pub(super) struct Objects {
    known: Known,
    failed: Failed,
}

impl Default for Objects {
    fn default() -> Self {
        Self::new(MOST)
    }
}

impl Objects {
    fn new(most: usize) -> Self {
        Self { known: Known::new(most), failed: Failed::default() }
    }

    /// Looks at an object that is listed. What is to be worked on now is either begun
    /// or put off.
    pub(super) fn look(&mut self, listed: &ListedObject, now: Instant) -> Seen {
        let object = self.known.fingerprint(&listed.key, &listed.stored.etag, listed.stored.last_modified);
        if self.known.meet(object) {
            return if self.failed.retry(object, now) { Seen::Now(object) } else { Seen::Before };
        }
        if self.known.has_room() { Seen::Now(object) } else { Seen::NoRoom }
    }

    /// It is at work.
    pub(super) fn begun(&mut self, object: Fingerprint) {
        self.known.insert(object);
    }

    /// It is not begun: the next listing shows it again.
    pub(super) fn put_off(&mut self, object: Fingerprint, now: Instant) {
        self.failed.not_tried(object, now);
    }

    /// It is done.
    pub(super) fn done(&mut self, object: Fingerprint) {
        self.failed.done(object);
    }

    /// It is tried again later; where that can't be remembered, as soon as it is listed.
    pub(super) fn failed(&mut self, object: Fingerprint, tenant: &str, now: Instant) {
        if !self.failed.failed(object, tenant, now) {
            self.known.remove(object);
        }
    }

    /// A listing came to its end.
    pub(super) fn end_listing(&mut self) {
        self.known.end_listing();
        let known = &self.known;
        self.failed.keep(|object| known.contains(object));
    }

    /// How many are known.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::aws::StoredObject;

    fn listed(key: &str, etag: &str, last_modified: i64) -> ListedObject {
        let stored = StoredObject { size: 1, last_modified, etag: etag.to_owned(), ..StoredObject::default() };
        ListedObject { key: key.to_owned(), stored }
    }

    /// A time that says nothing, and stays.
    fn modified(key: &str) -> i64 {
        i64::try_from(key.bytes().map(u64::from).sum::<u64>() % 7).unwrap()
    }

    /// A listing of these: which of them are begun, in its order.
    fn pass(objects: &mut Objects, keys: &[String], now: Instant) -> Vec<String> {
        let mut begun = Vec::new();
        for key in keys {
            if let Seen::Now(object) = objects.look(&listed(key, "e", modified(key)), now) {
                objects.begun(object);
                begun.push(key.clone());
            }
        }
        objects.end_listing();
        begun
    }

    #[test]
    fn each_state_of_an_object_is_begun_once() {
        let (mut objects, now) = (Objects::default(), Instant::now());
        let Seen::Now(first) = objects.look(&listed("a", "1", 0), now) else { panic!("it is new") };
        assert_eq!(objects.look(&listed("a", "1", 0), now), Seen::Now(first), "until it is begun");
        objects.begun(first);
        assert_eq!(objects.look(&listed("a", "1", 0), now), Seen::Before);
        objects.done(first);
        for other in [listed("a", "1", 99), listed("a", "1", -99)] {
            assert!(matches!(objects.look(&other, now), Seen::Now(_)), "made anew with the same bytes");
        }
        assert!(matches!(objects.look(&listed("a", "2", 0), now), Seen::Now(_)));
        assert!(matches!(objects.look(&listed("b", "1", 0), now), Seen::Now(_)));
    }

    /// More than any number that was remembered before; in any order, old and new.
    #[test]
    fn of_many_objects_none_is_skipped_and_none_begun_twice() {
        let (mut objects, now) = (Objects::default(), Instant::now());
        let mut keys: Vec<String> = (0..600_000).map(|n: u32| format!("m/{}", n.reverse_bits())).collect();
        assert_eq!(pass(&mut objects, &keys, now).len(), 600_000);
        assert!(pass(&mut objects, &keys, now).is_empty());
        // New ones at the beginning, in the middle and at the end of the listing.
        for (place, name) in [(0, "first"), (300_000, "middle"), (600_002, "last")] {
            keys.insert(place, name.to_owned());
        }
        assert_eq!(pass(&mut objects, &keys, now), ["first", "middle", "last"]);
        keys.reverse();
        assert!(pass(&mut objects, &keys, now).is_empty());
    }

    #[test]
    fn beyond_its_memory_it_waits_until_others_are_gone() {
        let (mut objects, now) = (Objects::new(3), Instant::now());
        let keys = |range: std::ops::Range<u32>| range.map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(pass(&mut objects, &keys(0..5), now), keys(0..3));
        assert_eq!(objects.look(&listed("4", "e", modified("4")), now), Seen::NoRoom);
        for _ in 0..3 {
            assert!(pass(&mut objects, &keys(1..5), now).len() <= 1);
        }
        assert_eq!(pass(&mut objects, &keys(3..6), now), Vec::<String>::new());
        for _ in 0..3 {
            pass(&mut objects, &keys(3..6), now);
        }
        assert!(pass(&mut objects, &keys(3..6), now).is_empty(), "all three were begun");
        assert_eq!(objects.len(), 3);
    }

    #[test]
    fn what_failed_comes_again_and_what_is_put_off_at_once() {
        let (mut objects, now) = (Objects::default(), Instant::now());
        let key = ["a".to_owned()];
        let fingerprint = objects.known.fingerprint("a", "e", modified("a"));
        assert_eq!(pass(&mut objects, &key, now), key);
        objects.failed(fingerprint, "acme", now);
        assert!(pass(&mut objects, &key, now).is_empty());
        let later = now + Duration::from_secs(10);
        assert_eq!(objects.look(&listed("a", "e", modified("a")), later), Seen::Now(fingerprint));
        objects.put_off(fingerprint, later);
        assert_eq!(pass(&mut objects, &key, later), key);
        objects.done(fingerprint);
        assert!(pass(&mut objects, &key, later + Duration::from_secs(9999)).is_empty());
    }

    /// One tenant's: each is found again, and a new one is begun at once.
    #[test]
    fn however_many_fail_nothing_new_is_held_back() {
        let (mut objects, now) = (Objects::default(), Instant::now());
        let mut keys: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
        assert_eq!(pass(&mut objects, &keys, now).len(), keys.len());
        for key in &keys {
            let fingerprint = objects.known.fingerprint(key, "e", modified(key));
            objects.failed(fingerprint, "broken", now);
        }
        keys.push("new".to_owned());
        let begun = pass(&mut objects, &keys, now);
        assert_eq!(begun.last().map(String::as_str), Some("new"));
        assert!(begun.len() < 30_000, "those that there is room for wait: {}", begun.len());
    }
}
