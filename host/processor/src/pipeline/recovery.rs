//! Who goes on when the tenant's component fails.

use super::halt::Halt;
use super::plan::{Plan, StageRole};
use super::search_budget::{SearchBudget, search_fuel};
use model::{OnError, Stop};
use sandbox::{Exports, GuestError};

/// Who goes on after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Successor {
    /// A new instance of the tenant's component.
    Renewed,
    /// The default guest, alone.
    Default,
}

/// What `on_error` says, and how often it had to.
pub(super) struct Recovery {
    on_error: OnError,
    /// What the tenant's component does: nothing any more once it was replaced.
    exports: Exports,
    /// What it did in the beginning.
    planned: Exports,
    /// Rises when the tenant's instance is another, or the default guest is in its place.
    generation: u64,
    budget: SearchBudget,
    search_fuel: u64,
    stop: Stop,
}

impl Recovery {
    /// Nothing failed yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let tenant = plan.tenant.as_ref();
        Self {
            on_error: tenant.map(|tenant| tenant.on_error).unwrap_or_default(),
            exports: plan.exports(),
            planned: plan.exports(),
            generation: 0,
            budget: SearchBudget::default(),
            search_fuel: tenant.map(|tenant| search_fuel(tenant.component.limits())).unwrap_or_default(),
            stop: Stop::default(),
        }
    }

    /// From now on the search ends when this asks for it.
    pub(super) fn set_stop(&mut self, stop: Stop) {
        self.stop = stop;
    }

    /// What the tenant's component does.
    pub(super) fn exports(&self) -> Exports {
        self.exports
    }

    /// Which of its instances a role has: another one knows nothing of the lines that
    /// were given before.
    pub(super) fn generation(&self, role: StageRole) -> u64 {
        // Who transforms from the beginning goes on when a rewriter is replaced.
        if role.is_among(self.planned) { self.generation } else { 0 }
    }

    /// How long the search for poison may go on.
    pub(super) fn budget(&mut self) -> &mut SearchBudget {
        &mut self.budget
    }

    /// Who goes on after a call that failed on lines; `used`: all fuel so far.
    ///
    /// # Errors
    /// Nobody.
    pub(super) fn after_lines(&mut self, error: &GuestError, used: u64) -> Result<Successor, Halt> {
        if self.on_error == OnError::Quarantine && error.is_guests_fault() {
            self.budget.add_failure(error, used, self.search_fuel)?;
            return Ok(Successor::Renewed);
        }
        Ok(self.elsewhere(error)?)
    }

    /// Who goes on where there is no line to look for.
    ///
    /// # Errors
    /// Nobody.
    pub(super) fn elsewhere(&self, error: &GuestError) -> Result<Successor, GuestError> {
        match self.on_error == OnError::Default && error.is_guests_fault() {
            true => Ok(Successor::Default),
            false => Err(error.clone()),
        }
    }

    /// Another instance of the tenant's component goes on.
    ///
    /// # Errors
    /// It was stopped by request.
    pub(super) fn renew(&mut self) -> Result<(), Halt> {
        if self.stop.is_requested() {
            return Err(Halt::Stopped);
        }
        self.generation += 1;
        Ok(())
    }

    /// The default guest goes on alone; what the tenant's component did until then.
    pub(super) fn replace(&mut self) -> Exports {
        self.generation += 1;
        std::mem::take(&mut self.exports)
    }
}
