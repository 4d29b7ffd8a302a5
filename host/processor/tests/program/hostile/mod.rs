//! Hostile components, each beside a healthy tenant (and other hostile ones): what the operator sees of the
//! one, and that the other's delivery is complete and waits for nobody. The built binary
//! against `fake-aws`, in sqs mode.

mod beside;
pub(crate) mod guest;

mod bombs;
mod imports;
mod keys;
mod lies;
mod loops;
mod memory;
mod no_components;
mod on_error;
mod output;
mod parts;
mod shadow;
mod sources;
mod state;
mod suspended;
