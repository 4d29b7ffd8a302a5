//! Objects that failed, and when each is tried again. One tenant may have an eighth of
//! what is free here; what has no room is not remembered as failed, but forgotten: the
//! next listing finds it, as if it were new.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::known::Fingerprint;

/// Objects that are remembered as failed: about 50 bytes each.
const MOST: usize = 200_000;

/// A tenant may have one part in so many of what is free.
const PART: usize = 8;

/// Until an object that failed is tried again: doubling from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

#[derive(Debug, Clone)]
struct Failure {
    times: u32,
    /// None: it is at work again.
    again: Option<Instant>,
    tenant: std::sync::Arc<str>,
}

/// The objects that failed.
#[derive(Default)]
pub(super) struct Failed {
    all: HashMap<Fingerprint, Failure>,
    /// How many of each tenant, of those that have some.
    tenants: HashMap<std::sync::Arc<str>, usize>,
}

impl Failed {
    /// Whether an object that is known is to be tried again: it failed, and its pause is
    /// over. From then on it is at work.
    pub(super) fn retry(&mut self, object: Fingerprint, now: Instant) -> bool {
        let Some(failure) = self.all.get_mut(&object) else { return false };
        let due = failure.again.is_some_and(|again| again <= now);
        if due {
            failure.again = None;
        }
        due
    }

    /// It is not tried after all: the next listing asks again.
    pub(super) fn not_tried(&mut self, object: Fingerprint, now: Instant) {
        if let Some(failure) = self.all.get_mut(&object) {
            failure.again = Some(now);
        }
    }

    /// It is done.
    pub(super) fn done(&mut self, object: Fingerprint) {
        if let Some(failure) = self.all.remove(&object) {
            self.uncount(&failure.tenant);
        }
    }

    /// It failed; false: there is no room to remember that.
    pub(super) fn failed(&mut self, object: Fingerprint, tenant: &str, now: Instant) -> bool {
        if let Some(failure) = self.all.get_mut(&object) {
            failure.again = Some(now + pause(failure.times));
            failure.times = failure.times.saturating_add(1);
            return true;
        }
        let (tenant, count) = self
            .tenants
            .get_key_value(tenant)
            .map_or_else(|| (tenant.into(), 0), |(name, count)| (name.clone(), *count));
        if count >= MOST.saturating_sub(self.all.len()) / PART {
            return false;
        }
        *self.tenants.entry(tenant.clone()).or_default() += 1;
        self.all.insert(object, Failure { times: 1, again: Some(now + pause(0)), tenant });
        true
    }

    /// Forgets those that are no longer there.
    pub(super) fn keep(&mut self, is_there: impl Fn(Fingerprint) -> bool) {
        let tenants = &mut self.tenants;
        self.all.retain(|object, failure| {
            let keep = failure.again.is_none() || is_there(*object);
            if !keep && let Some(count) = tenants.get_mut(&failure.tenant) {
                *count -= 1;
            }
            keep
        });
        self.tenants.retain(|_, count| *count > 0);
    }

    fn uncount(&mut self, tenant: &str) {
        if let Some(count) = self.tenants.get_mut(tenant) {
            *count -= 1;
            if *count == 0 {
                self.tenants.remove(tenant);
            }
        }
    }
}

fn pause(times: u32) -> Duration {
    (0..times).fold(PAUSES.0, |pause, _| (pause * 2).min(PAUSES.1))
}

#[cfg(test)]
mod tests {
    use super::super::known::Known;
    use super::*;

    fn objects(count: usize) -> Vec<Fingerprint> {
        let known = Known::new(0);
        (0..count).map(|n| known.fingerprint(&n.to_string(), "", 0)).collect()
    }

    #[test]
    fn what_failed_comes_again_ever_later_and_a_success_ends_that() {
        let (mut failed, mut now) = (Failed::default(), Instant::now());
        let object = objects(1)[0];
        assert!(!failed.retry(object, now), "it has not failed");
        let mut waited = Vec::new();
        for _ in 0..12 {
            assert!(failed.failed(object, "a", now));
            let before = now;
            while !failed.retry(object, now) {
                now += Duration::from_secs(5);
            }
            assert!(!failed.retry(object, now), "it is at work");
            waited.push((now - before).as_secs());
        }
        assert_eq!(waited[..4], [10, 20, 40, 80]);
        assert_eq!(waited.last(), Some(&3600));
        failed.done(object);
        assert!(failed.all.is_empty() && failed.tenants.is_empty());
        assert!(failed.failed(object, "a", now));
        assert!(failed.retry(object, now + PAUSES.0), "the pauses begin anew");
        failed.not_tried(object, now);
        assert!(failed.retry(object, now));
    }

    #[test]
    fn one_tenants_failures_leave_room_for_those_of_others() {
        let (mut failed, now) = (Failed::default(), Instant::now());
        let objects = objects(MOST);
        let (own, others) = objects.split_at(MOST / 2);
        let remembered = own.iter().filter(|object| failed.failed(**object, "a", now)).count();
        assert!((MOST / 10..=MOST / PART).contains(&remembered), "{remembered}");
        for (n, object) in others.iter().take(1000).enumerate() {
            assert!(failed.failed(*object, &n.to_string(), now));
        }
        assert!(failed.failed(own[0], "a", now), "what is remembered stays so");
        assert!(failed.all.len() < MOST);
    }

    #[test]
    fn what_is_gone_is_forgotten_but_not_while_it_is_at_work() {
        let (mut failed, now) = (Failed::default(), Instant::now());
        let objects = objects(3);
        objects.iter().for_each(|object| assert!(failed.failed(*object, "a", now)));
        assert!(failed.retry(objects[2], now + PAUSES.0));
        failed.keep(|object| object == objects[0]);
        assert_eq!((failed.all.len(), failed.tenants["a"]), (2, 2));
        failed.done(objects[2]);
        failed.keep(|_| false);
        assert!(failed.all.is_empty() && failed.tenants.is_empty());
    }
}
