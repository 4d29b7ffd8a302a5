//! The room of the destinations: what AWS takes, and where it goes.
//!
//! - `limits`: AWS's numbers.
//! - `batch`: events in guest order to batches that CloudWatch Logs takes.
//! - `event_sink`: what a destination must be able to do; `settled`: how far a delivery is.
//! - `cloudwatch`: log streams.
//! - `s3`: objects in a tenant's bucket.
//! - `dead_letter`: what can never be delivered, kept.
//! - `local`: destinations in a folder.
//! - `json`: text as JSON, fast.

pub mod batch;
pub mod cloudwatch;
pub mod dead_letter;
pub mod event_sink;
mod json;
pub mod limits;
pub mod local;
pub mod s3;
mod settled;
#[cfg(test)]
mod testing;

pub use settled::Settled;
