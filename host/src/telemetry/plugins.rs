//! The families about tenants' components, by tenant and component.

use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{CounterVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Registry};

use super::families::{Family, add, at, counter, options, registered};
use crate::guest::Used;
use crate::model::Digest;
use crate::pipeline::{ComponentRun, ShadowRun};
use crate::report::Entry;

/// Pairs of tenant and component that have labels of their own: about twenty series each.
const MOST_PAIRS: usize = 1000;

/// Pairs of one tenant: who changes its component all the time must not take the labels
/// of the others.
const MOST_OF_TENANT: usize = 20;

/// What those beyond that share.
const OTHER: &str = "other";

/// The pair that every family here has, and what some have beside it.
const PAIR: [&str; 2] = ["tenant", "digest"];

/// Seconds that an instantiation takes: the goal of a pooled one, and far from it.
const START_BUCKETS: [f64; 2] = [50e-6, 1e-3];

/// Counts of components.
pub(super) struct Plugins {
    /// Those that have labels.
    pairs: Mutex<HashSet<[String; 2]>>,
    calls: Family<IntCounterVec>,
    records: Family<IntCounterVec>,
    dropped: Family<IntCounterVec>,
    poison: Family<IntCounterVec>,
    failures: Family<IntCounterVec>,
    cpu: Family<CounterVec>,
    input_bytes: Family<IntCounterVec>,
    peak_memory: Family<IntGaugeVec>,
    starts: Family<HistogramVec>,
    suspended: Family<IntGaugeVec>,
    replaced: Family<IntCounterVec>,
    shadow_lines: Family<IntCounterVec>,
    log_lines: Family<IntCounterVec>,
    loads: Family<IntCounterVec>,
}

impl Plugins {
    pub(super) fn new(r: &Registry) -> Self {
        let pair = |name, help| counter(r, name, &PAIR, help);
        let with = |name, label, help| counter(r, name, &["tenant", "digest", label], help);
        let gauge = |name, help| registered(r, IntGaugeVec::new(options(name, help), &PAIR));
        let start = options("plugin_instantiation_seconds", "Instantiation of a component, in seconds");
        let start = HistogramOpts::from(start).buckets(START_BUCKETS.to_vec());
        Self {
            pairs: Mutex::default(),
            calls: pair("plugin_calls_total", "Calls of a component's functions"),
            records: with("plugin_records_total", "direction", "Records that a component took and gave"),
            dropped: pair("plugin_dropped_total", "Records that a component dropped"),
            poison: pair("plugin_poison_total", "Records that were dead-lettered because a component fails on them"),
            failures: with("plugin_failures_total", "kind", "Failures of a component, to load or at work"),
            cpu: registered(
                r,
                CounterVec::new(options("plugin_cpu_seconds_total", "CPU time of a component, in seconds"), &PAIR),
            ),
            input_bytes: pair("plugin_input_bytes_total", "Bytes of lines that a component was given"),
            peak_memory: gauge("plugin_peak_memory_bytes", "The most memory that an instance of a component had"),
            starts: registered(r, HistogramVec::new(start, &PAIR)),
            suspended: gauge("plugin_suspended", "Deliveries of the tenant for which the component is left alone"),
            replaced: pair(
                "plugin_replaced_total",
                "Deliveries that went on without the component (on_error: default)",
            ),
            shadow_lines: with("plugin_shadow_lines_total", "result", "Lines of a shadow beside what was delivered"),
            log_lines: pair("plugin_log_lines_total", "Lines that guests logged, shown or not"),
            loads: counter(
                r,
                "plugin_loads_total",
                &["result"],
                "Components that were asked for: where they were found, or why they weren't",
            ),
        }
    }

    fn pairs(&self) -> MutexGuard<'_, HashSet<[String; 2]>> {
        self.pairs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The labels of a pair, as long as there is room for more.
    fn labels(&self, tenant: &str, digest: &str) -> [String; 2] {
        let pair = [tenant.to_owned(), digest.chars().take(Digest::SHORT).collect()];
        let mut pairs = self.pairs();
        if pairs.contains(&pair) {
            return pair;
        }
        let [tenant, _] = &pair;
        let of_tenant = pairs.iter().filter(|[its, _]| its == tenant).count();
        match (pairs.len() >= MOST_PAIRS, of_tenant >= MOST_OF_TENANT) {
            (_, true) => [tenant.clone(), OTHER.to_owned()],
            (true, false) => [OTHER.to_owned(), OTHER.to_owned()],
            (false, false) => {
                pairs.insert(pair.clone());
                pair
            }
        }
    }

    /// What a delivery's components did.
    pub(super) fn delivery(&self, entry: &Entry) {
        let Some(tenant) = &entry.tenant else { return };
        if let Some(run) = &entry.component {
            self.component(tenant, run, entry.guest_log_lines);
        }
        if let Some(run) = &entry.shadow {
            self.shadow(tenant, run);
        }
    }

    pub(super) fn component(&self, tenant: &str, run: &ComponentRun, log_lines: u64) {
        let [tenant, digest] = self.labels(tenant, &run.digest);
        let pair = [tenant.as_str(), digest.as_str()];
        self.used(pair, &run.used);
        for (direction, records) in [("in", run.records_in), ("out", run.records_out)] {
            add(&self.records, &[&tenant, &digest, direction], records);
        }
        add(&self.dropped, &pair, run.dropped);
        add(&self.poison, &pair, run.poison);
        add(&self.input_bytes, &pair, run.input_bytes);
        add(&self.replaced, &pair, u64::from(run.replaced));
        add(&self.log_lines, &pair, log_lines);
        for (kind, count) in &run.failures {
            add(&self.failures, &[&tenant, &digest, kind], *count);
        }
        // There from the beginning, so that an alarm has something to look at.
        at(&self.suspended, &pair);
    }

    fn shadow(&self, tenant: &str, run: &ShadowRun) {
        let [tenant, digest] = self.labels(tenant, &run.digest);
        self.used([&tenant, &digest], &run.used);
        for (result, lines) in [
            ("same", run.same),
            ("changed", run.changed),
            ("dropped", run.dropped),
            ("added", run.added),
            ("failed", run.failed),
        ] {
            add(&self.shadow_lines, &[&tenant, &digest, result], lines);
        }
        for (kind, count) in &run.failures {
            add(&self.failures, &[&tenant, &digest, kind], *count);
        }
        at(&self.suspended, &[&tenant, &digest]);
    }

    fn used(&self, pair: [&str; 2], used: &Used) {
        add(&self.calls, &pair, used.calls);
        if let Some(cpu) = at(&self.cpu, &pair) {
            cpu.inc_by(used.cpu.as_secs_f64());
        }
        if used.start > Duration::ZERO
            && let Some(starts) = at(&self.starts, &pair)
        {
            starts.observe(used.start.as_secs_f64());
        }
        if let Some(peak) = at(&self.peak_memory, &pair) {
            let bytes = i64::try_from(used.peak_memory).unwrap_or(i64::MAX);
            // The lock makes one of looking and setting.
            let _one = self.pairs();
            peak.set(peak.get().max(bytes));
        }
    }

    pub(super) fn suspended(&self, tenant: &str, digest: &str, change: i64) {
        let [tenant, digest] = self.labels(tenant, digest);
        if let Some(gauge) = at(&self.suspended, &[&tenant, &digest]) {
            gauge.add(change);
        }
    }

    pub(super) fn loaded(&self, result: &str, count: u64) {
        add(&self.loads, &[result], count);
    }
}
