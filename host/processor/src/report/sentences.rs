//! Sentences about components.

use std::collections::BTreeMap;

use super::entry::Entry;
use model::{DestinationKind, Digest};

/// The sums of one component for one delivery.
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

/// A sentence per tenant, delivery and component that did something worth saying.
pub(super) fn sentences(entries: &[Entry]) -> Vec<String> {
    let mut said: BTreeMap<(&str, &str, &str), ComponentSums> = BTreeMap::new();
    for entry in entries {
        let (tenant, delivery) =
            (entry.tenant.as_deref().unwrap_or_default(), entry.delivery.map_or("", DestinationKind::name));
        if let Some(run) = &entry.component {
            let all = said.entry((tenant, delivery, Digest::shorten(&run.digest))).or_default();
            all.poison += run.poison;
            all.replaced += u64::from(run.replaced);
        }
        if let Some(run) = &entry.shadow {
            let all = said.entry((tenant, delivery, Digest::shorten(&run.digest))).or_default();
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

#[cfg(test)]
mod tests {
    use crate::pipeline::{ComponentRun, ShadowRun};
    use crate::report::Report;
    use crate::report::testing::entry;

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
