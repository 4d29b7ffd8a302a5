//! One delivery of one object: its plan, its filter, its destination, its end.

use std::sync::Arc;
use std::time::Duration;

use model::{DeadLetter, Delivery, Destination, FailureKind, ObjectId, Origin, Reason, Stop, TimestampNumbers};
use sandbox::GuestError;

use super::port::{DeliveryPort, ObjectTime, Progress};
use crate::delivery::{Settled, s3};
use crate::memory::DeliveryMemory;
use crate::object::ReadLimits;
use crate::pipeline::{Asked, Delivered, Guests, Job, Plan, blocking};
use crate::plugin::{PlanError, Planned, Plans};
use crate::report::{Entry, Outcome};

/// Bytes of whole lines that a component is given at once. 64 to 256 KiB are fastest; more only
/// takes memory.
pub const CHUNK_BYTES: usize = 256 * 1024;

/// What is the same for all deliveries of a process.
#[derive(Debug, Clone)]
pub struct JobSettings {
    /// What bounds the reading.
    pub read_limits: ReadLimits,
    /// Bytes of events that gather before they are put, at most.
    pub window_bytes: usize,
    /// MAX_BATCH_SIZE: events per put.
    pub max_batch_events: usize,
    /// TIMESTAMP_NUMBERS.
    pub timestamp_numbers: TimestampNumbers,
    /// PLUGIN_SHADOW_CONTENTS.
    pub shadow_contents: bool,
}

/// What a delivery run is about.
#[derive(Clone)]
pub struct Subject<'a> {
    /// Makes the plan of the delivery.
    pub plans: &'a Plans,
    /// What is the same for all deliveries.
    pub settings: &'a JobSettings,
    /// The object.
    pub object: &'a Arc<ObjectId>,
    /// From its key.
    pub origin: &'a Arc<Origin>,
    /// Where it goes.
    pub delivery: &'a Arc<Delivery>,
    /// What it has claimed of the memory.
    pub memory: DeliveryMemory,
}

/// One delivery of one object, of which there may be several attempts: with the plugin
/// that it begins with it ends.
pub struct DeliveryRun<'a, P> {
    pub(super) subject: Subject<'a>,
    pub(super) port: P,
    pub(super) stop: Stop,
    pub(super) settled: Settled,
    /// The digest that the number of settled events belongs to, once the object was open.
    pub(super) events_from: Option<String>,
    /// The events that earlier attempts had settled, as far as this one knows.
    pub(super) resumed_from: u64,
    planned: Option<Planned>,
    /// The origin that the plugin's key-parser made of the key's, once it was asked.
    refined: Option<Arc<Origin>>,
    plan_error: Option<PlanError>,
    /// Lines that were logged before the object was opened.
    filter_log_lines: u64,
    guest_time: Duration,
}

/// A delivery that is wanted: all that its last step needs.
pub(super) struct Wanted {
    pub(super) job: Job,
    pub(super) plan: Plan,
    pub(super) guests: Guests,
    /// Digest of all that decides which events the object becomes.
    pub(super) events_from: String,
}

/// How far a delivery came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached<'a> {
    /// Events that are settled, in guest order.
    pub events: u64,
    /// Digest of all that decides which events the object becomes.
    pub events_from: &'a str,
}

/// What came of a delivery run.
#[derive(Debug)]
pub struct Ran {
    /// How it ended.
    pub entry: Entry,
    /// Why its plugin can't be had, where that is why it failed.
    pub plan_error: Option<PlanError>,
    /// Time in its guests.
    pub guest_time: Duration,
}

impl<'a, P: DeliveryPort> DeliveryRun<'a, P> {
    /// A run that has not begun. `settled` is where its progress can be seen at any time.
    pub fn new(subject: Subject<'a>, port: P, stop: Stop, settled: Settled) -> Self {
        Self {
            subject,
            port,
            stop,
            settled,
            events_from: None,
            resumed_from: 0,
            planned: None,
            refined: None,
            plan_error: None,
            filter_log_lines: 0,
            guest_time: Duration::ZERO,
        }
    }

    /// What it claims from now on is claimed of this.
    pub fn use_memory(&mut self, memory: DeliveryMemory) {
        self.subject.memory = memory;
    }

    /// Its port.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// Its port, for another attempt.
    pub fn port_mut(&mut self) -> &mut P {
        &mut self.port
    }

    /// How far it came; `None` where no event is settled.
    pub fn reached(&self) -> Option<Reached<'_>> {
        let events = self.settled.get();
        let events_from = self.events_from.as_deref().filter(|_| events > 0)?;
        Some(Reached { events, events_from })
    }

    /// Ends the run with what came of its last attempt: adds what its plan lacks, and says
    /// how its plugin did.
    pub fn finish(&mut self, mut entry: Entry) -> Ran {
        entry.guest_log_lines += self.filter_log_lines;
        if let Some(planned) = &mut self.planned {
            planned.complete(&mut entry);
            self.subject.plans.ended(planned, &entry);
        }
        Ran { entry, plan_error: self.plan_error.take(), guest_time: self.guest_time }
    }

    /// Tries the delivery once, from where it stands.
    pub async fn attempt(&mut self) -> Entry {
        let entry = self.attempt_from_checkpoint().await;
        if entry.failure() != Some(FailureKind::OffsetBeyond) || !self.port.forget_progress() {
            return entry;
        }
        // Nothing was put: what is delivered twice is better than what is never delivered.
        self.settled.set(0);
        self.attempt_from_checkpoint().await
    }

    async fn attempt_from_checkpoint(&mut self) -> Entry {
        (self.resumed_from, self.plan_error) = (0, None);
        let entry = match Box::pin(self.deliver()).await {
            Ok(entry) | Err(entry) => Entry { resumed_from_event: self.resumed_from, ..entry },
        };
        if !matches!(entry.outcome, Outcome::Delivered | Outcome::Partial | Outcome::Rejected) {
            return entry;
        }
        let settled = self.resumed_from.saturating_add(entry.counts.events);
        match self.port.record_done(settled, entry.reason.map_or("delivered", |reason| reason.name())) {
            Ok(()) => entry,
            Err(failure) => entry.failed(&failure),
        }
    }

    /// All steps. Whichever is the last, its entry says how the attempt ended.
    async fn deliver(&mut self) -> Result<Entry, Entry> {
        let time = match self.port.object_time().await {
            Ok(time) => time,
            Err(failure) => return Err(self.failed(failure).await),
        };
        let (plan, origin, events_from) = self.plan(time).await?;
        let job = self.job(time, origin);
        let guests = self.filter(&plan, &job).await?;
        let wanted = Wanted { job, plan, guests, events_from };
        // Boxed: each is large, and not to lie on a worker's stack within all the others.
        Ok(match &self.subject.delivery.destination {
            Destination::CloudWatch { .. } => Box::pin(self.deliver_events(wanted)).await,
            Destination::S3 { bucket, prefix, .. } => {
                let key = s3::key(prefix, &wanted.job.origin, self.subject.object);
                let target = ObjectId { bucket: bucket.clone(), key };
                match wanted.plan.rewrites() {
                    true => Box::pin(self.rewrite(wanted, &target)).await,
                    false => Box::pin(self.copy(wanted, &target)).await,
                }
            }
        })
    }

    /// The plan, which is made once; the origin as its key-parser refines it; and the digest
    /// of all that decides which events the object becomes.
    async fn plan(&mut self, time: ObjectTime) -> Result<(Plan, Arc<Origin>, String), Entry> {
        let Subject { plans, object, origin, delivery, ref memory, .. } = self.subject;
        let mut planned = match self.planned.take() {
            Some(planned) => planned,
            None => match plans.plan(delivery).await {
                Ok(planned) => planned,
                Err(error) => {
                    let entry = error.of(self.entry(Outcome::Failed));
                    self.plan_error = Some(error);
                    return Err(entry);
                }
            },
        };
        let plan = planned.plan.clone();
        let events_from = self.events_from(&plan, origin);
        let progress = self.port.begin(&plan, &events_from);
        let refined = match (progress, self.refined.clone()) {
            (Progress::Done, _) => None,
            (Progress::Settled(events), refined) => {
                self.resumed_from = events;
                Some(match refined {
                    Some(refined) => Ok(refined),
                    None => planned.refine(origin, object, time.now, memory).await,
                })
            }
        };
        self.planned = Some(planned);
        match refined {
            None => Err(self.entry(Outcome::AlreadyDelivered)),
            Some(Err(error)) => Err(self.guest_failed(error).await),
            Some(Ok(refined)) => {
                self.refined = Some(Arc::clone(&refined));
                // Few plugins refine the origin: without that the digest is the same.
                let events_from = if refined == *origin { events_from } else { self.events_from(&plan, &refined) };
                Ok((plan, refined, events_from))
            }
        }
    }

    /// Fresh guests, if the delivery wants the object.
    async fn filter(&mut self, plan: &Plan, job: &Job) -> Result<Guests, Entry> {
        let (plan, job) = (plan.clone(), job.clone());
        let Asked { answer, run, log, warnings } = match blocking("wants", move || Guests::ask(&plan, &job)).await {
            Ok(asked) => asked,
            Err(error) => return Err(self.guest_failed(error).await),
        };
        self.port.show_guest_log(&log);
        self.filter_log_lines = log.lines;
        self.planned.iter_mut().for_each(|planned| planned.warn(warnings.clone()));
        match answer {
            Ok((guests, true)) => Ok(guests),
            Ok((_, false)) => Err(Entry { component: run, ..self.entry(Outcome::Filtered) }),
            Err(error) => Err(Entry { component: run, ..self.guest_failed(error).await }),
        }
    }

    /// The work, as far as it is known before the object is opened.
    fn job(&self, time: ObjectTime, origin: Arc<Origin>) -> Job {
        let JobSettings { read_limits, window_bytes, max_batch_events, timestamp_numbers, shadow_contents } =
            self.subject.settings.clone();
        Job {
            object: Arc::clone(self.subject.object),
            origin,
            delivery: Arc::clone(self.subject.delivery),
            now: time.now,
            last_modified: time.last_modified,
            timestamp_numbers,
            stored_bytes: 0,
            resume_from: self.resumed_from,
            limits: read_limits,
            window_bytes,
            max_batch_events,
            age_at: self.port.age_at(time),
            shadow_contents,
            memory: self.subject.memory.clone(),
            guest_words: self.port.shows_guest_words(),
        }
    }

    fn events_from(&self, plan: &Plan, origin: &Origin) -> String {
        let JobSettings { read_limits, timestamp_numbers, .. } = self.subject.settings;
        plan.digest(read_limits.max_line_bytes, *timestamp_numbers, origin, self.subject.delivery)
    }

    pub(super) fn entry(&self, outcome: Outcome) -> Entry {
        let Subject { object, delivery, .. } = self.subject;
        Entry::new(object, Some(&delivery.tenant_id), Some(delivery.id()), outcome)
    }

    /// An entry of what the pipeline did.
    pub(super) fn entry_with(&mut self, delivered: Delivered) -> Entry {
        self.guest_time = delivered.guest_time;
        self.port.show_guest_log(&delivered.guest_log);
        self.entry(Outcome::Delivered).with(delivered)
    }

    /// A guest failed before a line was read.
    async fn guest_failed(&self, error: GuestError) -> Entry {
        match error {
            GuestError::Rejected { text, .. } => self.refused(&text).await,
            error => self.entry(Outcome::Failed).failed(&error.into_failure(self.port.shows_guest_words())),
        }
    }

    /// A guest refused the object for good.
    async fn refused(&self, text: &str) -> Entry {
        let detail = format!("the guest rejected the object: {text}");
        let letter = DeadLetter::of_object(self.subject.object, Reason::GuestRejected, detail)
            .for_delivery(self.subject.delivery);
        match self.port.write_dead_letters(&[letter]).await {
            Ok(()) => {
                let shown = self.port.shows_guest_words();
                let words = if shown { text } else { "the guest says why in the dead letter" };
                self.entry(Outcome::Rejected).with_reason(Reason::GuestRejected, words)
            }
            Err(failure) => self.entry(Outcome::Failed).failed(&failure),
        }
    }
}
