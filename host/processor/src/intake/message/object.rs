//! One announced object: its key, its tenant, its deliveries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use model::{Delivery, DestinationKind, ObjectId, Origin, Reason};
use tokio::sync::OnceCell;

use super::refusals;
use super::rejections::MessageRejections;
use super::unfinished::{DeliveryState, UnfinishedDelivery};
use super::{Control, Message, Processor};
use crate::aws::StoredObject;
use crate::delivery::dead_letter::{DeadLetterWriter, Provenance};
use crate::delivery_run::{Route, Routing, invalid_entry};
use crate::notification::{Announced, Resume, Scope};
use crate::report::{Entry, Outcome};
use crate::telemetry::FinishedDelivery;
use crate::tenant::InvalidDelivery;

/// What came of an object's deliveries.
#[derive(Debug, Default)]
pub(super) struct ObjectResult {
    /// The number of its account.
    pub(super) number: usize,
    /// An entry a delivery, or one for the object.
    pub(super) entries: Vec<Entry>,
    /// What is left of them.
    pub(super) unfinished: Vec<UnfinishedDelivery>,
}

impl ObjectResult {
    /// Whether it is rejected as a whole, before any delivery.
    pub(super) fn is_rejected(&self) -> bool {
        self.entries.iter().any(|entry| entry.outcome == Outcome::Rejected && entry.delivery.is_none())
    }
}

/// An object that is worked on.
pub(super) struct ObjectRun<'a> {
    pub(super) message: &'a Message,
    pub(super) announced: &'a Announced,
    pub(super) id: Arc<ObjectId>,
    pub(super) resume: Option<&'a Resume>,
    pub(super) control: &'a Control,
    pub(super) rejections: &'a MessageRejections,
    /// What S3 says about it, once it was asked.
    pub(super) stored: OnceCell<StoredObject>,
}

impl ObjectRun<'_> {
    /// Which of the tenant's deliveries the message is about.
    fn scope(&self) -> Scope {
        self.resume.map_or(Scope::All, |resume| resume.scope.clone())
    }
}

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
            super::object_log::log_object(&object.id, &result, started.elapsed(), self.dead_letters.describe());
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
        let key = super::deduplication::key(object, "*", object.scope().name().unwrap_or("*"));
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

    /// An outcome that no delivery came to: counted here, since nothing else does.
    pub(super) fn count_without_delivery(&self, entry: Entry, unfinished: Option<UnfinishedDelivery>) -> ObjectResult {
        self.metrics.record_delivery(&FinishedDelivery { entry: &entry, latency: None, guest_time: Duration::ZERO });
        ObjectResult { entries: vec![entry], unfinished: unfinished.into_iter().collect(), ..ObjectResult::default() }
    }

    /// A delivery whose item can't be used waits for whoever can mend it.
    fn postpone_invalid(&self, object: &ObjectRun<'_>, origin: &Origin, invalid: &InvalidDelivery) -> ObjectResult {
        let failed = invalid_entry(&object.id, origin, invalid);
        let unfinished = object.unfinished(Some(&invalid.kind), DeliveryState::InvalidItem, invalid.problem.clone());
        self.count_without_delivery(failed, Some(unfinished))
    }

    /// The dead letters of a delivery of an object.
    pub(super) fn letters(
        &self,
        object: &ObjectRun<'_>,
        delivery: Option<DestinationKind>,
        etag: Option<&str>,
        component: Option<String>,
    ) -> DeadLetterWriter {
        let provenance = Provenance {
            etag: etag.map(str::to_owned).or_else(|| object.announced.etag.clone()),
            version_id: object.announced.version_id.clone(),
            component,
            attempt: object.attempt(),
        };
        DeadLetterWriter::new(self.dead_letters.clone(), &object.id, delivery, provenance)
    }
}

impl ObjectRun<'_> {
    /// Which attempt this is, from 1: receives, and those of the messages before.
    fn attempt(&self) -> u32 {
        let before = self.resume.map_or(0, |resume| resume.retry_count);
        self.message.attempt.max(1).saturating_add(before)
    }
}
