//! Components that keep failing are left alone for a while, so that they cost the
//! others nothing. Another component, or other settings for it, begins anew.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{Plugin, Rest};
use crate::telemetry::Metrics;

/// Components that are remembered; only those that fail are.
const MOST: usize = 10_000;

/// Whether a failure of this bounded name is the component's own: by
/// [`crate::guest::GuestError::is_guests_fault`], as its names have it.
pub(super) fn is_fault(name: &str) -> bool {
    name.starts_with("guest-") && !matches!(name, "guest-rejected" | "guest-timeout")
}

/// Where a component stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Place {
    /// Whose delivery; [`Place::KEYS`] for who reads all keys.
    pub(super) tenant: String,
    /// Its delivery.
    pub(super) delivery: &'static str,
    /// Its output is only compared.
    pub(super) shadow: bool,
}

impl Place {
    /// Stands for the tenant of KEY_PARSER, which has none. No tenant has this name.
    pub(super) const KEYS: &str = "*";

    /// Of KEY_PARSER.
    pub(super) fn keys() -> Self {
        Self { tenant: Self::KEYS.to_owned(), delivery: "keys", shadow: false }
    }
}

/// Which component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Which {
    /// An item, or the operator, names it.
    Named(Arc<Plugin>),
    /// `--plugin`: its digest.
    CommandLine(String),
}

impl Which {
    /// What labels and logs have, before it is cut: its digest, where one is named.
    pub(super) fn digest(&self) -> String {
        match self {
            Self::Named(plugin) => plugin.sha256.map_or_else(|| "none".to_owned(), |digest| digest.to_string()),
            Self::CommandLine(digest) => digest.clone(),
        }
    }

    fn short(&self) -> String {
        self.digest().chars().take(crate::model::Digest::SHORT).collect()
    }
}

/// A component is left alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Suspended {
    /// Not to be tried before that.
    pub(super) wait: Duration,
    /// What it did last, in words.
    pub(super) last: String,
}

struct Failing {
    which: Which,
    rest: Rest,
    last: String,
}

/// All components that failed of late.
pub(super) struct Suspensions {
    failing: Mutex<HashMap<Place, Failing>>,
    metrics: Metrics,
}

impl Suspensions {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self { failing: Mutex::default(), metrics }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Place, Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a component may be tried; after its rest, one at a time.
    pub(super) fn check(&self, place: &Place, which: &Which, now: Instant) -> Result<(), Suspended> {
        let mut failing = self.lock();
        match failing.get_mut(place) {
            None => Ok(()),
            Some(state) if state.which == *which => {
                state.rest.check(now).map_err(|wait| Suspended { wait, last: state.last.clone() })
            }
            Some(_) => {
                let before = failing.remove(place);
                self.gone(place, before);
                Ok(())
            }
        }
    }

    /// It did its work.
    pub(super) fn succeeded(&self, place: &Place, which: &Which) {
        let mut failing = self.lock();
        if failing.get(place).is_some_and(|state| state.which == *which) {
            let before = failing.remove(place);
            self.gone(place, before);
        }
    }

    /// It failed by its own fault, which `why` says; how long it is left alone now.
    pub(super) fn failed(&self, place: &Place, which: &Which, why: &str, now: Instant) -> Duration {
        let mut failing = self.lock();
        if failing.get(place).is_some_and(|state| state.which != *which) {
            let before = failing.remove(place);
            self.gone(place, before);
        }
        if failing.len() >= MOST && !failing.contains_key(place) {
            for (place, state) in failing.extract_if(|_, state| state.rest.is_stale(now)) {
                self.gone(&place, Some(state));
            }
            if failing.len() >= MOST {
                return Duration::ZERO;
            }
        }
        let new = || Failing { which: which.clone(), rest: Rest::default(), last: String::new() };
        let state = failing.entry(place.clone()).or_insert_with(new);
        why.clone_into(&mut state.last);
        let given = state.rest.is_given();
        let wait = state.rest.failed(now);
        if state.rest.is_given() && !given {
            let (tenant, digest, seconds) = (&place.tenant, which.short(), wait.as_secs());
            let Place { delivery, shadow, .. } = place;
            tracing::warn!(
                tenant,
                delivery,
                digest,
                shadow,
                seconds,
                why,
                "the component keeps failing: it is left alone"
            );
            self.metrics.component_suspended(tenant, &digest, 1);
        }
        wait
    }

    /// It was not tried after all, or nothing is known of it.
    pub(super) fn undecided(&self, place: &Place) {
        if let Some(state) = self.lock().get_mut(place) {
            state.rest.undecided();
        }
    }

    fn gone(&self, place: &Place, before: Option<Failing>) {
        let Some(before) = before.filter(|before| before.rest.is_given()) else { return };
        let (tenant, digest) = (&place.tenant, before.which.short());
        tracing::info!(tenant, delivery = place.delivery, digest, "the component is no longer left alone");
        self.metrics.component_suspended(tenant, &digest, -1);
    }
}

#[cfg(test)]
#[path = "suspension_tests.rs"]
mod tests;
