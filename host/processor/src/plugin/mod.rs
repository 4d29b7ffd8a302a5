//! Plugins: from what an item names to what runs. Components are fetched, checked, compiled,
//! kept, and put together for each delivery.
//!
//! - `plans`: which components a delivery runs with, `planned`; `keys`: who reads an object's key.
//! - `suspension`: components that keep failing.
//! - `loader`: one component: found, checked, kept in memory; `failure`: why it can't be.
//! - `resolve`: where it is found: disk, the operator's bucket, its source.
//! - `fetch`: bytes of a component: S3, OCI registries, files.
//! - `blocking`: work off the tasks' threads.
//! - `cache`: on disk; `published`: compiled, in the operator's bucket.

mod blocking;
mod cache;
mod failure;
mod fetch;
mod keys;
mod loader;
mod planned;
mod plans;
mod published;
mod resolve;
mod suspension;
#[cfg(test)]
mod testing;

pub use cache::{CacheOptions, default_folder};
pub use fetch::Sources;
pub use keys::KeyError;
pub use loader::{Loader, LoaderOptions, LoaderStats};
pub use planned::Planned;
pub use plans::{PlanError, Plans, PlansParts};
pub use published::CompiledBucket;
