//! What the host knows of an instance while its code runs: its memory, its log, its clock.

use model::Limits;
use wasmtime::ResourceLimiter;

use crate::limits::{CORE_INSTANCES, SLICE, TABLE_ELEMENTS, TABLES};
use crate::log::Log;
use crate::surroundings::Surroundings;

/// What the host knows of an instance while its code runs.
pub(crate) struct State {
    pub(crate) memory: Memory,
    pub(crate) log: Log,
    /// Every clock's time, in milliseconds since the Unix epoch.
    pub(crate) now: i64,
    /// What randomness comes of, and how much of it was given away.
    pub(crate) random: ([u8; 32], u64),
    /// Fuel that is left when the slice is over.
    slice_ends: u64,
}

impl State {
    pub(crate) fn new(limits: &Limits, around: &Surroundings) -> Self {
        Self {
            memory: Memory { limit: limits.memory_bytes, used: 0, peak: 0, denied: false },
            log: Log::new(limits),
            now: around.now,
            random: (around.seed, 0),
            slice_ends: 0,
        }
    }

    /// A call begins, with so much fuel.
    pub(crate) fn begin(&mut self, fuel: u64) {
        self.slice_ends = fuel.saturating_sub(SLICE);
        // What an earlier call did without says nothing about this one.
        self.memory.denied = false;
    }

    /// Whether the slice is over with so much fuel left; then the next one begins.
    pub(crate) fn ends_slice(&mut self, left: u64) -> bool {
        let over = left < self.slice_ends;
        if over {
            self.slice_ends = left.saturating_sub(SLICE);
        }
        over
    }
}

/// Counts and bounds the memory of all of an instance's parts together.
pub(crate) struct Memory {
    limit: usize,
    used: usize,
    pub(crate) peak: usize,
    pub(crate) denied: bool,
}

impl ResourceLimiter for Memory {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.denied = true;
            return Ok(false);
        }
        self.used = used;
        self.peak = self.peak.max(used);
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= TABLE_ELEMENTS)
    }

    // The pool has these bounds too; but not every machine has room for a pool.
    fn instances(&self) -> usize {
        usize::try_from(CORE_INSTANCES).unwrap_or(usize::MAX)
    }

    fn tables(&self) -> usize {
        usize::try_from(TABLES).unwrap_or(usize::MAX)
    }
}
