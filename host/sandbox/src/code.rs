//! The code of a component, wherever it runs: in this process, or in a worker. What crosses
//! to it and back.

use std::sync::Arc;

use model::{Limits, Origin};
use serde::{Deserialize, Serialize};

use crate::check::CheckError;
use crate::context::ContextData;
use crate::error::{GuestError, LoadError};
use crate::exports::Exports;
use crate::log::GuestLog;
use crate::output::{RawRewritten, RawTransformed};
use crate::running::Used;
use crate::surroundings::Surroundings;

/// The machine code of one component, and who runs it.
pub trait Code: Send + Sync {
    /// Starts a fresh instance within `limits`.
    ///
    /// # Errors
    /// The component's own start fails, or the host has no room for it.
    fn start(&self, limits: &Arc<Limits>, around: &Surroundings) -> Result<Box<dyn GuestCalls>, GuestError>;

    /// Checks with an instance that the component starts, that its functions are of the
    /// contract's types, and that it accepts its settings.
    ///
    /// # Errors
    /// What is wrong with the component, or why it can't be run now.
    fn check(&self, limits: &Arc<Limits>, settings: &[(String, String)]) -> Result<(), CheckError>;

    /// Returns the machine code as [`Engine::precompile`](crate::Engine::precompile) makes it.
    ///
    /// # Errors
    /// The code can't be serialized.
    fn serialize(&self) -> Result<Vec<u8>, LoadError>;

    /// Bytes of memory that the machine code takes.
    fn bytes(&self) -> usize;

    /// Whether instances run in processes of their own, so that the system's scheduler
    /// decides whose turn it is.
    fn runs_apart(&self) -> bool;
}

/// An instance whose functions can be called. After an error it must be dropped. Nothing that it
/// answers has been checked.
pub trait GuestCalls: Send {
    /// Calls a function of the contract.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong, or can't be run now.
    fn call(&mut self, call: GuestCall<'_>, budget: CallBudget) -> Result<GuestAnswer, GuestError>;

    /// Fuel that the last call left.
    fn fuel_left(&self) -> u64;

    /// Usage so far.
    fn used(&self) -> Used;

    /// Takes what was logged since the last time.
    fn take_log(&mut self) -> GuestLog;
}

/// The most that one call may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallBudget {
    /// Fuel.
    pub fuel: u64,
    /// Bytes of input that the answer may be about: they bound its size.
    pub input_bytes: usize,
}

/// A stage that a component can be of an object's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// `record-rewrite`: lines to lines.
    Rewrite,
    /// `record-transform`: lines to events.
    Transform,
}

/// A call of a function of the contract.
#[derive(Debug, Clone, Copy)]
pub enum GuestCall<'a> {
    /// `key-parser.parse-key`, with the object's key.
    ParseKey(&'a str),
    /// `log-filter.wants`.
    Wants(&'a ContextData),
    /// `settings-check.check`.
    CheckSettings(&'a [(String, String)]),
    /// `begin` of a stage.
    Begin(Stage, &'a ContextData),
    /// `rewrite` or `transform`: whole lines, and the number of the first.
    Lines {
        /// The stage.
        stage: Stage,
        /// Number of the first line.
        first_line: u64,
        /// The lines, each ended by a newline.
        lines: &'a [u8],
    },
    /// `end` of a stage.
    End(Stage),
}

impl GuestCall<'_> {
    /// The function's name in the contract, for errors.
    pub fn function(&self) -> &'static str {
        match self {
            Self::ParseKey(_) => "parse-key",
            Self::Wants(_) => "wants",
            Self::CheckSettings(_) => "check",
            Self::Begin(..) => "begin",
            Self::Lines { stage: Stage::Rewrite, .. } => "rewrite",
            Self::Lines { stage: Stage::Transform, .. } => "transform",
            Self::End(_) => "end",
        }
    }
}

/// The answer to a call, as the guest gave it.
#[derive(Debug)]
pub enum GuestAnswer {
    /// Of `parse-key`.
    Origin(Origin),
    /// Of `wants`.
    Wanted(bool),
    /// Of `check`: what is wrong with the settings, if anything.
    Settings(Result<(), String>),
    /// Of `begin`.
    Begun,
    /// Of `rewrite`, and of its `end`.
    Rewritten(RawRewritten),
    /// Of `transform`, and of its `end`.
    Transformed(RawTransformed),
}

/// What is known of a component without running it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComponentInfo {
    /// Interfaces of the contract that the component exports.
    pub exports: Exports,
    /// Names of what it imports.
    pub imports: Vec<String>,
    /// Bytes that its machine code takes in memory.
    pub code_bytes: usize,
}

