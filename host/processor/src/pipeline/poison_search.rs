//! The search for the records that the tenant's component fails on (`on_error: quarantine`).
//!
//! The piece that failed is halved until it is one record. Where lines are held back before
//! it, these are settled first, by an instance of their own that is told its end; where the
//! instance was given others before it, a new one is asked again: then the record is alone,
//! and what fails still is the record's fault. Each failing call is about half as many
//! records as the one before it: a record in a chunk of a thousand takes eleven or twelve of
//! them.

use super::halt::Halt;
use super::stage::{CallOutcome, FailedCall, LineStage, StageContext, finish, give};
use sandbox::GuestError;

/// Gives the guest all lines again of a call that failed, but for those that it fails on.
pub(super) fn search<S: LineStage>(stage: &mut S, failed: FailedCall, context: &mut StageContext) -> Result<(), Halt> {
    let mut ends = vec![failed.end];
    narrow(stage, failed, &mut ends, context)?;
    while let Some(&end) = ends.last() {
        let start = stage.next(context);
        if start >= end {
            ends.pop();
        } else if let CallOutcome::Failed(failed) = give(stage, start, end, context)? {
            narrow(stage, failed, &mut ends, context)?;
        }
    }
    Ok(())
}

/// Finds out what to give after a call that failed, up to each of `ends`, the last first.
fn narrow<S: LineStage>(
    stage: &mut S,
    failed: FailedCall,
    ends: &mut Vec<u64>,
    context: &mut StageContext,
) -> Result<(), Halt> {
    let FailedCall { start, end, was_first, error } = failed;
    match stage.open().middle(start, end) {
        // What is held back is given as before, then the first half.
        Some(middle) => ends.extend([middle, start]),
        None if stage.cursor().from < start => settle(stage, start, context)?,
        // It may have been too much after those before it: the new instance is asked.
        None if !was_first => ends.push(end),
        None => poison(stage, end, &error, context)?,
    }
    Ok(())
}

/// Settles all lines before `to`, by instances that are told their end there or before.
/// The one at work must be new.
pub(super) fn settle<S: LineStage>(stage: &mut S, to: u64, context: &mut StageContext) -> Result<(), Halt> {
    let mut ends = vec![to];
    while let Some(&end) = ends.last() {
        if stage.cursor().from >= end {
            ends.pop();
            continue;
        }
        match give_and_finish(stage, end, context)? {
            CallOutcome::Failed(FailedCall { error, .. }) => match stage.open().middle(stage.cursor().from, end) {
                Some(middle) => ends.push(middle),
                None => poison(stage, end, &error, context)?,
            },
            CallOutcome::Done | CallOutcome::Replaced => context.guests.renew()?,
        }
    }
    Ok(())
}

fn give_and_finish<S: LineStage>(stage: &mut S, end: u64, context: &mut StageContext) -> Result<CallOutcome, Halt> {
    loop {
        let start = stage.next(context);
        if start >= end {
            return finish(stage, end, context);
        }
        let called = give(stage, start, end, context)?;
        if !matches!(called, CallOutcome::Done) {
            return Ok(called);
        }
    }
}

/// The record before line `to` that is not settled, alone with a new instance, failed.
fn poison<S: LineStage>(stage: &mut S, to: u64, error: &GuestError, context: &mut StageContext) -> Result<(), Halt> {
    let records = stage.open().records(stage.cursor().from, to);
    let detail = context.guests.record_poison(records, error)?;
    stage.poison(to, &detail, context)?;
    stage.cursor_mut().from = to;
    Ok(())
}
