//! What components did on one delivery of one object, for reports, logs and metrics.

use model::{Counts, FailureKind};
use sandbox::Used;

/// What the tenant's component did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ComponentRun {
    /// SHA-256 of the component, 64 digits.
    pub digest: String,
    /// Calls, CPU time, peak memory, instantiation; of all its instances together.
    pub used: Used,
    /// Bytes of lines that it was given; each line counts once, however often it was given.
    pub input_bytes: u64,
    /// Records (lines that are not blank) that it was given; each once.
    pub records_in: u64,
    /// Events that it returned, or lines where it only rewrites.
    pub records_out: u64,
    /// Records that it dropped: no output and no note.
    pub dropped: u64,
    /// Records that were dead-lettered because it fails on them.
    pub poison: u64,
    /// Failures by its own fault; those that `on_error` dealt with too.
    pub failures: Counts<FailureKind>,
    /// The default guest took over (`on_error: default`).
    pub replaced: bool,
}

impl ComponentRun {
    /// Adds what one of its instances used.
    pub fn add_used(&mut self, used: Used) {
        self.used.calls += used.calls;
        self.used.cpu += used.cpu;
        self.used.fuel = self.used.fuel.saturating_add(used.fuel);
        self.used.peak_memory = self.used.peak_memory.max(used.peak_memory);
        self.used.start += used.start;
    }
}

/// How a shadow's output differs from what was delivered, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ShadowRun {
    /// SHA-256 of the component, 64 digits.
    pub digest: String,
    /// Lines with the same output, or the same reason for having none.
    pub same: u64,
    /// Lines whose output differs, or the reason for having none.
    pub changed: u64,
    /// Lines with output of the active one alone.
    pub dropped: u64,
    /// Lines with output of the shadow alone.
    pub added: u64,
    /// Lines that the shadow can't be asked about any more: it failed.
    pub failed: u64,
    /// It would not have had the object at all: what was delivered of it counts as dropped.
    pub unwanted: bool,
    /// Why it failed, in words: never log contents.
    pub error: Option<String>,
    /// Failures.
    pub failures: Counts<FailureKind>,
    /// The first differences.
    pub samples: Vec<Difference>,
    /// What it used.
    pub used: Used,
}

/// One line on which the shadow differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Line of the object, from 0.
    pub line: u64,
    /// `changed`, `dropped` or `added`.
    pub kind: &'static str,
    /// SHA-256 of the active one's output, 16 digits, or its head where the operator
    /// allows; without output the reason that was given, or none.
    pub active: Option<String>,
    /// The same of the shadow.
    pub shadow: Option<String>,
}
