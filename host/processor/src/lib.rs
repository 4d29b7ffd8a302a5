//! The log processor: see ARCHITECTURE.md for the way of an object through it.

pub mod aws;
pub mod cli;
pub mod delivery;
pub mod delivery_run;
pub mod intake;
pub mod memory;
pub mod notification;
pub mod object;
pub mod pipeline;
pub mod plugin;
pub mod report;
pub mod settings;
pub mod telemetry;
pub mod tenant;

#[cfg(test)]
mod testing;
