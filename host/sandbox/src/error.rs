//! Why a component isn't taken, and why a guest's work ended early.

use model::{Failure, Fault, GuestErrorKind};

use crate::text::bounded;
use crate::version::Version;

/// What is wrong with a component.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is something else.
    #[error(
        "this is no WebAssembly component but {0}; build one with `wasm-tools component new` or your language's component tool"
    )]
    NotAComponent(&'static str),
    /// Larger than the limit.
    #[error("the component has more than {0} bytes, the limit (PLUGIN_MAX_COMPONENT_BYTES)")]
    TooLarge(u64),
    /// It can't be compiled.
    #[error("the component can't be compiled: {0}")]
    Compile(String),
    /// It wants something that no guest is given.
    #[error(
        "the component imports `{0}`, and guests are given nothing but `log-router:plugin/host-log` ({spoken}) and an empty WASI (wasi:cli, clocks, filesystem, io, random, sockets, all 0.2): remove what needs it",
        spoken = Version::list()
    )]
    Import(String),
    /// It is put together from several that have a memory each.
    #[error(
        "the component has {0} memories, and one is the limit: what is put together from several components can't be bounded; link them into one"
    )]
    Memories(u32),
    /// It is made of more parts than one may have.
    #[error("the component is made of too many parts: {0}")]
    Parts(String),
    /// The compiler would take too long for it, or too much memory.
    #[error("the component is too much work to compile: {0}")]
    CompileCost(String),
    /// Its own start fails.
    #[error("the component can't be started: {0}")]
    Start(String),
    /// It exports nothing of the contract.
    #[error(
        "the component exports no interface of the contract log-router:plugin (key-parser, log-filter, record-rewrite, record-transform, settings-check); it exports: {exported}",
        exported = if .0.is_empty() { "nothing" } else { .0 }
    )]
    NoExport(String),
    /// It exports something of another version of the contract, or of none.
    #[error(
        "the component exports `{0}`, which no version of the contract has that this host speaks ({spoken}): build it against one of them",
        spoken = Version::list()
    )]
    Version(String),
    /// What it exports is of another type than the contract's.
    #[error("the component's `{interface}` differs from the contract's: {detail}")]
    Type {
        /// Interface.
        interface: &'static str,
        /// In wasmtime's words.
        detail: String,
    },
}

impl LoadError {
    pub(crate) fn compile(error: wasmtime::Error) -> Self {
        let text = bounded(format!("{error:#}"));
        // The pool's words for it; nothing but its text tells it apart.
        if text.contains("transitively contains") { Self::Parts(text) } else { Self::Compile(text) }
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
        /// `fuel`, `memory`, `output`, `held-back`.
        limit: &'static str,
        /// Number and remedy.
        detail: String,
    },
    /// It took longer than it may: a busy machine, maybe, so not the guest's fault.
    #[error(
        "the guest was stopped in {function} after {seconds} s at work (`timeout_seconds` in the item's limits, PLUGIN_TIMEOUT)"
    )]
    Timeout {
        /// Function of the contract.
        function: &'static str,
        /// The limit.
        seconds: u64,
    },
    /// It called something that no guest is given.
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
    /// What the guest returned breaks the contract.
    #[error("the guest broke the contract in {function}: {what}")]
    Contract {
        /// Function of the contract.
        function: &'static str,
        /// What is wrong.
        what: String,
    },
}

impl GuestError {
    /// How it ended, which decides what is done about it.
    pub fn kind(&self) -> GuestErrorKind {
        match self {
            Self::Rejected { .. } => GuestErrorKind::Rejected,
            Self::Internal { .. } => GuestErrorKind::Internal,
            Self::Trap { .. } => GuestErrorKind::Trap,
            Self::Limit { limit, .. } => match *limit {
                "fuel" => GuestErrorKind::Fuel,
                "memory" => GuestErrorKind::Memory,
                "held-back" => GuestErrorKind::HeldBack,
                _ => GuestErrorKind::Output,
            },
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

    /// What it is to whoever sees errors. `with_words`: they may see the guest's own words,
    /// which may quote a line or a setting; else the error itself, which has them, is not kept.
    pub fn into_failure(self, with_words: bool) -> Failure {
        let kind = self.kind();
        let failure = if with_words { Failure::of(kind, self) } else { Failure::new(kind, self.without_words()) };
        failure.with_fault(Fault::Component)
    }

    /// The error without the guest's own words, which may quote a line or a setting.
    pub fn without_words(&self) -> String {
        match self {
            Self::Rejected { function, .. } => format!("the guest rejected the object in {function}"),
            Self::Internal { function, .. } => format!("the guest failed in {function}, as it said itself"),
            error => error.to_string(),
        }
    }

    /// Whether it is the component that failed: then `on_error` decides. What was
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
            limit("fuel"),
            limit("memory"),
            limit("held-back"),
            limit("output"),
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
        let limit = GuestError::Limit { function, limit: "fuel", detail: "7 units".to_owned() };
        assert_eq!(limit.without_words(), limit.to_string());
    }
}
