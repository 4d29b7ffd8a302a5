//! The set of objects that were listed before: hashes of eight bytes each. Objects that are no
//! longer listed are dropped.
//!
//! The set relies neither on the order of keys nor on that of times: an object is in it only
//! if it was inserted. A hash has 62 bits and a key of the process's own, so nobody can make
//! two objects collide on purpose: among 16 million objects a pair collides by chance in one
//! of 36,000 processes.

use std::collections::HashSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

/// The low bits of a hash: the number of complete listings without the object since it was
/// last listed.
const AGE: u64 = 0b11;

/// The mark of a removed object, which the end of the listing drops.
const REMOVED: u64 = AGE;

/// The number of complete listings that may miss an object before it is dropped: servers that
/// stand in for S3 may lag.
const MAX_MISSED: u64 = 1;

/// The hash of an object's state. The low bits are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct StateHash(u64);

/// The set of listed objects.
pub(super) struct ListedSet {
    key: RandomState,
    /// Hashes in ascending order, each with its age.
    sorted: Vec<u64>,
    /// Hashes that were inserted since the last merge, all of them in this listing.
    fresh: HashSet<u64>,
    max_objects: usize,
}

impl ListedSet {
    /// An empty set for at most `max_objects` objects.
    pub(super) fn new(max_objects: usize) -> Self {
        Self { key: RandomState::new(), sorted: Vec::new(), fresh: HashSet::new(), max_objects }
    }

    /// The hash of an object's state. `modified`: its LastModified, since an object that is
    /// deleted or overwritten and written again with the same bytes is another one, as its
    /// notification says.
    pub(super) fn fingerprint(&self, key: &str, etag: &str, modified: i64) -> StateHash {
        StateHash(self.key.hash_one((key, etag, modified)) & !AGE)
    }

    /// The number of objects.
    pub(super) fn len(&self) -> usize {
        self.sorted.len() + self.fresh.len()
    }

    /// Whether another object fits.
    pub(super) fn has_room(&self) -> bool {
        self.len() < self.max_objects
    }

    fn place(&self, object: StateHash) -> Result<usize, usize> {
        self.sorted.binary_search_by_key(&object.0, |known| known & !AGE)
    }

    fn entry(&mut self, object: StateHash) -> Option<&mut u64> {
        let place = self.place(object).ok()?;
        self.sorted.get_mut(place).filter(|known| **known & AGE != REMOVED)
    }

    /// Marks an object as listed; returns whether it is in the set.
    pub(super) fn mark_listed(&mut self, object: StateHash) -> bool {
        if let Some(known) = self.entry(object) {
            *known &= !AGE;
            return true;
        }
        self.fresh.contains(&object.0)
    }

    /// Adds an object.
    pub(super) fn insert(&mut self, object: StateHash) {
        if let Some(known) = self.place(object).ok().and_then(|place| self.sorted.get_mut(place)) {
            *known &= !AGE;
            return;
        }
        self.fresh.insert(object.0);
        if self.fresh.len() > 1024 + self.sorted.len() / 8 {
            self.merge();
        }
    }

    /// Removes an object.
    pub(super) fn remove(&mut self, object: StateHash) {
        self.fresh.remove(&object.0);
        if let Some(known) = self.entry(object) {
            *known |= REMOVED;
        }
    }

    /// Ends a listing: objects that were in neither this one nor the one before are dropped.
    pub(super) fn end_listing(&mut self) {
        self.merge();
        self.sorted.retain(|known| known & AGE <= MAX_MISSED);
        self.sorted.iter_mut().for_each(|known| *known += 1);
        if self.sorted.len() < self.sorted.capacity() / 4 {
            self.sorted.shrink_to_fit();
        }
    }

    /// Whether an object is in the set, listed now or not.
    pub(super) fn contains(&self, object: StateHash) -> bool {
        let known = self.place(object).ok().and_then(|place| self.sorted.get(place));
        known.is_some_and(|known| known & AGE != REMOVED) || self.fresh.contains(&object.0)
    }

    /// Merges two ascending runs, which the sort detects.
    fn merge(&mut self) {
        let mut fresh: Vec<u64> = std::mem::take(&mut self.fresh).into_iter().collect();
        fresh.sort_unstable();
        // Exactly as much as is needed: doubling would take twice the memory.
        self.sorted.reserve_exact(fresh.len());
        self.sorted.append(&mut fresh);
        self.sorted.sort();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_million_take_eight_bytes_each_and_each_is_known() {
        let mut known = ListedSet::new(usize::MAX);
        let object =
            |known: &ListedSet, n: u32| known.fingerprint(&format!("prod-1/acme/app/{}", n.rotate_left(16)), "e", 0);
        for n in 0..1_000_000 {
            let object = object(&known, n);
            assert!(!known.mark_listed(object));
            known.insert(object);
        }
        known.end_listing();
        assert!((0..1_000_000).all(|n| known.mark_listed(object(&known, n))));
        assert!(!known.mark_listed(object(&known, 1_000_000)));
        assert_eq!((known.len(), known.fresh.len()), (1_000_000, 0));
        assert!(known.sorted.capacity() <= 1_001_100, "{}", known.sorted.capacity());
    }

    #[test]
    fn what_two_listings_miss_is_forgotten() {
        let mut known = ListedSet::new(2);
        let (a, b) = (known.fingerprint("a", "1", 0), known.fingerprint("b", "1", 0));
        assert!(a != known.fingerprint("a", "2", 0) && a != known.fingerprint("a", "1", 1));
        known.insert(a);
        known.insert(b);
        assert!(!known.has_room());
        known.end_listing();
        for _ in 0..5 {
            assert!(known.mark_listed(a));
            known.end_listing();
        }
        assert!(known.contains(a) && !known.contains(b) && known.has_room());
        // Missed once, it stays.
        known.end_listing();
        assert!(known.mark_listed(a));
        (0..3).for_each(|_| known.end_listing());
        assert!(!known.mark_listed(a), "its own, and two without it");
    }

    /// What is done with an object.
    #[derive(Debug, Clone, Copy)]
    enum Do {
        Insert(u8),
        Remove(u8),
        Meet(u8),
        End,
    }

    fn anything() -> impl Strategy<Value = Do> {
        prop_oneof![
            4 => any::<u8>().prop_map(Do::Insert),
            1 => any::<u8>().prop_map(Do::Remove),
            4 => any::<u8>().prop_map(Do::Meet),
            1 => Just(Do::End),
        ]
    }

    proptest! {
        /// As a map of ages does it.
        #[test]
        fn it_knows_what_was_put_there_and_nothing_else(all in proptest::collection::vec(anything(), 0..400)) {
            let mut known = ListedSet::new(usize::MAX);
            let mut expected: BTreeMap<u8, u64> = BTreeMap::new();
            for (number, one) in all.into_iter().enumerate() {
                let fingerprint = |n: u8| known.fingerprint(&n.to_string(), "", 0);
                match one {
                    Do::Insert(n) => {
                        known.insert(fingerprint(n));
                        expected.insert(n, 0);
                    }
                    Do::Remove(n) => {
                        known.remove(fingerprint(n));
                        expected.remove(&n);
                    }
                    Do::Meet(n) => {
                        let fingerprint = fingerprint(n);
                        prop_assert_eq!(known.mark_listed(fingerprint), expected.contains_key(&n));
                        expected.entry(n).and_modify(|age| *age = 0);
                    }
                    Do::End => {
                        known.end_listing();
                        expected.retain(|_, age| *age <= MAX_MISSED);
                        expected.values_mut().for_each(|age| *age += 1);
                    }
                }
                if number % 7 == 0 {
                    known.merge();
                }
            }
            for n in 0..=u8::MAX {
                prop_assert_eq!(known.contains(known.fingerprint(&n.to_string(), "", 0)), expected.contains_key(&n));
            }
        }
    }
}
