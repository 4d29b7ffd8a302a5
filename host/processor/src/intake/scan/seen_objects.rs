//! Decides which of the bucket's objects are to be processed, in bounded memory.

use std::time::Instant;

use super::listed_set::{ListedSet, StateHash};
use super::retry_schedule::RetrySchedule;
use crate::aws::ListedObject;

/// The most objects in the set: 8 bytes each, and half of that again while the new ones of a
/// listing are merged.
const MAX_OBJECTS: usize = 16_000_000;

/// The decision about a listed object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    /// The object is done, being processed, or waiting after a failure.
    Skip,
    /// The object is to be processed.
    Start(StateHash),
    /// The set has no room: the object must wait until other objects are gone.
    NoRoom,
}

/// The state of the bucket's objects.
pub(super) struct SeenObjects {
    listed_set: ListedSet,
    retry_schedule: RetrySchedule,
}

impl Default for SeenObjects {
    fn default() -> Self {
        Self::new(MAX_OBJECTS)
    }
}

impl SeenObjects {
    fn new(max_objects: usize) -> Self {
        Self { listed_set: ListedSet::new(max_objects), retry_schedule: RetrySchedule::default() }
    }

    /// Decides about a listed object. One to start must be either started or put off.
    pub(super) fn decide(&mut self, listed: &ListedObject, now: Instant) -> Decision {
        let object = self.listed_set.fingerprint(&listed.key, &listed.stored.etag, listed.stored.last_modified);
        if self.listed_set.mark_listed(object) {
            return if self.retry_schedule.take_due(object, now) { Decision::Start(object) } else { Decision::Skip };
        }
        if self.listed_set.has_room() { Decision::Start(object) } else { Decision::NoRoom }
    }

    /// Records that an object is being processed.
    pub(super) fn mark_started(&mut self, object: StateHash) {
        self.listed_set.insert(object);
    }

    /// Records that an object wasn't started: the next listing shows it again.
    pub(super) fn put_off(&mut self, object: StateHash, now: Instant) {
        self.retry_schedule.put_off(object, now);
    }

    /// Records that an object is done.
    pub(super) fn mark_done(&mut self, object: StateHash) {
        self.retry_schedule.remove(object);
    }

    /// Records a failure. The object is tried again later, or at the next listing if there is
    /// no room in the schedule.
    pub(super) fn record_failure(&mut self, object: StateHash, tenant: &str, now: Instant) {
        if !self.retry_schedule.record_failure(object, tenant, now) {
            self.listed_set.remove(object);
        }
    }

    /// Ends a listing.
    pub(super) fn end_listing(&mut self) {
        self.listed_set.end_listing();
        let listed_set = &self.listed_set;
        self.retry_schedule.retain(|object| listed_set.contains(object));
    }

    /// The number of objects in the set.
    pub(super) fn len(&self) -> usize {
        self.listed_set.len()
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
    fn pass(objects: &mut SeenObjects, keys: &[String], now: Instant) -> Vec<String> {
        let mut begun = Vec::new();
        for key in keys {
            if let Decision::Start(object) = objects.decide(&listed(key, "e", modified(key)), now) {
                objects.mark_started(object);
                begun.push(key.clone());
            }
        }
        objects.end_listing();
        begun
    }

    #[test]
    fn each_state_of_an_object_is_begun_once() {
        let (mut objects, now) = (SeenObjects::default(), Instant::now());
        let Decision::Start(first) = objects.decide(&listed("a", "1", 0), now) else { panic!("it is new") };
        assert_eq!(objects.decide(&listed("a", "1", 0), now), Decision::Start(first), "until it is begun");
        objects.mark_started(first);
        assert_eq!(objects.decide(&listed("a", "1", 0), now), Decision::Skip);
        objects.mark_done(first);
        for other in [listed("a", "1", 99), listed("a", "1", -99)] {
            assert!(matches!(objects.decide(&other, now), Decision::Start(_)), "made anew with the same bytes");
        }
        assert!(matches!(objects.decide(&listed("a", "2", 0), now), Decision::Start(_)));
        assert!(matches!(objects.decide(&listed("b", "1", 0), now), Decision::Start(_)));
    }

    /// More than any number that was remembered before; in any order, old and new.
    #[test]
    fn of_many_objects_none_is_skipped_and_none_begun_twice() {
        let (mut objects, now) = (SeenObjects::default(), Instant::now());
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
        let (mut objects, now) = (SeenObjects::new(3), Instant::now());
        let keys = |range: std::ops::Range<u32>| range.map(|n| n.to_string()).collect::<Vec<_>>();
        assert_eq!(pass(&mut objects, &keys(0..5), now), keys(0..3));
        assert_eq!(objects.decide(&listed("4", "e", modified("4")), now), Decision::NoRoom);
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
        let (mut objects, now) = (SeenObjects::default(), Instant::now());
        let key = ["a".to_owned()];
        let fingerprint = objects.listed_set.fingerprint("a", "e", modified("a"));
        assert_eq!(pass(&mut objects, &key, now), key);
        objects.record_failure(fingerprint, "acme", now);
        assert!(pass(&mut objects, &key, now).is_empty());
        let later = now + Duration::from_secs(10);
        assert_eq!(objects.decide(&listed("a", "e", modified("a")), later), Decision::Start(fingerprint));
        objects.put_off(fingerprint, later);
        assert_eq!(pass(&mut objects, &key, later), key);
        objects.mark_done(fingerprint);
        assert!(pass(&mut objects, &key, later + Duration::from_secs(9999)).is_empty());
    }

    /// One tenant's: each is found again, and a new one is begun at once.
    #[test]
    fn however_many_fail_nothing_new_is_held_back() {
        let (mut objects, now) = (SeenObjects::default(), Instant::now());
        let mut keys: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
        assert_eq!(pass(&mut objects, &keys, now).len(), keys.len());
        for key in &keys {
            let fingerprint = objects.listed_set.fingerprint(key, "e", modified(key));
            objects.record_failure(fingerprint, "broken", now);
        }
        keys.push("new".to_owned());
        let begun = pass(&mut objects, &keys, now);
        assert_eq!(begun.last().map(String::as_str), Some("new"));
        assert!(begun.len() < 30_000, "those that there is room for wait: {}", begun.len());
    }
}
