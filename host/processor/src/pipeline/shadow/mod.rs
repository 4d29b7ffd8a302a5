//! A component beside the active one: it is given the same records, and what it
//! makes of them is compared, line by line, with what is delivered. Nothing of
//! it is delivered, and whatever it does is no trouble of the delivery's. A
//! key-parser is not asked: both are told the origin that the active one made.
//!
//! - `compare`: both sides, line by line, counted.
//! - `copy`: beside an object that is copied as it is.
//!
//! The two sides settle lines at different times. What both have settled is
//! compared and forgotten: what is kept is bounded by what is held back.

mod compare;
mod compare_copy;

use std::io;

pub use compare_copy::compare_copy;

use self::compare::{UncountedLines, count};
use super::chain::StageChain;
use super::component_run::ShadowRun;
use super::guests::Guests;
use super::halt::Halt;
use super::job::Job;
use super::outbox::{Outbox, SharedLedger};
use super::plan::{LoadedPlugin, OutputKind, Plan};
use super::stage::StageContext;
use super::tap::Tap;
use crate::object::Piece;
use model::{GuestErrorKind, OnError};
use sandbox::GuestError;

/// Lines, on one side, that wait until the other has settled them, at most: more
/// than a chunk has, and than usual lines within PLUGIN_MAX_HELD_BYTES.
const MAX_WAITING: usize = 1 << 18;

/// How it is with the shadow.
enum ShadowState {
    /// Its turn has not come yet.
    New,
    Guests(Box<StageChain<io::Sink>>),
    /// It would copy the object as it is.
    Copy,
    /// It has said all that it will.
    Done,
    /// It can't be asked any more.
    Failed,
}

/// A shadow at work.
pub(super) struct Shadow {
    plan: Plan,
    job: Job,
    output: OutputKind,
    state: ShadowState,
    /// What it made of lines; while its guests work, their outbox has it.
    tap: Tap,
    /// What it made of the lines before this one is known for good.
    settled_to: u64,
    /// The line after the last that was read.
    read_to: u64,
    /// Lines that are not counted yet.
    records: UncountedLines,
    run: ShadowRun,
}

impl Shadow {
    /// The shadow of a plan, where there is one.
    pub(super) fn of(plan: &Plan, job: &Job, output: OutputKind) -> Option<Self> {
        // Nobody but the shadow is to see its failures.
        let guest = LoadedPlugin { on_error: OnError::Retry, ..plan.shadow.clone()? };
        let run = ShadowRun { digest: guest.component.digest().to_owned(), ..ShadowRun::default() };
        Some(Self {
            plan: Plan { tenant: Some(guest), shadow: None, ..plan.clone() },
            job: Job { memory: job.memory.for_shadow(), ..job.clone() },
            output,
            state: ShadowState::New,
            tap: Tap::new(job),
            settled_to: 0,
            read_to: 0,
            records: UncountedLines::default(),
            run,
        })
    }

    /// Takes note of what the active guests are given; returns what the shadow
    /// will be given.
    pub(super) fn observe(&mut self, piece: &Piece) -> Option<Piece> {
        self.read_to = self.records.observe(piece);
        matches!(self.state, ShadowState::New | ShadowState::Guests(_) | ShadowState::Copy).then(|| piece.clone())
    }

    /// Does its part, after the active guests have done theirs. `open`: the first
    /// line that these hold back.
    pub(super) fn piece(&mut self, piece: Option<Piece>, active: &mut Option<Tap>, open: Option<u64>) {
        self.start();
        match (&mut self.state, piece) {
            (ShadowState::Guests(chain), Some(Piece::Chunk(chunk))) => {
                let result = chain.chunk(chunk).map(drop);
                self.handle_result(result);
            }
            (ShadowState::Copy, Some(piece)) => compare_copy::note_copied(&mut self.tap, &piece),
            _ => {}
        }
        match &self.state {
            ShadowState::Guests(chain) => self.settled_to = chain.first_open().unwrap_or(self.read_to),
            ShadowState::Copy => self.settled_to = self.read_to,
            ShadowState::New | ShadowState::Done | ShadowState::Failed => {}
        }
        self.settle(active, open.unwrap_or(self.read_to));
    }

    /// After the last line, all of which the active guests have settled.
    pub(super) fn end(&mut self, active: &mut Option<Tap>) {
        self.start();
        if let ShadowState::Guests(chain) = &mut self.state {
            let result = chain.end();
            self.handle_result(result);
        }
        if !matches!(self.state, ShadowState::Failed) {
            self.close(ShadowState::Done);
            self.settled_to = u64::MAX;
        }
        self.settle(active, u64::MAX);
    }

    /// What came of it.
    pub(super) fn into_run(self) -> ShadowRun {
        self.run
    }

    /// As late as can be: the active guests don't wait for it.
    fn start(&mut self) {
        if !matches!(self.state, ShadowState::New) {
            return;
        }
        let begun = Guests::start(&self.plan, &self.job).map_err(Halt::from).and_then(|guests| {
            let mut chain = self.chain(guests);
            let wanted = chain.context.guests.wants();
            self.state = ShadowState::Guests(Box::new(chain));
            Ok(wanted?)
        });
        match (begun, &mut self.state) {
            (Ok(false), _) => {
                self.run.unwanted = true;
                self.done();
            }
            (Ok(true), ShadowState::Guests(chain))
                if self.output == OutputKind::Events || chain.context.guests.rewrites() =>
            {
                let result = chain.begin(&self.job);
                self.handle_result(result);
            }
            (Ok(true), _) => self.close(ShadowState::Copy),
            (Err(halt), _) => self.handle_result(Err(halt)),
        }
    }

    fn chain(&self, guests: Guests) -> StageChain<io::Sink> {
        let stages = match self.output {
            OutputKind::Events => StageChain::event_stages(&guests, &self.job),
            OutputKind::Lines => StageChain::line_stages(io::sink(), &self.job),
        };
        let outbox = Outbox::unsent(self.job.clone(), Tap::new(&self.job));
        let context = StageContext { guests, ledger: SharedLedger::default(), outbox };
        StageChain { context, stages, chunk_bytes: self.job.limits.chunk_bytes }
    }

    /// After its guests' turn.
    fn handle_result(&mut self, result: Result<(), Halt>) {
        match (result, &mut self.state) {
            // Nobody settles what its outputs become, so nothing may wait for it.
            (Ok(()), ShadowState::Guests(chain)) => chain.context.ledger.lock().deliver_open(),
            (Ok(()), _) => {}
            // An answer: what came before stands, the rest would be dead-lettered.
            (Err(Halt::Guest(GuestError::Rejected { .. })), state) => {
                let open = if let ShadowState::Guests(chain) = state { chain.first_open() } else { None };
                let from = open.unwrap_or(self.settled_to);
                self.done();
                self.tap.reject_from(from);
            }
            (Err(Halt::Guest(error)), _) => self.fail(error.kind(), self.describe(&error)),
            (Err(halt), _) => self.fail(GuestErrorKind::Host, format!("a bug: the shadow halted: {halt:?}")),
        }
    }

    /// A failure in words: never the guest's own, which may quote a line.
    fn describe(&self, error: &GuestError) -> String {
        match error {
            GuestError::Internal { .. } if !self.job.shadow_contents => {
                format!("{}; its words are shown where PLUGIN_SHADOW_CONTENTS is on", error.without_words())
            }
            error => error.to_string(),
        }
    }

    /// All is known of it.
    fn done(&mut self) {
        self.close(ShadowState::Done);
        self.settled_to = u64::MAX;
    }

    fn fail(&mut self, kind: GuestErrorKind, error: String) {
        self.run.failures.add(kind.into(), 1);
        self.run.error.get_or_insert(error);
        self.close(ShadowState::Failed);
    }

    /// Its guests are done, or done with.
    fn close(&mut self, state: ShadowState) {
        if let ShadowState::Guests(mut chain) = std::mem::replace(&mut self.state, state) {
            self.run.used = chain.context.guests.component().map(|run| run.used).unwrap_or_default();
            self.tap = chain.context.outbox.tap.take().unwrap_or_default();
        }
    }

    /// Compares what both sides have settled.
    fn settle(&mut self, active: &mut Option<Tap>, active_mark: u64) {
        let to = active_mark.min(self.settled_to);
        if let Some(active) = active {
            let shadow = match &mut self.state {
                ShadowState::Guests(chain) => chain.context.outbox.tap.get_or_insert_default(),
                _ => &mut self.tap,
            };
            while let Some(line) = self.records.next_before(to) {
                count(&mut self.run, line, active.take(line), shadow.take(line));
            }
            let waiting = active.len().max(shadow.len()).max(self.records.len());
            if waiting > MAX_WAITING {
                self.settled_to = to;
                self.too_many(waiting);
            }
        }
        // A shadow that failed has said nothing of the lines from its mark on.
        if matches!(self.state, ShadowState::Failed) && active_mark >= self.settled_to {
            self.run.failed += self.records.take_all();
            (self.tap, *active) = (Tap::default(), None);
        }
    }

    fn too_many(&mut self, waiting: usize) {
        let error = format!(
            "{waiting} lines wait to be compared, at most {MAX_WAITING} may: the active or the shadow component holds \
             them back; settle lines sooner"
        );
        self.fail(GuestErrorKind::HeldBack, error);
    }
}
