//! The families about tenants' components, by tenant and component.

use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::{CounterVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Registry};

use super::family::{Family, add, counter, get, options, register};
use super::labels::{LabelPair, Labels, RemovedLabels};
use crate::pipeline::{ComponentRun, ShadowRun};
use crate::report::Entry;
use model::lock;
use sandbox::Used;

/// The labels of every family here; some have a third one.
const PAIR: [&str; 2] = ["tenant", "digest"];

/// The values of the label `direction`.
const DIRECTIONS: [&str; 2] = ["in", "out"];
const RESULTS: [&str; 5] = ["same", "changed", "dropped", "added", "failed"];

/// Seconds that an instantiation takes: the goal of a pooled one, and far from it.
const START_BUCKETS: [f64; 2] = [50e-6, 1e-3];

/// The families about tenants' components.
pub(super) struct PluginFamilies {
    /// The pairs that have labels.
    labels: Mutex<Labels>,
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

impl PluginFamilies {
    pub(super) fn new(r: &Registry) -> Self {
        let pair = |name, help| counter(r, name, &PAIR, help);
        let with = |name, label, help| counter(r, name, &["tenant", "digest", label], help);
        let gauge = |name, help| register(r, IntGaugeVec::new(options(name, help), &PAIR));
        let start = options("plugin_instantiation_seconds", "Instantiation of a component, in seconds");
        let start = HistogramOpts::from(start).buckets(START_BUCKETS.to_vec());
        Self {
            labels: Mutex::default(),
            calls: pair("plugin_calls_total", "Calls of a component's functions"),
            records: with("plugin_records_total", "direction", "Records that a component took and gave"),
            dropped: pair("plugin_dropped_total", "Records that a component dropped"),
            poison: pair("plugin_poison_total", "Records that were dead-lettered because a component fails on them"),
            failures: with("plugin_failures_total", "kind", "Failures of a component, to load or at work"),
            cpu: register(
                r,
                CounterVec::new(options("plugin_cpu_seconds_total", "CPU time of a component, in seconds"), &PAIR),
            ),
            input_bytes: pair("plugin_input_bytes_total", "Bytes of lines that a component was given"),
            peak_memory: gauge("plugin_peak_memory_bytes", "The most memory that an instance of a component had"),
            starts: register(r, HistogramVec::new(start, &PAIR)),
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

    fn state(&self) -> MutexGuard<'_, Labels> {
        lock(&self.labels)
    }

    /// Returns the labels of a pair that is active now. Pairs that lose their labels for it
    /// lose their counts too.
    fn labels(
        &self,
        tenant: &str,
        digest: &str,
        failed: impl Iterator<Item = &'static str>,
        now: Instant,
    ) -> LabelPair {
        let mut state = self.state();
        let (pair, removed) = state.of(tenant, digest, now);
        state.record_failures(&pair, failed);
        removed.iter().for_each(|removed| self.forget(removed));
        pair
    }

    /// Removes a pair from every family: Prometheus has stopped to expect a counter that was
    /// silent for long.
    fn forget(&self, RemovedLabels { pair: [tenant, digest], kinds }: &RemovedLabels) {
        let pair = [tenant.as_str(), digest.as_str()];
        for family in [&self.calls, &self.dropped, &self.poison, &self.input_bytes, &self.replaced, &self.log_lines] {
            remove(family, &pair);
        }
        remove(&self.cpu, &pair);
        remove(&self.starts, &pair);
        remove(&self.peak_memory, &pair);
        remove(&self.suspended, &pair);
        DIRECTIONS.iter().for_each(|direction| remove(&self.records, &[tenant, digest, direction]));
        RESULTS.iter().for_each(|result| remove(&self.shadow_lines, &[tenant, digest, result]));
        kinds.iter().for_each(|kind| remove(&self.failures, &[tenant, digest, kind]));
    }

    /// Counts what a delivery's components did.
    pub(super) fn record_delivery(&self, entry: &Entry, now: Instant) {
        let Some(tenant) = &entry.tenant else { return };
        if let Some(run) = &entry.component {
            self.record_component(tenant, run, entry.guest_log_lines, now);
        }
        if let Some(run) = &entry.shadow {
            self.record_shadow(tenant, run, now);
        }
    }

    pub(super) fn record_component(&self, tenant: &str, run: &ComponentRun, log_lines: u64, now: Instant) {
        let [tenant, digest] = self.labels(tenant, &run.digest, run.failures.by_name().map(|(name, _)| name), now);
        let pair = [tenant.as_str(), digest.as_str()];
        self.record_usage(pair, &run.used);
        for (direction, records) in DIRECTIONS.into_iter().zip([run.records_in, run.records_out]) {
            add(&self.records, &[&tenant, &digest, direction], records);
        }
        add(&self.dropped, &pair, run.dropped);
        add(&self.poison, &pair, run.poison);
        add(&self.input_bytes, &pair, run.input_bytes);
        add(&self.replaced, &pair, u64::from(run.replaced));
        add(&self.log_lines, &pair, log_lines);
        for (kind, count) in run.failures.by_name() {
            add(&self.failures, &[&tenant, &digest, kind], count);
        }
        // The gauge exists from the beginning, so that an alarm has something to look at.
        get(&self.suspended, &pair);
    }

    fn record_shadow(&self, tenant: &str, run: &ShadowRun, now: Instant) {
        let [tenant, digest] = self.labels(tenant, &run.digest, run.failures.by_name().map(|(name, _)| name), now);
        self.record_usage([&tenant, &digest], &run.used);
        let counts = [run.same, run.changed, run.dropped, run.added, run.failed];
        for (result, lines) in RESULTS.into_iter().zip(counts) {
            add(&self.shadow_lines, &[&tenant, &digest, result], lines);
        }
        for (kind, count) in run.failures.by_name() {
            add(&self.failures, &[&tenant, &digest, kind], count);
        }
        get(&self.suspended, &[&tenant, &digest]);
    }

    fn record_usage(&self, pair: [&str; 2], used: &Used) {
        add(&self.calls, &pair, used.calls);
        if let Some(cpu) = get(&self.cpu, &pair) {
            cpu.inc_by(used.cpu.as_secs_f64());
        }
        if used.start > Duration::ZERO
            && let Some(starts) = get(&self.starts, &pair)
        {
            starts.observe(used.start.as_secs_f64());
        }
        if let Some(peak) = get(&self.peak_memory, &pair) {
            let bytes = i64::try_from(used.peak_memory).unwrap_or(i64::MAX);
            // The lock makes one of looking and setting.
            let _one = self.state();
            peak.set(peak.get().max(bytes));
        }
    }

    /// Counts a pair's component as suspended for one delivery more (1) or less (-1).
    pub(super) fn count_suspended(&self, tenant: &str, digest: &str, change: i64, now: Instant) {
        self.labels(tenant, digest, std::iter::empty(), now);
        self.state().count_suspended(tenant, digest, change);
    }

    /// Sets the gauge of suspended components, under the labels that each has now.
    pub(super) fn show_suspended(&self, now: Instant) {
        let mut state = self.state();
        let (counts, removed) = state.suspended_by_label(now);
        removed.iter().for_each(|removed| self.forget(removed));
        for ([tenant, digest], count) in counts {
            if let Some(gauge) = get(&self.suspended, &[&tenant, &digest]) {
                gauge.set(count);
            }
        }
    }

    pub(super) fn count_loads(&self, result: &str, count: u64) {
        add(&self.loads, &[result], count);
    }
}

fn remove<B: MetricVecBuilder>(family: &Family<MetricVec<B>>, labels: &[&str]) {
    if let Some(family) = family {
        // Most have no count of most labels.
        let _ = family.remove_label_values(labels);
    }
}
