//! The families of metrics that /metrics shows: names, labels, help.

use prometheus::{
    CounterVec, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder,
};

use super::family::{Family, counter, get, options, register};
use super::plugins::PluginFamilies;

/// Seconds from an object to its delivery: a second or so where all is well, hours
/// after an outage, days at a queue's longest retention.
const LATENCY_BUCKETS: [f64; 15] =
    [0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21_600.0, 86_400.0];

/// All families. Labels are names from the code; from outside only a tenant's
/// component has some, and those are bounded.
pub(super) struct Families {
    registry: Registry,
    pub(super) deliveries: Family<IntCounterVec>,
    pub(super) lines: Family<IntCounterVec>,
    pub(super) dead_letters: Family<IntCounterVec>,
    pub(super) events: Family<IntCounterVec>,
    pub(super) batches: Family<IntCounterVec>,
    pub(super) bytes: Family<IntCounterVec>,
    pub(super) read_bytes: Family<IntCounterVec>,
    pub(super) latency: Family<HistogramVec>,
    pub(super) guest_seconds: Family<CounterVec>,
    pub(super) in_flight: Family<IntGaugeVec>,
    pub(super) messages: Family<IntCounterVec>,
    pub(super) leases: Family<IntCounterVec>,
    pub(super) other_events: Family<IntCounterVec>,
    pub(super) lookups: Family<IntCounterVec>,
    pub(super) requeues: Family<IntCounterVec>,
    pub(super) checkpoints_refused: Family<IntCounterVec>,
    pub(super) targets_replaced: Family<IntCounterVec>,
    pub(super) breakers: Family<IntGaugeVec>,
    pub(super) oldest_waiting: Family<IntGaugeVec>,
    pub(super) memory_budget: Family<IntGaugeVec>,
    pub(super) memory_claimed: Family<IntGaugeVec>,
    pub(super) memory_waiting: Family<IntGaugeVec>,
    pub(super) unaccounted: Family<IntCounterVec>,
    pub(super) flushes: Family<IntCounterVec>,
    pub(super) dropped: Family<IntCounterVec>,
    pub(super) plugins: PluginFamilies,
}

impl Families {
    pub(super) fn new() -> Self {
        let registry = Registry::new();
        let r = &registry;
        let families = Self {
            deliveries: counter(
                r,
                "deliveries_total",
                &["destination", "outcome", "reason"],
                "Deliveries of objects that ended",
            ),
            lines: counter(r, "lines_total", &["destination", "outcome"], "Lines of objects, by what became of them"),
            dead_letters: counter(
                r,
                "dead_letters_total",
                &["reason"],
                "Lines that can never be delivered; an object without lines counts as one",
            ),
            events: counter(r, "events_total", &["destination"], "Events that were delivered"),
            batches: counter(r, "batches_total", &["destination"], "Puts"),
            bytes: counter(r, "bytes_total", &["destination"], "Bytes of messages or objects that were delivered"),
            read_bytes: counter(r, "read_bytes_total", &[], "Bytes of objects that were read, decompressed"),
            latency: latency(r),
            guest_seconds: register(
                r,
                CounterVec::new(options("guest_seconds_total", "Time that components were at work, in seconds"), &[]),
            ),
            in_flight: gauge(r, "messages_in_flight", "Messages that are worked on"),
            messages: counter(r, "messages_total", &["outcome"], "Messages, by what became of them"),
            leases: counter(r, "lease_extensions_total", &["result"], "Extensions of messages' visibility"),
            other_events: counter(
                r,
                "other_events_total",
                &["event"],
                "Events of S3 that announce no new object, and are acknowledged",
            ),
            lookups: counter(r, "tenant_lookups_total", &["result"], "Lookups of tenants; a hit is from the cache"),
            requeues: counter(r, "requeues_total", &["why"], "Deliveries that were sent back to the queue"),
            checkpoints_refused: counter(
                r,
                "checkpoints_refused_total",
                &[],
                "Checkpoints that belonged to another object or component",
            ),
            targets_replaced: counter(
                r,
                "targets_replaced_total",
                &[],
                "Copies that replaced those of other objects with the same pod and file name",
            ),
            breakers: gauge(r, "breakers_open", "Destinations whose circuit breaker is open"),
            oldest_waiting: gauge(
                r,
                "oldest_waiting_seconds",
                "Since the first failure of the oldest delivery that is left to do, as far as this process knows",
            ),
            memory_budget: gauge(r, "memory_budget_bytes", "Memory that deliveries may claim, in bytes"),
            memory_claimed: gauge(r, "memory_claimed_bytes", "Memory that deliveries have claimed, in bytes"),
            memory_waiting: gauge(r, "memory_waiting", "Deliveries that wait for memory"),
            unaccounted: counter(
                r,
                "objects_unaccounted_total",
                &[],
                "Objects of a message that are neither done, sent back, nor failed: a bug",
            ),
            flushes: counter(r, "cloudwatch_flushes_total", &["result"], "Flushes of the tenants' CloudWatch metrics"),
            dropped: counter(
                r,
                "cloudwatch_values_dropped_total",
                &["reason"],
                "Values of tenants' CloudWatch metrics that were given up",
            ),
            plugins: PluginFamilies::new(r),
            registry,
        };
        families.set_constants();
        families
    }

    /// Sets the constant metrics, and to zero all counters without labels, so that their rates
    /// have a beginning.
    fn set_constants(&self) {
        for family in [&self.read_bytes, &self.checkpoints_refused, &self.targets_replaced, &self.unaccounted] {
            get(family, &[]);
        }
        for reason in ["no-room", "no-number", "refused"] {
            get(&self.dropped, &[reason]);
        }
        for family in [&self.in_flight, &self.breakers, &self.oldest_waiting] {
            get(family, &[]);
        }
        get(&self.guest_seconds, &[]);
        let build = IntGaugeVec::new(options("build_info", "The version of this program; always 1"), &["version"]);
        if let Some(build) = get(&register(&self.registry, build), &[env!("CARGO_PKG_VERSION")]) {
            build.set(1);
        }
        let name = "process_start_time_seconds";
        let start = GaugeVec::new(Opts::new(name, "Start of the process, in seconds since the Unix epoch"), &[]);
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        if let Some(start) = get(&register(&self.registry, start), &[]) {
            start.set(now.as_secs_f64());
        }
    }

    /// Prometheus' text format.
    pub(super) fn text(&self) -> String {
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_default()
    }
}

fn gauge(registry: &Registry, name: &str, help: &str) -> Family<IntGaugeVec> {
    register(registry, IntGaugeVec::new(options(name, help), &[]))
}

fn latency(registry: &Registry) -> Family<HistogramVec> {
    let options = options("delivery_latency_seconds", "From an object's LastModified to its delivery, in seconds");
    let options = HistogramOpts::from(options).buckets(LATENCY_BUCKETS.to_vec());
    register(registry, HistogramVec::new(options, &["destination"]))
}
