//! Limits of guests: those that nobody sets, those of a call, and the names of settings.

use model::Limits;

/// Bytes in a MiB.
const MIB: usize = 1024 * 1024;

/// Most elements of a table.
pub(crate) const TABLE_ELEMENTS: usize = 20_000;
/// Bytes of a table's element: a pointer, in wasmtime.
pub(crate) const TABLE_ELEMENT_BYTES: usize = 8;
/// Most core instances that a component may be made of. Shims and adapters count; what
/// the usual tools make has three to eight, Python's has about 25.
pub(crate) const CORE_INSTANCES: u32 = 32;
/// Most memories of all core instances together, of which one at most holds bytes
/// (`store::MemoryLimiter`). What componentize-qjs makes has an empty one beside its own,
/// and a second with `--stub-wasi`. Each costs address space in the pool.
pub(crate) const MEMORIES: u32 = 3;
/// Most tables of all core instances together.
pub(crate) const TABLES: u32 = 32;
/// Bytes of all tables at their largest.
pub(crate) const TABLES_BYTES: usize = 32 * TABLE_ELEMENTS * TABLE_ELEMENT_BYTES;
const _: () = assert!(TABLES == 32);
/// Bytes of memory and tables that an instance with these limits may have, at most: what a
/// [`MemoryGrant`](crate::MemoryGrant) is asked for.
pub fn most_memory(limits: &Limits) -> usize {
    limits.memory_bytes.saturating_add(TABLES_BYTES)
}

/// Most resources that a guest may hold at once, its own and the host's.
pub(crate) const HANDLES: usize = 10_000;

/// Fuel after which a guest lets others have their turn: 5 to 15 ms of plain code, some
/// 50 ms of what calls the host all the time. Changing turns takes microseconds.
pub(crate) const SLICE: u64 = 30_000_000;

/// Names of limits in errors: that of the item's field, and that of the operator's variable.
pub(crate) mod setting {
    pub(crate) const MEMORY: &str = "`memory_bytes` in the item's limits, PLUGIN_MEMORY_BYTES";
    pub(crate) const FUEL_PER_MIB: &str = "`fuel_per_mib` in the item's limits, PLUGIN_FUEL_PER_MIB";
    pub(crate) const START_FUEL: &str = "`start_fuel` in the item's limits, PLUGIN_START_FUEL";
    pub(crate) const OUTPUT_RATIO: &str = "`max_output_ratio` in the item's limits, PLUGIN_MAX_OUTPUT_RATIO";
    pub(crate) const OUTPUT_BYTES: &str = "`max_output_bytes` in the item's limits, PLUGIN_MAX_OUTPUT_BYTES";
    pub(crate) const OUTPUT_EVENTS: &str = "`max_output_events` in the item's limits, PLUGIN_MAX_OUTPUT_EVENTS";
    pub(crate) const MESSAGE: &str = "`max_message_bytes` in the item's limits, PLUGIN_MAX_MESSAGE_BYTES";
    pub(crate) const HELD_BACK: &str = "`held_back_bytes` in the item's limits, PLUGIN_MAX_HELD_BYTES";
}

/// Limits of one call, which follow from those of the instance and from what goes in.
pub(crate) trait CallLimits {
    /// Fuel for a call with `input` new bytes; at least that of a usual chunk,
    /// a quarter of a MiB.
    fn fuel(&self, input: usize) -> u64;

    /// Bytes of messages or lines that a call with `input` bytes may return.
    /// What is held back comes out later, so it counts as input until then.
    fn most_output_bytes(&self, input: usize) -> usize;

    /// Events or lines that a call with `input` bytes may return: one a line is
    /// always allowed, and the shortest line that isn't blank takes two bytes.
    fn most_output_items(&self, input: usize) -> usize;

    /// Bytes that wasmtime may copy out of the guest in one call, before what
    /// it copied can be judged. It stops lists whose strings overlap.
    fn copied_bytes(&self, input: usize) -> usize;
}

impl CallLimits for Limits {
    fn fuel(&self, input: usize) -> u64 {
        let quarters = u64::try_from(input.div_ceil(MIB / 4).max(1)).unwrap_or(u64::MAX);
        (self.fuel_per_mib / 4).max(1).saturating_mul(quarters)
    }

    fn most_output_bytes(&self, input: usize) -> usize {
        input.saturating_mul(self.output_ratio).saturating_add(64 * 1024).min(self.output_bytes)
    }

    fn most_output_items(&self, input: usize) -> usize {
        (input / 2 + 1024).min(self.output_events)
    }

    fn copied_bytes(&self, input: usize) -> usize {
        // An event takes 40 bytes beside its message.
        let wanted = self.most_output_bytes(input).saturating_add(self.most_output_items(input).saturating_mul(64));
        wanted.min(self.memory_bytes.saturating_mul(4)).max(4 * MIB)
    }
}
