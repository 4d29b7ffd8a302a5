//! Tenants whose destinations keep failing are left alone for a while, so that
//! they cost the others nothing, and their own messages are not received again and
//! again for nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Rest;
use crate::telemetry::Metrics;

/// Destinations that are remembered; only those that fail are.
const MOST: usize = 10_000;

/// Tenant, and kind of destination.
type Destination = (String, &'static str);

/// The breakers of all destinations.
pub(super) struct Breakers {
    failing: Mutex<HashMap<Destination, Rest>>,
    metrics: Metrics,
}

impl Breakers {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { failing: Mutex::default(), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Destination, Rest>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a destination may be tried; else how long it is still left alone.
    pub(super) fn check(&self, tenant: &str, kind: &'static str, now: Instant) -> Result<(), Duration> {
        self.lock().get_mut(&(tenant.to_owned(), kind)).map_or(Ok(()), |rest| rest.check(now))
    }

    /// It took something.
    pub(super) fn succeeded(&self, tenant: &str, kind: &'static str) {
        let rest = self.lock().remove(&(tenant.to_owned(), kind));
        if rest.is_some_and(|rest| rest.is_given()) {
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
        let given = state.is_given();
        let rest = state.failed(now);
        if state.is_given() && !given {
            let seconds = rest.as_secs();
            tracing::warn!(tenant, destination = kind, seconds, "the destination keeps failing: it is left alone");
            self.metrics.breaker(1);
        }
        rest
    }

    /// It was not tried after all, or nothing is known of it.
    pub(super) fn undecided(&self, tenant: &str, kind: &'static str) {
        if let Some(state) = self.lock().get_mut(&(tenant.to_owned(), kind)) {
            state.undecided();
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
        for _ in 1..Rest::FAILURES {
            assert_eq!(breakers.failed("a", "s3", start), none);
            assert_eq!(check("s3", none), Ok(()));
        }
        assert_eq!(breakers.failed("a", "s3", start), Rest::FIRST);
        assert_eq!(check("s3", none), Err(Rest::FIRST));
        // Nobody else's.
        assert_eq!(check("cloudwatch", none), Ok(()));
        assert_eq!(breakers.check("b", "s3", start), Ok(()));
        assert_eq!(check("s3", Rest::FIRST), Ok(()), "one may try");
        assert_eq!(check("s3", Rest::FIRST), Err(Rest::TRIAL), "and only one");
        assert_eq!(breakers.failed("a", "s3", start + Rest::FIRST), Rest::FIRST * 2);
        assert_eq!(check("s3", Rest::FIRST * 2), Err(Rest::FIRST));
        assert_eq!(check("s3", Rest::FIRST * 3), Ok(()));
        breakers.undecided("a", "s3");
        assert_eq!(check("s3", Rest::FIRST * 3), Ok(()), "the next may try");
        breakers.succeeded("a", "s3");
        assert_eq!(breakers.failed("a", "s3", start), none, "the count begins anew");
    }

    #[test]
    fn rests_are_bounded() {
        let breakers = Breakers::new(Metrics::new());
        let (mut now, mut longest) = (Instant::now(), Duration::ZERO);
        for _ in 0..100 {
            longest = breakers.failed("a", "s3", now);
            now += longest;
        }
        assert_eq!(longest, Rest::LONGEST);
    }
}
