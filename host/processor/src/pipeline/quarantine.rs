//! Lines to a guest that may fail on them: the search for those that it fails on.
//!
//! A stage gives its guest piece after piece. When a call fails by the tenant's own
//! fault, the instance is gone, and with it what it held back; what `on_error` says
//! (see `Guests::recover`) decides who goes on: nobody, a new instance, or the default
//! guest, who is given all lines again that are not settled.
//!
//! The search (`on_error: quarantine`) halves the piece that failed until it is one
//! record. Where lines are held back before it, these are settled first, by an instance
//! of their own that is told its end; where the instance was given others before it, a new
//! one is asked again: then the record is alone, and what fails still is the record's
//! fault. Each failing call is about half as many records as the one before it: a record in
//! a chunk of a thousand takes eleven or twelve of them.

use super::Halt;
use super::guests::{Guests, Recovery, Role};
use super::open::{OpenLines, Span};
use super::outbox::{Outbox, SharedLedger};
use model::{Failure, Fault, Limits};
use sandbox::GuestError;

/// Records of an object that may be dead-lettered so. Beyond, it is no longer some
/// records that are odd but the component that is broken: its tenant would lose
/// everything.
const MOST_POISON: u64 = 64;

/// Calls that may fail on an object: enough for [`MOST_POISON`] records near each
/// other, or twenty far apart.
const MOST_FAILURES: u64 = 256;

/// MiB of input whose fuel a search may use, and starts: all that it does beyond giving
/// each line once. By default 128 billion units, which is about a minute of a core: five
/// records that are endless loops.
const MOST_SEARCHED_MIB: u64 = 8;
const MOST_SEARCHED_STARTS: u64 = 64;

/// Fuel that the search may use on an object.
pub(super) fn most_fuel(limits: &Limits) -> u64 {
    let mib = limits.fuel_per_mib.saturating_mul(MOST_SEARCHED_MIB);
    mib.saturating_add(limits.start_fuel.saturating_mul(MOST_SEARCHED_STARTS))
}

/// What a stage works with.
pub(super) struct Desk<'a> {
    pub(super) guests: &'a mut Guests,
    pub(super) ledger: &'a SharedLedger,
    pub(super) outbox: &'a mut Outbox,
}

/// How far a stage is.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    /// The first line that is not settled.
    pub(super) from: u64,
    /// The first that the instance at work was not given.
    given: u64,
    /// The first that the instance at work was given.
    first: u64,
    /// The first that no instance was given: what is counted once.
    counted: u64,
    /// Of the instance that was given the lines before `given`.
    generation: u64,
}

impl Cursor {
    /// The line to give next to an instance of this generation: a new one knows nothing.
    fn next(&mut self, generation: u64) -> u64 {
        if self.generation != generation {
            (self.generation, self.given, self.first) = (generation, self.from, self.from);
        }
        self.given
    }
}

/// A stage whose lines go through a guest.
pub(super) trait Stage {
    /// What the guest returns.
    type Out;
    const ROLE: Role;

    fn open(&self) -> &OpenLines;

    fn cursor(&self) -> &Cursor;

    fn cursor_mut(&mut self) -> &mut Cursor;

    /// Gives lines to the guest, and checks what it returns.
    fn give(&self, span: &Span<'_>, guests: &mut Guests) -> Result<Self::Out, GuestError>;

    /// Tells the guest the end, before line `to`, and checks what it returns.
    fn finish(&self, to: u64, guests: &mut Guests) -> Result<Self::Out, GuestError>;

    /// Takes what was returned: more lines are settled.
    fn take(&mut self, out: Self::Out, desk: &mut Desk<'_>) -> Result<(), Halt>;

    /// Dead-letters the records before line `to` that are not settled.
    fn poison(&mut self, to: u64, detail: &str, desk: &mut Desk<'_>) -> Result<(), Halt>;
}

/// What became of a call.
enum Called {
    Done,
    /// Someone else goes on, who must be given the open lines again.
    Replaced,
    /// A new instance is there to search with: it failed on the lines before `end`.
    Failed {
        end: u64,
        error: GuestError,
    },
}

/// Gives the guest all lines before `to` that it does not know.
pub(super) fn feed<S: Stage>(stage: &mut S, to: u64, desk: &mut Desk<'_>) -> Result<(), Halt> {
    let mut ends = vec![to];
    while let Some(&end) = ends.last() {
        let start = stage.cursor_mut().next(desk.guests.generation(S::ROLE));
        if start >= end {
            ends.pop();
            continue;
        }
        let alone = stage.cursor().first == start;
        let Called::Failed { end, error } = give(stage, start, end, desk)? else { continue };
        match stage.open().middle(start, end) {
            // What is held back is given as before, then the first half.
            Some(middle) => ends.extend([middle, start]),
            None if stage.cursor().from < start => settle(stage, start, desk)?,
            // It may have been too much after those before it: the new instance is asked.
            None if !alone => ends.push(end),
            None => poison(stage, end, &error, desk)?,
        }
    }
    Ok(())
}

/// The same, and tells the guest that it was all.
pub(super) fn end<S: Stage>(stage: &mut S, to: u64, desk: &mut Desk<'_>) -> Result<(), Halt> {
    loop {
        feed(stage, to, desk)?;
        match finish(stage, to, desk)? {
            Called::Done => return Ok(()),
            Called::Replaced => {}
            // Where all was settled nothing is lost with the guest's last words.
            Called::Failed { .. } => return settle(stage, to, desk),
        }
    }
}

/// Settles all lines before `to`, by instances that are told their end there or before.
/// The one at work must be new.
fn settle<S: Stage>(stage: &mut S, to: u64, desk: &mut Desk<'_>) -> Result<(), Halt> {
    let mut ends = vec![to];
    while let Some(&end) = ends.last() {
        if stage.cursor().from >= end {
            ends.pop();
            continue;
        }
        match give_and_finish(stage, end, desk)? {
            Called::Failed { error, .. } => match stage.open().middle(stage.cursor().from, end) {
                Some(middle) => ends.push(middle),
                None => poison(stage, end, &error, desk)?,
            },
            Called::Done | Called::Replaced => desk.guests.renew()?,
        }
    }
    Ok(())
}

fn give_and_finish<S: Stage>(stage: &mut S, end: u64, desk: &mut Desk<'_>) -> Result<Called, Halt> {
    loop {
        let start = stage.cursor_mut().next(desk.guests.generation(S::ROLE));
        if start >= end {
            return finish(stage, end, desk);
        }
        let called = give(stage, start, end, desk)?;
        if !matches!(called, Called::Done) {
            return Ok(called);
        }
    }
}

/// Gives the first piece of `start..end`.
fn give<S: Stage>(stage: &mut S, start: u64, end: u64, desk: &mut Desk<'_>) -> Result<Called, Halt> {
    let Some(span) = stage.open().span(start, end) else {
        stage.cursor_mut().given = end;
        return Ok(Called::Done);
    };
    let (end, before) = (span.end, desk.guests.fuel());
    let is_new = span.first >= stage.cursor().counted;
    count(stage, &span, desk.guests);
    let out = stage.give(&span, desk.guests);
    if out.is_ok() {
        stage.cursor_mut().given = end;
    }
    if out.is_ok() && is_new {
        desk.guests.went_well(desk.guests.fuel().saturating_sub(before));
    }
    let counted = stage.cursor().counted.max(end);
    stage.cursor_mut().counted = counted;
    take(stage, end, out, desk)
}

fn finish<S: Stage>(stage: &mut S, to: u64, desk: &mut Desk<'_>) -> Result<Called, Halt> {
    let out = stage.finish(to, desk.guests);
    take(stage, to, out, desk)
}

/// Takes what a call on the lines before `end` returned, or finds someone who goes on.
fn take<S: Stage>(
    stage: &mut S,
    end: u64,
    out: Result<S::Out, GuestError>,
    desk: &mut Desk<'_>,
) -> Result<Called, Halt> {
    match out {
        Ok(out) => stage.take(out, desk).map(|()| Called::Done),
        Err(error) => Ok(match desk.guests.recover(S::ROLE, error.clone())? {
            Recovery::Replaced => Called::Replaced,
            Recovery::Renewed => Called::Failed { end, error },
        }),
    }
}

/// Counts what was not counted before.
fn count<S: Stage>(stage: &S, span: &Span<'_>, guests: &mut Guests) {
    let (open, start) = (stage.open(), span.first.max(stage.cursor().counted));
    if let Some(fresh) = open.span(start, span.end) {
        guests.count_input(S::ROLE, open.records(start, span.end), fresh.bytes.len());
    }
}

/// The record before line `to` that is not settled, alone with a new instance, failed.
fn poison<S: Stage>(stage: &mut S, to: u64, error: &GuestError, desk: &mut Desk<'_>) -> Result<(), Halt> {
    let records = stage.open().records(stage.cursor().from, to);
    let detail = desk.guests.poisoned(records, error)?;
    stage.poison(to, &detail, desk)?;
    stage.cursor_mut().from = to;
    Ok(())
}

/// How long the search may go on.
#[derive(Debug, Default)]
pub(super) struct Patience {
    failures: u64,
    poison: u64,
    /// Fuel that was used without a failure, each line once: no search's.
    asked_for: u64,
    /// Fuel of the search, so far as it was looked at.
    searched: u64,
}

impl Patience {
    /// So much fuel was used on what had to be done anyway.
    pub(super) fn asked_for(&mut self, fuel: u64) {
        self.asked_for = self.asked_for.saturating_add(fuel);
    }

    /// A call failed; `used`: all fuel so far, of which the search may have had `most`.
    pub(super) fn failed(&mut self, error: &GuestError, used: u64, most: u64) -> Result<(), Halt> {
        self.failures += 1;
        self.searched = used.saturating_sub(self.asked_for);
        if self.failures > MOST_FAILURES || self.searched > most { Err(self.ends(error)) } else { Ok(()) }
    }

    /// Records are poison.
    pub(super) fn poisoned(&mut self, records: u64, error: &GuestError) -> Result<(), Halt> {
        if self.poison + records > MOST_POISON {
            return Err(self.ends(error));
        }
        self.poison += records;
        Ok(())
    }

    fn ends(&self, error: &GuestError) -> Halt {
        let Self { failures, poison, searched, .. } = self;
        let text = format!(
            "quarantine gave up: {failures} calls of the component failed on the object, and {poison} records \
             by themselves, at most {MOST_FAILURES} and {MOST_POISON} may; the search used {searched} units of fuel, \
             and may use as many as {MOST_SEARCHED_MIB} MiB of lines and {MOST_SEARCHED_STARTS} starts; the last \
             one: {}",
            error.without_words()
        );
        Halt::GaveUp(Failure::new(error.kind(), text).with_fault(Fault::Component))
    }
}
