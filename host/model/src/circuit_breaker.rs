//! Circuit breakers: what keeps failing is not tried for a while, then by one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes that are kept of why something failed.
const MOST_WHY: usize = 512;

/// What a circuit breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Everything.
    Closed,
    /// Nothing.
    Open {
        /// For so much longer.
        wait: Duration,
    },
    /// One attempt, the probe, which decides what comes next.
    HalfOpen {
        /// It is at work.
        probing: bool,
    },
}

/// Whether one thing (a destination, a component) may be tried, by its failures in a row.
/// Closed, it opens after [`CircuitBreaker::FAILURES`]; open, it is half-open after a
/// time that doubles; half-open, it closes with the probe's success, and opens with its
/// failure. Time is what the caller says.
#[derive(Debug, Clone)]
pub struct CircuitBreaker {
    circuit: Circuit,
    /// In a row, while it is closed.
    failures: u32,
    /// In a row, without a success between.
    openings: u32,
    /// Why it failed last.
    why: String,
    /// When something was last found out about it.
    touched: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Circuit {
    Closed {
        /// When it closed, if it was ever open.
        since: Option<Instant>,
    },
    /// From `until` on it is half-open.
    Open { until: Instant },
    /// Half-open, with the probe of this moment at work.
    Probing { since: Instant },
}

/// One attempt that a circuit breaker let through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Attempt {
    admitted: Instant,
    probe: bool,
}

/// What a failure or a success changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<'a> {
    /// It was closed, and is open.
    Opened {
        /// For how long.
        wait: Duration,
        /// Why the last attempt failed.
        why: &'a str,
    },
    /// It was not closed, and is: something succeeded.
    Closed,
    /// It was not closed, and is forgotten: there was no room for it, or it is about
    /// another version.
    Forgotten,
}

impl CircuitBreaker {
    /// Failures in a row that open it.
    pub const FAILURES: u32 = 3;
    /// How long it stays open the first time; it doubles with each failed probe.
    pub const FIRST: Duration = Duration::from_secs(30);
    /// The longest that it stays open: below SQS's longest delay, 900 s.
    pub const LONGEST: Duration = Duration::from_secs(600);
    /// How long those wait that are refused since the probe is at work.
    pub const PROBE: Duration = Duration::from_secs(5);

    fn new(now: Instant) -> Self {
        Self { circuit: Circuit::Closed { since: None }, failures: 0, openings: 0, why: String::new(), touched: now }
    }

    /// What it lets through. Asking changes nothing.
    pub fn state(&self, now: Instant) -> State {
        match self.circuit {
            Circuit::Closed { .. } => State::Closed,
            Circuit::Probing { .. } => State::HalfOpen { probing: true },
            Circuit::Open { until } => match until.saturating_duration_since(now) {
                Duration::ZERO => State::HalfOpen { probing: false },
                wait => State::Open { wait },
            },
        }
    }

    /// How long nothing more is let through; none: something is.
    fn refusal(&self, now: Instant) -> Option<Duration> {
        match self.state(now) {
            State::Closed | State::HalfOpen { probing: false } => None,
            State::HalfOpen { probing: true } => Some(Self::PROBE),
            State::Open { wait } => Some(wait),
        }
    }

    fn admit(&mut self, now: Instant) -> Result<Attempt, Duration> {
        if let Some(wait) = self.refusal(now) {
            return Err(wait);
        }
        let probe = !matches!(self.circuit, Circuit::Closed { .. });
        if probe {
            self.circuit = Circuit::Probing { since: now };
        }
        Ok(Attempt { admitted: now, probe })
    }

    fn is_probe(&self, attempt: Attempt) -> bool {
        attempt.probe && self.circuit == Circuit::Probing { since: attempt.admitted }
    }

    /// Whoever succeeds shows that it works, also who was let through long ago. Whether
    /// that closed it.
    fn succeeded(&mut self, now: Instant) -> bool {
        let was_closed = self.is_closed();
        if !was_closed {
            self.circuit = Circuit::Closed { since: Some(now) };
        }
        (self.failures, self.openings, self.touched) = (0, 0, now);
        !was_closed
    }

    /// Whether that opened it, when it was closed. What was let through before it opened
    /// or closed says nothing new.
    fn failed(&mut self, attempt: Attempt, why: &str, now: Instant) -> bool {
        let was_closed = self.is_closed();
        let opens = match self.circuit {
            Circuit::Closed { since } if since.is_some_and(|since| attempt.admitted < since) => return false,
            Circuit::Closed { .. } => {
                self.failures = self.failures.saturating_add(1);
                self.failures >= Self::FAILURES
            }
            Circuit::Probing { .. } if self.is_probe(attempt) => true,
            Circuit::Probing { .. } | Circuit::Open { .. } => return false,
        };
        why.get(..why.floor_char_boundary(MOST_WHY)).unwrap_or_default().clone_into(&mut self.why);
        self.touched = now;
        if opens {
            let open = (0..self.openings).fold(Self::FIRST, |open, _| (open * 2).min(Self::LONGEST));
            self.openings = self.openings.saturating_add(1);
            self.circuit = Circuit::Open { until: now + open };
        }
        opens && was_closed
    }

    /// The attempt says nothing: the next may be the probe.
    fn not_tried(&mut self, attempt: Attempt) {
        if self.is_probe(attempt) {
            self.circuit = Circuit::Open { until: attempt.admitted };
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.circuit, Circuit::Closed { .. })
    }

    /// Whether it says nothing that is worth remembering: it is closed, or half-open for
    /// so long that nobody seems to want what it is about.
    fn is_stale(&self, now: Instant) -> bool {
        let long = |since: Instant| now.saturating_duration_since(since) > Self::LONGEST;
        match self.circuit {
            Circuit::Closed { .. } => long(self.touched),
            Circuit::Open { until } => long(until),
            Circuit::Probing { .. } => false,
        }
    }
}

/// Nothing is let through now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Not to be tried before that.
    pub wait: Duration,
    /// Why the last attempt failed.
    pub why: String,
}

/// A circuit breaker for each of many things; only those that fail are remembered, so
/// many at most. `V`, the version: what is known of one says nothing of another.
/// `Clone` is cheap.
pub struct CircuitBreakers<K, V>(Arc<Inner<K, V>>);

/// Is told what changes with which.
type Changed<K, V> = Box<dyn Fn(&K, &V, &Change<'_>) + Send + Sync>;

struct Inner<K, V> {
    known: Mutex<HashMap<K, (V, CircuitBreaker)>>,
    most: usize,
    changed: Changed<K, V>,
}

impl<K, V> Clone for CircuitBreakers<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Clone, V: PartialEq + Clone> CircuitBreakers<K, V> {
    /// Remembers `most` things, and tells what changes with which.
    pub fn new(most: usize, changed: impl Fn(&K, &V, &Change<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { known: Mutex::default(), most, changed: Box::new(changed) }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, (V, CircuitBreaker)>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why something may not be tried now, if so. Asking changes nothing: whoever then
    /// tries it is to be [admitted](Self::admit).
    pub fn refusal(&self, key: &K, version: &V, now: Instant) -> Option<Refused> {
        let known = self.lock();
        let (_, breaker) = known.get(key).filter(|(known, _)| known == version)?;
        breaker.refusal(now).map(|wait| Refused { wait, why: breaker.why.clone() })
    }

    /// Lets one attempt through, half-open as the probe. The attempt is to say how it
    /// ended; dropped, it was not tried.
    ///
    /// # Errors
    /// Not now.
    pub fn admit(&self, key: K, version: V, now: Instant) -> Result<Admission<K, V>, Refused> {
        let mut known = self.lock();
        self.forget_other(&mut known, &key, &version);
        let attempt = match known.get_mut(&key) {
            None => Attempt { admitted: now, probe: false },
            Some((_, breaker)) => breaker.admit(now).map_err(|wait| Refused { wait, why: breaker.why.clone() })?,
        };
        drop(known);
        Ok(Admission { breakers: self.clone(), key, version, attempt: Some(attempt) })
    }

    /// Another version begins anew.
    fn forget_other(&self, known: &mut HashMap<K, (V, CircuitBreaker)>, key: &K, version: &V) {
        if known.get(key).is_some_and(|(known, _)| known != version)
            && let Some((version, breaker)) = known.remove(key)
        {
            self.forgotten(key, &version, &breaker);
        }
    }

    fn forgotten(&self, key: &K, version: &V, breaker: &CircuitBreaker) {
        if !breaker.is_closed() {
            (self.0.changed)(key, version, &Change::Forgotten);
        }
    }

    /// Makes room for one more: what is stale goes, else what was heard of least lately.
    fn make_room(&self, known: &mut HashMap<K, (V, CircuitBreaker)>, now: Instant) {
        if known.len() < self.0.most {
            return;
        }
        for (key, (version, breaker)) in known.extract_if(|_, (_, breaker)| breaker.is_stale(now)) {
            self.forgotten(&key, &version, &breaker);
        }
        if known.len() < self.0.most {
            return;
        }
        let oldest = known.iter().min_by_key(|(_, (_, breaker))| breaker.touched).map(|(key, _)| key.clone());
        if let Some((key, (version, breaker))) = oldest.and_then(|key| known.remove_entry(&key)) {
            self.forgotten(&key, &version, &breaker);
        }
    }

    fn succeeded(&self, key: &K, version: &V, now: Instant) {
        let mut known = self.lock();
        let Some((_, breaker)) = known.get_mut(key).filter(|(known, _)| known == version) else { return };
        if breaker.succeeded(now) {
            (self.0.changed)(key, version, &Change::Closed);
        } else if matches!(breaker.circuit, Circuit::Closed { since: None }) {
            known.remove(key);
        }
    }

    fn failed(&self, key: &K, version: &V, attempt: Attempt, why: &str, now: Instant) -> Duration {
        let mut known = self.lock();
        self.forget_other(&mut known, key, version);
        if !known.contains_key(key) {
            self.make_room(&mut known, now);
        }
        let new = || (version.clone(), CircuitBreaker::new(now));
        let (_, breaker) = known.entry(key.clone()).or_insert_with(new);
        let opened = breaker.failed(attempt, why, now);
        let wait = breaker.refusal(now).unwrap_or_default();
        if opened {
            (self.0.changed)(key, version, &Change::Opened { wait, why: &breaker.why });
        }
        wait
    }

    fn not_tried(&self, key: &K, version: &V, attempt: Attempt) {
        if let Some((_, breaker)) = self.lock().get_mut(key).filter(|(known, _)| known == version) {
            breaker.not_tried(attempt);
        }
    }
}

/// An attempt that was let through. Dropped, it was not tried.
pub struct Admission<K: Eq + Hash + Clone, V: PartialEq + Clone> {
    breakers: CircuitBreakers<K, V>,
    key: K,
    version: V,
    /// None: it has ended.
    attempt: Option<Attempt>,
}

impl<K: Eq + Hash + Clone, V: PartialEq + Clone> Admission<K, V> {
    /// It did what it should.
    pub fn succeeded(mut self, now: Instant) {
        self.attempt = None;
        self.breakers.succeeded(&self.key, &self.version, now);
    }

    /// It failed, as `why` says; how long nothing is let through now.
    pub fn failed(mut self, why: &str, now: Instant) -> Duration {
        let Some(attempt) = self.attempt.take() else { return Duration::ZERO };
        self.breakers.failed(&self.key, &self.version, attempt, why, now)
    }

    /// It was not tried after all, or nothing is known of it.
    pub fn not_tried(self) {}
}

impl<K: Eq + Hash + Clone, V: PartialEq + Clone> Drop for Admission<K, V> {
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.breakers.not_tried(&self.key, &self.version, attempt);
        }
    }
}

#[cfg(test)]
#[path = "circuit_breaker_tests.rs"]
mod tests;
