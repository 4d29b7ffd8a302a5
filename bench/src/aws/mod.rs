//! The modes that work on AWS, against `fake-aws` with AWS's latencies. Each part
//! is measured in a process of its own, which is AWS to the processors that it
//! starts; both share the machine's cores, and nothing is subtracted for that.
//!
//! - `world`: that AWS, and the objects that are in it; `corpora`: their numbers.
//! - `part`: what is measured together.
//! - `queue`: sqs mode, a queue worked off.
//! - `lambda`: batches through the runtime API, and the start.
//! - `manual`: large objects.
//! - `goals`: what is wanted of each figure, and the table.

mod corpora;
mod goals;
mod lambda;
mod manual;
mod part;
mod queue;
mod world;

use anyhow::Result;

use crate::arguments::Arguments;

pub(crate) use corpora::{LARGE, LARGE_OBJECTS, LARGE_TENANTS, SMALL, SMALL_BYTES, TENANTS};
pub(crate) use goals::tables;
pub(crate) use part::Part;
pub(crate) use world::World;

/// Measures a part in this process; prints a name and a number per line.
pub(crate) fn print(part: Part, arguments: &Arguments) -> Result<()> {
    let reading = match part {
        Part::Queue => queue::measure(arguments),
        Part::Lambda => lambda::batches(arguments),
        Part::Manual => manual::measure(arguments),
        Part::Start => lambda::starts(arguments),
    }?;
    crate::reading::print(reading)
}
