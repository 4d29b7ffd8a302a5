//! The report as a table.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{CellAlignment, Table, TableComponent, presets};

use super::{EntryCounts, Outcome, Report};
use model::DestinationKind;

impl Report {
    /// A table with a row per tenant and delivery.
    pub fn table(&self) -> String {
        let mut rows: BTreeMap<(String, &'static str), Row<'_>> = BTreeMap::new();
        for entry in &self.entries {
            let tenant = entry.tenant.clone().unwrap_or_else(|| "(no tenant)".to_owned());
            let delivery = entry.delivery.map_or("(none)", DestinationKind::name);
            let row = rows.entry((tenant, delivery)).or_default();
            row.objects += 1;
            row.not_wanted += u64::from(entry.outcome == Outcome::Filtered);
            row.counts.add(&entry.counts);
            if !entry.output.is_empty() {
                row.outputs.insert(&entry.output);
            }
        }
        let mut table = Table::new();
        table.load_preset(presets::NOTHING).set_style(TableComponent::HeaderLines, '─');
        table.set_header([
            "tenant",
            "delivery",
            "objects",
            "not wanted",
            "lines seen",
            "delivered",
            "filtered",
            "malformed",
            "dead-lettered",
            "left",
            "events",
            "bytes",
            "output",
        ]);
        let mut not_wanted = 0;
        for ((tenant, delivery), row) in rows {
            not_wanted += row.not_wanted;
            let mut cells = vec![tenant, delivery.to_owned()];
            cells.extend(columns(row.objects, row.not_wanted, &row.counts));
            cells.push(row.outputs.into_iter().collect::<Vec<_>>().join("\n"));
            table.add_row(cells);
        }
        let mut total = vec!["total".to_owned(), String::new()];
        total.extend(columns(self.totals.objects, not_wanted, &self.totals.counts));
        table.add_row(total);
        for index in 2..12 {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.to_string()
    }
}

/// A row of the table.
#[derive(Default)]
struct Row<'a> {
    objects: u64,
    /// Objects that the delivery doesn't want: their lines are not read.
    not_wanted: u64,
    counts: EntryCounts,
    outputs: BTreeSet<&'a str>,
}

fn columns(objects: u64, not_wanted: u64, counts: &EntryCounts) -> [String; 10] {
    [
        objects,
        not_wanted,
        counts.lines_seen,
        counts.delivered,
        counts.filtered,
        counts.malformed,
        counts.dead_lettered.sum(),
        counts.left,
        counts.events,
        counts.bytes,
    ]
    .map(|number| number.to_string())
}
