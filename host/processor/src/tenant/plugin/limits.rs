//! The limits that an item may lower, by name.

use std::time::Duration;

use model::Limits;

/// One of the numbers in `limits`.
pub(crate) struct Limit {
    /// The name in items.
    pub(crate) name: &'static str,
    /// The operator's variable, whose value the item may lower.
    pub(crate) variable: &'static str,
    /// The least useful value: with less, no component could do anything.
    pub(super) least: u64,
    /// Reads the limit.
    pub(crate) get: fn(&Limits) -> u64,
    pub(super) set: fn(&mut Limits, u64),
}

/// A page of wasm's memory.
const PAGE: u64 = 64 << 10;

/// The least useful number of bytes.
const KIB: u64 = 1 << 10;

/// All limits.
pub(crate) const LIMITS: [Limit; 12] = [
    Limit {
        name: "memory_bytes",
        variable: "PLUGIN_MEMORY_BYTES",
        least: PAGE,
        get: |limits| number(limits.memory_bytes),
        set: |limits, n| limits.memory_bytes = size(n),
    },
    Limit {
        name: "fuel_per_mib",
        variable: "PLUGIN_FUEL_PER_MIB",
        // One a byte.
        least: 1_000_000,
        get: |limits| limits.fuel_per_mib,
        set: |limits, n| limits.fuel_per_mib = n,
    },
    Limit {
        name: "start_fuel",
        variable: "PLUGIN_START_FUEL",
        least: 10_000,
        get: |limits| limits.start_fuel,
        set: |limits, n| limits.start_fuel = n,
    },
    Limit {
        name: "max_output_ratio",
        variable: "PLUGIN_MAX_OUTPUT_RATIO",
        least: 1,
        get: |limits| number(limits.output_ratio),
        set: |limits, n| limits.output_ratio = size(n),
    },
    Limit {
        name: "max_output_bytes",
        variable: "PLUGIN_MAX_OUTPUT_BYTES",
        least: KIB,
        get: |limits| number(limits.output_bytes),
        set: |limits, n| limits.output_bytes = size(n),
    },
    Limit {
        name: "max_output_events",
        variable: "PLUGIN_MAX_OUTPUT_EVENTS",
        least: 1,
        get: |limits| number(limits.output_events),
        set: |limits, n| limits.output_events = size(n),
    },
    Limit {
        name: "max_message_bytes",
        variable: "PLUGIN_MAX_MESSAGE_BYTES",
        least: KIB,
        get: |limits| number(limits.message_bytes),
        set: |limits, n| limits.message_bytes = size(n),
    },
    Limit {
        name: "held_back_bytes",
        variable: "PLUGIN_MAX_HELD_BYTES",
        least: KIB,
        get: |limits| number(limits.held_back_bytes),
        set: |limits, n| limits.held_back_bytes = size(n),
    },
    Limit {
        name: "log_lines",
        variable: "PLUGIN_LOG_LINES",
        least: 1,
        get: |limits| limits.log_lines,
        set: |limits, n| limits.log_lines = n,
    },
    Limit {
        name: "log_bytes",
        variable: "PLUGIN_LOG_BYTES",
        least: 1,
        get: |limits| number(limits.log_bytes),
        set: |limits, n| limits.log_bytes = size(n),
    },
    Limit {
        name: "timeout_seconds",
        variable: "PLUGIN_TIMEOUT",
        least: 1,
        get: |limits| limits.call_time.as_secs(),
        set: |limits, n| limits.call_time = Duration::from_secs(n),
    },
    Limit {
        name: "component_bytes",
        variable: "PLUGIN_MAX_COMPONENT_BYTES",
        least: KIB,
        get: |limits| limits.component_bytes,
        set: |limits, n| limits.component_bytes = n,
    },
];

fn number(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_a_number_of_its_own() {
        let mut limits = Limits::DEFAULT;
        for (limit, n) in LIMITS.iter().zip(1..) {
            (limit.set)(&mut limits, n);
        }
        for (limit, n) in LIMITS.iter().zip(1..) {
            assert_eq!((limit.get)(&limits), n, "{}", limit.name);
        }
    }

    #[test]
    fn the_defaults_leave_room_to_lower_each() {
        for limit in &LIMITS {
            assert!(limit.least <= (limit.get)(&Limits::DEFAULT), "{}", limit.name);
        }
    }
}
