//! A delivery's plan, and what is known before its guests run.

use std::sync::Arc;

use super::suspension::PluginPermits;
use crate::memory::DeliveryMemory;
use crate::pipeline::{ComponentRun, Plan, ShadowRun, blocking};
use crate::report::Entry;
use model::{FailureKind, GuestErrorKind, ObjectId, OnError, Origin};
use sandbox::{GuestError, Used};

/// The components of a delivery, and what is missing of those that it names.
pub struct Planned {
    /// The plan to run.
    pub plan: Plan,
    /// The permits to try the components.
    pub(super) permits: PluginPermits,
    /// The record of the active component, if the default guest replaces it.
    pub(super) replaced: Option<ComponentRun>,
    /// The record of the shadow, if it can't run.
    pub(super) no_shadow: Option<ShadowRun>,
    /// The resources that the key-parser used.
    pub(super) key: Used,
    /// The record of the component, if it failed before the first line.
    pub(super) before: Option<ComponentRun>,
    /// The failure of the key-parser, if it was the component's own fault.
    pub(super) unrefined: Option<GuestErrorKind>,
    /// Warnings, rate-limited.
    pub(super) warnings: Vec<String>,
}

impl Planned {
    /// Has the tenant's key-parser refine an object's origin, for this delivery alone. If it
    /// fails by its own fault, `on_error: default` leaves the origin unchanged.
    ///
    /// # Errors
    /// The key-parser's fault, or its refusal of the object.
    pub async fn refine(
        &mut self,
        origin: &Arc<Origin>,
        object: &ObjectId,
        now: i64,
        memory: &DeliveryMemory,
    ) -> Result<Arc<Origin>, GuestError> {
        let Some(guest) = self.plan.tenant.as_ref().filter(|guest| guest.component.exports().key_parser.is_some())
        else {
            return Ok(Arc::clone(origin));
        };
        let on_error = guest.on_error;
        let (plan, given, object) = (self.plan.clone(), Arc::clone(origin), object.clone());
        let memory = memory.clone();
        let (refined, used) = blocking("parse-key", move || Ok(plan.refine(&given, &object, now, &memory))).await?;
        self.key = used;
        match refined {
            Err(error) if error.is_guests_fault() => {
                self.unrefined = Some(error.kind());
                if on_error != OnError::Default {
                    return Err(error);
                }
                self.warnings.push(format!(
                    "{}; the default guest's reading of the key stands, as on_error says",
                    error.without_words()
                ));
                Ok(Arc::clone(origin))
            }
            refined => refined,
        }
    }

    /// Adds warnings.
    pub fn warn(&mut self, warnings: Vec<String>) {
        self.warnings.extend(warnings);
    }

    /// Records what the component did before it failed without a line.
    pub fn failed_before(&mut self, run: Option<ComponentRun>) {
        self.before = run;
    }

    /// Adds to a delivery's entry what the plan lacks, and what went wrong before the guests
    /// ran.
    pub fn complete(&self, entry: &mut Entry) {
        if let Some(guest) = &self.plan.tenant {
            let digest = guest.component.digest();
            entry.component = entry.component.take().or_else(|| self.before.clone());
            let started = entry.component.is_some();
            let fault = entry.failure().filter(|kind| kind.is_guests_fault());
            if let Some(kind) = self.unrefined.map(FailureKind::from).or(fault.filter(|_| !started)) {
                entry.component_failed(digest, kind);
            }
            if self.key.calls > 0 {
                let none = || ComponentRun { digest: digest.to_owned(), ..ComponentRun::default() };
                entry.component.get_or_insert_with(none).add_used(self.key);
            }
        }
        entry.component = entry.component.take().or_else(|| self.replaced.clone());
        entry.shadow = entry.shadow.take().or_else(|| self.no_shadow.clone());
        entry.warnings.extend_from_slice(&self.warnings);
    }
}
