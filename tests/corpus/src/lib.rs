//! Writes folders of cluster logs as they lie in a source bucket:
//! `DIR/objects/<bucket>/<cluster>/<namespace>/<application>/<pod>/<file>.json.gz`, gzip with
//! one JSON record per line, and the tenants' file beside them.
//!
//! Everything is a function of a seed: the same seed gives the same bytes and
//! the same modification times on every machine, so that tests can compare.
//! What was written is returned as a [`Manifest`].

mod bomb;
mod bulk;
mod demo;
mod manifest;
mod message;
mod object;
mod random;
pub mod record;
mod time;

pub use bomb::bomb;
pub use bulk::{BulkOptions, bulk, one_object};
pub use demo::demo;
pub use manifest::{Counts, Manifest, Object};
pub use random::Random;
pub use time::Instant;
