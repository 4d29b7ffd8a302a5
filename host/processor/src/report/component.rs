//! Components in the report.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::entry_counts::by_name;
use crate::pipeline::{ComponentRun, Difference, ShadowRun};
use model::{Counts, FailureKind};
use sandbox::Used;

#[derive(Serialize)]
struct UsageEntry {
    calls: u64,
    cpu_microseconds: u64,
    instantiation_microseconds: u64,
    peak_memory_bytes: u64,
}

impl UsageEntry {
    fn of(used: &Used) -> Self {
        Self {
            calls: used.calls,
            cpu_microseconds: microseconds(used.cpu),
            instantiation_microseconds: microseconds(used.start),
            peak_memory_bytes: used.peak_memory,
        }
    }
}

fn microseconds(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

#[derive(Serialize)]
struct ComponentEntry<'a> {
    digest: &'a str,
    #[serde(flatten)]
    usage: UsageEntry,
    input_bytes: u64,
    records_in: u64,
    records_out: u64,
    dropped: u64,
    poison: u64,
    #[serde(serialize_with = "by_name")]
    failures: &'a Counts<FailureKind>,
    replaced: bool,
}

/// Serializes a component's part of an entry.
pub(super) fn component<S: Serializer>(run: &Option<ComponentRun>, to: S) -> Result<S::Ok, S::Error> {
    let run = run.as_ref().map(|run| ComponentEntry {
        digest: &run.digest,
        usage: UsageEntry::of(&run.used),
        input_bytes: run.input_bytes,
        records_in: run.records_in,
        records_out: run.records_out,
        dropped: run.dropped,
        poison: run.poison,
        failures: &run.failures,
        replaced: run.replaced,
    });
    run.serialize(to)
}

#[derive(Serialize)]
struct ShadowEntry<'a> {
    digest: &'a str,
    same: u64,
    changed: u64,
    dropped: u64,
    added: u64,
    failed: u64,
    error: Option<&'a str>,
    #[serde(serialize_with = "by_name")]
    failures: &'a Counts<FailureKind>,
    samples: Vec<SampleEntry<'a>>,
    #[serde(flatten)]
    usage: UsageEntry,
}

#[derive(Serialize)]
struct SampleEntry<'a> {
    line: u64,
    kind: &'a str,
    active: Option<&'a str>,
    shadow: Option<&'a str>,
}

impl<'a> SampleEntry<'a> {
    fn of(difference: &'a Difference) -> Self {
        let Difference { line, kind, active, shadow } = difference;
        Self { line: *line, kind, active: active.as_deref(), shadow: shadow.as_deref() }
    }
}

/// Serializes a shadow's part of an entry.
pub(super) fn shadow<S: Serializer>(run: &Option<ShadowRun>, to: S) -> Result<S::Ok, S::Error> {
    let run = run.as_ref().map(|run| ShadowEntry {
        digest: &run.digest,
        same: run.same,
        changed: run.changed,
        dropped: run.dropped,
        added: run.added,
        failed: run.failed,
        error: run.error.as_deref(),
        failures: &run.failures,
        samples: run.samples.iter().map(SampleEntry::of).collect(),
        usage: UsageEntry::of(&run.used),
    });
    run.serialize(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::testing::entry;

    #[test]
    fn parts_are_there_where_a_component_ran() {
        let used = Used { calls: 3, cpu: Duration::from_micros(1_500), ..Used::default() };
        let run = ComponentRun { digest: "d".repeat(64), used, dropped: 2, ..ComponentRun::default() };
        let difference = Difference { line: 7, kind: "changed", active: Some("aa".into()), shadow: None };
        let shadow = ShadowRun { same: 5, samples: vec![difference], ..ShadowRun::default() };
        let json = serde_json::to_value(entry(Some(run), Some(shadow))).unwrap();
        assert_eq!(json["component"]["digest"], "d".repeat(64));
        assert_eq!(json["component"]["cpu_microseconds"], 1500);
        assert_eq!(json["component"]["dropped"], 2);
        assert_eq!(json["shadow"]["same"], 5);
        let sample = serde_json::json!({"line": 7, "kind": "changed", "active": "aa", "shadow": null});
        assert_eq!(json["shadow"]["samples"], serde_json::json!([sample]));
        let none = serde_json::to_value(entry(None, None)).unwrap();
        assert!(none["component"].is_null() && none["shadow"].is_null());
    }
}
