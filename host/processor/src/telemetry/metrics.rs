//! Counts and times for Prometheus. Labels are bounded: never a key or an error's text, and a
//! tenant only if it has a component of its own, up to a number.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::cloudwatch::{DroppedValues, Flush, TenantMetrics};
use super::families::Families;
use super::family::{add, get};
use super::finished_delivery::FinishedDelivery;
use super::waiting::WaitingDeliveries;
use crate::memory::{BudgetUse, MemoryBudget};
use crate::pipeline::ComponentRun;
use crate::report::{Cause, Entry, Outcome};
use model::DestinationKind;

/// The process's metrics. `Clone` is cheap.
#[derive(Clone)]
pub struct Metrics {
    families: Arc<Families>,
    tenants: Arc<TenantMetrics>,
    waiting: WaitingDeliveries,
    memory: Arc<OnceLock<MemoryBudget>>,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics that are all zero.
    pub fn new() -> Self {
        Self {
            families: Arc::new(Families::new()),
            tenants: Arc::default(),
            waiting: WaitingDeliveries::default(),
            memory: Arc::default(),
        }
    }

    /// Counts a delivery that ended, and keeps its tenant's CloudWatch metrics, as the
    /// reference has them, for the next flush.
    pub fn record_delivery(&self, done: &FinishedDelivery<'_>) {
        let (all, entry, counts) = (&self.families, done.entry, &done.entry.counts);
        let destination = entry.delivery.map_or("none", DestinationKind::name);
        let reason = entry.reason.map_or("none", Cause::name);
        add(&all.deliveries, &[destination, outcome_name(entry.outcome), reason], 1);
        for (outcome, lines) in [
            ("blank", counts.blank),
            ("delivered", counts.delivered),
            ("filtered", counts.filtered),
            ("malformed", counts.malformed),
            ("dead-lettered", counts.dead_lettered.sum()),
            ("left", counts.left),
        ] {
            add(&all.lines, &[destination, outcome], lines);
        }
        self.count_dead_letters(entry);
        add(&all.events, &[destination], counts.events);
        add(&all.batches, &[destination], counts.batches);
        add(&all.bytes, &[destination], counts.bytes);
        add(&all.read_bytes, &[], counts.bytes_read);
        if let Some(seconds) = get(&all.guest_seconds, &[]) {
            seconds.inc_by(done.guest_time.as_secs_f64());
        }
        if matches!(entry.outcome, Outcome::Delivered | Outcome::Partial)
            && let (Some(latency), Some(histogram)) = (done.latency, get(&all.latency, &[destination]))
        {
            // S3's clock may be ahead of this one.
            histogram.observe(Duration::from_millis(u64::try_from(latency).unwrap_or(0)).as_secs_f64());
        }
        all.plugins.record_delivery(entry, Instant::now());
        self.tenants.record_delivery(done);
    }

    fn count_dead_letters(&self, entry: &Entry) {
        let family = &self.families.dead_letters;
        add(family, &["malformed"], entry.counts.malformed);
        for (reason, lines) in entry.counts.dead_lettered.by_name() {
            add(family, &[reason], lines);
        }
        let no_line = entry.counts.malformed == 0 && entry.counts.dead_lettered.is_empty();
        let kept = matches!(entry.outcome, Outcome::Rejected | Outcome::Partial) || entry.has_changed();
        if no_line && kept {
            add(family, &[entry.reason.map_or("none", Cause::name)], 1);
        }
    }

    /// Counts a message as in flight (1), or no longer (-1).
    pub fn add_in_flight(&self, change: i64) {
        if let Some(gauge) = get(&self.families.in_flight, &[]) {
            gauge.add(change);
        }
    }

    /// Counts a message's outcome: `acknowledged`, `failed`, `returned`.
    pub fn count_message(&self, outcome: &'static str) {
        add(&self.families.messages, &[outcome], 1);
    }

    /// Counts results of extending leases: `extended`, `lost`, `failed`.
    pub fn count_lease(&self, result: &'static str, count: u64) {
        add(&self.families.leases, &[result], count);
    }

    /// Counts S3 events that announce no new object, by their bounded name.
    pub fn count_other_events(&self, event: &'static str, count: u64) {
        add(&self.families.other_events, &[event], count);
    }

    /// Counts a lookup of a tenant: `hit`, `miss`, `unknown`, `failed`.
    pub fn count_tenant_lookup(&self, result: &'static str) {
        add(&self.families.lookups, &[result], 1);
    }

    /// The deliveries that are known to wait.
    pub fn waiting(&self) -> &WaitingDeliveries {
        &self.waiting
    }

    /// Counts objects of a message that are neither done, sent back, nor failed.
    pub fn count_unaccounted(&self, objects: u64) {
        add(&self.families.unaccounted, &[], objects);
    }

    /// Counts a delivery that was sent back to the queue: `failed`, `interrupted`, `breaker`,
    /// `suspended`, `item`.
    pub fn count_requeued(&self, why: &'static str) {
        add(&self.families.requeues, &[why], 1);
    }

    /// Counts a checkpoint that belonged to another object or guest: its delivery began at 0.
    pub fn count_refused_checkpoint(&self) {
        add(&self.families.checkpoints_refused, &[], 1);
    }

    /// Counts a copy that replaced the copy of another object.
    pub fn count_replaced_target(&self) {
        add(&self.families.targets_replaced, &[], 1);
    }

    /// Counts a tenant's circuit breaker as open (1), or closed again (-1).
    pub fn add_open_breaker(&self, change: i64) {
        if let Some(gauge) = get(&self.families.breakers, &[]) {
            gauge.add(change);
        }
    }

    /// Counts what a component did outside of deliveries: a key-parser reads all keys.
    pub fn record_component(&self, tenant: &str, run: &ComponentRun) {
        self.families.plugins.record_component(tenant, run, 0, Instant::now());
    }

    /// Counts a tenant's component as suspended for one delivery more (1) or less (-1).
    pub fn add_suspended_component(&self, tenant: &str, digest: &str, change: i64) {
        self.families.plugins.count_suspended(tenant, digest, change, Instant::now());
    }

    /// Counts loads of components by where they were found (`memory`, `disk`, `published`, or
    /// `compiled` now), or by the kind of their failure.
    pub fn count_component_loads(&self, result: &'static str, count: u64) {
        self.families.plugins.count_loads(result, count);
    }

    /// Renders the metrics in Prometheus' text format, version 0.0.4.
    pub fn render(&self) -> String {
        let DroppedValues { no_room, no_number, refused } = self.tenants.take_dropped();
        for (reason, values) in [("no-room", no_room), ("no-number", no_number), ("refused", refused)] {
            add(&self.families.dropped, &[reason], values);
        }
        self.families.plugins.show_suspended(Instant::now());
        if let Some(gauge) = get(&self.families.oldest_waiting, &[]) {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let oldest = self.waiting.oldest(i64::try_from(since.as_millis()).unwrap_or(i64::MAX));
            gauge.set(i64::try_from(oldest.as_secs()).unwrap_or(i64::MAX));
        }
        self.show_memory();
        self.families.text()
    }

    /// Shows this budget from now on.
    pub fn watch_memory(&self, budget: MemoryBudget) {
        // There is one in a process.
        let _ = self.memory.set(budget);
    }

    fn show_memory(&self) {
        let Some(BudgetUse { bytes, claimed, waiting }) = self.memory.get().map(MemoryBudget::usage) else { return };
        let (all, waiting) = (&self.families, u64::try_from(waiting).unwrap_or(u64::MAX));
        for (family, value) in
            [(&all.memory_budget, bytes), (&all.memory_claimed, claimed), (&all.memory_waiting, waiting)]
        {
            if let Some(gauge) = get(family, &[]) {
                gauge.set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        }
    }

    /// [Flushes](Metrics::flush) for at most `time`: at the end of a process, or of a Lambda's
    /// invocation.
    pub async fn flush_within(&self, client: &crate::aws::MetricsClient, time: Duration) {
        if tokio::time::timeout(time, self.flush(client)).await.is_err() {
            tracing::warn!(
                "the tenants' CloudWatch metrics took longer than {time:?} to send, and are given up for now"
            );
        }
    }

    /// Sends the tenants' CloudWatch metrics since the last flush. What can't be sent is kept
    /// for the next flush (bounded). A failure is only logged. The future may be dropped at
    /// any time: what wasn't sent is kept then, too.
    pub async fn flush(&self, client: &crate::aws::MetricsClient) {
        let result = match self.tenants.flush(client).await {
            Ok(Flush::Nothing) => return,
            Ok(Flush::Sent) => "sent",
            Err(error) => {
                tracing::warn!(%error, "the tenants' CloudWatch metrics can't be sent; they are kept for the next flush");
                "failed"
            }
        };
        add(&self.families.flushes, &[result], 1);
    }
}

/// The outcome's name in reports.
fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Delivered => "delivered",
        Outcome::Partial => "partial",
        Outcome::Rejected => "rejected",
        Outcome::Filtered => "filtered",
        Outcome::Ignored => "ignored",
        Outcome::AlreadyDelivered => "already-delivered",
        Outcome::Failed => "failed",
        Outcome::Interrupted => "interrupted",
    }
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
