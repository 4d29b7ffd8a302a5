//! One announced object: its key, its tenant, its deliveries.

use std::sync::Arc;
use std::time::Instant;

use futures_util::future::join_all;
use model::{Delivery, Origin, Reason};
use tokio::sync::OnceCell;

use super::message_types::{Control, Message};
use super::object_log;
use super::object_run::{ObjectResult, ObjectRun};
use super::processor::Processor;
use super::refusals;
use super::rejections::MessageRejections;
use super::unfinished::DeliveryState;
use crate::delivery_run::{Route, Routing, invalid_entry};
use crate::notification::{Announced, Resume};
use crate::report::{Entry, Outcome};
use crate::tenant::InvalidDelivery;

impl Processor {
    /// Delivers an announced object to everyone who wants it.
    pub(super) async fn process_object(
        &self,
        message: &Message,
        (number, announced): (usize, &Announced),
        resume: Option<&Resume>,
        control: &Control,
        rejections: &MessageRejections,
    ) -> ObjectResult {
        let started = Instant::now();
        let id = Arc::new(announced.object.clone());
        let object = ObjectRun { message, announced, id, resume, control, rejections, stored: OnceCell::new() };
        let result = ObjectResult { number, ..self.route(&object).await };
        // What a delivery was tried for took its time; of the others a message may hold very many.
        let tried = |entry: &Entry| entry.delivery.is_some() && entry.outcome != Outcome::Filtered;
        if result.entries.iter().any(tried) || rejections.admit_name() {
            object_log::log_object(&object.id, &result, started.elapsed(), self.dead_letters.describe());
        }
        result
    }

    async fn route(&self, object: &ObjectRun<'_>) -> ObjectResult {
        let entry = |tenant: Option<&str>, outcome| Entry::new(&object.id, tenant, None, outcome);
        if let Some(result) = self.refuse_early(object) {
            return result;
        }
        let owner = object.message.owner.as_ref().filter(|owner| owner.object == *object.id);
        let scope = object.scope();
        let routing = Routing {
            object: &object.id,
            // A key needs no clock but for what a guest may do with it.
            now: object.announced.event_time.unwrap_or_default(),
            origin: owner.map(|owner| &owner.origin),
            scope: &scope,
        };
        match routing.route(&self.plans, &self.directory).await {
            Route::Deliveries { origin, invalid, deliveries } => {
                self.deliver_to_all(object, &origin, &invalid, &deliveries).await
            }
            Route::KeyRejected { text, for_the_log } => {
                let words =
                    if for_the_log { text.clone() } else { "KEY_PARSER says why in the dead letter".to_owned() };
                self.reject_object(object, Reason::InvalidKey, text, &words)
            }
            Route::KeyFailed(error) => {
                let failed = entry(None, Outcome::Failed).failed(&error.failure);
                let unfinished = object.unfinished(None, DeliveryState::of_plan(&error), error.to_string());
                self.count_without_delivery(failed, Some(unfinished))
            }
            Route::LookupFailed { origin, failure } => {
                let failed = entry(Some(&origin.tenant_id), Outcome::Failed).failed(&failure);
                self.count_without_delivery(
                    failed,
                    Some(object.unfinished(None, DeliveryState::FAILED, failure.to_string())),
                )
            }
            Route::Unwanted { origin, why, text } => self.ignore(object, &origin.tenant_id, why, &text),
        }
    }

    /// What comes of an object that is not even looked at.
    fn refuse_early(&self, object: &ObjectRun<'_>) -> Option<ObjectResult> {
        let entry = |outcome| Entry::new(&object.id, None, None, outcome);
        let key = object.message_key();
        if self.deduplicator.is_settled(&key, &object.message.id) {
            return Some(self.count_without_delivery(entry(Outcome::AlreadyDelivered), None));
        }
        if let Some(resume) = object.resume.filter(|_| self.fails_on_refusal() && refusals::is_settled(object.resume)) {
            let (failed, unfinished) = self.fail_only(object, entry(Outcome::Failed), resume);
            return Some(self.count_without_delivery(failed, Some(unfinished)));
        }
        if let Some(allowed) = &self.limits.source_buckets
            && !allowed.matches(&object.id.bucket)
        {
            let text = format!("the message names the bucket {}, which is beyond SOURCE_BUCKETS", object.id.bucket);
            return Some(self.reject_object(object, Reason::ForeignBucket, text.clone(), &text));
        }
        None
    }

    /// All deliveries at once: each waits for its own turn and destination.
    async fn deliver_to_all(
        &self,
        object: &ObjectRun<'_>,
        origin: &Arc<Origin>,
        invalid: &[InvalidDelivery],
        deliveries: &[Arc<Delivery>],
    ) -> ObjectResult {
        let mut all = ObjectResult::default();
        for invalid in invalid {
            let result = self.postpone_invalid(object, origin, invalid);
            all.entries.extend(result.entries);
            all.unfinished.extend(result.unfinished);
        }
        for (entry, unfinished) in
            join_all(deliveries.iter().map(|delivery| self.deliver(object, origin, delivery))).await
        {
            all.entries.push(entry);
            all.unfinished.extend(unfinished);
        }
        all
    }

    /// A delivery whose item can't be used waits for whoever can mend it.
    fn postpone_invalid(&self, object: &ObjectRun<'_>, origin: &Origin, invalid: &InvalidDelivery) -> ObjectResult {
        let failed = invalid_entry(&object.id, origin, invalid);
        let unfinished = object.unfinished(Some(&invalid.kind), DeliveryState::InvalidItem, invalid.problem.clone());
        self.count_without_delivery(failed, Some(unfinished))
    }
}
