//! The components of a delivery: which they are, what they make of the key, whether
//! they want the object, what they say.

use super::delivery::One;
use super::left::State;
use crate::pipeline::{Asked, Guests, Job, Plan, blocking};
use crate::report::{Entry, Outcome};
use model::{DeadLetter, Reason};
use sandbox::{GuestError, GuestLog};

impl One<'_> {
    /// Finds the delivery's components, once: with what it begins it ends.
    pub(super) async fn plan(&mut self, now: i64) -> Result<Plan, Entry> {
        if let Some(planned) = &self.planned {
            return Ok(planned.plan.clone());
        }
        let mut planned = match self.processor.plans.plan(self.delivery).await {
            Ok(planned) => planned,
            Err(error) => {
                self.left = Some(State::of_plan(&error));
                return Err(error.of(self.entry(Outcome::Failed)));
            }
        };
        let refined = planned.refine(&self.origin, &self.work.id, now).await;
        let plan = planned.plan.clone();
        self.planned = Some(planned);
        match refined {
            Ok(origin) => self.origin = origin,
            Err(error) => return Err(self.guest_failed(error).await),
        }
        Ok(plan)
    }

    /// Fresh guests, if the delivery wants the object; else what came of it.
    pub(super) async fn start(&mut self, plan: &Plan, job: &Job) -> Result<Guests, Entry> {
        let (plan, job) = (plan.clone(), job.clone());
        let Asked { answer, run, log, warnings } = match blocking("wants", move || Guests::ask(&plan, &job)).await {
            Ok(asked) => asked,
            Err(error) => return Err(self.guest_failed(error).await),
        };
        self.hear(&log);
        self.filter_log_lines = log.lines;
        self.planned.iter_mut().for_each(|planned| planned.warn(warnings.clone()));
        match answer {
            Ok((guests, true)) => Ok(guests),
            Ok((_, false)) => Err(Entry { component: run, ..self.entry(Outcome::Filtered) }),
            Err(error) => Err(Entry { component: run, ..self.guest_failed(error).await }),
        }
    }

    /// Before a line was read.
    async fn guest_failed(&self, error: GuestError) -> Entry {
        match error {
            GuestError::Rejected { text, .. } => self.refused(&text).await,
            error => self.entry(Outcome::Failed).failed(&error.into_failure(self.logs_to_operator())),
        }
    }

    /// Whether what guests say of the tenant's lines may be seen in the processor's log.
    pub(super) fn logs_to_operator(&self) -> bool {
        let tenant = self.planned.as_ref().and_then(|planned| planned.plan.tenant.as_ref());
        tenant.is_some_and(|tenant| tenant.logs_to_operator)
    }

    /// A guest refused the object for good.
    async fn refused(&self, text: &str) -> Entry {
        let detail = format!("the guest rejected the object: {text}");
        let letter = DeadLetter::of_object(&self.work.id, Reason::GuestRejected, detail).for_delivery(self.delivery);
        match self.own_letters().write(&[letter]).await {
            Ok(()) => {
                let words = if self.logs_to_operator() { text } else { "the guest says why in the dead letter" };
                self.entry(Outcome::Rejected).because(Reason::GuestRejected, words)
            }
            Err(unwritten) => self.entry(Outcome::Failed).failed(&unwritten),
        }
    }

    /// Shows what guests logged, where the item wants that.
    pub(super) fn hear(&self, log: &GuestLog) {
        let tenant = self.planned.as_ref().and_then(|planned| planned.plan.tenant.as_ref());
        if let Some(guest) = tenant.filter(|guest| guest.logs_to_operator) {
            self.processor.guest_logs.show(&self.delivery.tenant_id, &guest.component, &self.work.id, &log.kept);
        }
    }
}
