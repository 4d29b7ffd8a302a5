//! The room of the guests: WebAssembly components that read keys, choose
//! objects, and turn lines into events. The only place that knows wasmtime.
//!
//! - `engine`: how components are compiled and run; the embedded default guest.
//! - `component`: a loaded component: what it exports, what it may import.
//! - `instance`: one component at work for one delivery of one object.
//! - `state`, `held`: what an instance uses: memory, log; lines held back.
//! - `v0_1_0`: the types of contract 0.1.0, as `wit/0.1.0/plugin.wit` has them.
//! - `checked`: what a guest returned, believed only after it was checked.
//! - `limits`: what a guest may use.

mod checked;
mod component;
mod engine;
mod held;
mod instance;
mod limits;
mod state;
mod v0_1_0;

pub use checked::{Note, Rewritten, Transformed, Verdict};
pub use component::{Component, Exports, LoadError, read_component};
pub use engine::{Engine, EngineError, Precompiled};
pub use instance::{Context, Instance};
pub use limits::Limits;
pub use state::{GuestLog, LogLine};
pub use v0_1_0::Level;

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
            Self::Host { .. } => "host",
        }
    }
}

/// Cuts a guest's text to [`MAX_TEXT`] bytes at a character's boundary.
fn bounded(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        let end = (0..=MAX_TEXT).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
        text.truncate(end);
        text.push('…');
    }
    text
}
