//! The delivery run: the steps from an announced object to what came of its deliveries,
//! the same wherever objects come from.
//!
//! - `route`: whose an object is, and which deliveries it has.
//! - `run`: one delivery of it: plan, filter, destination. `source`: what it reads;
//!   `destination`: its last step; `sink`: what the pipeline writes to.
//! - `port`: what a run needs of its surroundings. A folder (`intake/local`) and AWS
//!   (`intake/message`) implement it, and `in_memory` for tests.
//!
//! Which deliveries may begin, and when one is tried again, is not decided here: a run
//! returns what came of it, and how far it is settled.

mod destination;
#[cfg(test)]
pub(crate) mod in_memory;
mod port;
mod route;
mod run;
mod sink;
mod source;

pub use port::{Copied, DeliveryPort, ObjectTime, Opened, Progress, Upload, WhenChanged};
pub use route::{Directory, Route, Routing, invalid_entry};
pub use run::{CHUNK_BYTES, DeliveryRun, JobSettings, Ran, Reached, Subject};

#[cfg(test)]
mod destination_tests;
#[cfg(test)]
mod route_tests;
#[cfg(test)]
mod run_tests;
#[cfg(test)]
mod testing;
