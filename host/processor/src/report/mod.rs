//! The report of a run: an entry per object and delivery, totals, and a table by tenant.
//!
//! - `entry`: one delivery of one object; `outcome`: how it ended; `entry_counts`: its lines, events, bytes.
//! - `component`: what components did; `sentences`: the same for a person to read.
//! - `table`: for a person to read.

mod component;
mod entry;
mod entry_counts;
mod outcome;
mod sentences;
mod table;
#[cfg(test)]
mod testing;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use entry::Entry;
pub use entry_counts::{EntryCounts, by_reason};
pub use outcome::{Cause, Outcome, Unwanted};

/// All of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// The entries, by bucket, key and delivery.
    pub entries: Vec<Entry>,
    /// The entries' sums.
    pub totals: Totals,
}

/// Sums over all entries.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// Objects, each once.
    pub objects: u64,
    /// Entries by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Sums of all numbers.
    #[serde(flatten)]
    pub counts: EntryCounts,
    /// Milliseconds of wall-clock time of the run.
    pub milliseconds: u64,
}

impl Report {
    /// Sorts the entries and sums them up.
    pub fn new(mut entries: Vec<Entry>, milliseconds: u64) -> Self {
        entries.sort_by(|a, b| (&a.bucket, &a.key, a.delivery).cmp(&(&b.bucket, &b.key, b.delivery)));
        let mut totals = Totals { milliseconds, ..Totals::default() };
        let objects: BTreeSet<_> = entries.iter().map(|entry| (&entry.bucket, &entry.key)).collect();
        totals.objects = objects.len() as u64;
        for entry in &entries {
            *totals.outcomes.entry(entry.outcome).or_default() += 1;
            totals.counts.add(&entry.counts);
        }
        Self { entries, totals }
    }

    /// Whether something is left to do.
    pub fn is_open(&self) -> bool {
        self.entries.iter().any(|entry| entry.outcome.is_open())
    }

    /// A sentence per tenant whose objects nobody wants.
    pub fn ignored(&self) -> Vec<String> {
        let mut tenants: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.outcome == Outcome::Ignored) {
            let (tenant, why) = (entry.tenant.as_deref(), entry.error.as_deref());
            *tenants.entry((tenant.unwrap_or_default(), why.unwrap_or_default())).or_default() += 1;
        }
        tenants
            .into_iter()
            .map(|((tenant, why), count)| format!("tenant {tenant:?}: {why}; objects ignored: {count}"))
            .collect()
    }

    /// A sentence per tenant, delivery and component that did something worth saying.
    pub fn components(&self) -> Vec<String> {
        sentences::sentences(&self.entries)
    }
}

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
