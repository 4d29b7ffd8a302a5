//! The room of the destinations: what AWS takes, and where it goes.
//!
//! - `limits`: AWS's numbers.
//! - `batch`: events in guest order to batches that CloudWatch Logs takes.
//! - `port`: what a destination must be able to do.
//! - `local`: destinations in a folder.

pub mod batch;
pub mod limits;
pub mod local;
pub mod port;
