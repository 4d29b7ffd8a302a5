//! What things need, by measured numbers. docs/OPERATE.md explains them.

use model::Limits;

const MIB: u64 = 1 << 20;

/// The program at rest with its connections, the embedded guest and its threads' stacks. 28 to
/// 40 MiB were measured.
const PROGRAM_BYTES: u64 = 40 * MIB;

/// One part in so many of the budget is left to the allocator, which keeps some of what was
/// freed, and to the kernel's buffers, which count in a container.
const SLACK_DIVISOR: u64 = 16;

/// A delivery without a component: the default guest's instance, chunks, a window, batches on
/// their way.
const DELIVERY_BYTES: u64 = 16 * MIB;

/// What a component adds to it: the memory that its instance may have without asking, its stack
/// and tables, and what it returns for a chunk.
const COMPONENT_BASE_BYTES: u64 = 8 * MIB;

/// Memory that a component's instance may have without asking.
pub(super) const INSTANCE_BASE_BYTES: usize = 4 << 20;

/// The same of the default guest: enough for two chunks.
pub(super) const DEFAULT_GUEST_BASE_BYTES: usize = 8 << 20;

/// Bytes of lines that a delivery has at once within its base: a few chunks. What has more is
/// a long line, or lines that are held back.
pub(crate) const SHORT_BYTES: usize = 1024 * 1024;

/// Bytes that the host may hold of a long line for each byte of it, beside its events: the line
/// itself, twice while it is handed over.
const HOST_BYTES_PER_LINE_BYTE: u64 = 4;

/// The shortest record of a list takes three bytes, and the default guest takes so many
/// records of a line.
const SHORTEST_RECORD_BYTES: u64 = 3;
const MAX_RECORDS: u64 = 1 << 21;

/// Bytes of an event or line that a component returned, before it is put: its entry, and a
/// short text of its own.
const BYTES_PER_ITEM: u64 = 72;

/// Bytes of an event in the default guest's list.
const GUEST_BYTES_PER_ITEM: u64 = 24;

/// The longest line, and the most output of a call, by default.
const MAX_LINE_BYTES: u64 = 16 * MIB;
const MAX_OUTPUT_BYTES: u64 = Limits::DEFAULT.output_bytes as u64;
const MAX_OUTPUT_EVENTS: u64 = Limits::DEFAULT.output_events as u64;

/// What a call whose input is a usual chunk may return by the default limits: less of it
/// would refuse components that do nothing unusual.
const MIN_OUTPUT_BYTES: u64 = 5 * MIB;
const MIN_OUTPUT_EVENTS: u64 = 150_000;

/// What a delivery claims.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Needs {
    /// To begin, without a component.
    pub delivery: u64,
    /// To begin, what a component adds.
    pub component_base: u64,
    /// A component's growth beyond its base, at most.
    pub component: u64,
    /// A long line, without a component.
    pub line: u64,
    /// A long line, what a component adds: lines that it holds back, and what it returns.
    pub component_line: u64,
}

/// What decides what is needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// MEMORY_BUDGET.
    pub budget: u64,
    /// PLUGIN_LOADED_BYTES.
    pub loaded: u64,
    /// MAX_LINE_BYTES.
    pub max_line: u64,
}

impl Demand {
    /// Bytes that can't be claimed.
    pub fn fixed(&self) -> u64 {
        let slack = self.budget / SLACK_DIVISOR;
        PROGRAM_BYTES.saturating_add(slack).saturating_add(self.loaded)
    }

    /// Bytes that can.
    pub fn claimable(&self) -> u64 {
        self.budget.saturating_sub(self.fixed())
    }

    /// What deliveries need whose components have these limits.
    pub fn needs(&self, limits: &Limits) -> Needs {
        let growth = number(sandbox::most_memory(limits)).saturating_sub(number(INSTANCE_BASE_BYTES));
        Needs {
            delivery: DELIVERY_BYTES,
            component_base: COMPONENT_BASE_BYTES,
            component: growth,
            line: line_bytes(self.max_line),
            component_line: component_line_bytes(
                number(limits.held_back_bytes),
                number(limits.output_bytes),
                number(limits.output_events),
            ),
        }
    }
}

/// Bytes that a component's lines may take in the host beyond what the base has room for: those
/// that it holds back, and what a call returns.
fn component_line_bytes(held: u64, output: u64, events: u64) -> u64 {
    let items = events.saturating_sub(MIN_OUTPUT_EVENTS).saturating_mul(BYTES_PER_ITEM);
    // Rewritten lines are cut into chunks, and are there twice until that is done.
    let texts = output.saturating_sub(MIN_OUTPUT_BYTES).saturating_mul(2);
    held.saturating_add(texts).saturating_add(items)
}

/// Bytes that the default guest and the host take for a line of `max_line` bytes, which may end
/// a value of as many that was held back.
fn line_bytes(max_line: u64) -> u64 {
    let guest = number(2 * Limits::GUEST_BYTES_PER_LINE_BYTE);
    let records = (max_line / SHORTEST_RECORD_BYTES).min(MAX_RECORDS);
    let line = max_line.saturating_mul(guest.saturating_add(HOST_BYTES_PER_LINE_BYTE));
    line.saturating_add(records.saturating_mul(BYTES_PER_ITEM + GUEST_BYTES_PER_ITEM))
}

impl Needs {
    /// The largest claim for a long line.
    pub fn largest_line(&self) -> u64 {
        self.line.saturating_add(self.component_line)
    }

    /// All that one delivery may ever have.
    pub fn most(&self) -> u64 {
        let base = self.delivery.saturating_add(self.component_base);
        base.saturating_add(self.component).saturating_add(self.largest_line())
    }
}

/// PLUGIN_LOADED_BYTES by default.
pub fn default_loaded_bytes(budget: u64) -> u64 {
    (budget / 16).clamp(MIB, 256 * MIB)
}

/// PLUGIN_MEMORY_BYTES by default, of what can be claimed: a quarter.
pub fn default_component_bytes(claimable: u64) -> u64 {
    (claimable / 4).clamp(MIB, number(Limits::DEFAULT.memory_bytes)) / MIB * MIB
}

/// MAX_LINE_BYTES by default, of what can be claimed: a quarter is for the longest line and
/// what a component makes of it.
pub fn default_line_bytes(claimable: u64) -> u64 {
    const STEP: u64 = 64 << 10;
    let needs = |line: u64| {
        let held = 2 * line + MIB;
        line_bytes(line) + component_line_bytes(held, default_output_bytes(line), default_output_events(line))
    };
    // What is needed grows with the line.
    let steps = (1..=MAX_LINE_BYTES / STEP).map(|step| step * STEP);
    steps.take_while(|line| needs(*line) <= claimable / 4).last().unwrap_or(STEP)
}

/// PLUGIN_MAX_OUTPUT_BYTES by default.
pub fn default_output_bytes(max_line: u64) -> u64 {
    max_line.saturating_mul(4).clamp(MIN_OUTPUT_BYTES, MAX_OUTPUT_BYTES)
}

/// PLUGIN_MAX_OUTPUT_EVENTS by default.
pub fn default_output_events(max_line: u64) -> u64 {
    (max_line / 8).clamp(MIN_OUTPUT_EVENTS, MAX_OUTPUT_EVENTS)
}

fn number(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Claimable bytes, and the longest line by default, of so many MiB.
    fn of(mib: u64) -> (u64, u64) {
        let budget = mib * MIB;
        let demand = Demand { budget, loaded: default_loaded_bytes(budget), max_line: 0 };
        (demand.claimable(), default_line_bytes(demand.claimable()))
    }

    #[test]
    fn one_delivery_with_the_defaults_has_room_wherever_the_program_has() {
        for mib in 128..4096 {
            let budget = mib * MIB;
            let (claimable, max_line) = of(mib);
            let demand = Demand { budget, loaded: default_loaded_bytes(budget), max_line };
            let line = usize::try_from(max_line).unwrap();
            let limits = Limits {
                memory_bytes: usize::try_from(default_component_bytes(claimable)).unwrap(),
                output_bytes: usize::try_from(default_output_bytes(max_line)).unwrap(),
                output_events: usize::try_from(default_output_events(max_line)).unwrap(),
                held_back_bytes: 2 * line + (1 << 20),
                ..Limits::DEFAULT
            };
            let needs = demand.needs(&limits);
            assert!(needs.most() <= claimable, "{mib} MiB: {needs:?} of {claimable}");
            assert!(needs.largest_line() <= claimable / 4 || max_line == 64 << 10, "{mib} MiB: {needs:?}");
        }
    }

    #[test]
    fn the_longest_line_follows_the_budget() {
        let lines = [128, 256, 512, 1024, 65_536].map(|mib| of(mib).1);
        assert!(lines.is_sorted() && lines.iter().all(|line| *line >= 256 << 10), "{lines:?}");
        assert_eq!(lines[4], MAX_LINE_BYTES);
    }

    #[test]
    fn what_is_fixed_is_no_more_than_there_is() {
        let demand = Demand { budget: 1, loaded: u64::MAX, max_line: u64::MAX };
        assert_eq!(demand.claimable(), 0);
        assert_eq!(demand.needs(&Limits { output_events: usize::MAX, ..Limits::DEFAULT }).most(), u64::MAX);
    }
}
