//! One announced object while it is worked on, and what came of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::deduplication::{self, DedupKey};
use super::message_types::{Control, Message};
use super::processor::Processor;
use super::rejections::MessageRejections;
use super::unfinished::{DeliveryState, UnfinishedDelivery};
use crate::aws::StoredObject;
use crate::notification::{Announced, Resume, Scope};
use crate::report::{Entry, Outcome};
use crate::telemetry::FinishedDelivery;
use model::ObjectId;

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
    pub(super) fn scope(&self) -> Scope {
        self.resume.map_or(Scope::All, |resume| resume.scope.clone())
    }

    /// Which attempt this is, from 1: receives, and those of the messages before.
    pub(super) fn attempt(&self) -> u32 {
        let before = self.resume.map_or(0, |resume| resume.retry_count);
        self.message.attempt.max(1).saturating_add(before)
    }

    /// Names a delivery of the announced state of the object, the same in whatever message it
    /// is announced.
    pub(super) fn dedup_key(&self, tenant: &str, delivery: &str) -> DedupKey {
        DedupKey::new(&deduplication::state(&self.message.id, self.announced), tenant, delivery)
    }

    /// Names what a message is about, before its tenant is known.
    pub(super) fn message_key(&self) -> DedupKey {
        self.dedup_key("*", self.scope().name().unwrap_or("*"))
    }

    /// What is left when nothing new was settled; `delivery`: of the item of this type.
    pub(super) fn unfinished(&self, delivery: Option<&str>, state: DeliveryState, error: String) -> UnfinishedDelivery {
        let mut resume = self.resume.cloned().unwrap_or_default();
        if let Some(kind) = delivery {
            resume.scope = Scope::of_item(kind);
        }
        let key = self.dedup_key("*", resume.scope.name().unwrap_or("*"));
        UnfinishedDelivery { record: self.announced.record.clone(), resume, state, error, key: Some(key) }
    }
}

impl Processor {
    /// An outcome that no delivery came to: counted here, since nothing else does.
    pub(super) fn count_without_delivery(&self, entry: Entry, unfinished: Option<UnfinishedDelivery>) -> ObjectResult {
        self.metrics.record_delivery(&FinishedDelivery { entry: &entry, latency: None, guest_time: Duration::ZERO });
        ObjectResult { entries: vec![entry], unfinished: unfinished.into_iter().collect(), ..ObjectResult::default() }
    }
}
