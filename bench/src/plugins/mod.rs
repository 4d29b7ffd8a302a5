//! The cost of tenants' components: their own time, their limits, their number, and what one
//! that loops costs the others. Each part is measured in a process of its own.
//!
//! - `rewriters`: `local` with a rewriter and without; `fixture`: where components lie.
//! - `guests`: calls, starts, loading, fuel.
//! - `thousand`: a component each for a thousand tenants.
//! - `noisy`: a queue worked off beside a tenant whose component loops.

mod fixture;
mod guests;
mod noisy;
mod rewriters;
mod thousand;

use anyhow::Result;
use comfy_table::{CellAlignment, Table, presets};

use crate::arguments::Arguments;
use crate::reading::Reading;
use crate::spread::Spread;

/// A group of figures that are measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Rewriters,
    Guests,
    Noisy,
    Thousand,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [Self::Rewriters, Self::Guests, Self::Noisy, Self::Thousand];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rewriters => "plugin-rewriters",
            Self::Guests => "plugin-guests",
            Self::Noisy => "plugin-noisy",
            Self::Thousand => "plugin-thousand",
        }
    }

    pub(crate) fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }

    /// Whether once is enough.
    pub(crate) fn is_long(self) -> bool {
        self == Self::Thousand
    }

    pub(crate) fn measure(self, arguments: &Arguments) -> Result<Reading> {
        match self {
            Self::Rewriters => rewriters::measure(arguments),
            Self::Guests => guests::measure(arguments),
            Self::Noisy => noisy::measure(arguments),
            Self::Thousand => thousand::measure(arguments),
        }
    }
}

/// The name of each figure, its digits, and its goal.
const ROWS: [(&str, &str, usize, Option<f64>); 21] = [
    ("none.cpu", "`local` without a component: CPU s per GB", 2, None),
    ("pass.cpu", "with a rewriter that passes everything", 2, None),
    ("pass.ratio", "times the CPU of none", 2, None),
    ("redact.cpu", "with one that drops two members and masks one", 2, None),
    ("redact.ratio", "times the CPU of none", 2, None),
    ("pass.speed", "the passing rewriter alone: MB/s", 0, None),
    ("redact.speed", "the redacting one alone: MB/s", 0, None),
    ("start", "a fresh instance, from the pool: us", 1, Some(50.0)),
    ("start.frugal", "the same without a pool: us", 1, None),
    ("compile", "compiling a component of 40 KB: ms", 1, None),
    ("disk", "loading its compiled form from disk, verified: ms", 2, None),
    ("fuel.redact", "the redacting rewriter with fuel, times without", 3, None),
    ("fuel.default", "the default guest with fuel, times without", 3, None),
    ("alone.rate", "sqs, healthy tenants by themselves: objects/s", 0, None),
    ("noisy.rate", "beside a tenant whose component loops", 0, None),
    ("noisy.ratio", "times the rate by themselves", 2, None),
    ("healthy.ratio", "beside a healthy tenant more: times the rate by themselves", 2, None),
    ("thousand.cold", "components that are new: ms each, compiled", 1, None),
    ("thousand.warm", "from disk: ms each", 2, None),
    ("thousand.mib", "all of them loaded: MiB each, resident", 3, None),
    ("thousand.bounded", "with PLUGIN_LOADED_BYTES of a tenth of that: MiB in all", 1, None),
];

/// Medians as a table.
pub(crate) fn table(parts: &[(Part, Vec<Reading>)]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::ASCII_MARKDOWN).set_header(["what", "measured", "goal", ""]);
    for (figure, what, digits, most) in ROWS {
        let readings = parts.iter().flat_map(|(_, readings)| readings);
        let Some(spread) = Spread::of(readings.filter_map(|reading| reading.get(figure).copied())) else { continue };
        let goal = most.map_or_else(String::new, |most| format!("at most {most}"));
        let verdict = most.map_or("", |most| if spread.median <= most { "met" } else { "MISSED" });
        table.add_row([what, &spread.text(digits), &goal, verdict]);
    }
    if let Some(column) = table.column_mut(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
