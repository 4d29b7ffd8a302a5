//! The sandbox: compiles and runs WebAssembly components that read keys, choose
//! objects, and turn lines into events. The only package that knows wasmtime.
//!
//! - `engine`: how components are compiled and run; the embedded default guest.
//! - `compiled`: machine code outside of this process, and who vouches for it.
//! - `component`: a loaded component, and what it may import; `exports`: what it
//!   exports.
//! - `instance`: one component at work for one delivery of one object; `running`:
//!   its code while it runs.
//! - `state`, `held`, `log`: what an instance uses: memory, log; lines held back.
//! - `wasi`: an empty WASI, for languages whose runtime wants one.
//! - `contract`: the contract's versions, as `wit/` has them.
//! - `checked`: what a guest returned, believed only after it was checked.
//! - `spread`: how much a component is once it is written out; `toil`: how much work
//!   its functions are for the compiler.
//! - `names`: what a component names, whether or not it is taken.
//! - `limits`: what a guest may use.

mod checked;
mod compiled;
mod component;
mod contract;
mod engine;
mod exports;
mod held;
mod instance;
mod limits;
mod log;
mod names;
mod running;
mod spread;
mod state;
#[cfg(test)]
mod testing;
mod toil;
mod wasi;

pub use checked::{Note, Rewritten, Transformed, Verdict};
pub use compiled::{Seal, SealError, Unfit};
pub use component::{Component, LoadError, read_component};
pub use contract::{Context, Level, Version};
pub use engine::{Engine, EngineError, Precompiled};
pub use exports::Exports;
pub use instance::Instance;
pub use log::{GuestLog, LogLine};
pub use names::{Given, Names};
pub use running::{Surroundings, Used};

/// Longest text of a guest that is kept in an error or a note, in bytes.
const MAX_TEXT: usize = 512;

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
    /// A bounded name for reports and metrics.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rejected { .. } => "guest-rejected",
            Self::Internal { .. } => "guest-internal",
            Self::Trap { .. } => "guest-trap",
            Self::Limit { limit, .. } => match *limit {
                "fuel" => "guest-fuel",
                "memory" => "guest-memory",
                "held-back" => "guest-held-back",
                _ => "guest-output",
            },
            Self::Contract { .. } => "guest-contract",
            Self::Forbidden { .. } => "guest-forbidden",
            Self::Timeout { .. } => "guest-timeout",
            Self::Host { .. } => "host",
        }
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
        match self {
            Self::Internal { .. }
            | Self::Trap { .. }
            | Self::Limit { .. }
            | Self::Contract { .. }
            | Self::Forbidden { .. } => true,
            Self::Rejected { .. } | Self::Timeout { .. } | Self::Host { .. } => false,
        }
    }
}

/// A guest's text as it can stand in an error: bounded, and in one line, without what
/// moves a terminal's cursor.
fn bounded(text: String) -> String {
    cut(text).replace(char::is_control, " ")
}

/// Cuts a guest's text to [`MAX_TEXT`] bytes at a character's boundary.
fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_guest_s_text_is_one_line_of_bounded_length() {
        assert_eq!(bounded("a\nlevel=ERROR \u{1b}[2J\u{9b}b €".to_owned()), "a level=ERROR  [2J b €");
        let long = bounded("€".repeat(1_000));
        assert!(long.len() <= MAX_TEXT + "…".len() && long.ends_with("€…"), "{long}");
    }

    #[test]
    fn without_words_nothing_of_the_guest_s_own_is_said() {
        let (function, text) = ("begin", "hunter2".to_owned());
        for error in [GuestError::Rejected { function, text: text.clone() }, GuestError::Internal { function, text }] {
            let words = error.without_words();
            assert!(words.contains("in begin") && !words.contains("hunter2"), "{words}");
        }
        let limit = GuestError::Limit { function, limit: "fuel", detail: "7 units".to_owned() };
        assert_eq!(limit.without_words(), limit.to_string());
    }
}
