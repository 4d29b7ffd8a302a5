//! What the host knows of an instance while its code runs: its memory, its log,
//! its clock; and how a guest pays for what the host does for it.

use std::task::Poll;

use wasmtime::component::{ComponentNamedList, Lift, Linker, LinkerInstance, Lower};
use wasmtime::{ResourceLimiter, StoreContextMut, Trap};

use super::contract::{Level, Version};
pub(super) use super::log::GuestLog;
use super::log::Log;
use super::running::Surroundings;
use model::Limits;

/// Elements that a table may have.
pub(super) const TABLE_ELEMENTS: usize = 20_000;
/// Core instances that a component may be made of. Shims and adapters count; what
/// the usual tools make has three to eight, Python's has about 25.
pub(super) const CORE_INSTANCES: u32 = 32;
/// Tables of all core instances together.
pub(super) const TABLES: u32 = 32;
/// Resources that a guest may hold at once, its own and the host's.
pub(super) const HANDLES: usize = 10_000;

/// Fuel after which a guest lets others have their turn: 5 to 15 ms of plain code, some
/// 50 ms of what calls the host all the time. Changing turns takes microseconds.
pub(super) const SLICE: u64 = 30_000_000;

/// Fuel that any call of the host costs, beside what the function itself costs: it
/// takes about as long as so many instructions.
const CALL_FUEL: u64 = 200;
/// Fuel that a log line costs its guest, and each byte of it.
const LOG_LINE_FUEL: u64 = 2_000;
const LOG_BYTE_FUEL: u64 = 4;

/// What the host knows of an instance while its code runs.
pub(super) struct State {
    pub(super) memory: Memory,
    pub(super) log: Log,
    /// Every clock's time, in milliseconds since the Unix epoch.
    pub(super) now: i64,
    /// What randomness comes of, and how much of it was given away.
    pub(super) random: ([u8; 32], u64),
    /// Fuel that is left when the slice is over.
    slice_ends: u64,
}

impl State {
    pub(super) fn new(limits: &Limits, around: &Surroundings) -> Self {
        Self {
            memory: Memory { limit: limits.memory_bytes, used: 0, peak: 0, denied: false },
            log: Log::new(limits),
            now: around.now,
            random: (around.seed, 0),
            slice_ends: 0,
        }
    }

    /// A call begins, with so much fuel.
    pub(super) fn begin(&mut self, fuel: u64) {
        self.slice_ends = fuel.saturating_sub(SLICE);
        // What an earlier call did without says nothing about this one.
        self.memory.denied = false;
    }
}

/// Counts and bounds the memory of all of an instance's parts together.
pub(super) struct Memory {
    limit: usize,
    used: usize,
    pub(super) peak: usize,
    pub(super) denied: bool,
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

/// Takes fuel for what the host does. Setting a store's fuel begins a new slice, so
/// where one is over is kept here: else a guest that calls the host all the time
/// would never let others have their turn.
async fn pay(store: &mut StoreContextMut<'_, State>, fuel: u64) -> wasmtime::Result<()> {
    let left = store.get_fuel()?.checked_sub(fuel).ok_or(Trap::OutOfFuel)?;
    store.set_fuel(left)?;
    let state = store.data_mut();
    if left < state.slice_ends {
        state.slice_ends = left.saturating_sub(SLICE);
        let mut waited = false;
        std::future::poll_fn(|_| if std::mem::replace(&mut waited, true) { Poll::Ready(()) } else { Poll::Pending })
            .await;
    }
    Ok(())
}

/// Defines a function that guests may call; `cost`: its fuel, beside what any call costs.
pub(super) fn function<P, R>(
    instance: &mut LinkerInstance<'_, State>,
    name: &str,
    cost: fn(&P) -> u64,
    body: fn(&mut State, P) -> wasmtime::Result<R>,
) -> wasmtime::Result<()>
where
    P: ComponentNamedList + Lift + Send + 'static,
    R: ComponentNamedList + Lower + Send + 'static,
{
    instance.func_wrap_async(name, move |mut store: StoreContextMut<'_, State>, params: P| {
        Box::new(async move {
            pay(&mut store, CALL_FUEL.saturating_add(cost(&params))).await?;
            body(store.data_mut(), params)
        })
    })
}

/// Fuel for text that goes to the log.
pub(super) fn log_cost(lines: usize, bytes: usize) -> u64 {
    let number = |count| u64::try_from(count).unwrap_or(u64::MAX);
    number(lines).saturating_mul(LOG_LINE_FUEL).saturating_add(number(bytes).saturating_mul(LOG_BYTE_FUEL))
}

/// Gives guests their log, in every version of the contract.
pub(super) fn add_host_log(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let cost = |(_, text): &(Level, String)| log_cost(1, text.len());
    Version::ALL.into_iter().try_for_each(|version| {
        let mut interface = linker.instance(version.names().host_log)?;
        function(&mut interface, "log", cost, |state, (level, text): (Level, String)| {
            state.log.line(level, text);
            Ok(())
        })
    })
}
