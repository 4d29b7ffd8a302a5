//! Tenants whose destinations keep failing are left alone for a while, so that
//! they cost the others nothing, and their own messages are not received again and
//! again for nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::telemetry::Metrics;

/// Failures in a row before a destination is left alone.
const FAILURES: u32 = 3;

/// The first rest; it doubles with each failure after it.
const FIRST_REST: Duration = Duration::from_secs(30);

/// The longest rest: below SQS's longest delay, 900 s.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// Until the one that tries whether it works again is back.
const TRIAL: Duration = Duration::from_secs(5);

/// Destinations that are remembered; only those that fail are.
const MOST: usize = 10_000;

/// The breakers of all destinations.
pub(super) struct Breakers {
    failing: Mutex<HashMap<(String, &'static str), Failing>>,
    metrics: Metrics,
}

#[derive(Debug, Clone, Copy, Default)]
struct Failing {
    failures: u32,
    /// Left alone until then.
    until: Option<Instant>,
    /// One is trying whether it works again.
    trial: bool,
}

impl Breakers {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { failing: Mutex::default(), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(String, &'static str), Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a destination may be tried; else how long it is still left alone.
    pub(super) fn check(&self, tenant: &str, kind: &'static str, now: Instant) -> Result<(), Duration> {
        let mut failing = self.lock();
        let Some(state) = failing.get_mut(&(tenant.to_owned(), kind)) else { return Ok(()) };
        let Some(until) = state.until else { return Ok(()) };
        match until.checked_duration_since(now) {
            Some(rest) if !rest.is_zero() => Err(rest),
            _ if state.trial => Err(TRIAL),
            _ => {
                state.trial = true;
                Ok(())
            }
        }
    }

    /// It took something.
    pub(super) fn succeeded(&self, tenant: &str, kind: &'static str) {
        let state = self.lock().remove(&(tenant.to_owned(), kind));
        if state.is_some_and(|state| state.until.is_some()) {
            tracing::info!(tenant, destination = kind, "the destination works again");
            self.metrics.breaker(-1);
        }
    }

    /// It failed; how long it is left alone now.
    pub(super) fn failed(&self, tenant: &str, kind: &'static str, now: Instant) -> Duration {
        let mut failing = self.lock();
        if failing.len() >= MOST && !failing.contains_key(&(tenant.to_owned(), kind)) {
            return Duration::ZERO;
        }
        let state = failing.entry((tenant.to_owned(), kind)).or_default();
        state.failures = state.failures.saturating_add(1);
        state.trial = false;
        if state.failures < FAILURES {
            return Duration::ZERO;
        }
        let rest = (0..state.failures - FAILURES).fold(FIRST_REST, |rest, _| (rest * 2).min(LONGEST_REST));
        if state.until.is_none() {
            let seconds = rest.as_secs();
            tracing::warn!(tenant, destination = kind, seconds, "the destination keeps failing: it is left alone");
            self.metrics.breaker(1);
        }
        state.until = Some(now + rest);
        rest
    }

    /// It was not tried after all, or nothing is known of it.
    pub(super) fn undecided(&self, tenant: &str, kind: &'static str) {
        if let Some(state) = self.lock().get_mut(&(tenant.to_owned(), kind)) {
            state.trial = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_try() {
        let breakers = Breakers::new(Metrics::new());
        let start = Instant::now();
        let check = |kind, after| breakers.check("a", kind, start + after);
        let none = Duration::ZERO;
        for _ in 1..FAILURES {
            assert_eq!(breakers.failed("a", "s3", start), none);
            assert_eq!(check("s3", none), Ok(()));
        }
        assert_eq!(breakers.failed("a", "s3", start), FIRST_REST);
        assert_eq!(check("s3", none), Err(FIRST_REST));
        // Nobody else's.
        assert_eq!(check("cloudwatch", none), Ok(()));
        assert_eq!(breakers.check("b", "s3", start), Ok(()));
        assert_eq!(check("s3", FIRST_REST), Ok(()), "one may try");
        assert_eq!(check("s3", FIRST_REST), Err(TRIAL), "and only one");
        assert_eq!(breakers.failed("a", "s3", start), FIRST_REST * 2);
        assert_eq!(check("s3", FIRST_REST), Err(FIRST_REST));
        assert_eq!(check("s3", FIRST_REST * 2), Ok(()));
        breakers.undecided("a", "s3");
        assert_eq!(check("s3", FIRST_REST * 2), Ok(()), "the next may try");
        breakers.succeeded("a", "s3");
        assert_eq!(breakers.failed("a", "s3", start), none, "the count begins anew");
    }

    #[test]
    fn rests_are_bounded() {
        let breakers = Breakers::new(Metrics::new());
        let longest = (0..100).map(|_| breakers.failed("a", "s3", Instant::now())).max();
        assert_eq!(longest, Some(LONGEST_REST));
    }
}
