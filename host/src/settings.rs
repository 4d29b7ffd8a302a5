//! Everything that is read from environment variables, in one place: a variable is
//! described once, in [`VARIABLES`], and both the parser and `--help` use that.

use std::fmt;

use thiserror::Error;

/// Fuel that a guest may burn for each MiB of its input, unless
/// PLUGIN_FUEL_PER_MIB says otherwise. Measured over a chunk of Kubernetes logs:
/// the default guest takes about 20 million a MiB, a rewriter in JavaScript
/// (QuickJS in wasm) that parses and prints each record 1.5 billion.
pub const DEFAULT_FUEL_PER_MIB: u64 = 8_000_000_000;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
const SUFFIXES: [(&str, u64); 3] = [("GiB", GIB), ("MiB", MIB), ("KiB", KIB)];

/// What the processor was told by its environment. Every value lies within the
/// range that [`VARIABLES`] gives for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// MAX_BATCH_SIZE: events a put.
    pub max_batch_size: usize,
    /// MAX_LINE_BYTES: bytes of a line of the decompressed object, without its newline.
    pub max_line_bytes: usize,
    /// MAX_OBJECT_BYTES: bytes of the decompressed object; none: no limit.
    pub max_object_bytes: Option<u64>,
    /// MAX_CONCURRENT_OBJECTS: objects that are worked on at once.
    pub max_concurrent_objects: usize,
    /// PLUGIN_MEMORY_BYTES: bytes of linear memory that a guest may hold.
    pub plugin_memory_bytes: u64,
    /// PLUGIN_FUEL_PER_MIB: units of fuel a guest may burn for each MiB of its input.
    pub plugin_fuel_per_mib: u64,
    /// PLUGIN_MAX_OUTPUT_RATIO: bytes of output a guest may give for each byte of its input.
    pub plugin_max_output_ratio: u64,
    /// LOG_LEVEL: the least level that is logged.
    pub log_level: LogLevel,
}

/// The least level that is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogLevel {
    /// Everything.
    Debug,
    /// What an operator wants to see of a run that goes well.
    Info,
    /// What may need a look (`WARN` or `WARNING`).
    Warn,
    /// What failed.
    Error,
}

impl LogLevel {
    fn parse(text: &str) -> Option<Self> {
        const NAMES: [(&str, LogLevel); 5] = [
            ("DEBUG", LogLevel::Debug),
            ("INFO", LogLevel::Info),
            ("WARN", LogLevel::Warn),
            ("WARNING", LogLevel::Warn),
            ("ERROR", LogLevel::Error),
        ];
        NAMES.iter().find(|(name, _)| text.trim().eq_ignore_ascii_case(name)).map(|(_, level)| *level)
    }
}

/// One environment variable, as the parser and `--help` know it.
#[derive(Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// What it decides, in a few words.
    pub meaning: &'static str,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Number {
        /// None: the number of cores.
        default: Option<u64>,
        least: u64,
        most: u64,
        unit: Unit,
    },
    Level,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unit {
    Count,
    Bytes,
    /// Bytes, where 0 means that there is no limit.
    BytesOrNone,
}

const fn number(
    name: &'static str,
    default: Option<u64>,
    (least, most): (u64, u64),
    unit: Unit,
    meaning: &'static str,
) -> Variable {
    Variable { name, meaning, kind: Kind::Number { default, least, most, unit } }
}

const MAX_BATCH_SIZE: Variable =
    number("MAX_BATCH_SIZE", Some(10_000), (1, 10_000), Unit::Count, "events a put, at most what AWS takes");
const MAX_LINE_BYTES: Variable =
    number("MAX_LINE_BYTES", Some(16 * MIB), (KIB, 64 * MIB), Unit::Bytes, "a longer line is dead-lettered");
const MAX_OBJECT_BYTES: Variable = number(
    "MAX_OBJECT_BYTES",
    Some(0),
    (0, u64::MAX),
    Unit::BytesOrNone,
    "decompressed; of a larger object the rest is dead-lettered",
);
const MAX_CONCURRENT_OBJECTS: Variable =
    number("MAX_CONCURRENT_OBJECTS", None, (1, 1024), Unit::Count, "objects that are worked on at once");
const PLUGIN_MEMORY_BYTES: Variable =
    number("PLUGIN_MEMORY_BYTES", Some(64 * MIB), (MIB, 4 * GIB), Unit::Bytes, "memory that a guest may hold");
const PLUGIN_FUEL_PER_MIB: Variable = number(
    "PLUGIN_FUEL_PER_MIB",
    Some(DEFAULT_FUEL_PER_MIB),
    (1, 1_000_000_000_000_000),
    Unit::Count,
    "work that a guest may do for a MiB of input, about one unit an instruction",
);
const PLUGIN_MAX_OUTPUT_RATIO: Variable = number(
    "PLUGIN_MAX_OUTPUT_RATIO",
    Some(16),
    (1, 1000),
    Unit::Count,
    "bytes of output that a guest may give for a byte of input",
);
const LOG_LEVEL: Variable =
    Variable { name: "LOG_LEVEL", meaning: "the least level that is logged", kind: Kind::Level };

/// All variables that are read, in the order of `--help`.
pub const VARIABLES: [&Variable; 8] = [
    &MAX_BATCH_SIZE,
    &MAX_LINE_BYTES,
    &MAX_OBJECT_BYTES,
    &MAX_CONCURRENT_OBJECTS,
    &PLUGIN_MEMORY_BYTES,
    &PLUGIN_FUEL_PER_MIB,
    &PLUGIN_MAX_OUTPUT_RATIO,
    &LOG_LEVEL,
];

impl Variable {
    /// The default as `--help` shows it.
    pub fn default_text(&self) -> String {
        match self.kind {
            Kind::Level => "INFO".to_owned(),
            Kind::Number { default, unit, .. } => match (default, unit) {
                (None, _) => "cores".to_owned(),
                (Some(0), Unit::BytesOrNone) => "0 (none)".to_owned(),
                (Some(n), _) => amount(n, unit),
            },
        }
    }

    /// The values that are allowed, as `--help` and errors show them.
    pub fn range_text(&self) -> String {
        let Kind::Number { least, most, unit, .. } = self.kind else {
            return "DEBUG, INFO, WARN, WARNING, ERROR".to_owned();
        };
        let (least, most) = (amount(least, unit), amount(most, unit));
        match unit {
            Unit::Count => format!("{least} to {most}"),
            Unit::Bytes => format!("{least} to {most}, plain bytes or with KiB, MiB, GiB"),
            Unit::BytesOrNone => "0 (no limit) or more, plain or with KiB, MiB, GiB".to_owned(),
        }
    }

    /// The number that `lookup` gives, else the default; a problem is noted and the
    /// default goes on, so that the others are still looked at.
    fn number(&self, reader: &mut Reader<'_>) -> u64 {
        let Kind::Number { default, least, most, unit } = self.kind else {
            return 0;
        };
        let default = default.unwrap_or_else(|| reader.cores.clamp(least, most));
        let Some(value) = reader.value(self.name) else {
            return default;
        };
        let number = parse_number(&value, unit).filter(|n| (least..=most).contains(n));
        number.unwrap_or_else(|| {
            reader.problems.push(Problem { variable: self.name, value: shown(&value), allowed: self.range_text() });
            default
        })
    }
}

/// The environment's part of `--help`: a line a variable, aligned, with default,
/// meaning and allowed values.
pub fn help() -> String {
    VARIABLES
        .iter()
        .map(|v| format!("  {:<24} {:<12} {} ({})\n", v.name, v.default_text(), v.meaning, v.range_text()))
        .collect()
}

/// A variable whose value can't be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The variable.
    pub variable: &'static str,
    /// What it holds, escaped and cut to a readable length.
    pub value: String,
    /// What it may hold.
    pub allowed: String,
}

/// The environment can't be used: every problem there is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct SettingsError {
    /// At least one.
    pub problems: Vec<Problem>,
}

impl fmt::Display for SettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("invalid settings in the environment:")?;
        for p in &self.problems {
            write!(f, "\n  {} is {}: allowed is {}; unset it for the default", p.variable, p.value, p.allowed)?;
        }
        Ok(())
    }
}

impl Settings {
    /// Reads all variables through `lookup` (an empty value counts as unset).
    /// `cores` is the number of cores, the default of MAX_CONCURRENT_OBJECTS.
    ///
    /// With the settings come warnings, one a sentence, about values that were
    /// replaced by a default.
    ///
    /// # Errors
    /// One that lists every variable whose value can't be used.
    pub fn from(lookup: impl Fn(&str) -> Option<String>, cores: usize) -> Result<(Self, Vec<String>), SettingsError> {
        let mut reader = Reader {
            lookup: &lookup,
            cores: u64::try_from(cores).unwrap_or(u64::MAX),
            problems: Vec::new(),
            warnings: Vec::new(),
        };
        let settings = Self {
            max_batch_size: to_usize(MAX_BATCH_SIZE.number(&mut reader)),
            max_line_bytes: to_usize(MAX_LINE_BYTES.number(&mut reader)),
            max_object_bytes: Some(MAX_OBJECT_BYTES.number(&mut reader)).filter(|n| *n > 0),
            max_concurrent_objects: to_usize(MAX_CONCURRENT_OBJECTS.number(&mut reader)),
            plugin_memory_bytes: PLUGIN_MEMORY_BYTES.number(&mut reader),
            plugin_fuel_per_mib: PLUGIN_FUEL_PER_MIB.number(&mut reader),
            plugin_max_output_ratio: PLUGIN_MAX_OUTPUT_RATIO.number(&mut reader),
            log_level: reader.level(),
        };
        match reader.problems {
            problems if problems.is_empty() => Ok((settings, reader.warnings)),
            problems => Err(SettingsError { problems }),
        }
    }
}

struct Reader<'a> {
    lookup: &'a dyn Fn(&str) -> Option<String>,
    cores: u64,
    problems: Vec<Problem>,
    warnings: Vec<String>,
}

impl Reader<'_> {
    fn value(&self, name: &str) -> Option<String> {
        (self.lookup)(name).filter(|value| !value.is_empty())
    }

    fn level(&mut self) -> LogLevel {
        let Some(value) = self.value(LOG_LEVEL.name) else {
            return LogLevel::Info;
        };
        LogLevel::parse(&value).unwrap_or_else(|| {
            self.warnings.push(format!(
                "LOG_LEVEL is {}: allowed is {}; INFO is used",
                shown(&value),
                LOG_LEVEL.range_text()
            ));
            LogLevel::Info
        })
    }
}

/// Every number that ends up here is bounded by its range; where a usize is smaller
/// than that, the largest usize is as good a limit.
fn to_usize(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn parse_number(text: &str, unit: Unit) -> Option<u64> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (number, suffix) = text.split_at_checked(digits)?;
    let suffix = suffix.trim_start();
    let factor = match suffix {
        "" => 1,
        _ if unit == Unit::Count => return None,
        _ => {
            let known = |(name, _): &&(&str, u64)| suffix.eq_ignore_ascii_case(name);
            SUFFIXES.iter().find(known)?.1
        }
    };
    // An empty number, or one beyond u64, is refused here.
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// The amount with the largest suffix that it is a whole number of.
fn amount(n: u64, unit: Unit) -> String {
    let fits = |(_, size): &&(&str, u64)| unit != Unit::Count && n > 0 && n.is_multiple_of(*size);
    match SUFFIXES.iter().find(fits) {
        Some((suffix, size)) => format!("{} {suffix}", n / size),
        None => n.to_string(),
    }
}

/// A value as an error shows it: quoted, escaped, and never longer than a line.
fn shown(value: &str) -> String {
    const LONGEST: usize = 60;
    match value.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", value.get(..end).unwrap_or_default()),
        None => format!("{value:?}"),
    }
}

#[cfg(test)]
#[path = "settings_tests.rs"]
mod tests;
