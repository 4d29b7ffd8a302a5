//! What components did, as the report shows it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Entry;
use crate::pipeline::{ComponentRun, Difference, ShadowRun};
use model::{Counts, Digest, FailureKind};
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
    #[serde(serialize_with = "super::by_name")]
    failures: &'a Counts<FailureKind>,
    replaced: bool,
}

/// For serde: a component's part of an entry.
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
    #[serde(serialize_with = "super::by_name")]
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

/// For serde: a shadow's part of an entry.
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

/// What there is to say of one component for one delivery.
#[derive(Default)]
struct ComponentSums {
    poison: u64,
    replaced: u64,
    compared: bool,
    same: u64,
    changed: u64,
    dropped: u64,
    added: u64,
    failed: u64,
}

/// A sentence a tenant, delivery and component, where there is something to say.
pub(super) fn sentences(entries: &[Entry]) -> Vec<String> {
    let mut said: BTreeMap<(&str, &str, &str), ComponentSums> = BTreeMap::new();
    for entry in entries {
        let (tenant, delivery) = (entry.tenant.as_deref().unwrap_or_default(), entry.delivery.unwrap_or_default());
        if let Some(run) = &entry.component {
            let all = said.entry((tenant, delivery, short(&run.digest))).or_default();
            all.poison += run.poison;
            all.replaced += u64::from(run.replaced);
        }
        if let Some(run) = &entry.shadow {
            let all = said.entry((tenant, delivery, short(&run.digest))).or_default();
            all.compared = true;
            for (sum, more) in [
                (&mut all.same, run.same),
                (&mut all.changed, run.changed),
                (&mut all.dropped, run.dropped),
                (&mut all.added, run.added),
                (&mut all.failed, run.failed),
            ] {
                *sum += more;
            }
        }
    }
    said.into_iter()
        .flat_map(|((tenant, delivery, digest), said)| {
            let about = |what: String| format!("{tenant} ({delivery}), component {digest}: {what}");
            said.describe().into_iter().map(about).collect::<Vec<_>>()
        })
        .collect()
}

impl ComponentSums {
    fn describe(&self) -> Vec<String> {
        let mut parts = Vec::new();
        if self.poison > 0 {
            parts.push(format!("it fails on {} records, which are dead-lettered (poison)", self.poison));
        }
        if self.replaced > 0 {
            parts.push(format!("it failed on {} objects, and the default guest went on alone", self.replaced));
        }
        if self.compared {
            parts.push(format!(
                "as a shadow: {} lines the same, {} changed, {} dropped, {} added, {} failed",
                self.same, self.changed, self.dropped, self.added, self.failed
            ));
        }
        parts
    }
}

/// As logs and metrics have digests.
fn short(digest: &str) -> &str {
    digest.get(..Digest::SHORT).unwrap_or(digest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Outcome, Report};
    use model::ObjectId;

    fn entry(component: Option<ComponentRun>, shadow: Option<ShadowRun>) -> Entry {
        let object = ObjectId { bucket: "b".to_owned(), key: "k".to_owned() };
        Entry { component, shadow, ..Entry::new(&object, Some("acme"), Some("cloudwatch"), Outcome::Delivered) }
    }

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

    #[test]
    fn what_matters_is_said_once_a_component() {
        let run = |poison| ComponentRun { digest: "d".repeat(64), poison, ..ComponentRun::default() };
        let shadow = |same| ShadowRun { digest: "e".repeat(64), same, changed: 1, ..ShadowRun::default() };
        let entries = vec![
            entry(Some(run(2)), Some(shadow(5))),
            entry(Some(run(1)), Some(shadow(6))),
            entry(Some(ComponentRun { replaced: true, digest: "f".repeat(64), ..ComponentRun::default() }), None),
            entry(Some(ComponentRun::default()), None),
        ];
        let said = Report::new(entries, 0).components();
        assert_eq!(
            said,
            [
                "acme (cloudwatch), component dddddddddddd: it fails on 3 records, which are dead-lettered (poison)",
                "acme (cloudwatch), component eeeeeeeeeeee: as a shadow: 11 lines the same, 2 changed, 0 dropped, 0 added, 0 failed",
                "acme (cloudwatch), component ffffffffffff: it failed on 1 objects, and the default guest went on alone",
            ]
        );
    }
}
