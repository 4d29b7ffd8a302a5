//! The directory of tenants and their deliveries.
//!
//! - `file`, `dynamodb`: the directory as a file, and as the table, cached.
//! - `tenant_record`: what a tenant's items of the table say; `listing`: those of all tenants.
//! - `item`: the fields of an item, the same for both; `rules`: what AWS allows in them;
//!   `field_type`: their types; `coercion`: what tools write to DynamoDB in another type.
//! - `plugin`: the components that an item, or the operator, names.
//! - `tree`, `json`: an item before it is read; `problem`: what is noted meanwhile.

use std::sync::Arc;

use model::Delivery;

mod coercion;
mod dynamodb;
mod field_type;
mod file;
mod item;
mod json;
mod listing;
pub(crate) mod plugin;
mod problem;
pub(crate) mod rules;
mod tenant_record;
mod tree;

pub use coercion::intended_type;
pub use dynamodb::TableDirectory;
pub use file::{FileDirectory, TenantFileError};
pub use listing::of_table;
pub use plugin::PluginRules;
pub use problem::ItemProblem;
pub use tenant_record::{InvalidDelivery, TenantRecord};
pub use tree::Position;

/// A tenant's deliveries, or why there are none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    /// The enabled deliveries, at least one, `cloudwatch` before `s3`.
    Deliveries(Vec<Arc<Delivery>>),
    /// No item names the tenant.
    Unknown,
    /// None of the tenant's items is enabled.
    NoneEnabled,
}
