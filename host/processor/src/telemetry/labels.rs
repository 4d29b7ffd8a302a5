//! The pairs of tenant and component that have metric labels of their own: the active ones, as
//! long as there is room. A pair that was silent for an hour makes room for one that wasn't.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::{Duration, Instant};

use model::Digest;

/// The most pairs of tenant and component that have labels of their own; each has about twenty
/// series.
pub(super) const MAX_PAIRS: usize = 1000;

/// The most pairs of one tenant: a tenant that changes its component all the time must not
/// take the others' labels.
pub(super) const MAX_PAIRS_PER_TENANT: usize = 20;

/// The time without work after which a pair's labels may go to another pair.
pub(super) const STALE_AFTER: Duration = Duration::from_secs(60 * 60);

/// The label that all further pairs share.
const OTHER: &str = "other";

/// A tenant and a shortened digest.
pub(super) type LabelPair = [String; 2];

/// All pairs that have labels.
#[derive(Default)]
pub(super) struct Labels {
    pairs: HashMap<LabelPair, LabelState>,
    /// Suspended components, whatever labels they have: for how many deliveries each is
    /// suspended.
    suspended: BTreeMap<LabelPair, i64>,
}

struct LabelState {
    active: Instant,
    /// The kinds of failure that the component has had.
    kinds: BTreeSet<&'static str>,
    /// Whether the pair stands for all further components of its tenant.
    shared: bool,
}

/// A pair whose labels were removed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct RemovedLabels {
    pub(super) pair: LabelPair,
    pub(super) kinds: BTreeSet<&'static str>,
}

impl Labels {
    /// Returns the labels of a pair that is active now, and the pairs that lost theirs for it.
    pub(super) fn of(&mut self, tenant: &str, digest: &str, now: Instant) -> (LabelPair, Vec<RemovedLabels>) {
        let pair = [tenant.to_owned(), Digest::shorten(digest).to_owned()];
        if self.touch(&pair, now) {
            return (pair, Vec::new());
        }
        let mut removed = self.stale_shared(now);
        let of_tenant = self.pairs.iter().filter(|([its, _], state)| its == tenant && !state.shared).count();
        let all = self.pairs.values().filter(|state| !state.shared).count();
        let (label, shared) = if of_tenant >= MAX_PAIRS_PER_TENANT && !self.make_room(Some(tenant), now, &mut removed) {
            ([tenant.to_owned(), OTHER.to_owned()], true)
        } else if of_tenant < MAX_PAIRS_PER_TENANT && all >= MAX_PAIRS && !self.make_room(None, now, &mut removed) {
            return ([OTHER.to_owned(), OTHER.to_owned()], removed);
        } else {
            (pair, false)
        };
        if !self.touch(&label, now) {
            self.pairs.insert(label.clone(), LabelState { active: now, kinds: BTreeSet::new(), shared });
        }
        (label, removed)
    }

    /// Records how a pair's component failed.
    pub(super) fn record_failures(&mut self, pair: &LabelPair, kinds: impl Iterator<Item = &'static str>) {
        if let Some(state) = self.pairs.get_mut(pair) {
            state.kinds.extend(kinds);
        }
    }

    /// Counts a component as suspended for one delivery more (1) or less (-1).
    pub(super) fn count_suspended(&mut self, tenant: &str, digest: &str, change: i64) {
        let pair = [tenant.to_owned(), Digest::shorten(digest).to_owned()];
        let count = self.suspended.get(&pair).copied().unwrap_or_default().saturating_add(change);
        match count > 0 {
            true => self.suspended.insert(pair, count),
            false => self.suspended.remove(&pair),
        };
    }

    /// Counts suspended components for every label that exists. A suspended component counts
    /// as active.
    pub(super) fn suspended_by_label(&mut self, now: Instant) -> (BTreeMap<LabelPair, i64>, Vec<RemovedLabels>) {
        let (mut counts, mut removed) = (BTreeMap::new(), Vec::new());
        for ([tenant, digest], count) in self.suspended.clone() {
            let (label, removed_too) = self.of(&tenant, &digest, now);
            *counts.entry(label).or_insert(0) += count;
            removed.extend(removed_too);
        }
        for label in self.pairs.keys() {
            counts.entry(label.clone()).or_insert(0);
        }
        counts.entry([OTHER.to_owned(), OTHER.to_owned()]).or_insert(0);
        (counts, removed)
    }

    fn touch(&mut self, pair: &LabelPair, now: Instant) -> bool {
        let state = self.pairs.get_mut(pair);
        state.map(|state| state.active = now).is_some()
    }

    fn is_stale(&self, pair: &LabelPair, state: &LabelState, now: Instant) -> bool {
        now.saturating_duration_since(state.active) >= STALE_AFTER && !self.suspended.contains_key(pair)
    }

    /// Removes the labels of the pair, of this tenant or of all, that was silent for longest.
    fn make_room(&mut self, tenant: Option<&str>, now: Instant, removed: &mut Vec<RemovedLabels>) -> bool {
        let of_tenant = |[its, _]: &LabelPair| tenant.is_none_or(|tenant| its == tenant);
        let stale = self.pairs.iter().filter(|(pair, state)| of_tenant(pair) && self.is_stale(pair, state, now));
        let oldest = stale.min_by_key(|(_, state)| state.active).map(|(pair, _)| pair.clone());
        let Some((pair, state)) = oldest.and_then(|pair| self.pairs.remove_entry(&pair)) else { return false };
        removed.push(RemovedLabels { pair, kinds: state.kinds });
        true
    }

    fn stale_shared(&mut self, now: Instant) -> Vec<RemovedLabels> {
        let stale = self.pairs.iter().filter(|(pair, state)| state.shared && self.is_stale(pair, state, now));
        let stale: Vec<LabelPair> = stale.map(|(pair, _)| pair.clone()).collect();
        let removed = stale.into_iter().filter_map(|pair| self.pairs.remove_entry(&pair));
        removed.map(|(pair, state)| RemovedLabels { pair, kinds: state.kinds }).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(tenant: &str, digest: &str) -> LabelPair {
        [tenant.to_owned(), digest.to_owned()]
    }

    /// The labels of a pair, and which pairs' went.
    fn of(labels: &mut Labels, tenant: &str, digest: &str, now: Instant) -> (LabelPair, Vec<LabelPair>) {
        let (label, removed) = labels.of(tenant, digest, now);
        (label, removed.into_iter().map(|removed| removed.pair).collect())
    }

    /// As many pairs as have labels, each of a tenant of its own.
    fn full(now: Instant) -> Labels {
        let mut labels = Labels::default();
        for number in 0..MAX_PAIRS {
            let tenant = format!("t{number}");
            assert_eq!(of(&mut labels, &tenant, "d", now), (pair(&tenant, "d"), vec![]));
        }
        labels
    }

    #[test]
    fn who_was_silent_for_an_hour_makes_room_and_who_was_not_does_not() {
        let start = Instant::now();
        let mut labels = full(start);
        let later = start + STALE_AFTER;
        let almost = later - Duration::from_secs(1);
        assert_eq!(of(&mut labels, "new", "d", almost), (pair("other", "other"), vec![]));
        // All but one are active again.
        for number in (0..MAX_PAIRS).filter(|number| *number != 7) {
            of(&mut labels, &format!("t{number}"), "d", almost);
        }
        assert_eq!(of(&mut labels, "new", "d", later), (pair("new", "d"), vec![pair("t7", "d")]));
        assert_eq!(of(&mut labels, "newer", "d", later), (pair("other", "other"), vec![]));
        assert_eq!(of(&mut labels, "new", "d", later), (pair("new", "d"), vec![]), "it stays");
        assert_eq!(of(&mut labels, "t7", "d", later), (pair("other", "other"), vec![]), "until there is room");
        let much_later = later + STALE_AFTER;
        assert_eq!(of(&mut labels, "t7", "d", much_later).0, pair("t7", "d"), "and gets labels again");
        assert_eq!(labels.pairs.len(), MAX_PAIRS);
    }

    #[test]
    fn a_tenant_that_changes_its_component_takes_nobody_s_labels() {
        let start = Instant::now();
        let mut labels = full(start);
        let later = start + STALE_AFTER;
        // All are stale: it may take so many of them, and no more.
        for number in 0..500 {
            let (label, _) = of(&mut labels, "restless", &number.to_string(), later);
            let expected = if number < MAX_PAIRS_PER_TENANT { number.to_string() } else { "other".to_owned() };
            assert_eq!(label, pair("restless", &expected));
        }
        assert_eq!(labels.pairs.len(), MAX_PAIRS + 1);
        // An hour later it takes its own.
        let (label, removed) = of(&mut labels, "restless", "new", later + STALE_AFTER);
        assert_eq!(label, pair("restless", "new"));
        assert!(removed.iter().all(|[tenant, _]| tenant == "restless") && removed.len() == 2, "{removed:?}");
        assert!(removed.contains(&pair("restless", "other")));
    }

    #[test]
    fn what_is_left_alone_keeps_its_labels_and_its_count() {
        let start = Instant::now();
        let mut labels = full(start);
        labels.count_suspended("t7", "d", 1);
        labels.count_suspended("new", "d", 1);
        labels.count_suspended("new", "d", 1);
        let counts = |labels: &mut Labels, now| {
            let (counts, _) = labels.suspended_by_label(now);
            counts.into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>()
        };
        assert_eq!(counts(&mut labels, start), [(pair("other", "other"), 2), (pair("t7", "d"), 1)]);
        let later = start + STALE_AFTER;
        assert_eq!(counts(&mut labels, later), [(pair("new", "d"), 2), (pair("t7", "d"), 1)], "under its own now");
        for number in 0..MAX_PAIRS {
            of(&mut labels, &format!("other-{number}"), "d", later + STALE_AFTER);
        }
        assert_eq!(counts(&mut labels, later + STALE_AFTER), [(pair("new", "d"), 2), (pair("t7", "d"), 1)]);
        labels.count_suspended("t7", "d", -1);
        labels.count_suspended("new", "d", -1);
        labels.count_suspended("new", "d", -1);
        assert_eq!(counts(&mut labels, later + STALE_AFTER), []);
        // Never below nothing.
        labels.count_suspended("new", "d", -1);
        labels.count_suspended("new", "d", 1);
        assert_eq!(counts(&mut labels, later + STALE_AFTER), [(pair("new", "d"), 1)]);
    }

    #[test]
    fn what_goes_says_how_it_failed() {
        let start = Instant::now();
        let mut labels = full(start);
        labels.record_failures(&pair("t3", "d"), ["guest-trap", "guest-fuel"].into_iter());
        for number in (0..MAX_PAIRS).filter(|number| *number != 3) {
            of(&mut labels, &format!("t{number}"), "d", start + Duration::from_secs(1));
        }
        let (_, removed) = labels.of("new", "d", start + STALE_AFTER);
        assert_eq!(removed, [RemovedLabels { pair: pair("t3", "d"), kinds: ["guest-fuel", "guest-trap"].into() }]);
    }
}
