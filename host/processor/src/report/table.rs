//! The report as a table.

use std::collections::{BTreeMap, BTreeSet};

use comfy_table::{CellAlignment, Table, TableComponent, presets};

use super::{Numbers, Outcome, Report};
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
            row.numbers.add(&entry.numbers);
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
            cells.extend(columns(row.objects, row.not_wanted, &row.numbers));
            cells.push(row.outputs.into_iter().collect::<Vec<_>>().join("\n"));
            table.add_row(cells);
        }
        let mut total = vec!["total".to_owned(), String::new()];
        total.extend(columns(self.totals.objects, not_wanted, &self.totals.numbers));
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
    numbers: Numbers,
    outputs: BTreeSet<&'a str>,
}

fn columns(objects: u64, not_wanted: u64, numbers: &Numbers) -> [String; 10] {
    [
        objects,
        not_wanted,
        numbers.lines_seen,
        numbers.delivered,
        numbers.filtered,
        numbers.malformed,
        numbers.dead(),
        numbers.left,
        numbers.events,
        numbers.bytes,
    ]
    .map(|number| number.to_string())
}
