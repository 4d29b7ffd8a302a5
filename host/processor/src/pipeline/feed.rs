//! Lines to a guest that may fail on them.
//!
//! A stage gives its guest piece after piece. When a call fails by the tenant's own
//! fault, the instance is gone, and with it what it held back; what `on_error` says
//! (see `recovery`) decides who goes on: nobody, a new instance, with which the lines are
//! searched for that it fails on, or the default guest, who is given all lines again that
//! are not settled.

use super::halt::Halt;
use super::poison_search::{search, settle};
use super::stage::{CallOutcome, LineStage, StageContext, finish, give};

/// Gives the guest all lines before `to` that it does not know.
pub(super) fn feed<S: LineStage>(stage: &mut S, to: u64, context: &mut StageContext) -> Result<(), Halt> {
    loop {
        let start = stage.next(context);
        if start >= to {
            return Ok(());
        }
        if let CallOutcome::Failed(failed) = give(stage, start, to, context)? {
            search(stage, failed, context)?;
        }
    }
}

/// The same, and tells the guest that it was all.
pub(super) fn feed_to_the_end<S: LineStage>(stage: &mut S, to: u64, context: &mut StageContext) -> Result<(), Halt> {
    loop {
        feed(stage, to, context)?;
        match finish(stage, to, context)? {
            CallOutcome::Done => return Ok(()),
            CallOutcome::Replaced => {}
            // Where all was settled nothing is lost with the guest's last words.
            CallOutcome::Failed(_) => return settle(stage, to, context),
        }
    }
}
