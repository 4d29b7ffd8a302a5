//! What the host knows of an instance while its code runs: its memory, its log.

use wasmtime::component::Linker;
use wasmtime::{ResourceLimiter, StoreContextMut, Trap};

use super::bounded;
use super::limits::Limits;
use super::v0_1_0::{HOST_LOG, Level};

/// Fuel that a log line costs its guest, and each byte of it: what the host
/// does for a guest is paid by the guest.
const LOG_LINE_FUEL: u64 = 2_000;
const LOG_BYTE_FUEL: u64 = 4;

/// A line that a guest logged. Its text may hold log contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How urgent.
    pub level: Level,
    /// Text, bounded.
    pub text: String,
}

/// What a guest logged while it worked on one object.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GuestLog {
    /// Lines logged, kept or not.
    pub lines: u64,
    /// The first of them, at most `Limits::log_lines`.
    pub kept: Vec<LogLine>,
}

/// What the host knows of an instance while its code runs.
pub(super) struct State {
    pub(super) memory: Memory,
    pub(super) log: GuestLog,
    log_lines: u64,
}

impl State {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            memory: Memory { limit: limits.memory_bytes, used: 0, denied: false },
            log: GuestLog::default(),
            log_lines: limits.log_lines,
        }
    }
}

/// Counts and bounds the memory of all of an instance's parts together.
pub(super) struct Memory {
    limit: usize,
    used: usize,
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
        Ok(true)
    }

    fn table_growing(&mut self, _: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(desired <= 20_000)
    }
}

/// Gives guests the one thing that they are given.
pub(super) fn add_host_log(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker.instance(HOST_LOG)?.func_wrap(
        "log",
        |mut store: StoreContextMut<'_, State>, (level, text): (Level, String)| {
            let bytes = u64::try_from(text.len()).unwrap_or(u64::MAX);
            let cost = LOG_LINE_FUEL.saturating_add(bytes.saturating_mul(LOG_BYTE_FUEL));
            let left = store.get_fuel()?.checked_sub(cost).ok_or(Trap::OutOfFuel)?;
            store.set_fuel(left)?;
            let state = store.data_mut();
            state.log.lines += 1;
            if state.log.lines <= state.log_lines {
                state.log.kept.push(LogLine { level, text: bounded(text) });
            }
            Ok(())
        },
    )
}
