//! The data of a wasmtime store: what the host knows of an instance while its code runs.

use model::Limits;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::{WasiCtxView, WasiView};

use crate::limits::{CORE_INSTANCES, SLICE, TABLE_ELEMENTS, TABLES};
use crate::log::{Log, SharedLog};
use crate::randomness::Randomness;
use crate::surroundings::Surroundings;
use crate::world::World;

/// What the host knows of an instance: its memory, its log, its world.
pub(crate) struct StoreData {
    pub(crate) memory: MemoryLimiter,
    pub(crate) log: SharedLog,
    pub(crate) randomness: Randomness,
    /// Every clock's time, in milliseconds since the Unix epoch.
    now: i64,
    /// What WASI's functions see; none until the guest asks for some of it.
    world: Option<Box<World>>,
    /// Fuel at which the time slice is over.
    slice_ends: u64,
}

impl StoreData {
    pub(crate) fn new(limits: &Limits, around: &Surroundings) -> Self {
        Self {
            memory: MemoryLimiter { limit: limits.memory_bytes, used: 0, peak: 0, was_denied: false },
            log: SharedLog::new(Log::new(limits)),
            randomness: Randomness::new(around.seed),
            now: around.now,
            world: None,
            slice_ends: 0,
        }
    }

    /// Begins a call, with so much fuel.
    pub(crate) fn begin_call(&mut self, fuel: u64) {
        self.slice_ends = fuel.saturating_sub(SLICE);
        // What an earlier call did without says nothing about this one.
        self.memory.was_denied = false;
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

impl WasiView for StoreData {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.world.get_or_insert_with(|| Box::new(World::new(self.now, &self.log))).view()
    }
}

/// Counts and bounds the memory of all of an instance's parts together.
pub(crate) struct MemoryLimiter {
    limit: usize,
    used: usize,
    /// Most bytes so far.
    pub(crate) peak: usize,
    /// Whether the call that runs was denied memory.
    pub(crate) was_denied: bool,
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.was_denied = true;
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
