//! One family of metrics: registered, and looked up by its labels.

use prometheus::core::{MetricVec, MetricVecBuilder};
use prometheus::{IntCounterVec, Opts, Registry, Result};

/// A family of metrics; `None` if Prometheus refused its name or labels, which a test rules
/// out.
pub(super) type Family<V> = Option<V>;

/// The metric of a family with these labels.
pub(super) fn get<B: MetricVecBuilder>(family: &Family<MetricVec<B>>, labels: &[&str]) -> Option<B::M> {
    family.as_ref()?.get_metric_with_label_values(labels).ok()
}

/// Adds to a counter; nothing is no reason for a line of its own.
pub(super) fn add(family: &Family<IntCounterVec>, labels: &[&str], n: u64) {
    if n > 0
        && let Some(counter) = get(family, labels)
    {
        counter.inc_by(n);
    }
}

pub(super) fn options(name: &str, help: &str) -> Opts {
    Opts::new(name, help).namespace("log_processor")
}

pub(super) fn register<B: MetricVecBuilder + 'static>(
    registry: &Registry,
    vec: Result<MetricVec<B>>,
) -> Family<MetricVec<B>> {
    vec.and_then(|vec| registry.register(Box::new(vec.clone())).map(|()| vec)).ok()
}

pub(super) fn counter(registry: &Registry, name: &str, labels: &[&str], help: &str) -> Family<IntCounterVec> {
    register(registry, IntCounterVec::new(options(name, help), labels))
}
