//! The memory of the whole process, claimed by whoever needs it before it is used.
//!
//! - `delivery`: what one delivery of one object has claimed, and its instances' grants.
//! - `budget`: what all claim from: levels, reserves, fairness between tenants.
//! - `sizes`: what things need, by measured numbers.

mod budget;
mod delivery;
mod sizes;

pub use budget::{BudgetUse, Claim, Level, MemoryBudget};
pub use delivery::{DeliveryMemory, InstanceMemory, NoMemory, Owner};
pub(crate) use sizes::SHORT_BYTES;
pub use sizes::{
    Demand, Needs, default_component_bytes, default_line_bytes, default_loaded_bytes, default_output_bytes,
    default_output_events,
};
