//! Who gets which logs: the directory of tenants and their deliveries.

use std::sync::Arc;

use crate::model::Delivery;

mod check;
mod file;
mod item;
mod problem;
mod tree;

pub use file::{FileDirectory, TenantFileError};
pub use problem::Problem;
pub use tree::Position;

/// What the directory knows about a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// Its enabled deliveries, at least one, `cloudwatch` before `s3`.
    Deliveries(Vec<Arc<Delivery>>),
    /// Nothing: no item names it.
    Unknown,
    /// Items, but none of them is enabled.
    NoneEnabled,
}
