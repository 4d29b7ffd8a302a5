//! The modes that work on AWS, against `fake-aws` with AWS's latencies. Each part
//! is measured in a process of its own, which is AWS to the processors that it
//! starts; both share the machine's cores, and nothing is subtracted for that.
//!
//! - `world`: that AWS, and the objects that are in it.
//! - `queue`: sqs mode, a queue worked off.
//! - `lambda`: batches through the runtime API, and the start.
//! - `manual`: large objects.
//! - `goals`: what is wanted of each figure, and the table.

mod goals;
mod lambda;
mod manual;
mod queue;
mod world;

use anyhow::Result;

use crate::Arguments;

pub(crate) use goals::tables;
pub(crate) use world::World;

/// What is measured together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Queue,
    Lambda,
    Manual,
    Start,
}

impl Part {
    pub(crate) const ALL: [Self; 4] = [Self::Queue, Self::Lambda, Self::Manual, Self::Start];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Queue => "aws-queue",
            Self::Lambda => "aws-lambda",
            Self::Manual => "aws-manual",
            Self::Start => "aws-start",
        }
    }

    pub(crate) fn called(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.name() == name)
    }
}

/// Folders of the corpora below `--folder`, and what is in them.
pub(crate) const SMALL: &str = "aws-small";
pub(crate) const LARGE: &str = "aws-large";
/// Decompressed bytes of a small object, and the tenants that they are from.
pub(crate) const SMALL_BYTES: u64 = 200_000;
pub(crate) const TENANTS: u64 = 20;
/// Large objects, each of a pod of its own, and the tenants that they are from: so
/// few of each that all are worked on at once.
pub(crate) const LARGE_OBJECTS: u64 = 8;
pub(crate) const LARGE_TENANTS: u64 = 4;

/// Measures a part in this process: prints a name and a number a line.
pub(crate) fn print(part: Part, arguments: &Arguments) -> Result<()> {
    let reading = match part {
        Part::Queue => queue::measure(arguments),
        Part::Lambda => lambda::batches(arguments),
        Part::Manual => manual::measure(arguments),
        Part::Start => lambda::starts(arguments),
    }?;
    crate::reading::print(reading)
}
