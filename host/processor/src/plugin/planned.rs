//! A delivery's plan, and what is known before its guests are at work.

use std::sync::Arc;

use super::suspension::PluginPermits;
use crate::pipeline::{ComponentRun, Plan, ShadowRun, blocking};
use crate::report::Entry;
use model::{FailureKind, GuestErrorKind, ObjectId, OnError, Origin};
use sandbox::{GuestError, Used};

/// The components of a delivery, and what is missing of those that it names.
pub struct Planned {
    /// What runs.
    pub plan: Plan,
    /// What it tries its components by.
    pub(super) permits: PluginPermits,
    /// Of the active component, where the default guest goes on without it.
    pub(super) replaced: Option<ComponentRun>,
    /// Of the shadow, where there is nothing to compare with.
    pub(super) no_shadow: Option<ShadowRun>,
    /// What its key-parser used.
    pub(super) key: Used,
    /// What its component did where it failed before it was given a line.
    pub(super) before: Option<ComponentRun>,
    /// How its key-parser failed by its own fault.
    pub(super) unrefined: Option<GuestErrorKind>,
    /// What a person should know, at most once a while.
    pub(super) warnings: Vec<String>,
}

impl Planned {
    /// What the tenant's key-parser makes of an object's origin, for this delivery alone.
    /// Where it fails by its own fault, `on_error: default` leaves the origin as it is.
    ///
    /// # Errors
    /// What it did wrong, or its refusal of the object.
    pub async fn refine(
        &mut self,
        origin: &Arc<Origin>,
        object: &ObjectId,
        now: i64,
    ) -> Result<Arc<Origin>, GuestError> {
        let Some(guest) = self.plan.tenant.as_ref().filter(|guest| guest.component.exports().key_parser.is_some())
        else {
            return Ok(Arc::clone(origin));
        };
        let on_error = guest.on_error;
        let (plan, given, object) = (self.plan.clone(), Arc::clone(origin), object.clone());
        let (refined, used) = blocking("parse-key", move || Ok(plan.refine(&given, &object, now))).await?;
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

    /// Adds what a person should know.
    pub fn warn(&mut self, warnings: Vec<String>) {
        self.warnings.extend(warnings);
    }

    /// What its component did, which failed before it was given a line.
    pub fn failed_before(&mut self, run: Option<ComponentRun>) {
        self.before = run;
    }

    /// Adds to what came of the delivery what its plan lacks, and what went wrong before
    /// the guests were at work.
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
