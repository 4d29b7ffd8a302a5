//! One object through all stages, for one delivery of its tenant.
//!
//! On a blocking thread: read, gunzip, split into lines, run the guests, gather
//! events. On tokio: put batches and dead letters, in that order. A bounded
//! channel joins the two, so a slow destination holds the reader back, and
//! memory stays flat. The ledger sees both sides.
//!
//! - `plan`: which component does what; `guests`: their instances at work.
//! - `account`: what components did.
//! - `read`: the blocking side's loop.
//! - `rewrite`, `transform`: lines through a guest, each accounted for.
//! - `quarantine`: the search for lines that a component fails on.
//! - `open`: lines that are not settled yet.
//! - `outbox`: from the blocking side to the other: windows, dead letters.
//! - `letters`: what bounds the dead letters of an object.
//! - `put`: the other side: puts, of which a few overlap, and checkpoints.
//! - `deliver`: the whole of a delivery.
//! - `shadow`: a component beside the active one, whose output is only compared.
//! - `slots`: how many guests are at work at once.
//! - `ledger`: what became of each line.

mod account;
mod deliver;
mod guests;
mod ledger;
mod letters;
mod open;
mod outbox;
mod plan;
mod put;
mod quarantine;
mod read;
mod rewrite;
mod shadow;
mod slots;
mod transform;

use std::sync::Arc;
use std::time::Duration;

use crate::object::ReadLimits;
use model::{Delivery, Failure, ObjectId, Origin, Reason, TimestampNumbers};
use sandbox::{GuestError, GuestLog};

pub use account::{ComponentRun, Difference, ShadowRun};
pub use deliver::{deliver_events, deliver_object};
pub use guests::{Guests, blocking};
pub use ledger::Lines;
pub use plan::{Asked, Plan, TenantGuest, parse_key};
pub use shadow::compare_copy;
pub use slots::GuestSlots;

pub use model::{Stop, StopScope};

/// One object, for one delivery of its tenant.
#[derive(Debug, Clone)]
pub struct Job {
    /// The object.
    pub object: Arc<ObjectId>,
    /// From its key.
    pub origin: Arc<Origin>,
    /// Where it goes.
    pub delivery: Arc<Delivery>,
    /// The guests' clock, in milliseconds since the Unix epoch: the same at each attempt.
    pub now: i64,
    /// LastModified, in milliseconds since the Unix epoch.
    pub last_modified: i64,
    /// How the default guest reads numbers as times.
    pub timestamp_numbers: TimestampNumbers,
    /// Bytes of the object where it is stored: they bound its dead letters.
    pub stored_bytes: u64,
    /// Events, in guest order, that an earlier attempt settled.
    pub resume_from: u64,
    /// What bounds the reading.
    pub limits: ReadLimits,
    /// Bytes of events that gather before they are put, at most, counted as
    /// CloudWatch Logs does. Larger: fewer puts where the events are in no order.
    pub window_bytes: usize,
    /// Events a put.
    pub max_batch_events: usize,
    /// Against what ages are judged; none: the destination does it.
    pub age_at: Option<i64>,
    /// Differences of a shadow are shown as they are, not as hashes.
    pub shadow_contents: bool,
    /// Whoever sees errors may see the guest's own words in them, which may quote a line.
    pub guest_words: bool,
}

/// How a delivery of an object ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// Every line has its outcome.
    Complete,
    /// Every line has its outcome, but the object, or the rest of it, could
    /// not be taken as a whole.
    Rejected(Reason),
    /// To be tried again.
    Failed(Failure),
    /// Stopped before its end, by request.
    Interrupted,
}

/// What came of a delivery of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// How it ended.
    pub end: End,
    /// Its lines.
    pub lines: Lines,
    /// Events that were put.
    pub events: u64,
    /// Puts.
    pub batches: u64,
    /// Bytes of the messages that were put, or of the object that was written.
    pub bytes: u64,
    /// Bytes of the object, decompressed, that were read.
    pub read_bytes: u64,
    /// Time in its guests.
    pub guest_time: Duration,
    /// What its guests logged.
    pub guest_log: GuestLog,
    /// What the tenant's component did, where there is one.
    pub component: Option<ComponentRun>,
    /// How its shadow differs, where there is one and every line has its outcome.
    pub shadow: Option<ShadowRun>,
    /// What is odd about the object.
    pub warnings: Vec<String>,
    /// A put may have been taken that is not counted: no answer came, or nobody
    /// waited for it.
    pub effect_unknown: bool,
}

impl Delivered {
    /// What ended so without a line read.
    pub fn unread(end: End) -> Self {
        Self {
            end,
            lines: Lines::default(),
            events: 0,
            batches: 0,
            bytes: 0,
            read_bytes: 0,
            guest_time: Duration::ZERO,
            guest_log: GuestLog::default(),
            component: None,
            shadow: None,
            warnings: Vec::new(),
            effect_unknown: false,
        }
    }

    /// What failed without a line read.
    pub fn failed(failure: Failure) -> Self {
        Self::unread(End::Failed(failure))
    }
}

/// Why the blocking side stopped before the object's end.
#[derive(Debug)]
enum Halt {
    Guest(GuestError),
    /// It failed too often to look for the lines that it fails on.
    GaveUp(Failure),
    Read(std::io::Error),
    /// The other side is gone; it says why.
    Closed,
    Stopped,
    Write(std::io::Error),
}

impl From<GuestError> for Halt {
    fn from(error: GuestError) -> Self {
        Self::Guest(error)
    }
}
