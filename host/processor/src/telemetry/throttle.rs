//! A rate limit for log lines and warnings that could repeat without end.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use model::lock;

/// The most keys with an allowance of their own; all further keys share one.
const MAX_KEYS: usize = 1000;

/// Admits at most a number of events per interval, for each key by itself.
pub struct Throttle {
    limit: u32,
    interval: Duration,
    keys: Mutex<HashMap<String, ThrottleWindow>>,
}

struct ThrottleWindow {
    began: Instant,
    admitted: u32,
    suppressed: u64,
}

impl Throttle {
    /// A throttle that admits at most `limit` events per `interval`.
    pub fn new(limit: u32, interval: Duration) -> Self {
        Self { limit, interval, keys: Mutex::default() }
    }

    /// Admits one more event of this key, and returns how many were suppressed since the last
    /// admitted one; `None` if it is over the limit.
    pub fn admit(&self, key: &str, now: Instant) -> Option<u64> {
        let mut keys = lock(&self.keys);
        let over = |window: &ThrottleWindow| now.saturating_duration_since(window.began) >= self.interval;
        if keys.len() >= MAX_KEYS && !keys.contains_key(key) {
            keys.retain(|_, window| !over(window));
        }
        let key = if keys.len() >= MAX_KEYS && !keys.contains_key(key) { "" } else { key };
        let window = keys.entry(key.to_owned()).or_insert(ThrottleWindow { began: now, admitted: 0, suppressed: 0 });
        if over(window) {
            (window.began, window.admitted) = (now, 0);
        }
        if window.admitted >= self.limit {
            window.suppressed += 1;
            return None;
        }
        window.admitted += 1;
        Some(std::mem::take(&mut window.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn so_much_is_said_and_the_rest_is_counted() {
        let (throttle, start) = (Throttle::new(2, SECOND), Instant::now());
        let admitted: Vec<_> = (0..4).map(|_| throttle.admit("a", start)).collect();
        assert_eq!(admitted, [Some(0), Some(0), None, None]);
        assert_eq!(throttle.admit("b", start), Some(0), "each by itself");
        assert_eq!(throttle.admit("a", start + SECOND), Some(2));
        assert_eq!(throttle.admit("a", start + SECOND), Some(0));
    }

    #[test]
    fn keys_are_bounded_and_those_beyond_share_an_allowance() {
        let (throttle, start) = (Throttle::new(1, SECOND), Instant::now());
        for key in 0..MAX_KEYS {
            assert_eq!(throttle.admit(&key.to_string(), start), Some(0));
        }
        assert_eq!(throttle.admit("one more", start), Some(0));
        assert_eq!(throttle.admit("and one", start), None);
        assert!(throttle.keys.lock().unwrap().len() <= MAX_KEYS + 1);
        // Those of before are over.
        assert_eq!(throttle.admit("new", start + SECOND), Some(0));
        assert_eq!(throttle.keys.lock().unwrap().len(), 1);
    }
}
