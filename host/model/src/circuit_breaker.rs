//! Circuit breakers: what keeps failing is not tried for a while, and then by one attempt, the probe.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::lock;

/// The most bytes that are kept of a failure's cause.
const MAX_CAUSE_BYTES: usize = 512;

/// The state of a circuit breaker: which attempts it admits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// All attempts are admitted.
    Closed,
    /// No attempt is admitted.
    Open {
        /// The time until it is half-open.
        retry_after: Duration,
    },
    /// One attempt is admitted, the probe. Its result closes or opens the breaker.
    HalfOpen {
        /// Whether the probe is in flight: then no other attempt is admitted.
        probing: bool,
    },
}

/// The circuit breaker of one thing: a destination, a component. Closed, it opens after
/// [`CircuitBreaker::FAILURE_THRESHOLD`] failures in a row. Open, it becomes half-open after a
/// time that doubles with each failed probe. Half-open, it closes when the probe succeeds, and
/// opens when it fails. Callers give the time.
#[derive(Debug, Clone)]
pub struct CircuitBreaker {
    phase: Phase,
    /// Failures in a row, while the breaker is closed.
    failures: u32,
    /// Openings in a row, without a success in between.
    openings: u32,
    /// The cause of the last failure.
    cause: String,
    /// The time of the last result.
    last_change: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Closed {
        /// The time when it closed, if it was ever open.
        since: Option<Instant>,
    },
    /// Open until then, and half-open from then on.
    Open { until: Instant },
    /// Half-open, with the probe that was admitted then in flight.
    Probing { since: Instant },
}

/// One attempt that a circuit breaker admitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct AdmittedAttempt {
    admitted: Instant,
    probe: bool,
}

/// A change of a circuit breaker's state that is worth a log line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerChange<'a> {
    /// The breaker was closed, and is open.
    Opened {
        /// The time until it is half-open.
        retry_after: Duration,
        /// The cause of the last failure.
        cause: &'a str,
    },
    /// The breaker was not closed, and is: an attempt succeeded.
    Closed,
    /// The breaker was not closed, and is gone: there was no room for it, or another version
    /// has taken its place.
    Forgotten,
}

impl CircuitBreaker {
    /// Failures in a row that open a breaker.
    pub const FAILURE_THRESHOLD: u32 = 3;
    /// The time that it is open at first. Each failed probe doubles it.
    pub const FIRST_OPEN: Duration = Duration::from_secs(30);
    /// The longest time that it is open: less than SQS's longest delay, 900 s.
    pub const LONGEST_OPEN: Duration = Duration::from_secs(600);
    /// The time after which others may ask again while the probe is in flight.
    pub const PROBE_RETRY: Duration = Duration::from_secs(5);

    fn new(now: Instant) -> Self {
        Self { phase: Phase::Closed { since: None }, failures: 0, openings: 0, cause: String::new(), last_change: now }
    }

    /// The state. Reading it changes nothing.
    pub fn state(&self, now: Instant) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Probing { .. } => BreakerState::HalfOpen { probing: true },
            Phase::Open { until } => match until.saturating_duration_since(now) {
                Duration::ZERO => BreakerState::HalfOpen { probing: false },
                retry_after => BreakerState::Open { retry_after },
            },
        }
    }

    /// The time for which no attempt is admitted. `None` if one is.
    fn retry_after(&self, now: Instant) -> Option<Duration> {
        match self.state(now) {
            BreakerState::Closed | BreakerState::HalfOpen { probing: false } => None,
            BreakerState::HalfOpen { probing: true } => Some(Self::PROBE_RETRY),
            BreakerState::Open { retry_after } => Some(retry_after),
        }
    }

    fn admit(&mut self, now: Instant) -> Result<AdmittedAttempt, Duration> {
        if let Some(retry_after) = self.retry_after(now) {
            return Err(retry_after);
        }
        let probe = !matches!(self.phase, Phase::Closed { .. });
        if probe {
            self.phase = Phase::Probing { since: now };
        }
        Ok(AdmittedAttempt { admitted: now, probe })
    }

    fn is_probe(&self, attempt: AdmittedAttempt) -> bool {
        attempt.probe && self.phase == Phase::Probing { since: attempt.admitted }
    }

    /// Records that an attempt succeeded. Any success shows that the thing works, even that of an
    /// attempt admitted long ago. Returns whether it closed the breaker.
    fn record_success(&mut self, now: Instant) -> bool {
        let was_closed = self.is_closed();
        if !was_closed {
            self.phase = Phase::Closed { since: Some(now) };
        }
        (self.failures, self.openings, self.last_change) = (0, 0, now);
        !was_closed
    }

    /// Records that an attempt failed. Attempts that were admitted before the breaker opened or
    /// closed say nothing new. Returns whether it opened a breaker that was closed.
    fn record_failure(&mut self, attempt: AdmittedAttempt, cause: &str, now: Instant) -> bool {
        let was_closed = self.is_closed();
        let opens = match self.phase {
            Phase::Closed { since } if since.is_some_and(|since| attempt.admitted < since) => return false,
            Phase::Closed { .. } => {
                self.failures = self.failures.saturating_add(1);
                self.failures >= Self::FAILURE_THRESHOLD
            }
            Phase::Probing { .. } if self.is_probe(attempt) => true,
            Phase::Probing { .. } | Phase::Open { .. } => return false,
        };
        cause.get(..cause.floor_char_boundary(MAX_CAUSE_BYTES)).unwrap_or_default().clone_into(&mut self.cause);
        self.last_change = now;
        if opens {
            let open = (0..self.openings).fold(Self::FIRST_OPEN, |open, _| (open * 2).min(Self::LONGEST_OPEN));
            self.openings = self.openings.saturating_add(1);
            self.phase = Phase::Open { until: now + open };
        }
        opens && was_closed
    }

    /// Records that an attempt has no result. If it was the probe, the next attempt is.
    fn release(&mut self, attempt: AdmittedAttempt) {
        if self.is_probe(attempt) {
            self.phase = Phase::Open { until: attempt.admitted };
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    /// Whether the breaker needn't be kept: it has been closed or half-open for so long that
    /// nobody seems to try the thing any more.
    fn is_stale(&self, now: Instant) -> bool {
        let long = |since: Instant| now.saturating_duration_since(since) > Self::LONGEST_OPEN;
        match self.phase {
            Phase::Closed { .. } => long(self.last_change),
            Phase::Open { until } => long(until),
            Phase::Probing { .. } => false,
        }
    }
}

/// The refusal of an attempt: the circuit breaker is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerOpen {
    /// The time after which to try again.
    pub retry_after: Duration,
    /// The cause of the last failure.
    pub cause: String,
}

/// The circuit breakers of many things, by key. Only things that fail have one, up to a
/// maximum. A breaker holds for one version (`V`) of its thing: another version starts
/// with a closed one. `Clone` is cheap, and clones share the breakers.
pub struct CircuitBreakers<K, V>(Arc<BreakersInner<K, V>>);

/// The callback for changes of a key's breaker.
type OnChange<K, V> = Box<dyn Fn(&K, &V, &BreakerChange<'_>) + Send + Sync>;

struct BreakersInner<K, V> {
    known: Mutex<HashMap<K, (V, CircuitBreaker)>>,
    max_breakers: usize,
    on_change: OnChange<K, V>,
}

impl<K, V> Clone for CircuitBreakers<K, V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<K: Eq + Hash + Clone, V: PartialEq + Clone> CircuitBreakers<K, V> {
    /// Keeps at most `max_breakers` breakers. `on_change` is called with each change, under the lock.
    pub fn new(max_breakers: usize, on_change: impl Fn(&K, &V, &BreakerChange<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(BreakersInner { known: Mutex::default(), max_breakers, on_change: Box::new(on_change) }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, (V, CircuitBreaker)>> {
        lock(&self.0.known)
    }

    /// Whether a breaker is open now, and why. Changes nothing: an attempt still has to be
    /// [admitted](Self::admit).
    pub fn check_open(&self, key: &K, version: &V, now: Instant) -> Option<BreakerOpen> {
        let known = self.lock();
        let (_, breaker) = known.get(key).filter(|(known, _)| known == version)?;
        breaker.retry_after(now).map(|retry_after| BreakerOpen { retry_after, cause: breaker.cause.clone() })
    }

    /// Admits one attempt, as the probe if the breaker is half-open. The permit takes the
    /// attempt's result.
    ///
    /// # Errors
    /// The breaker is open, or another attempt is the probe.
    pub fn admit(&self, key: K, version: V, now: Instant) -> Result<BreakerPermit<K, V>, BreakerOpen> {
        let mut known = self.lock();
        self.drop_other_version(&mut known, &key, &version);
        let attempt = match known.get_mut(&key) {
            None => AdmittedAttempt { admitted: now, probe: false },
            Some((_, breaker)) => {
                breaker.admit(now).map_err(|retry_after| BreakerOpen { retry_after, cause: breaker.cause.clone() })?
            }
        };
        drop(known);
        Ok(BreakerPermit { breakers: self.clone(), key, version, attempt: Some(attempt) })
    }

    /// Drops the breaker of another version.
    fn drop_other_version(&self, known: &mut HashMap<K, (V, CircuitBreaker)>, key: &K, version: &V) {
        if known.get(key).is_some_and(|(known, _)| known != version)
            && let Some((version, breaker)) = known.remove(key)
        {
            self.report_forgotten(key, &version, &breaker);
        }
    }

    fn report_forgotten(&self, key: &K, version: &V, breaker: &CircuitBreaker) {
        if !breaker.is_closed() {
            (self.0.on_change)(key, version, &BreakerChange::Forgotten);
        }
    }

    /// Makes room for one more breaker: drops those that are stale, or else the one without a
    /// result for longest.
    fn make_room(&self, known: &mut HashMap<K, (V, CircuitBreaker)>, now: Instant) {
        if known.len() < self.0.max_breakers {
            return;
        }
        for (key, (version, breaker)) in known.extract_if(|_, (_, breaker)| breaker.is_stale(now)) {
            self.report_forgotten(&key, &version, &breaker);
        }
        if known.len() < self.0.max_breakers {
            return;
        }
        let oldest = known.iter().min_by_key(|(_, (_, breaker))| breaker.last_change).map(|(key, _)| key.clone());
        if let Some((key, (version, breaker))) = oldest.and_then(|key| known.remove_entry(&key)) {
            self.report_forgotten(&key, &version, &breaker);
        }
    }

    fn record_success(&self, key: &K, version: &V, now: Instant) {
        let mut known = self.lock();
        let Some((_, breaker)) = known.get_mut(key).filter(|(known, _)| known == version) else { return };
        if breaker.record_success(now) {
            (self.0.on_change)(key, version, &BreakerChange::Closed);
        } else if matches!(breaker.phase, Phase::Closed { since: None }) {
            known.remove(key);
        }
    }

    fn record_failure(&self, key: &K, version: &V, attempt: AdmittedAttempt, cause: &str, now: Instant) -> Duration {
        let mut known = self.lock();
        self.drop_other_version(&mut known, key, version);
        if !known.contains_key(key) {
            self.make_room(&mut known, now);
        }
        let new = || (version.clone(), CircuitBreaker::new(now));
        let (_, breaker) = known.entry(key.clone()).or_insert_with(new);
        let opened = breaker.record_failure(attempt, cause, now);
        let retry_after = breaker.retry_after(now).unwrap_or_default();
        if opened {
            (self.0.on_change)(key, version, &BreakerChange::Opened { retry_after, cause: &breaker.cause });
        }
        retry_after
    }

    fn release(&self, key: &K, version: &V, attempt: AdmittedAttempt) {
        if let Some((_, breaker)) = self.lock().get_mut(key).filter(|(known, _)| known == version) {
            breaker.release(attempt);
        }
    }
}

/// The permit for one attempt. Dropped without a result, it counts as not tried.
pub struct BreakerPermit<K: Eq + Hash + Clone, V: PartialEq + Clone> {
    breakers: CircuitBreakers<K, V>,
    key: K,
    version: V,
    /// `None` once the result is recorded.
    attempt: Option<AdmittedAttempt>,
}

impl<K: Eq + Hash + Clone, V: PartialEq + Clone> BreakerPermit<K, V> {
    /// Records that the attempt succeeded.
    pub fn record_success(mut self, now: Instant) {
        self.attempt = None;
        self.breakers.record_success(&self.key, &self.version, now);
    }

    /// Records that the attempt failed. Returns the time for which no attempt is admitted now.
    pub fn record_failure(mut self, cause: &str, now: Instant) -> Duration {
        let Some(attempt) = self.attempt.take() else { return Duration::ZERO };
        self.breakers.record_failure(&self.key, &self.version, attempt, cause, now)
    }

    /// Gives the permit back without a result: the attempt was not made, or says nothing.
    pub fn release(self) {}
}

impl<K: Eq + Hash + Clone, V: PartialEq + Clone> Drop for BreakerPermit<K, V> {
    fn drop(&mut self) {
        if let Some(attempt) = self.attempt.take() {
            self.breakers.release(&self.key, &self.version, attempt);
        }
    }
}

#[cfg(test)]
#[path = "circuit_breaker_tests.rs"]
mod tests;
