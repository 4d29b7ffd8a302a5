//! An instance of a component: a fresh one for each delivery of each object, so that
//! nothing of one object or tenant is ever visible to another.

use std::ops::Range;
use std::sync::Arc;

use model::{Limits, Origin};

use crate::checked::OutputCheck;
use crate::code::{CallBudget, GuestAnswer, GuestCall, GuestCalls, Stage};
use crate::component::Component;
use crate::context::Context;
use crate::error::GuestError;
use crate::limits::CallLimits;
use crate::log::GuestLog;
use crate::output::{RawRewritten, RawTransformed, Rewritten, Transformed};
use crate::pending_input::PendingInput;
use crate::running::Used;
use crate::surroundings::Surroundings;
use crate::text::bounded;

/// An instance of a component. After an error it must be dropped.
pub struct Instance {
    guest: Box<dyn GuestCalls>,
    limits: Arc<Limits>,
    transform_input: PendingInput,
    rewrite_input: PendingInput,
}

impl Instance {
    /// Starts a fresh instance.
    ///
    /// # Errors
    /// The component's own start fails, or the host has no room for it.
    pub fn start(component: &Component, around: &Surroundings) -> Result<Self, GuestError> {
        let limits = Arc::clone(&component.limits);
        Ok(Self {
            guest: component.code.start(&limits, around)?,
            limits,
            transform_input: PendingInput::default(),
            rewrite_input: PendingInput::default(),
        })
    }

    /// Reads an object's key.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn parse_key(&mut self, key: &str) -> Result<Origin, GuestError> {
        match self.small_call(GuestCall::ParseKey(key), key.len())? {
            GuestAnswer::Origin(origin) => Ok(origin),
            _ => Err(another_answer("parse-key")),
        }
    }

    /// Asks whether the delivery wants the object at all.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn wants(&mut self, context: &Context<'_>) -> Result<bool, GuestError> {
        match self.small_call(GuestCall::Wants(&context.into()), 0)? {
            GuestAnswer::Wanted(wanted) => Ok(wanted),
            _ => Err(another_answer("wants")),
        }
    }

    /// Asks whether the component accepts its settings; the answer has what is wrong with
    /// them, if not.
    ///
    /// # Errors
    /// The guest did something wrong.
    pub fn check_settings(&mut self, settings: &[(String, String)]) -> Result<Result<(), String>, GuestError> {
        match self.small_call(GuestCall::CheckSettings(settings), 0)? {
            GuestAnswer::Settings(answer) => Ok(answer.map_err(bounded)),
            _ => Err(another_answer("check")),
        }
    }

    /// Begins an object for `transform`.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn begin_transform(&mut self, context: &Context<'_>) -> Result<(), GuestError> {
        self.begin(Stage::Transform, context)
    }

    /// Makes events of whole lines. `open`: from the first line that is not settled yet to
    /// the one after the last of `lines`.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn transform(&mut self, first_line: u64, lines: &[u8], open: Range<u64>) -> Result<Transformed, GuestError> {
        let budget = lines_budget(&mut self.transform_input, &self.limits, open.end, lines.len());
        let out = self.guest.call(GuestCall::Lines { stage: Stage::Transform, first_line, lines }, budget)?;
        let out = transformed("transform", out)?;
        let out = self.check("transform", open, false, budget).check_transformed(out)?;
        let (left, limit) = (self.guest.fuel_left(), self.limits.held_back_bytes);
        self.transform_input.settle("transform", out.pending_from, left, limit)?;
        Ok(out)
    }

    /// Ends an object: makes events of what `transform` held back.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn end_transform(&mut self, open: Range<u64>) -> Result<Transformed, GuestError> {
        let budget = end_budget(&self.transform_input, &self.limits);
        let out = transformed("end", self.guest.call(GuestCall::End(Stage::Transform), budget)?)?;
        self.check("end", open, true, budget).check_transformed(out)
    }

    /// Begins an object for `rewrite`.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn begin_rewrite(&mut self, context: &Context<'_>) -> Result<(), GuestError> {
        self.begin(Stage::Rewrite, context)
    }

    /// Makes lines of whole lines; `open`: as in [`Instance::transform`].
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn rewrite(&mut self, first_line: u64, lines: &[u8], open: Range<u64>) -> Result<Rewritten, GuestError> {
        let budget = lines_budget(&mut self.rewrite_input, &self.limits, open.end, lines.len());
        let out = self.guest.call(GuestCall::Lines { stage: Stage::Rewrite, first_line, lines }, budget)?;
        let out = rewritten("rewrite", out)?;
        let out = self.check("rewrite", open, false, budget).check_rewritten(out)?;
        let (left, limit) = (self.guest.fuel_left(), self.limits.held_back_bytes);
        self.rewrite_input.settle("rewrite", out.pending_from, left, limit)?;
        Ok(out)
    }

    /// Ends an object: makes lines of what `rewrite` held back.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn end_rewrite(&mut self, open: Range<u64>) -> Result<Rewritten, GuestError> {
        let budget = end_budget(&self.rewrite_input, &self.limits);
        let out = rewritten("end", self.guest.call(GuestCall::End(Stage::Rewrite), budget)?)?;
        self.check("end", open, true, budget).check_rewritten(out)
    }

    /// Takes what was logged since the last time.
    pub fn take_log(&mut self) -> GuestLog {
        self.guest.take_log()
    }

    /// Usage so far.
    pub fn used(&self) -> Used {
        self.guest.used()
    }

    /// Fuel that the last call left.
    #[cfg(test)]
    pub(crate) fn fuel_left(&self) -> u64 {
        self.guest.fuel_left()
    }

    fn begin(&mut self, stage: Stage, context: &Context<'_>) -> Result<(), GuestError> {
        match self.small_call(GuestCall::Begin(stage, &context.into()), 0)? {
            GuestAnswer::Begun => Ok(()),
            _ => Err(another_answer("begin")),
        }
    }

    /// Makes a call whose input is no log lines.
    fn small_call(&mut self, call: GuestCall<'_>, input_bytes: usize) -> Result<GuestAnswer, GuestError> {
        self.guest.call(call, CallBudget { fuel: self.limits.start_fuel, input_bytes })
    }

    /// Prepares the check of a call's output. `open`: as in [`Instance::transform`].
    fn check(&self, function: &'static str, open: Range<u64>, is_last: bool, budget: CallBudget) -> OutputCheck<'_> {
        OutputCheck { function, open, is_last, limits: &self.limits, input_bytes: budget.input_bytes }
    }
}

/// The budget of a call with lines up to line `end`.
fn lines_budget(pending: &mut PendingInput, limits: &Limits, end: u64, bytes: usize) -> CallBudget {
    let input_bytes = pending.add(end, bytes);
    CallBudget { fuel: limits.fuel(bytes).saturating_add(pending.unspent_fuel), input_bytes }
}

/// The budget of the call after the last line.
fn end_budget(pending: &PendingInput, limits: &Limits) -> CallBudget {
    CallBudget { fuel: limits.fuel(0).saturating_add(pending.unspent_fuel), input_bytes: pending.bytes }
}

fn transformed(function: &'static str, answer: GuestAnswer) -> Result<RawTransformed, GuestError> {
    match answer {
        GuestAnswer::Transformed(out) => Ok(out),
        _ => Err(another_answer(function)),
    }
}

fn rewritten(function: &'static str, answer: GuestAnswer) -> Result<RawRewritten, GuestError> {
    match answer {
        GuestAnswer::Rewritten(out) => Ok(out),
        _ => Err(another_answer(function)),
    }
}

/// The error of an answer to something that wasn't asked: only a worker that was taken over
/// gives one.
fn another_answer(function: &'static str) -> GuestError {
    GuestError::Contract { function, what: "the answer is another function's".to_owned() }
}
