//! Whether and when a delivery runs: once at a time, in its tenant's turn, while its
//! destination's circuit breaker lets it; and what is left of it then.

use std::sync::Arc;
use std::time::{Duration, Instant};

use model::{BreakerOpen, Delivery, FailureKind, Origin, StopScope};

use super::aws_port::AwsPort;
use super::breaker::{self, DestinationSignal};
use super::clock::now;
use super::deduplication::{DedupKey, InFlight};
use super::duplicates;
use super::object_run::ObjectRun;
use super::permits::Feedback;
use super::processor::Processor;
use super::refusals;
use super::unfinished::{DeliveryState, UnfinishedDelivery};
use crate::aws::AwsErrorKind;
use crate::delivery::Settled;
use crate::delivery_run::{DeliveryRun, Ran, Subject};
use crate::memory::DeliveryMemory;
use crate::notification::Resume;
use crate::report::{Cause, Entry, Outcome};
use crate::telemetry::FinishedDelivery;

/// The time that a delivery has to end by itself once it is abandoned: less than what a
/// Lambda keeps for sending back what is left.
const STOP_GRACE: Duration = Duration::from_millis(100);

impl Processor {
    /// Delivers an object to one destination; with what is left of it, if anything.
    pub(super) async fn deliver(
        &self,
        object: &ObjectRun<'_>,
        origin: &Arc<Origin>,
        delivery: &Arc<Delivery>,
    ) -> (Entry, Option<UnfinishedDelivery>) {
        let started = Instant::now();
        let key = object.dedup_key(&origin.tenant_id, delivery.id().name());
        let (in_flight, reached) = match self.claim(object, &key).await {
            Ok(begun) => begun,
            Err(not_claimed) => return not_claimed.into_result(object, origin, delivery, key),
        };
        let resume = refusals::resume_at(duplicates::merge_resume(object.resume, reached), self.fails_on_refusal());
        if self.fails_on_refusal() && refusals::is_settled(Some(&resume)) {
            let entry = Entry::new(&object.id, Some(&origin.tenant_id), Some(delivery.id()), Outcome::Failed);
            let (entry, unfinished) = self.fail_only(object, entry, &resume);
            return (entry, Some(UnfinishedDelivery { key: Some(key), ..unfinished }));
        }
        let mut admitted = Admitted::new(self, object, origin, delivery, resume);
        let entry = admitted.run_with_permit().await;
        let (mut entry, guest_time) = admitted.finish(entry);
        entry.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut unfinished = entry.outcome.is_open().then(|| admitted.unfinished(&entry));
        if unfinished.is_none() {
            (entry, unfinished) = self.conclude(object, entry, admitted.port().resume(), admitted.checkpoint());
        }
        let unfinished = unfinished.map(|unfinished| UnfinishedDelivery { key: Some(key.clone()), ..unfinished });
        match &unfinished {
            Some(unfinished) => in_flight.record_checkpoint(unfinished.next(now())),
            None => self.record_done(object, &key, &entry, in_flight),
        }
        let latency = admitted.port().last_modified().map(|modified| now().saturating_sub(modified).max(0));
        self.metrics.record_delivery(&FinishedDelivery { entry: &entry, latency, guest_time });
        (entry, unfinished)
    }

    /// A delivery has its outcome.
    fn record_done(&self, object: &ObjectRun<'_>, key: &DedupKey, entry: &Entry, in_flight: InFlight) {
        self.metrics.waiting().end(key.name());
        self.deduplicator.mark_settled(key, &object.message.id);
        if matches!(entry.outcome, Outcome::Delivered | Outcome::Partial) {
            in_flight.mark_delivered();
        }
    }
}

/// One delivery of one object that no other message is about at this time.
pub(super) struct Admitted<'a> {
    pub(super) processor: &'a Processor,
    pub(super) object: &'a ObjectRun<'a>,
    pub(super) delivery: &'a Arc<Delivery>,
    run: DeliveryRun<'a, AwsPort<'a>>,
    /// Ends with the delivery, whatever becomes of it.
    stop: StopScope,
    /// Not to be tried before that: its failure opened the destination's circuit breaker.
    retry_after: Duration,
    /// How it is with what is left, where its destination was not asked.
    unfinished: Option<DeliveryState>,
}

impl<'a> Admitted<'a> {
    fn new(
        processor: &'a Processor,
        object: &'a ObjectRun<'a>,
        origin: &'a Arc<Origin>,
        delivery: &'a Arc<Delivery>,
        resume: Resume,
    ) -> Self {
        let (stop, settled) = (object.control.stop.scope(), Settled::default());
        let (plans, settings) = (&processor.plans, &processor.limits.job_settings);
        let memory = DeliveryMemory::default();
        let subject = Subject { plans, settings, object: &object.id, origin, delivery, memory };
        let port = AwsPort::new(processor, object, delivery, resume, &stop, settled.clone());
        let run = DeliveryRun::new(subject, port, stop.clone(), settled);
        Self { processor, object, delivery, run, stop, retry_after: Duration::ZERO, unfinished: None }
    }

    pub(super) fn port(&self) -> &AwsPort<'a> {
        self.run.port()
    }

    /// Waits for its turn, and delivers.
    async fn run_with_permit(&mut self) -> Entry {
        let (breaker_key, version) = breaker::breaker_key(self.delivery);
        let breakers = &self.processor.breakers;
        if let Some(refused) = breakers.check_open(&breaker_key, &version, Instant::now()) {
            return self.breaker_open(&refused);
        }
        let tenant = self.delivery.tenant_id.as_str();
        let Some(permit) = self.processor.permits.acquire(tenant, &self.object.control.stop).await else {
            self.unfinished = Some(DeliveryState::NotStarted);
            return self.interrupted("stopped before its turn came");
        };
        let Some(memory) = self.claim_memory().await else {
            self.unfinished = Some(DeliveryState::NotStarted);
            return self.interrupted("stopped before there was memory for it");
        };
        self.run.use_memory(memory);
        let breaker_permit = match breakers.admit(breaker_key, version, Instant::now()) {
            Ok(breaker_permit) => breaker_permit,
            Err(refused) => return self.breaker_open(&refused),
        };
        let activity = self.port().activity.clone();
        let mut entry = permit.watch(&activity, self.attempt_in_time()).await;
        if entry.failure() == Some(FailureKind::Aws(AwsErrorKind::Expired)) {
            // A session ended before its time (a clock that is off, a role that was
            // changed): once more with a new one, from where it stands.
            self.processor.aws.forget_session(self.delivery);
            let reached = self.checkpoint();
            self.run.port_mut().resume_from(reached);
            entry = permit.watch(&activity, self.attempt_in_time()).await;
        }
        match DestinationSignal::from_entry(&entry) {
            DestinationSignal::Success => {
                breaker_permit.record_success(Instant::now());
                permit.release(Feedback::Success);
            }
            DestinationSignal::Failure => {
                self.retry_after =
                    breaker_permit.record_failure(entry.error.as_deref().unwrap_or_default(), Instant::now());
                permit.release(Feedback::Failure);
            }
            DestinationSignal::Unknown => {
                breaker_permit.release();
                permit.release(Feedback::Neutral);
            }
        }
        entry
    }

    /// Waits for the memory that it begins with; `None`: stopped before.
    async fn claim_memory(&self) -> Option<DeliveryMemory> {
        let Processor { memory, limits, plans, .. } = self.processor;
        let components = plans.components_of(self.delivery);
        let (tenant, stop) = (self.delivery.tenant_id.as_str(), &*self.stop);
        tokio::select! {
            admitted = DeliveryMemory::admit(memory, limits.needs, tenant, components, stop) => admitted,
            () = stop.abandoned() => None,
        }
    }

    /// What came of it where the destination is left alone.
    fn breaker_open(&mut self, refused: &BreakerOpen) -> Entry {
        self.unfinished = Some(DeliveryState::BreakerOpen { retry_after: refused.retry_after });
        let error = format!(
            "not tried: this destination of {} has failed again and again, and is left alone for {} s more; at last: {}",
            self.delivery.tenant_id,
            refused.retry_after.as_secs().max(1),
            refused.cause
        );
        self.entry(Outcome::Failed).with_reason(FailureKind::BreakerOpen, error)
    }

    fn entry(&self, outcome: Outcome) -> Entry {
        Entry::new(&self.object.id, Some(&self.delivery.tenant_id), Some(self.delivery.id()), outcome)
    }

    fn interrupted(&self, why: &str) -> Entry {
        self.entry(Outcome::Interrupted).with_reason(Cause::Interrupted, why)
    }

    /// An attempt that ends where it is told to, also where it hangs in a call that
    /// doesn't listen: a role that is assumed, an object's first byte.
    async fn attempt_in_time(&mut self) -> Entry {
        let stop = (*self.stop).clone();
        let hangs = async {
            stop.abandoned().await;
            tokio::time::sleep(STOP_GRACE).await;
        };
        tokio::select! {
            entry = self.run.attempt() => return entry,
            () = hangs => {}
        }
        self.interrupted("stopped while a call was not answered")
    }

    /// Ends the run; returns what came of it, and its guests' time.
    fn finish(&mut self, entry: Entry) -> (Entry, Duration) {
        let Ran { entry, plan_error, guest_time } = self.run.finish(entry);
        self.unfinished = self.unfinished.or(plan_error.as_ref().map(DeliveryState::of_plan));
        (entry, guest_time)
    }

    /// Where its next attempt goes on.
    pub(super) fn checkpoint(&self) -> Resume {
        self.port().checkpoint(self.run.reached())
    }

    /// What its next attempt needs.
    fn unfinished(&self, entry: &Entry) -> UnfinishedDelivery {
        let checkpoint = self.checkpoint();
        let progressed = self.port().made_progress(&checkpoint);
        let ended = DeliveryState::after_attempt(entry.outcome == Outcome::Failed, progressed, self.retry_after);
        let state = self.unfinished.or(DeliveryState::of_host(entry.failure())).unwrap_or(ended);
        let (state, error) = (state, entry.error.clone().unwrap_or_default());
        let unfinished = self.object.unfinished(Some(self.delivery.id().name()), state, error);
        UnfinishedDelivery { resume: Resume { scope: unfinished.resume.scope.clone(), ..checkpoint }, ..unfinished }
    }
}
