//! One announced object: its key, its tenant, its deliveries.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tokio::sync::OnceCell;

use super::left::{Left, State};
use super::refused;
use super::rejected::OfMessage;
use super::{Control, Message, Processor};
use crate::aws::StoredObject;
use crate::delivery::dead_letter::{Letters, Provenance};
use crate::notification::{Announced, Only, Resume};
use crate::plugin::KeyError;
use crate::report::{Entry, Outcome, Unwanted};
use crate::telemetry::FinishedDelivery;
use crate::tenant::{Found, InvalidDelivery, Lookup, meant_type};
use model::{Delivery, FailureKind, ObjectId, Origin, Reason};

/// What came of an object's deliveries.
#[derive(Debug, Default)]
pub(super) struct Worked {
    /// The number of its account.
    pub(super) number: usize,
    /// An entry a delivery, or one for the object.
    pub(super) entries: Vec<Entry>,
    /// What is left of them.
    pub(super) left: Vec<Left>,
}

impl Worked {
    /// Whether it is rejected as a whole, before any delivery.
    pub(super) fn is_rejected(&self) -> bool {
        self.entries.iter().any(|entry| entry.outcome == Outcome::Rejected && entry.delivery.is_none())
    }
}

/// An object that is worked on.
pub(super) struct Work<'a> {
    pub(super) message: &'a Message,
    pub(super) announced: &'a Announced,
    pub(super) id: Arc<ObjectId>,
    pub(super) resume: Option<&'a Resume>,
    pub(super) control: &'a Control,
    pub(super) of_message: &'a OfMessage,
    /// What S3 says about it, once it was asked.
    pub(super) stored: OnceCell<StoredObject>,
}

impl Work<'_> {
    /// Which of the tenant's deliveries the message is about.
    fn only(&self) -> Only {
        self.resume.map_or(Only::All, |resume| resume.only.clone())
    }
}

impl Processor {
    /// Delivers an announced object to everyone who wants it.
    pub(super) async fn object(
        &self,
        message: &Message,
        (number, announced): (usize, &Announced),
        resume: Option<&Resume>,
        control: &Control,
        of_message: &OfMessage,
    ) -> Worked {
        let started = Instant::now();
        let id = Arc::new(announced.object.clone());
        let work = Work { message, announced, id, resume, control, of_message, stored: OnceCell::new() };
        let worked = Worked { number, ..self.worked(&work).await };
        // What a delivery was tried for took its time; of the others a message may hold very many.
        let tried = |entry: &Entry| entry.delivery.is_some() && entry.outcome != Outcome::Filtered;
        if worked.entries.iter().any(tried) || of_message.may_name() {
            super::tell::object(&work.id, &worked, started.elapsed(), self.dead_letters.fate());
        }
        worked
    }

    async fn worked(&self, work: &Work<'_>) -> Worked {
        let entry = |outcome| Entry::new(&work.id, None, None, outcome);
        let key = super::memory::key(work, "*", work.only().name().unwrap_or("*"));
        if self.memory.is_settled(&key, &work.message.id) {
            return self.without_delivery(entry(Outcome::AlreadyDelivered), None);
        }
        if let Some(resume) = work.resume.filter(|_| self.refused_fails() && refused::is_settled(work.resume)) {
            let (failed, left) = self.only_fails(work, entry(Outcome::Failed), resume);
            return self.without_delivery(failed, Some(left));
        }
        if let Some(allowed) = &self.bounds.source_buckets
            && !allowed.matches(&work.id.bucket)
        {
            let text = format!("the message names the bucket {}, which is beyond SOURCE_BUCKETS", work.id.bucket);
            return self.rejected(work, Reason::ForeignBucket, text.clone(), &text);
        }
        // The guests' clock; a key needs none but for what a guest may do with it.
        let now = work.announced.event_time.unwrap_or_default();
        let known = work.message.whose.as_ref().filter(|whose| whose.object == *work.id);
        let origin = match known {
            Some(whose) => Ok(whose.origin.clone()),
            None => self.plans.parse_key(&work.id, now).await,
        };
        let origin = match origin {
            Ok(origin) => Arc::new(origin),
            Err(KeyError::Rejected { text, for_the_log }) => {
                let words =
                    if for_the_log { text.clone() } else { "KEY_PARSER says why in the dead letter".to_owned() };
                return self.rejected(work, Reason::InvalidKey, text, &words);
            }
            Err(KeyError::Failed(error)) => {
                let (failed, text) = (entry(Outcome::Failed).failed(&error.failure), error.to_string());
                return self.without_delivery(failed, Some(work.left(None, State::of_plan(&error), text)));
            }
        };
        let entry = |outcome| Entry::new(&work.id, Some(&origin.tenant_id), None, outcome);
        let found = match self.directory.lookup(&origin.tenant_id).await {
            Ok(found) => found,
            Err(error) => {
                let failed = entry(Outcome::Failed).because(FailureKind::TenantTable, error.to_string());
                return self.without_delivery(failed, Some(work.left(None, State::FAILED, error.to_string())));
            }
        };
        self.deliveries(work, &origin, &found).await
    }

    async fn deliveries(&self, work: &Work<'_>, origin: &Arc<Origin>, found: &Found) -> Worked {
        let unwanted = |reason, why| match found.expired {
            0 => self.unwanted(work, &origin.tenant_id, reason, why),
            _ => self.unwanted(
                work,
                &origin.tenant_id,
                Unwanted::Expired,
                "what the tenant table has of it has expired (ttl)",
            ),
        };
        let (mut all, only) = (Worked::default(), work.only());
        for invalid in found.invalid.iter().filter(|invalid| only.has_item(&invalid.kind)) {
            let worked = self.invalid(work, origin, invalid);
            all.entries.extend(worked.entries);
            all.left.extend(worked.left);
        }
        let deliveries: &[Arc<Delivery>] = match &found.lookup {
            Lookup::Deliveries(deliveries) => deliveries,
            Lookup::Unknown => {
                return unwanted(Unwanted::UnknownTenant, "the tenant table has no item of this tenant");
            }
            Lookup::NoneEnabled if all.entries.is_empty() => {
                return unwanted(Unwanted::NoneEnabled, "no delivery of this tenant is enabled");
            }
            Lookup::NoneEnabled => &[],
        };
        // What is about an item that is still there, and can't be used, waits for that one.
        let waits = !all.entries.is_empty();
        let wanted = deliveries.iter().filter(|delivery| is_about(&only, delivery.id(), waits));
        for (entry, left) in join_all(wanted.map(|delivery| self.deliver(work, origin, delivery))).await {
            all.entries.push(entry);
            all.left.extend(left);
        }
        if all.entries.is_empty() {
            return unwanted(Unwanted::NoneEnabled, "the delivery that this message is about is no longer enabled");
        }
        all
    }

    /// An outcome that no delivery came to: counted here, since nothing else does.
    pub(super) fn without_delivery(&self, entry: Entry, left: Option<Left>) -> Worked {
        self.metrics.delivery(&FinishedDelivery { entry: &entry, latency: None, guest_time: Duration::ZERO });
        Worked { entries: vec![entry], left: left.into_iter().collect(), ..Worked::default() }
    }

    /// A delivery whose item can't be used waits for whoever can mend it.
    fn invalid(&self, work: &Work<'_>, origin: &Origin, invalid: &InvalidDelivery) -> Worked {
        let entry = Entry::new(&work.id, Some(&origin.tenant_id), invalid.delivery(), Outcome::Failed);
        let failed = entry.because(FailureKind::InvalidDelivery, invalid.problem.as_str());
        let left = work.left(Some(&invalid.kind), State::InvalidItem, invalid.problem.clone());
        self.without_delivery(failed, Some(left))
    }

    /// The dead letters of a delivery of an object.
    pub(super) fn letters(
        &self,
        work: &Work<'_>,
        delivery: Option<&'static str>,
        etag: Option<&str>,
        component: Option<String>,
    ) -> Letters {
        let provenance = Provenance {
            etag: etag.map(str::to_owned).or_else(|| work.announced.etag.clone()),
            version_id: work.announced.version_id.clone(),
            component,
            attempt: work.attempt(),
        };
        Letters::new(self.dead_letters.clone(), &work.id, delivery, provenance)
    }
}

/// Whether a message is about this delivery. One about an item that could not be used is,
/// once that is gone, about the delivery that it was meant to be.
fn is_about(only: &Only, id: &str, item_waits: bool) -> bool {
    match only {
        Only::All => true,
        Only::Delivery(only) => *only == id,
        Only::Item(kind) => !item_waits && meant_type(kind) == Some(id),
    }
}

impl Work<'_> {
    /// Which attempt this is, from 1: receives, and those of the messages before.
    fn attempt(&self) -> u32 {
        let before = self.resume.map_or(0, |resume| resume.retry_count);
        self.message.attempt.max(1).saturating_add(before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_about_no_more_than_it_says() {
        let about = |only: &Only, waits| ["cloudwatch", "s3"].map(|id| is_about(only, id, waits));
        assert_eq!(about(&Only::All, true), [true, true]);
        assert_eq!(about(&Only::of_item("s3"), true), [false, true]);
        for (kind, meant) in [("S3", [false, true]), ("cloudwach", [true, false]), ("kinesis", [false, false])] {
            assert_eq!(about(&Only::of_item(kind), false), meant, "{kind}: the item is mended");
            assert_eq!(about(&Only::of_item(kind), true), [false, false], "{kind}: the item is still there");
        }
    }
}
