//! What a guest may use. Each number is a default; the operator may set it.

/// Bytes in a MiB.
const MIB: usize = 1024 * 1024;

/// What one instance of a component may use. `Clone` is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory, all memories of the component together, in bytes.
    pub memory_bytes: usize,
    /// Fuel (about one a wasm instruction) for each MiB of input.
    pub fuel_per_mib: u64,
    /// Bytes of messages or lines that a call may return for each byte of its input.
    pub output_ratio: usize,
    /// Bytes of input that may be held back (`pending-from`) over all calls.
    pub held_back_bytes: usize,
    /// Lines that a guest may log for an object; more are counted and dropped.
    pub log_lines: u64,
}

impl Limits {
    /// What the default guest may use: it is the operator's own, and a line of
    /// MAX_LINE_BYTES must never be too much for it. A byte may become six
    /// (`<` as `\u003c`) in a buffer that doubles, beside the line itself and
    /// an index of its members.
    #[must_use]
    pub fn for_default_guest(self, max_line_bytes: usize) -> Self {
        let memory_bytes = max_line_bytes.saturating_mul(24).saturating_add(self.memory_bytes);
        Self { memory_bytes: memory_bytes.min(4095 * MIB), ..self }
    }

    /// Fuel for a call with `input` new bytes; at least that of a usual chunk,
    /// a quarter of a MiB.
    pub(super) fn fuel(&self, input: usize) -> u64 {
        let quarters = u64::try_from(input.div_ceil(MIB / 4).max(1)).unwrap_or(u64::MAX);
        (self.fuel_per_mib / 4).max(1).saturating_mul(quarters)
    }

    /// Bytes of messages or lines that a call with `input` bytes may return.
    /// What is held back comes out later, so it counts as input until then.
    pub(super) fn output_bytes(&self, input: usize) -> usize {
        input.saturating_mul(self.output_ratio).saturating_add(64 * 1024)
    }

    /// Events or lines that a call with `input` bytes may return: one a line is
    /// always allowed, and the shortest line that isn't blank takes two bytes.
    pub(super) fn output_items(&self, input: usize) -> usize {
        input / 2 + 1024
    }

    /// Bytes that wasmtime may copy out of the guest in one call, before what
    /// it copied can be judged. It stops lists whose strings overlap.
    pub(super) fn copied_bytes(&self, input: usize) -> usize {
        // An event takes 40 bytes beside its message.
        let wanted = self.output_bytes(input).saturating_add(self.output_items(input).saturating_mul(64));
        wanted.min(self.memory_bytes.saturating_mul(4)).max(4 * MIB)
    }
}
