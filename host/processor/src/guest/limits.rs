//! What a guest may use: what follows from the numbers for a call, and what they are
//! called where somebody sets them.

use crate::model::Limits;

/// Bytes in a MiB.
const MIB: usize = 1024 * 1024;

/// A limit as errors name it: by whichever of the two it was set.
pub(super) mod setting {
    pub(in crate::guest) const MEMORY: &str = "`memory_bytes` in the item's limits, PLUGIN_MEMORY_BYTES";
    pub(in crate::guest) const FUEL_PER_MIB: &str = "`fuel_per_mib` in the item's limits, PLUGIN_FUEL_PER_MIB";
    pub(in crate::guest) const START_FUEL: &str = "`start_fuel` in the item's limits, PLUGIN_START_FUEL";
    pub(in crate::guest) const OUTPUT_RATIO: &str = "`max_output_ratio` in the item's limits, PLUGIN_MAX_OUTPUT_RATIO";
    pub(in crate::guest) const OUTPUT_BYTES: &str = "`max_output_bytes` in the item's limits, PLUGIN_MAX_OUTPUT_BYTES";
    pub(in crate::guest) const OUTPUT_EVENTS: &str =
        "`max_output_events` in the item's limits, PLUGIN_MAX_OUTPUT_EVENTS";
    pub(in crate::guest) const MESSAGE: &str = "`max_message_bytes` in the item's limits, PLUGIN_MAX_MESSAGE_BYTES";
    pub(in crate::guest) const HELD_BACK: &str = "`held_back_bytes` in the item's limits, PLUGIN_MAX_HELD_BYTES";
}

impl Limits {
    /// What the default guest may use: it is the operator's own, and a line of
    /// MAX_LINE_BYTES must never be too much for it. A byte may become six
    /// (`<` as `\u003c`) in a buffer that doubles, beside the line itself and
    /// an index of its members.
    #[must_use]
    pub fn for_default_guest(self, max_line_bytes: usize) -> Self {
        let memory_bytes = max_line_bytes.saturating_mul(24).saturating_add(self.memory_bytes).min(4095 * MIB);
        let (output_bytes, output_events, message_bytes) = (usize::MAX, usize::MAX, usize::MAX);
        Self { memory_bytes, output_bytes, output_events, message_bytes, component_bytes: u64::MAX, ..self }
    }

    /// Fuel for a call with `input` new bytes; at least that of a usual chunk,
    /// a quarter of a MiB.
    pub(super) fn fuel(&self, input: usize) -> u64 {
        let quarters = u64::try_from(input.div_ceil(MIB / 4).max(1)).unwrap_or(u64::MAX);
        (self.fuel_per_mib / 4).max(1).saturating_mul(quarters)
    }

    /// Bytes of messages or lines that a call with `input` bytes may return.
    /// What is held back comes out later, so it counts as input until then.
    pub(super) fn most_output_bytes(&self, input: usize) -> usize {
        input.saturating_mul(self.output_ratio).saturating_add(64 * 1024).min(self.output_bytes)
    }

    /// Events or lines that a call with `input` bytes may return: one a line is
    /// always allowed, and the shortest line that isn't blank takes two bytes.
    pub(super) fn most_output_items(&self, input: usize) -> usize {
        (input / 2 + 1024).min(self.output_events)
    }

    /// Bytes that wasmtime may copy out of the guest in one call, before what
    /// it copied can be judged. It stops lists whose strings overlap.
    pub(super) fn copied_bytes(&self, input: usize) -> usize {
        // An event takes 40 bytes beside its message.
        let wanted = self.most_output_bytes(input).saturating_add(self.most_output_items(input).saturating_mul(64));
        wanted.min(self.memory_bytes.saturating_mul(4)).max(4 * MIB)
    }
}
