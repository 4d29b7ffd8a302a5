//! The data of a wasmtime store: what the host knows of an instance while its code runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use model::Limits;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::{WasiCtxView, WasiView};

use crate::limits::{CORE_INSTANCES, MEMORIES, SLICE, TABLE_ELEMENT_BYTES, TABLE_ELEMENTS, TABLES, TABLES_BYTES};
use crate::log::{Log, SharedLog};
use crate::randomness::Randomness;
use crate::surroundings::{MemoryGrant, Surroundings};
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
            memory: MemoryLimiter::new(limits.memory_bytes, around.memory.clone()),
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

/// The host has no memory to grant now, which is not the guest's fault.
#[derive(Debug, thiserror::Error)]
#[error("the memory that it asks for is not free, and was not in time (MEMORY_BUDGET)")]
pub(crate) struct NotGranted;

/// A second memory was to hold bytes: the host ends the call.
///
/// Between two memories the host copies text, which costs no fuel: a guest could keep it
/// busy for hours. Nothing can be copied into a memory that is empty.
#[derive(Debug, thiserror::Error)]
#[error("a second memory grew from 0 pages, and only one may hold anything")]
pub(crate) struct SecondMemory;

/// Counts and bounds the memory of all of an instance's parts together, and lets one
/// memory alone hold bytes.
pub(crate) struct MemoryLimiter {
    limit: usize,
    used: usize,
    /// Bytes of tables, which the limit doesn't count and a grant does.
    tables: usize,
    grant: Option<Arc<dyn MemoryGrant>>,
    /// Bytes of both that the instance may have without asking.
    granted: usize,
    /// Waited for a grant, in nanoseconds. Whoever times a call subtracts it.
    pub(crate) waited: Arc<AtomicU64>,
    /// Most bytes so far.
    pub(crate) peak: usize,
    /// Whether the call that runs was denied memory.
    pub(crate) was_denied: bool,
}

impl MemoryLimiter {
    fn new(limit: usize, grant: Option<Arc<dyn MemoryGrant>>) -> Self {
        let granted = grant.as_ref().map_or(usize::MAX, |grant| grant.base_bytes());
        Self { limit, used: 0, tables: 0, grant, granted, waited: Arc::default(), peak: 0, was_denied: false }
    }

    /// Asks whether the instance may have so many bytes in all, where that is more than it was
    /// granted; and at once for the most that it may ever have, so that none that has a part
    /// waits for another part of which somebody else has the rest.
    fn ask(&mut self, bytes: usize) -> Result<(), NotGranted> {
        let Some(grant) = self.grant.as_ref().filter(|_| bytes > self.granted) else { return Ok(()) };
        let most = self.limit.saturating_add(TABLES_BYTES).max(bytes);
        let asked = Instant::now();
        let is_granted = grant.grow_to(most);
        self.waited.fetch_add(u64::try_from(asked.elapsed().as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        if !is_granted {
            return Err(NotGranted);
        }
        self.granted = most;
        Ok(())
    }
}

impl ResourceLimiter for MemoryLimiter {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        // It is asked when a memory is made, too: so what is in use is another memory's.
        if current == 0 && desired > 0 && self.used > 0 {
            return Err(SecondMemory.into());
        }
        let used = self.used.saturating_add(desired.saturating_sub(current));
        if used > self.limit {
            self.was_denied = true;
            return Ok(false);
        }
        self.ask(used.saturating_add(self.tables))?;
        self.used = used;
        self.peak = self.peak.max(used);
        Ok(true)
    }

    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        if desired > TABLE_ELEMENTS {
            return Ok(false);
        }
        let tables = self.tables.saturating_add(desired.saturating_sub(current).saturating_mul(TABLE_ELEMENT_BYTES));
        self.ask(self.used.saturating_add(tables))?;
        self.tables = tables;
        Ok(true)
    }

    // The pool has these bounds too; but not every machine has room for a pool.
    fn instances(&self) -> usize {
        usize::try_from(CORE_INSTANCES).unwrap_or(usize::MAX)
    }

    fn tables(&self) -> usize {
        usize::try_from(TABLES).unwrap_or(usize::MAX)
    }

    fn memories(&self) -> usize {
        usize::try_from(MEMORIES).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
