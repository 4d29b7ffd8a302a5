//! The deliveries that this process knows to wait, for the age of the oldest.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use model::lock;

/// The most deliveries that are kept; of more, the oldest.
const MAX_DELIVERIES: usize = 10_000;

/// The deliveries that are known to wait. Times are in milliseconds since the Unix epoch.
/// `Clone` is cheap.
#[derive(Clone, Default)]
pub struct WaitingDeliveries(Arc<Mutex<WaitingState>>);

#[derive(Default)]
struct WaitingState {
    /// By name: since when the delivery waits, and until when that is believed (another
    /// process may have delivered it).
    known: HashMap<String, (i64, i64)>,
    /// Names by the time since when they wait.
    order: BTreeSet<(i64, String)>,
}

impl WaitingDeliveries {
    fn lock(&self) -> MutexGuard<'_, WaitingState> {
        lock(&self.0)
    }

    /// Records that a delivery waits since `since`. That is believed for `known_for`.
    pub fn begin(&self, name: &str, since: i64, now: i64, known_for: Duration) {
        let until = now.saturating_add(i64::try_from(known_for.as_millis()).unwrap_or(i64::MAX));
        let mut inner = self.lock();
        inner.remove(name);
        inner.known.insert(name.to_owned(), (since, until));
        inner.order.insert((since, name.to_owned()));
        if inner.known.len() > MAX_DELIVERIES
            && let Some((_, youngest)) = inner.order.pop_last()
        {
            inner.known.remove(&youngest);
        }
    }

    /// Records that a delivery no longer waits.
    pub fn end(&self, name: &str) {
        self.lock().remove(name);
    }

    /// The time for which the oldest delivery has waited.
    pub fn oldest(&self, now: i64) -> Duration {
        let mut inner = self.lock();
        while let Some((since, name)) = inner.order.first().cloned() {
            if inner.known.get(&name).is_some_and(|(_, until)| *until >= now) {
                return Duration::from_millis(u64::try_from(now.saturating_sub(since)).unwrap_or_default());
            }
            inner.remove(&name);
        }
        Duration::ZERO
    }
}

impl WaitingState {
    fn remove(&mut self, name: &str) {
        if let Some((since, _)) = self.known.remove(name) {
            self.order.remove(&(since, name.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_oldest_counts_until_it_is_done_or_nothing_was_heard_of_it() {
        let waiting = WaitingDeliveries::default();
        assert_eq!(waiting.oldest(10_000), Duration::ZERO);
        waiting.begin("a", 1000, 10_000, 5 * SECOND);
        waiting.begin("b", 4000, 10_000, 20 * SECOND);
        assert_eq!(waiting.oldest(10_000), 9 * SECOND);
        assert_eq!(waiting.oldest(15_000), 14 * SECOND);
        waiting.begin("a", 1000, 15_000, 2 * SECOND);
        assert_eq!(waiting.oldest(17_000), 16 * SECOND);
        assert_eq!(waiting.oldest(17_001).as_secs(), 13, "a other process may have done it");
        waiting.end("b");
        assert_eq!(waiting.oldest(17_001), Duration::ZERO);
        waiting.begin("c", 20_000, 18_000, SECOND);
        assert_eq!(waiting.oldest(18_000), Duration::ZERO, "a clock that is ahead");
    }

    #[test]
    fn it_is_bounded_and_keeps_the_oldest() {
        let waiting = WaitingDeliveries::default();
        for since in 0..=i64::try_from(MAX_DELIVERIES).unwrap() {
            waiting.begin(&since.to_string(), since, 0, SECOND);
        }
        assert_eq!(waiting.lock().known.len(), MAX_DELIVERIES);
        assert_eq!(waiting.lock().order.len(), MAX_DELIVERIES);
        assert!(waiting.lock().known.contains_key("0"));
    }
}
