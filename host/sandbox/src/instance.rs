//! An instance of a component: a fresh one for each delivery of each object, so that
//! nothing of one object or tenant is ever visible to another.

use std::ops::Range;

use model::Origin;

use crate::checked::OutputCheck;
use crate::component::Component;
use crate::context::Context;
use crate::contract::{self, Call, Contract};
use crate::error::GuestError;
use crate::exports::Exports;
use crate::limits::CallLimits;
use crate::log::GuestLog;
use crate::output::{Rewritten, Transformed};
use crate::pending_input::PendingInput;
use crate::running::{RunningInstance, Used};
use crate::surroundings::Surroundings;
use crate::text::bounded;
use crate::version::Version;

/// An instance of a component. After an error it must be dropped.
pub struct Instance {
    running: RunningInstance,
    exports: Exports,
    transform_input: PendingInput,
    rewrite_input: PendingInput,
}

impl Instance {
    /// Starts a fresh instance.
    ///
    /// # Errors
    /// The component's own start fails, or the host has no room for it.
    pub fn start(component: &Component, around: &Surroundings) -> Result<Self, GuestError> {
        let running = RunningInstance::start(component, around)?;
        Ok(Self {
            running,
            exports: component.exports(),
            transform_input: PendingInput::default(),
            rewrite_input: PendingInput::default(),
        })
    }

    /// Reads an object's key.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn parse_key(&mut self, key: &str) -> Result<Origin, GuestError> {
        exported(self.exports.key_parser, "parse-key")?.parse_key(self.small_call(key.len()), key)
    }

    /// Asks whether the delivery wants the object at all.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn wants(&mut self, context: &Context<'_>) -> Result<bool, GuestError> {
        exported(self.exports.log_filter, "wants")?.wants(self.small_call(0), context)
    }

    /// Asks whether the component accepts its settings; the answer has what is wrong with
    /// them, if not.
    ///
    /// # Errors
    /// The guest did something wrong.
    pub fn check_settings(&mut self, settings: &[(String, String)]) -> Result<Result<(), String>, GuestError> {
        let answer = exported(self.exports.settings_check, "check")?.check_settings(self.small_call(0), settings)?;
        Ok(answer.map_err(bounded))
    }

    /// Begins an object for `transform`.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn begin_transform(&mut self, context: &Context<'_>) -> Result<(), GuestError> {
        exported(self.exports.record_transform, "begin")?.begin_transform(self.small_call(0), context)
    }

    /// Makes events of whole lines. `open`: from the first line that is not settled yet to
    /// the one after the last of `lines`.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn transform(&mut self, first_line: u64, lines: &[u8], open: Range<u64>) -> Result<Transformed, GuestError> {
        let input = self.transform_input.add(open.end, lines.len());
        let fuel = self.running.limits().fuel(lines.len()).saturating_add(self.transform_input.unspent_fuel);
        let contract = exported(self.exports.record_transform, "transform")?;
        let out = contract.transform(self.call(fuel, input), first_line, lines)?;
        let out = self.check("transform", open, false, input).check_transformed(out)?;
        let (left, limit) = (self.fuel_left(), self.running.limits().held_back_bytes);
        self.transform_input.settle("transform", out.pending_from, left, limit)?;
        Ok(out)
    }

    /// Ends an object: makes events of what `transform` held back.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn end_transform(&mut self, open: Range<u64>) -> Result<Transformed, GuestError> {
        let input = self.transform_input.bytes;
        let fuel = self.running.limits().fuel(0).saturating_add(self.transform_input.unspent_fuel);
        let out = exported(self.exports.record_transform, "end")?.end_transform(self.call(fuel, input))?;
        self.check("end", open, true, input).check_transformed(out)
    }

    /// Begins an object for `rewrite`.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn begin_rewrite(&mut self, context: &Context<'_>) -> Result<(), GuestError> {
        exported(self.exports.record_rewrite, "begin")?.begin_rewrite(self.small_call(0), context)
    }

    /// Makes lines of whole lines; `open`: as in [`Instance::transform`].
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn rewrite(&mut self, first_line: u64, lines: &[u8], open: Range<u64>) -> Result<Rewritten, GuestError> {
        let input = self.rewrite_input.add(open.end, lines.len());
        let fuel = self.running.limits().fuel(lines.len()).saturating_add(self.rewrite_input.unspent_fuel);
        let contract = exported(self.exports.record_rewrite, "rewrite")?;
        let out = contract.rewrite(self.call(fuel, input), first_line, lines)?;
        let out = self.check("rewrite", open, false, input).check_rewritten(out)?;
        let (left, limit) = (self.fuel_left(), self.running.limits().held_back_bytes);
        self.rewrite_input.settle("rewrite", out.pending_from, left, limit)?;
        Ok(out)
    }

    /// Ends an object: makes lines of what `rewrite` held back.
    ///
    /// # Errors
    /// The guest failed as it says, or did something wrong.
    pub fn end_rewrite(&mut self, open: Range<u64>) -> Result<Rewritten, GuestError> {
        let input = self.rewrite_input.bytes;
        let fuel = self.running.limits().fuel(0).saturating_add(self.rewrite_input.unspent_fuel);
        let out = exported(self.exports.record_rewrite, "end")?.end_rewrite(self.call(fuel, input))?;
        self.check("end", open, true, input).check_rewritten(out)
    }

    /// Fuel that the last call left.
    pub(crate) fn fuel_left(&self) -> u64 {
        self.running.fuel_left()
    }

    /// Takes what was logged since the last time.
    pub fn take_log(&mut self) -> GuestLog {
        self.running.take_log()
    }

    /// Usage so far.
    pub fn used(&self) -> Used {
        self.running.used()
    }

    /// Prepares the check of a call's output. `open`: as in [`Instance::transform`].
    fn check(&self, function: &'static str, open: Range<u64>, is_last: bool, input_bytes: usize) -> OutputCheck<'_> {
        OutputCheck { function, open, is_last, limits: self.running.limits(), input_bytes }
    }

    /// The instance that runs its code.
    pub(crate) fn running(&mut self) -> &mut RunningInstance {
        &mut self.running
    }

    /// Prepares a call whose input is no log lines.
    fn small_call(&mut self, input_bytes: usize) -> Call<'_> {
        self.call(self.running.limits().start_fuel, input_bytes)
    }

    /// Prepares a call.
    fn call(&mut self, fuel: u64, input_bytes: usize) -> Call<'_> {
        Call { instance: &mut self.running, fuel, input_bytes }
    }
}

/// The functions of the version in which the component exports the function's interface.
fn exported(version: Option<Version>, function: &'static str) -> Result<&'static dyn Contract, GuestError> {
    let missing = || GuestError::Contract { function, what: "the component doesn't export it".to_owned() };
    version.map(contract::functions_of).ok_or_else(missing)
}
