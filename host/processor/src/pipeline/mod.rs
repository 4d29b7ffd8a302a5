//! One object through all stages, for one delivery of its tenant.
//!
//! On a blocking thread: read, gunzip, split into lines, run the guests, gather
//! events. On tokio: put batches and dead letters, in that order. A bounded
//! channel joins the two, so a slow destination holds the reader back, and
//! memory stays flat. The ledger sees both sides.
//!
//! From the top down; each file imports only files that stand below it:
//!
//! - `deliver`: the whole of a delivery: both sides, and what came of them.
//! - `put`: the other side: puts, of which a few overlap, and checkpoints.
//! - `read`: the blocking side's loop.
//! - `shadow`: a component beside the active one, whose output is only compared.
//! - `chain`: the stages of an object: `rewrite`, then `transform`, or one of them, with
//!   each line accounted for.
//! - `feed`: lines to a guest; `poison_search`: the search for those that it fails on;
//!   `stage`: single calls.
//! - `guests`: the guests of a delivery: their `instances`; `recovery`: who goes on when one
//!   fails; `usage`: what they used and did.
//! - `search_budget`: how long a search may go on.
//! - `outbox`: from the blocking side to the other: windows, dead letters.
//! - `dead_letter_budget`: what bounds the dead letters of an object.
//! - `tap`: what each line became, for the comparison with a shadow.
//! - `delivered`: what came of a delivery.
//! - `notes`: what guests say about lines that led to no output.
//! - `ledger`: what became of each line; `open_lines`: lines that are not settled yet.
//! - `key_parser`: what components make of an object's key.
//! - `plan`: which component does what; `slots`: how many are at work at once.
//! - The leaves: `job`, `halt`, and `component_run`: what components did.

mod chain;
mod component_run;
mod dead_letter_budget;
mod deliver;
mod delivered;
mod feed;
mod guests;
mod halt;
mod instances;
mod job;
mod key_parser;
mod ledger;
mod notes;
mod open_lines;
mod outbox;
mod plan;
mod poison_search;
mod put;
mod read;
mod recovery;
mod rewrite;
mod search_budget;
mod shadow;
mod slots;
mod stage;
mod tap;
mod transform;
mod usage;

pub use component_run::{ComponentRun, Difference, ShadowRun};
pub use deliver::{deliver_events, deliver_object};
pub use delivered::{Delivered, End};
pub use guests::{Asked, Guests, blocking};
pub use job::Job;
pub use key_parser::parse_key;
pub use ledger::Lines;
pub use plan::{LoadedPlugin, Plan};
pub use shadow::compare_copy;
pub use slots::GuestSlots;

pub use model::{Stop, StopScope};
