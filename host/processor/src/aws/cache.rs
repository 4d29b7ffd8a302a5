//! A small cache: bounded, and without entries that were not used for a while.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use model::lock;

/// The time without use after which an entry is dropped, when a new one comes in.
const IDLE: Duration = Duration::from_secs(15 * 60);

/// A cache of at most `limit` values. The least recently used one gives way to a new one.
pub(super) struct IdleCache<K, V> {
    limit: usize,
    entries: Mutex<HashMap<K, (V, Instant)>>,
}

impl<K: Eq + Hash + Clone, V: Clone> IdleCache<K, V> {
    /// An empty cache.
    pub(super) fn new(limit: usize) -> Self {
        Self { limit, entries: Mutex::new(HashMap::new()) }
    }

    /// Gets the value of a key, or makes it. `make` must be quick: it runs under the lock.
    pub(super) fn get_or_insert(&self, key: K, make: impl FnOnce(&K) -> V) -> V {
        self.get_or_insert_at(key, make, Instant::now())
    }

    fn get_or_insert_at(&self, key: K, make: impl FnOnce(&K) -> V, now: Instant) -> V {
        let mut entries = lock(&self.entries);
        if let Some((value, used)) = entries.get_mut(&key) {
            *used = now;
            return value.clone();
        }
        entries.retain(|_, (_, used)| now.saturating_duration_since(*used) < IDLE);
        if entries.len() >= self.limit {
            let oldest = entries.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            oldest.and_then(|key| entries.remove(&key));
        }
        let value = make(&key);
        entries.insert(key, (value.clone(), now));
        value
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        lock(&self.entries).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_was_used_last() {
        let cache = IdleCache::new(2);
        let number = |key: &'static str, value| cache.get_or_insert(key, |_| value);
        number("a", 1);
        number("b", 2);
        assert_eq!(number("a", 10), 1);
        number("c", 3);
        assert_eq!((number("a", 10), number("b", 20)), (1, 20));
    }

    #[test]
    fn what_is_idle_goes_when_something_new_comes_and_what_is_used_stays() {
        let (cache, start, moment) = (IdleCache::new(100), Instant::now(), Duration::from_secs(1));
        let number = |key: &'static str, value, at| cache.get_or_insert_at(key, |_| value, start + at);
        number("idle", 1, Duration::ZERO);
        number("used", 1, Duration::ZERO);
        assert_eq!(number("used", 2, IDLE - moment), 1);
        assert_eq!(number("new", 1, IDLE), 1);
        assert_eq!((cache.len(), number("used", 2, IDLE)), (2, 1));
        assert_eq!(number("idle", 2, IDLE), 2, "it is made anew");
        // All are idle, and what is asked for is there all the same.
        assert_eq!(number("used", 2, IDLE * 3), 1);
        assert_eq!(number("newer", 1, IDLE * 3), 1);
        assert_eq!(cache.len(), 2);
    }
}
