//! The goal of each figure, the Go processor's value, and the table.

use std::collections::BTreeSet;

use comfy_table::{CellAlignment, Table, presets};

use super::part::Part;
use super::world::CALL;
use crate::reading::Reading;
use crate::spread::Spread;

/// A figure's goal.
#[derive(Debug, Clone, Copy)]
enum Goal {
    AtLeast(f64),
    AtMost(f64),
}
use Goal::{AtLeast, AtMost};

/// A row of the table.
struct Row {
    part: Part,
    /// Name of the figure in the part's reading.
    figure: &'static str,
    what: &'static str,
    digits: usize,
    goal: Option<Goal>,
    /// The value of the Go processor that this one replaces, with the same latencies on two
    /// cores.
    before: Option<f64>,
}

const fn row(
    part: Part,
    figure: &'static str,
    what: &'static str,
    digits: usize,
    goal: Option<Goal>,
    before: Option<f64>,
) -> Row {
    Row { part, figure, what, digits, goal, before }
}

const ROWS: [Row; 19] = [
    row(Part::Queue, "new.rate", "sqs, new streams: objects/s from the start", 0, Some(AtLeast(150.0)), Some(3.4)),
    row(Part::Queue, "new.steady", "objects/s, the middle half", 0, None, None),
    row(Part::Queue, "new.calls", "calls per object", 2, Some(AtMost(4.6)), Some(12.0)),
    row(Part::Queue, "new.cpu", "CPU ms per object", 2, Some(AtMost(3.0)), Some(16.0)),
    row(Part::Queue, "new.peak", "peak MiB", 1, Some(AtMost(100.0)), None),
    row(Part::Queue, "there.rate", "sqs, streams there: objects/s from the start", 0, None, None),
    row(Part::Queue, "there.steady", "objects/s, the middle half", 0, None, None),
    row(Part::Queue, "there.calls", "calls per object", 2, Some(AtMost(2.6)), None),
    row(Part::Queue, "there.cpu", "CPU ms per object", 2, None, None),
    row(Part::Queue, "there.peak", "peak MiB", 1, None, None),
    row(Part::Lambda, "batch", "lambda, ten objects: ms per warm batch", 0, Some(AtMost(200.0)), Some(2800.0)),
    row(Part::Lambda, "slowest", "ms, the slowest warm batch", 0, None, None),
    row(Part::Lambda, "peak", "peak MiB", 1, None, None),
    row(Part::Manual, "cpu-per-gb", "manual, eight large objects: CPU s per GB", 2, Some(AtMost(4.0)), Some(26.0)),
    row(Part::Manual, "speed", "MB/s", 0, None, None),
    row(Part::Manual, "peak", "peak MiB", 1, Some(AtMost(100.0)), None),
    row(Part::Manual, "alone.speed", "one at a time: MB/s", 0, None, None),
    row(Part::Manual, "alone.peak", "peak MiB", 1, Some(AtMost(64.0)), None),
    row(Part::Start, "first-poll", "lambda: ms from the start to the first poll", 1, Some(AtMost(9.0)), None),
];

impl Goal {
    fn text(self) -> String {
        match self {
            AtLeast(goal) => format!("at least {goal}"),
            AtMost(goal) => format!("at most {goal}"),
        }
    }

    fn verdict(self, value: f64) -> &'static str {
        let met = match self {
            AtLeast(goal) => value >= goal,
            AtMost(goal) => value <= goal,
        };
        if met { "met" } else { "MISSED" }
    }

    /// The factor by which one value is better than another.
    fn times(self, value: f64, before: f64) -> f64 {
        match self {
            AtLeast(_) => value / before,
            AtMost(_) => before / value,
        }
    }
}

/// The figures of several rounds as a table, and the calls of each operation below it.
/// `parts` are the parts' readings.
pub(crate) fn tables(parts: &[(Part, Vec<Reading>)]) -> String {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN);
    table.set_header(["what", "measured", "goal", "", "Go processor", "times better"]);
    for row in &ROWS {
        let Some(spread) = spread(parts, row.part, row.figure) else { continue };
        let times = row.goal.zip(row.before).map(|(goal, before)| goal.times(spread.median, before));
        table.add_row([
            row.what.to_owned(),
            spread.text(row.digits),
            row.goal.map_or_else(String::new, Goal::text),
            row.goal.map_or_else(String::new, |goal| goal.verdict(spread.median).to_owned()),
            row.before.map_or_else(String::new, |before| before.to_string()),
            times.map_or_else(String::new, |times| format!("{times:.1}")),
        ]);
    }
    for index in [1, 4, 5] {
        if let Some(column) = table.column_mut(index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let new = calls(parts, Part::Queue, "new.");
    let there = calls(parts, Part::Queue, "there.");
    let lambda = calls(parts, Part::Lambda, "");
    format!("{table}\n\nCalls per object, new streams: {new}; streams there: {there}; lambda: {lambda}.")
}

fn spread(parts: &[(Part, Vec<Reading>)], part: Part, figure: &str) -> Option<Spread> {
    let (_, readings) = parts.iter().find(|(of, _)| *of == part)?;
    Spread::of(readings.iter().filter_map(|reading| reading.get(figure).copied()))
}

/// Medians of each operation's calls, such as `GetObject 1.00, Query 0.05`.
fn calls(parts: &[(Part, Vec<Reading>)], part: Part, prefix: &str) -> String {
    let begin = format!("{prefix}{CALL}");
    let readings = parts.iter().filter(|(of, _)| *of == part).flat_map(|(_, readings)| readings);
    let names: BTreeSet<&String> = readings.flat_map(Reading::keys).filter(|name| name.starts_with(&begin)).collect();
    let each = names.into_iter().filter_map(|name| {
        let operation = name.strip_prefix(&begin)?;
        Some(format!("{operation} {:.2}", spread(parts, part, name)?.median))
    });
    each.collect::<Vec<_>>().join(", ")
}
