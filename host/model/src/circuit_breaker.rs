//! Circuit breakers: what keeps failing is not tried for a while, then by one.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use crate::lock;

/// Bytes that are kept of why something failed.
const MAX_CAUSE_BYTES: usize = 512;

/// What a circuit breaker lets through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakerState {
    /// Everything.
    Closed,
    /// Nothing.
    Open {
        /// For so much longer.
        retry_after: Duration,
    },
    /// One attempt, the probe, which decides what comes next.
    HalfOpen {
        /// It is at work.
        probing: bool,
    },
}

/// Whether one thing (a destination, a component) may be tried, by its failures in a row.
/// Closed, it opens after [`CircuitBreaker::FAILURE_THRESHOLD`]; open, it is half-open after a
/// time that doubles; half-open, it closes with the probe's success, and opens with its
/// failure. Time is what the caller says.
#[derive(Debug, Clone)]
pub struct CircuitBreaker {
    phase: Phase,
    /// In a row, while it is closed.
    failures: u32,
    /// In a row, without a success between.
    openings: u32,
    /// Why it failed last.
    cause: String,
    /// When something was last found out about it.
    last_change: Instant,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
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
struct AdmittedAttempt {
    admitted: Instant,
    probe: bool,
}

/// What a failure or a success changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BreakerChange<'a> {
    /// It was closed, and is open.
    Opened {
        /// For how long.
        retry_after: Duration,
        /// Why the last attempt failed.
        cause: &'a str,
    },
    /// It was not closed, and is: something succeeded.
    Closed,
    /// It was not closed, and is forgotten: there was no room for it, or it is about
    /// another version.
    Forgotten,
}

impl CircuitBreaker {
    /// Failures in a row that open it.
    pub const FAILURE_THRESHOLD: u32 = 3;
    /// How long it stays open the first time; it doubles with each failed probe.
    pub const FIRST_OPEN: Duration = Duration::from_secs(30);
    /// The longest that it stays open: below SQS's longest delay, 900 s.
    pub const LONGEST_OPEN: Duration = Duration::from_secs(600);
    /// How long those wait that are refused since the probe is at work.
    pub const PROBE_RETRY: Duration = Duration::from_secs(5);

    fn new(now: Instant) -> Self {
        Self { phase: Phase::Closed { since: None }, failures: 0, openings: 0, cause: String::new(), last_change: now }
    }

    /// What it lets through. Asking changes nothing.
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

    /// How long nothing more is let through; none: something is.
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

    /// Whoever succeeds shows that it works, also who was let through long ago. Whether
    /// that closed it.
    fn record_success(&mut self, now: Instant) -> bool {
        let was_closed = self.is_closed();
        if !was_closed {
            self.phase = Phase::Closed { since: Some(now) };
        }
        (self.failures, self.openings, self.last_change) = (0, 0, now);
        !was_closed
    }

    /// Whether that opened it, when it was closed. What was let through before it opened
    /// or closed says nothing new.
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

    /// The attempt says nothing: the next may be the probe.
    fn release(&mut self, attempt: AdmittedAttempt) {
        if self.is_probe(attempt) {
            self.phase = Phase::Open { until: attempt.admitted };
        }
    }

    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed { .. })
    }

    /// Whether it says nothing that is worth remembering: it is closed, or half-open for
    /// so long that nobody seems to want what it is about.
    fn is_stale(&self, now: Instant) -> bool {
        let long = |since: Instant| now.saturating_duration_since(since) > Self::LONGEST_OPEN;
        match self.phase {
            Phase::Closed { .. } => long(self.last_change),
            Phase::Open { until } => long(until),
            Phase::Probing { .. } => false,
        }
    }
}

/// Nothing is let through now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BreakerOpen {
    /// Not to be tried before that.
    pub retry_after: Duration,
    /// Why the last attempt failed.
    pub cause: String,
}

/// A circuit breaker for each of many things; only those that fail are remembered, so
/// many at most. `V`, the version: what is known of one says nothing of another.
/// `Clone` is cheap.
pub struct CircuitBreakers<K, V>(Arc<BreakersInner<K, V>>);

/// Is told what changes with which.
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
    /// Remembers `max_breakers` things, and tells what changes with which.
    pub fn new(max_breakers: usize, on_change: impl Fn(&K, &V, &BreakerChange<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(BreakersInner { known: Mutex::default(), max_breakers, on_change: Box::new(on_change) }))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, (V, CircuitBreaker)>> {
        lock(&self.0.known)
    }

    /// Why something may not be tried now, if so. Asking changes nothing: whoever then
    /// tries it is to be [admitted](Self::admit).
    pub fn check_open(&self, key: &K, version: &V, now: Instant) -> Option<BreakerOpen> {
        let known = self.lock();
        let (_, breaker) = known.get(key).filter(|(known, _)| known == version)?;
        breaker.retry_after(now).map(|retry_after| BreakerOpen { retry_after, cause: breaker.cause.clone() })
    }

    /// Lets one attempt through, half-open as the probe. The attempt is to say how it
    /// ended; dropped, it was not tried.
    ///
    /// # Errors
    /// Not now.
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

    /// Another version begins anew.
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

    /// Makes room for one more: what is stale goes, else what was heard of least lately.
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

/// An attempt that was let through. Dropped, it was not tried.
pub struct BreakerPermit<K: Eq + Hash + Clone, V: PartialEq + Clone> {
    breakers: CircuitBreakers<K, V>,
    key: K,
    version: V,
    /// None: it has ended.
    attempt: Option<AdmittedAttempt>,
}

impl<K: Eq + Hash + Clone, V: PartialEq + Clone> BreakerPermit<K, V> {
    /// It did what it should.
    pub fn record_success(mut self, now: Instant) {
        self.attempt = None;
        self.breakers.record_success(&self.key, &self.version, now);
    }

    /// It failed, as `cause` says; how long nothing is let through now.
    pub fn record_failure(mut self, cause: &str, now: Instant) -> Duration {
        let Some(attempt) = self.attempt.take() else { return Duration::ZERO };
        self.breakers.record_failure(&self.key, &self.version, attempt, cause, now)
    }

    /// It was not tried after all, or nothing is known of it.
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
