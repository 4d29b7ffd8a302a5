//! The variables that concern components.

use super::variable::{DefaultValue, GIB, KIB, MIB, NONE, Unit, ValueKind, Variable};
use DefaultValue::{Computed, Fixed};
use model::Limits;

/// The default limits of a component.
const DEFAULT: Limits = Limits::DEFAULT;

const SOURCES: &str = "separated by commas: s3://bucket/prefix/, oci://registry/name, file:/folder";

/// The form of a reference to a component that runs for all tenants.
const FOR_ALL: &str = "{\"component\":…,\"sha256\":…,…} as in an item, or REFERENCE@sha256:<digest of its bytes>";

pub(super) const DEFAULT_PLUGIN: Variable =
    Variable::text("DEFAULT_PLUGIN", NONE, FOR_ALL, "the component of deliveries whose item names none");
pub(super) const KEY_PARSER: Variable =
    Variable::text("KEY_PARSER", NONE, FOR_ALL, "the component that reads the objects' keys");
pub(super) const PLUGIN_SOURCES: Variable = sources("none");
/// The variable as `local` has it: whoever writes the tenant file may name components beside
/// it.
pub(super) const LOCAL_PLUGIN_SOURCES: Variable = sources("the tenant file's folder");
pub(super) const PLUGIN_REGISTRY_AUTH: Variable = Variable::text(
    "PLUGIN_REGISTRY_AUTH",
    NONE,
    "a file, as Docker's config.json",
    "credentials of registries that components come from",
);
pub(super) const PLUGIN_CACHE_DIR: Variable =
    Variable::text("PLUGIN_CACHE_DIR", Computed("the user's cache"), "a folder", "where compiled components are kept");
pub(super) const PLUGIN_CACHE_KEY: Variable = Variable::text(
    "PLUGIN_CACHE_KEY",
    NONE,
    "a secret of at least 16 bytes",
    "what signs compiled components, where others may write to their place",
);
pub(super) const PLUGIN_COMPILED: Variable = Variable::text(
    "PLUGIN_COMPILED",
    NONE,
    "s3://bucket/prefix, and PLUGIN_CACHE_KEY beside it",
    "where `guest precompile --publish` puts compiled components, and all modes find them",
);
pub(super) const PLUGIN_SHADOW_CONTENTS: Variable = Variable {
    name: "PLUGIN_SHADOW_CONTENTS",
    meaning: "a shadow's differences are logged with the records' contents",
    kind: ValueKind::Flag,
};
pub(super) const PLUGIN_CACHE_BYTES: Variable = Variable::number(
    "PLUGIN_CACHE_BYTES",
    Fixed(GIB),
    (MIB, 1024 * GIB),
    Unit::Bytes,
    "compiled components on disk; the least recently used go first",
);
pub(super) const PLUGIN_LOADED_BYTES: Variable = Variable::number(
    "PLUGIN_LOADED_BYTES",
    Computed("by memory"),
    (MIB, 64 * GIB),
    Unit::Bytes,
    "machine code of components in memory; by default a sixteenth of MEMORY_BUDGET, at most 256 MiB",
);

pub(super) const PLUGIN_MEMORY_BYTES: Variable = Variable::number(
    "PLUGIN_MEMORY_BYTES",
    Computed("by memory"),
    (MIB, 4 * GIB),
    Unit::Bytes,
    "memory that a component may hold; by default 64 MiB, less where MEMORY_BUDGET is small",
);
pub(super) const PLUGIN_FUEL_PER_MIB: Variable = Variable::number(
    "PLUGIN_FUEL_PER_MIB",
    Fixed(DEFAULT.fuel_per_mib),
    (1, 1_000_000_000_000_000),
    Unit::Count,
    "work that a component may do per MiB of input, about one unit per instruction",
);
pub(super) const PLUGIN_START_FUEL: Variable = Variable::number(
    "PLUGIN_START_FUEL",
    Fixed(DEFAULT.start_fuel),
    (1, 1_000_000_000_000),
    Unit::Count,
    "work that a component may do to start, and in a call whose input is no log lines",
);
pub(super) const PLUGIN_MAX_OUTPUT_RATIO: Variable = Variable::number(
    "PLUGIN_MAX_OUTPUT_RATIO",
    Fixed(DEFAULT.output_ratio as u64),
    (1, 1000),
    Unit::Count,
    "bytes of output that a component may give per byte of input",
);
pub(super) const PLUGIN_MAX_OUTPUT_BYTES: Variable = Variable::number(
    "PLUGIN_MAX_OUTPUT_BYTES",
    Computed("by MAX_LINE_BYTES"),
    (KIB, GIB),
    Unit::Bytes,
    "output of a call, whatever its input; by default four times MAX_LINE_BYTES, 5 to 64 MiB",
);
pub(super) const PLUGIN_MAX_OUTPUT_EVENTS: Variable = Variable::number(
    "PLUGIN_MAX_OUTPUT_EVENTS",
    Computed("by MAX_LINE_BYTES"),
    (1, 10_000_000),
    Unit::Count,
    "events or lines of a call, whatever its input; by default one for 8 bytes of MAX_LINE_BYTES, 150,000 to 1,000,000",
);
pub(super) const PLUGIN_MAX_MESSAGE_BYTES: Variable = Variable::number(
    "PLUGIN_MAX_MESSAGE_BYTES",
    Computed("MAX_LINE_BYTES"),
    (KIB, 256 * MIB),
    Unit::Bytes,
    "one message or line that a component gives",
);
pub(super) const PLUGIN_MAX_HELD_BYTES: Variable = Variable::number(
    "PLUGIN_MAX_HELD_BYTES",
    Computed("by MAX_LINE_BYTES"),
    (KIB, GIB),
    Unit::Bytes,
    "lines that a component may hold back; by default twice MAX_LINE_BYTES and 1 MiB",
);
pub(super) const PLUGIN_LOG_LINES: Variable = Variable::number(
    "PLUGIN_LOG_LINES",
    Fixed(DEFAULT.log_lines),
    (0, 10_000),
    Unit::Count,
    "lines that are kept of what a component logs per object",
);
pub(super) const PLUGIN_LOG_BYTES: Variable = Variable::number(
    "PLUGIN_LOG_BYTES",
    Fixed(DEFAULT.log_bytes as u64),
    (0, MIB),
    Unit::Bytes,
    "bytes that are kept of them",
);
pub(super) const PLUGIN_TIMEOUT: Variable = Variable::number(
    "PLUGIN_TIMEOUT",
    Fixed(DEFAULT.call_time.as_secs()),
    (1, 900),
    Unit::Seconds,
    "time at work of a call; then it is tried again",
);
pub(super) const PLUGIN_MAX_COMPONENT_BYTES: Variable = Variable::number(
    "PLUGIN_MAX_COMPONENT_BYTES",
    Fixed(DEFAULT.component_bytes),
    (KIB, 256 * MIB),
    Unit::Bytes,
    "a larger component is refused",
);

const fn sources(default: &'static str) -> Variable {
    let meaning = "where components may come from: what lies below one of these";
    Variable::text("PLUGIN_SOURCES", Computed(default), SOURCES, meaning)
}
