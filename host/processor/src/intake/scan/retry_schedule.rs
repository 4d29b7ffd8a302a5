//! The failed objects, and when each is tried again. One tenant may use an eighth of the free
//! room; an object without room is dropped, and the next listing finds it as if it were new.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::listed_set::StateHash;

/// The most failed objects that are kept, about 50 bytes each.
const MAX_OBJECTS: usize = 200_000;

/// A tenant may use one part in this many of the free room.
const TENANT_DIVISOR: usize = 8;

/// The pauses before retries: doubling from the first to the longest.
const RETRY_PAUSES: (Duration, Duration) = (Duration::from_secs(10), Duration::from_secs(3600));

#[derive(Debug, Clone)]
struct FailedObject {
    times: u32,
    /// When the object is due; `None` while it is processed again.
    again: Option<Instant>,
    tenant: std::sync::Arc<str>,
}

/// The failed objects.
#[derive(Default)]
pub(super) struct RetrySchedule {
    all: HashMap<StateHash, FailedObject>,
    /// The number of failed objects per tenant.
    tenants: HashMap<std::sync::Arc<str>, usize>,
}

impl RetrySchedule {
    /// Takes an object if it failed and its pause is over. It counts as being processed from
    /// then on.
    pub(super) fn take_due(&mut self, object: StateHash, now: Instant) -> bool {
        let Some(failure) = self.all.get_mut(&object) else { return false };
        let due = failure.again.is_some_and(|again| again <= now);
        if due {
            failure.again = None;
        }
        due
    }

    /// Puts an object back that isn't tried after all; the next listing asks again.
    pub(super) fn put_off(&mut self, object: StateHash, now: Instant) {
        if let Some(failure) = self.all.get_mut(&object) {
            failure.again = Some(now);
        }
    }

    /// Removes an object that succeeded.
    pub(super) fn remove(&mut self, object: StateHash) {
        if let Some(failure) = self.all.remove(&object) {
            self.decrement(&failure.tenant);
        }
    }

    /// Records a failure; returns whether there was room for it.
    pub(super) fn record_failure(&mut self, object: StateHash, tenant: &str, now: Instant) -> bool {
        if let Some(failure) = self.all.get_mut(&object) {
            failure.again = Some(now + pause(failure.times));
            failure.times = failure.times.saturating_add(1);
            return true;
        }
        let (tenant, count) = self
            .tenants
            .get_key_value(tenant)
            .map_or_else(|| (tenant.into(), 0), |(name, count)| (name.clone(), *count));
        if count >= MAX_OBJECTS.saturating_sub(self.all.len()) / TENANT_DIVISOR {
            return false;
        }
        *self.tenants.entry(tenant.clone()).or_default() += 1;
        self.all.insert(object, FailedObject { times: 1, again: Some(now + pause(0)), tenant });
        true
    }

    /// Drops objects that no longer exist.
    pub(super) fn retain(&mut self, is_there: impl Fn(StateHash) -> bool) {
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

    fn decrement(&mut self, tenant: &str) {
        if let Some(count) = self.tenants.get_mut(tenant) {
            *count -= 1;
            if *count == 0 {
                self.tenants.remove(tenant);
            }
        }
    }
}

fn pause(times: u32) -> Duration {
    (0..times).fold(RETRY_PAUSES.0, |pause, _| (pause * 2).min(RETRY_PAUSES.1))
}

#[cfg(test)]
mod tests {
    use super::super::listed_set::ListedSet;
    use super::*;

    fn objects(count: usize) -> Vec<StateHash> {
        let listed_set = ListedSet::new(0);
        (0..count).map(|n| listed_set.fingerprint(&n.to_string(), "", 0)).collect()
    }

    #[test]
    fn what_failed_comes_again_ever_later_and_a_success_ends_that() {
        let (mut failed, mut now) = (RetrySchedule::default(), Instant::now());
        let object = objects(1)[0];
        assert!(!failed.take_due(object, now), "it has not failed");
        let mut waited = Vec::new();
        for _ in 0..12 {
            assert!(failed.record_failure(object, "a", now));
            let before = now;
            while !failed.take_due(object, now) {
                now += Duration::from_secs(5);
            }
            assert!(!failed.take_due(object, now), "it is at work");
            waited.push((now - before).as_secs());
        }
        assert_eq!(waited[..4], [10, 20, 40, 80]);
        assert_eq!(waited.last(), Some(&3600));
        failed.remove(object);
        assert!(failed.all.is_empty() && failed.tenants.is_empty());
        assert!(failed.record_failure(object, "a", now));
        assert!(failed.take_due(object, now + RETRY_PAUSES.0), "the pauses begin anew");
        failed.put_off(object, now);
        assert!(failed.take_due(object, now));
    }

    #[test]
    fn one_tenants_failures_leave_room_for_those_of_others() {
        let (mut failed, now) = (RetrySchedule::default(), Instant::now());
        let objects = objects(MAX_OBJECTS);
        let (own, others) = objects.split_at(MAX_OBJECTS / 2);
        let remembered = own.iter().filter(|object| failed.record_failure(**object, "a", now)).count();
        assert!((MAX_OBJECTS / 10..=MAX_OBJECTS / TENANT_DIVISOR).contains(&remembered), "{remembered}");
        for (n, object) in others.iter().take(1000).enumerate() {
            assert!(failed.record_failure(*object, &n.to_string(), now));
        }
        assert!(failed.record_failure(own[0], "a", now), "what is remembered stays so");
        assert!(failed.all.len() < MAX_OBJECTS);
    }

    #[test]
    fn what_is_gone_is_forgotten_but_not_while_it_is_at_work() {
        let (mut failed, now) = (RetrySchedule::default(), Instant::now());
        let objects = objects(3);
        objects.iter().for_each(|object| assert!(failed.record_failure(*object, "a", now)));
        assert!(failed.take_due(objects[2], now + RETRY_PAUSES.0));
        failed.retain(|object| object == objects[0]);
        assert_eq!((failed.all.len(), failed.tenants["a"]), (2, 2));
        failed.remove(objects[2]);
        failed.retain(|_| false);
        assert!(failed.all.is_empty() && failed.tenants.is_empty());
    }
}
