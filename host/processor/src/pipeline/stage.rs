//! A stage that puts lines through a guest, and single calls of that guest.

use super::guests::Guests;
use super::halt::Halt;
use super::open_lines::{LineSpan, OpenLines};
use super::outbox::{Outbox, SharedLedger};
use super::plan::StageRole;
use super::recovery::Successor;
use sandbox::GuestError;

/// What a stage works with.
pub(super) struct StageContext {
    pub(super) guests: Guests,
    pub(super) ledger: SharedLedger,
    pub(super) outbox: Outbox,
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
pub(super) trait LineStage {
    /// What the guest returns.
    type Output;
    const ROLE: StageRole;

    fn open(&self) -> &OpenLines;

    fn cursor(&self) -> &Cursor;

    fn cursor_mut(&mut self) -> &mut Cursor;

    /// Gives lines to the guest, and checks what it returns.
    fn give(&self, span: &LineSpan<'_>, guests: &mut Guests) -> Result<Self::Output, GuestError>;

    /// Tells the guest the end, before line `to`, and checks what it returns.
    fn finish(&self, to: u64, guests: &mut Guests) -> Result<Self::Output, GuestError>;

    /// Takes what was returned: more lines are settled.
    fn take(&mut self, output: Self::Output, context: &mut StageContext) -> Result<(), Halt>;

    /// Dead-letters the records before line `to` that are not settled.
    fn poison(&mut self, to: u64, detail: &str, context: &mut StageContext) -> Result<(), Halt>;

    /// The line to give next to the guest.
    fn next(&mut self, context: &StageContext) -> u64 {
        self.cursor_mut().next(context.guests.generation(Self::ROLE))
    }
}

/// What became of a call.
pub(super) enum CallOutcome {
    Done,
    /// Someone else goes on, who must be given the open lines again.
    Replaced,
    /// A new instance is there to search with.
    Failed(FailedCall),
}

/// A call that failed by the component's own fault.
pub(super) struct FailedCall {
    /// The first line that the call was given.
    pub(super) start: u64,
    /// The line after the last that the instance was given.
    pub(super) end: u64,
    /// The instance was given nothing before `start`.
    pub(super) was_first: bool,
    pub(super) error: GuestError,
}

/// Gives the first piece of `start..end`.
pub(super) fn give<S: LineStage>(
    stage: &mut S,
    start: u64,
    end: u64,
    context: &mut StageContext,
) -> Result<CallOutcome, Halt> {
    let Some(span) = stage.open().span(start, end) else {
        stage.cursor_mut().given = end;
        return Ok(CallOutcome::Done);
    };
    context.guests.claim_for(stage.open().bytes())?;
    let (end, before) = (span.end, context.guests.fuel());
    let is_new = span.first >= stage.cursor().counted;
    count(stage, &span, &mut context.guests);
    let output = stage.give(&span, &mut context.guests);
    if output.is_ok() {
        stage.cursor_mut().given = end;
    }
    if output.is_ok() && is_new {
        let used = context.guests.fuel().saturating_sub(before);
        context.guests.add_without_search(used);
    }
    let counted = stage.cursor().counted.max(end);
    stage.cursor_mut().counted = counted;
    let was_first = stage.cursor().first == start;
    take(stage, output, |error| FailedCall { start, end, was_first, error }, context)
}

/// Tells the guest the end, before line `to`.
pub(super) fn finish<S: LineStage>(stage: &mut S, to: u64, context: &mut StageContext) -> Result<CallOutcome, Halt> {
    context.guests.claim_for(stage.open().bytes())?;
    let output = stage.finish(to, &mut context.guests);
    take(stage, output, |error| FailedCall { start: to, end: to, was_first: false, error }, context)
}

/// Takes what a call returned, or finds someone who goes on.
fn take<S: LineStage>(
    stage: &mut S,
    output: Result<S::Output, GuestError>,
    failed: impl FnOnce(GuestError) -> FailedCall,
    context: &mut StageContext,
) -> Result<CallOutcome, Halt> {
    match output {
        Ok(output) => stage.take(output, context).map(|()| CallOutcome::Done),
        Err(error) => Ok(match context.guests.recover(S::ROLE, error.clone())? {
            Successor::Default => CallOutcome::Replaced,
            Successor::Renewed => CallOutcome::Failed(failed(error)),
        }),
    }
}

/// Counts what was not counted before.
fn count<S: LineStage>(stage: &S, span: &LineSpan<'_>, guests: &mut Guests) {
    let (open, start) = (stage.open(), span.first.max(stage.cursor().counted));
    if let Some(fresh) = open.span(start, span.end) {
        guests.count_input(S::ROLE, open.records(start, span.end), fresh.bytes.len());
    }
}
