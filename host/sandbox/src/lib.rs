//! The sandbox: compiles and runs WebAssembly components that read keys, choose
//! objects, and turn lines into events. The only package that knows wasmtime.
//!
//! From the top down; each file imports only files that stand below it:
//!
//! - `load`: from bytes to a component; `inspect`: what a component names.
//! - `check`: what only an instance shows of a component; `sealed`: machine code outside
//!   of this process, and who vouches for it.
//! - `instance`: one component at work for one delivery of one object.
//! - `checked`: what a guest returned, believed only after it was checked;
//!   `pending_input`: lines that a guest has not settled.
//! - `contract`: the contract's functions, in the versions that `wit/` has.
//! - `running`: an instance's code while it runs.
//! - `component`: a loaded component, and what it may import; `exports`: what it exports.
//! - `precheck`: what a component's bytes would become, before wasmtime sees them.
//! - `wasi`: WASI of an empty world, for languages whose runtime wants one.
//! - `host_functions`: how functions for guests are defined, and paid for.
//! - `store`: what the host knows of an instance: its memory, log, world.
//! - `world`: what WASI's functions see: the object's time, output that is the log.
//! - `engine`: how components are compiled and run; `built_ins`: fuel for the handles that
//!   they make.
//! - The leaves: `log`, `surroundings`, `randomness`, `limits`, `output`, `context`, `error`,
//!   `version`, `untyped`, `text`.

mod built_ins;
mod check;
mod checked;
mod component;
mod context;
mod contract;
mod engine;
mod error;
mod exports;
mod host_functions;
mod inspect;
mod instance;
#[cfg(test)]
mod languages_tests;
mod limits;
mod load;
mod log;
#[cfg(test)]
mod memories_tests;
mod output;
mod pending_input;
mod precheck;
mod randomness;
mod running;
mod sealed;
mod store;
mod surroundings;
#[cfg(test)]
mod testing;
mod text;
mod untyped;
mod version;
mod wasi;
mod world;

pub use check::CheckError;
pub use component::Component;
pub use context::Context;
pub use engine::{Engine, EngineError};
pub use error::{CostlyCode, GuestError, GuestLimit, LoadError};
pub use exports::Exports;
pub use inspect::{ComponentNames, Provider};
pub use instance::Instance;
pub use limits::most_memory;
pub use load::{Precompiled, read_component};
pub use log::{GuestLog, Level, LogLine};
pub use output::{Note, Rewritten, Transformed, Verdict};
pub use running::Used;
pub use sealed::{Seal, SealError};
pub use surroundings::{MemoryGrant, Surroundings};
pub use version::Version;
