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
mod copy;

use std::io;

pub use copy::compare_copy;

use self::compare::{Records, count};
use super::account::ShadowRun;
use super::chain::Chain;
use super::guests::Guests;
use super::halt::Halt;
use super::job::Job;
use super::outbox::{Outbox, SharedLedger};
use super::plan::{OutputKind, Plan, TenantGuest};
use super::stage::StageContext;
use super::tap::Tap;
use crate::object::Piece;
use model::{GuestErrorKind, OnError};
use sandbox::GuestError;

/// Lines, on one side, that wait until the other has settled them, at most: more
/// than a chunk has, and than usual lines within PLUGIN_MAX_HELD_BYTES.
const MOST_WAITING: usize = 1 << 18;

/// How it is with the shadow.
enum State {
    /// Its turn has not come yet.
    New,
    Guests(Box<Chain<io::Sink>>),
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
    state: State,
    /// What it made of lines; while its guests work, their outbox has it.
    tap: Tap,
    /// What it made of the lines before this one is known for good.
    mark: u64,
    /// The line after the last that was read.
    read_to: u64,
    /// Lines that are not counted yet.
    records: Records,
    run: ShadowRun,
}

impl Shadow {
    /// The shadow of a plan, where there is one.
    pub(super) fn of(plan: &Plan, job: &Job, output: OutputKind) -> Option<Self> {
        // Nobody but the shadow is to see its failures.
        let guest = TenantGuest { on_error: OnError::Retry, ..plan.shadow.clone()? };
        let run = ShadowRun { digest: guest.component.digest().to_owned(), ..ShadowRun::default() };
        Some(Self {
            plan: Plan { tenant: Some(guest), shadow: None, ..plan.clone() },
            job: job.clone(),
            output,
            state: State::New,
            tap: Tap::new(job),
            mark: 0,
            read_to: 0,
            records: Records::default(),
            run,
        })
    }

    /// Takes note of what the active guests are given; returns what the shadow
    /// will be given.
    pub(super) fn saw(&mut self, piece: &Piece) -> Option<Piece> {
        self.read_to = self.records.saw(piece);
        matches!(self.state, State::New | State::Guests(_) | State::Copy).then(|| piece.clone())
    }

    /// Does its part, after the active guests have done theirs. `open`: the first
    /// line that these hold back.
    pub(super) fn piece(&mut self, piece: Option<Piece>, active: &mut Option<Tap>, open: Option<u64>) {
        self.start();
        match (&mut self.state, piece) {
            (State::Guests(chain), Some(Piece::Chunk(chunk))) => {
                let result = chain.chunk(chunk).map(drop);
                self.after(result);
            }
            (State::Copy, Some(piece)) => copy::copied(&mut self.tap, &piece),
            _ => {}
        }
        match &self.state {
            State::Guests(chain) => self.mark = chain.first_open().unwrap_or(self.read_to),
            State::Copy => self.mark = self.read_to,
            State::New | State::Done | State::Failed => {}
        }
        self.settle(active, open.unwrap_or(self.read_to));
    }

    /// After the last line, all of which the active guests have settled.
    pub(super) fn end(&mut self, active: &mut Option<Tap>) {
        self.start();
        if let State::Guests(chain) = &mut self.state {
            let result = chain.end();
            self.after(result);
        }
        if !matches!(self.state, State::Failed) {
            self.close(State::Done);
            self.mark = u64::MAX;
        }
        self.settle(active, u64::MAX);
    }

    /// What came of it.
    pub(super) fn into_run(self) -> ShadowRun {
        self.run
    }

    /// As late as can be: the active guests don't wait for it.
    fn start(&mut self) {
        if !matches!(self.state, State::New) {
            return;
        }
        let begun = Guests::start(&self.plan, &self.job).map_err(Halt::from).and_then(|guests| {
            let mut chain = self.chain(guests);
            let wanted = chain.context.guests.wants();
            self.state = State::Guests(Box::new(chain));
            Ok(wanted?)
        });
        match (begun, &mut self.state) {
            (Ok(false), _) => {
                self.run.unwanted = true;
                self.done();
            }
            (Ok(true), State::Guests(chain))
                if self.output == OutputKind::Events || chain.context.guests.rewrites() =>
            {
                let result = chain.begin(&self.job);
                self.after(result);
            }
            (Ok(true), _) => self.close(State::Copy),
            (Err(halt), _) => self.after(Err(halt)),
        }
    }

    fn chain(&self, guests: Guests) -> Chain<io::Sink> {
        let stages = match self.output {
            OutputKind::Events => Chain::event_stages(&guests, &self.job),
            OutputKind::Lines => Chain::line_stages(io::sink(), &self.job),
        };
        let outbox = Outbox::unsent(self.job.clone(), Tap::new(&self.job));
        let context = StageContext { guests, ledger: SharedLedger::default(), outbox };
        Chain { context, stages, chunk_bytes: self.job.limits.chunk_bytes }
    }

    /// After its guests' turn.
    fn after(&mut self, result: Result<(), Halt>) {
        match (result, &mut self.state) {
            // Nobody settles what its outputs become, so nothing may wait for it.
            (Ok(()), State::Guests(chain)) => chain.context.ledger.lock().deliver_open(),
            (Ok(()), _) => {}
            // An answer: what came before stands, the rest would be dead-lettered.
            (Err(Halt::Guest(GuestError::Rejected { .. })), state) => {
                let open = if let State::Guests(chain) = state { chain.first_open() } else { None };
                let from = open.unwrap_or(self.mark);
                self.done();
                self.tap.reject_from(from);
            }
            (Err(Halt::Guest(error)), _) => self.fail(error.kind(), self.words(&error)),
            (Err(halt), _) => self.fail(GuestErrorKind::Host, format!("a bug: the shadow halted: {halt:?}")),
        }
    }

    /// A failure in words: never the guest's own, which may quote a line.
    fn words(&self, error: &GuestError) -> String {
        match error {
            GuestError::Internal { .. } if !self.job.shadow_contents => {
                format!("{}; its words are shown where PLUGIN_SHADOW_CONTENTS is on", error.without_words())
            }
            error => error.to_string(),
        }
    }

    /// All is known of it.
    fn done(&mut self) {
        self.close(State::Done);
        self.mark = u64::MAX;
    }

    fn fail(&mut self, kind: GuestErrorKind, error: String) {
        self.run.failures.add(kind.into(), 1);
        self.run.error.get_or_insert(error);
        self.close(State::Failed);
    }

    /// Its guests are done, or done with.
    fn close(&mut self, state: State) {
        if let State::Guests(mut chain) = std::mem::replace(&mut self.state, state) {
            self.run.used = chain.context.guests.component().map(|run| run.used).unwrap_or_default();
            self.tap = chain.context.outbox.tap.take().unwrap_or_default();
        }
    }

    /// Compares what both sides have settled.
    fn settle(&mut self, active: &mut Option<Tap>, active_mark: u64) {
        let to = active_mark.min(self.mark);
        if let Some(active) = active {
            let shadow = match &mut self.state {
                State::Guests(chain) => chain.context.outbox.tap.get_or_insert_default(),
                _ => &mut self.tap,
            };
            while let Some(line) = self.records.next_before(to) {
                count(&mut self.run, line, active.take(line), shadow.take(line));
            }
            let waiting = active.len().max(shadow.len()).max(self.records.len());
            if waiting > MOST_WAITING {
                self.mark = to;
                self.too_many(waiting);
            }
        }
        // A shadow that failed has said nothing of the lines from its mark on.
        if matches!(self.state, State::Failed) && active_mark >= self.mark {
            self.run.failed += self.records.take_all();
            (self.tap, *active) = (Tap::default(), None);
        }
    }

    fn too_many(&mut self, waiting: usize) {
        let error = format!(
            "{waiting} lines wait to be compared, at most {MOST_WAITING} may: the active or the shadow component holds \
             them back; settle lines sooner"
        );
        self.fail(GuestErrorKind::HeldBack, error);
    }
}
