//! Why a component isn't taken, and why a guest's work ended early.

use std::fmt;

use model::{Failure, Fault, GuestErrorKind};

use crate::limits::MEMORIES;
use crate::text::bounded;
use crate::untyped::Untyped;
use crate::version::Version;

/// Why a component can't be loaded, in words for the person who handed it over. The words hold
/// those of the cause, bounded and without the guest's own: so a cause is no `source()`, which
/// would show it once more and whole.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The bytes are something else.
    #[error(
        "this is no WebAssembly component but {0}; build one with `wasm-tools component new` or your language's component tool"
    )]
    NotAComponent(&'static str),
    /// The component is larger than the limit.
    #[error("the component has more than {0} bytes, the limit (PLUGIN_MAX_COMPONENT_BYTES)")]
    TooLarge(u64),
    /// wasmtime can't compile or link the component.
    #[error("the component can't be compiled: {}", shown(.0))]
    Compile(wasmtime::Error),
    /// The component wants something that no guest is given.
    #[error(
        "the component imports `{0}`, and guests are given nothing but `log-router:plugin/host-log` ({spoken}) and an empty WASI (wasi:cli, clocks, filesystem, io, random, sockets, all 0.2): remove what needs it",
        spoken = Version::list()
    )]
    Import(String),
    /// The component is put together from several that have a memory each.
    #[error(
        "the component has {0} memories, and one is the limit, beside at most {empty} that stay empty: what is put together from several components can't be bounded; link them into one",
        empty = MEMORIES - 1
    )]
    Memories(u32),
    /// The component becomes too large once its instances and types are written out.
    #[error(
        "the component is made of too many parts: {parts}, with each instance and type written out; {most} is the limit",
        parts = .parts.map_or("more".to_owned(), |parts| parts.to_string())
    )]
    ExpandedSize {
        /// Number of parts; none: nobody can know it.
        parts: Option<u64>,
        /// The limit.
        most: u64,
    },
    /// The component has more core instances or tables than the pool gives one.
    #[error("the component is made of too many parts: {}", shown(.0))]
    Pool(wasmtime::Error),
    /// The compiler would take too long for the component, or too much memory.
    #[error("the component is too much work to compile: {0}")]
    CompileCost(CostlyCode),
    /// The component's own start fails.
    #[error("the component can't be started: {}", .0.without_words())]
    Start(GuestError),
    /// The component exports nothing of the contract.
    #[error(
        "the component exports no interface of the contract log-router:plugin (key-parser, log-filter, record-rewrite, record-transform, settings-check); it exports: {exported}",
        exported = if .0.is_empty() { "nothing" } else { .0 }
    )]
    NoExport(String),
    /// The component exports something of another version of the contract, or of none.
    #[error(
        "the component exports `{0}`, which no version of the contract has that this host speaks ({spoken}): build it against one of them",
        spoken = Version::list()
    )]
    Version(String),
    /// A function is missing, or of another type than the contract's.
    #[error("the component's `{interface}` differs from the contract's: {}", bounded(format!("{function}: {error:#}")))]
    Type {
        /// Interface, with its version.
        interface: &'static str,
        /// Function of it.
        function: &'static str,
        /// wasmtime's words for the difference.
        error: wasmtime::Error,
    },
}

impl LoadError {
    /// The error of a component that wasmtime refused to compile, link or write down.
    pub(crate) fn compile(error: wasmtime::Error) -> Self {
        match Untyped::of(&error) {
            Some(Untyped::PoolLimit) => Self::Pool(error),
            _ => Self::Compile(error),
        }
    }
}

/// wasmtime's words with their causes, bounded.
fn shown(error: &wasmtime::Error) -> String {
    bounded(format!("{error:#}"))
}

/// Code that is too much work for the compiler: the way out is to split it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CostlyCode {
    /// One function is too long.
    #[error("a function of {bytes} bytes; {most} is the limit: split it")]
    Length {
        /// Bytes of the function.
        bytes: u64,
        /// The limit.
        most: u64,
    },
    /// One function has too many locals in too many blocks.
    #[error("a function of {locals} locals in {blocks} blocks; {most} of both multiplied is the limit: split it")]
    Function {
        /// Locals, parameters included.
        locals: u64,
        /// Blocks.
        blocks: u64,
        /// The limit of both multiplied.
        most: u64,
    },
    /// All functions together have too many.
    #[error("functions whose locals, multiplied by their blocks, are more than {most} in all")]
    Total {
        /// The limit.
        most: u64,
    },
    /// The loops of one function change too many locals.
    #[error(
        "a function whose loops change more than {most} locals, each counted for each loop around it, which is the limit: split it"
    )]
    Loops {
        /// The limit.
        most: u64,
    },
    /// One function keeps too many operands on its stack across its blocks.
    #[error("a function of {operands} operands on its stack in {blocks} blocks, in sum; {most} is the limit: split it")]
    Stack {
        /// Operands at the end of each block, in sum.
        operands: u64,
        /// Blocks.
        blocks: u64,
        /// The limit of the sum.
        most: u64,
    },
    /// The blocks, branches and calls of one function have too many results.
    #[error(
        "a function whose blocks, branches and calls hand on more than {most} values, beyond one each, which is the limit: pass them through memory"
    )]
    Values {
        /// The limit.
        most: u64,
    },
    /// Its modules have too much of something that the compiler makes code for.
    #[error("it has {count} {what}; {most} is the limit")]
    Module {
        /// Things that are too many, in the plural.
        what: &'static str,
        /// Their number, so far.
        count: u64,
        /// The limit.
        most: u64,
    },
    /// Those of all functions together have too many.
    #[error("functions whose blocks, branches and calls hand on more than {most} values in all, beyond one each")]
    TotalValues {
        /// The limit.
        most: u64,
    },
}

/// A limit that a guest can go over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestLimit {
    /// Fuel of a call.
    Fuel,
    /// Linear memory of an instance.
    Memory,
    /// Memories of an instance that hold bytes.
    Memories,
    /// Number and bytes of what a call returns.
    Output,
    /// Bytes of input that is held back.
    HeldBack,
}

impl GuestLimit {
    /// The kind of error that going over it is.
    fn kind(self) -> GuestErrorKind {
        match self {
            Self::Fuel => GuestErrorKind::Fuel,
            Self::Memory | Self::Memories => GuestErrorKind::Memory,
            Self::Output => GuestErrorKind::Output,
            Self::HeldBack => GuestErrorKind::HeldBack,
        }
    }
}

impl fmt::Display for GuestLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fuel => "fuel",
            Self::Memory | Self::Memories => "memory",
            Self::Output => "output",
            Self::HeldBack => "held-back",
        })
    }
}

/// Why a guest's work on an object ended early.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GuestError {
    /// The guest says that the input can never be processed.
    #[error("the guest rejected the object in {function}: {text}")]
    Rejected {
        /// Function of the contract.
        function: &'static str,
        /// The guest's own words, bounded.
        text: String,
    },
    /// The guest met a state that it did not expect.
    #[error("the guest failed in {function}: {text}")]
    Internal {
        /// Function of the contract.
        function: &'static str,
        /// The guest's own words, bounded.
        text: String,
    },
    /// The guest trapped.
    #[error("the guest trapped in {function}: {what}")]
    Trap {
        /// Function of the contract.
        function: &'static str,
        /// Kind of trap, in wasmtime's words.
        what: String,
    },
    /// The guest used more than it may.
    #[error("the guest went over its {limit} limit in {function}: {detail}")]
    Limit {
        /// Function of the contract.
        function: &'static str,
        /// The limit.
        limit: GuestLimit,
        /// Number and remedy.
        detail: String,
    },
    /// The call took longer than it may: a busy machine, maybe, so not the guest's fault.
    #[error(
        "the guest was stopped in {function} after {seconds} s at work (`timeout_seconds` in the item's limits, PLUGIN_TIMEOUT)"
    )]
    Timeout {
        /// Function of the contract.
        function: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// The guest called something that no guest is given.
    #[error("the guest called {what} in {function}, and guests are given nothing of the kind")]
    Forbidden {
        /// Function of the contract.
        function: &'static str,
        /// Interface and function.
        what: String,
    },
    /// The host could not run the guest: not the guest's fault.
    #[error("the host can't run the guest now: {what}; fewer objects at once (MAX_CONCURRENT_OBJECTS) need less")]
    Host {
        /// In wasmtime's words.
        what: String,
    },
    /// The guest's output breaks the contract.
    #[error("the guest broke the contract in {function}: {what}")]
    Contract {
        /// Function of the contract.
        function: &'static str,
        /// The mistake.
        what: String,
    },
}

impl GuestError {
    /// The kind of the error, which decides what is done about it.
    pub fn kind(&self) -> GuestErrorKind {
        match self {
            Self::Rejected { .. } => GuestErrorKind::Rejected,
            Self::Internal { .. } => GuestErrorKind::Internal,
            Self::Trap { .. } => GuestErrorKind::Trap,
            Self::Limit { limit, .. } => limit.kind(),
            Self::Contract { .. } => GuestErrorKind::Contract,
            Self::Forbidden { .. } => GuestErrorKind::Forbidden,
            Self::Timeout { .. } => GuestErrorKind::Timeout,
            Self::Host { .. } => GuestErrorKind::Host,
        }
    }

    /// A bounded name for reports and metrics.
    pub fn name(&self) -> &'static str {
        self.kind().name()
    }

    /// The failure that this is to whoever sees errors. `with_words`: they may see the guest's own words,
    /// which may quote a line or a setting; else the error itself, which has them, is not kept.
    pub fn into_failure(self, with_words: bool) -> Failure {
        let kind = self.kind();
        let failure = if with_words { Failure::of(kind, self) } else { Failure::new(kind, self.without_words()) };
        failure.with_fault(if kind == GuestErrorKind::Host { Fault::Host } else { Fault::Component })
    }

    /// The error without the guest's own words, which may quote a line or a setting.
    pub fn without_words(&self) -> String {
        match self {
            Self::Rejected { function, .. } => format!("the guest rejected the object in {function}"),
            Self::Internal { function, .. } => format!("the guest failed in {function}, as it said itself"),
            error => error.to_string(),
        }
    }

    /// Whether the component itself failed: then `on_error` decides. What was
    /// rejected is an answer; time and the host's troubles say nothing about it.
    pub fn is_guests_fault(&self) -> bool {
        self.kind().is_guests_fault()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_has_its_kind() {
        let function = "f";
        let text = || String::new();
        let limit = |limit| GuestError::Limit { function, limit, detail: text() };
        let errors = [
            GuestError::Rejected { function, text: text() },
            GuestError::Internal { function, text: text() },
            GuestError::Trap { function, what: text() },
            limit(GuestLimit::Fuel),
            limit(GuestLimit::Memory),
            limit(GuestLimit::HeldBack),
            limit(GuestLimit::Output),
            GuestError::Contract { function, what: text() },
            GuestError::Forbidden { function, what: text() },
            GuestError::Timeout { function, seconds: 1 },
            GuestError::Host { what: text() },
        ];
        assert_eq!(errors.map(|error| error.kind()), GuestErrorKind::ALL);
    }

    #[test]
    fn without_words_nothing_of_the_guest_s_own_is_said() {
        let (function, text) = ("begin", "hunter2".to_owned());
        for error in [GuestError::Rejected { function, text: text.clone() }, GuestError::Internal { function, text }] {
            let words = error.without_words();
            assert!(words.contains("in begin") && !words.contains("hunter2"), "{words}");
            let failure = error.into_failure(false);
            assert!(!format!("{failure} {failure:?}").contains("hunter2"), "{failure:?}");
        }
        let limit = GuestError::Limit { function, limit: GuestLimit::Fuel, detail: "7 units".to_owned() };
        assert_eq!(limit.without_words(), limit.to_string());
    }
}
