//! What came of a delivery of an object.

use std::time::Duration;

use super::component_run::{ComponentRun, ShadowRun};
use super::ledger::Lines;
use model::{Failure, Reason};
use sandbox::GuestLog;

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
