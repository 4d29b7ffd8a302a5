//! One delivery of one object.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::breaker::{self, Showed};
use super::copies;
use super::left::{Left, State};
use super::memory::{self, AtWork, Key};
use super::object::Work;
use super::permits::Use;
use super::refused;
use super::{Processor, WINDOW_BYTES};
use crate::aws::{AwsErrorKind, Headers, StoredObject};
use crate::delivery::cloudwatch::CloudWatchSink;
use crate::delivery::dead_letter::{Letters, Refusals};
use crate::delivery::port::Activity;
use crate::delivery::s3::Target;
use crate::notification::Resume;
use crate::pipeline::{Delivered, End, Guests, Job, StopScope, deliver_events};
use crate::plugin::Planned;
use crate::report::{Cause, Entry, Outcome};
use crate::telemetry::FinishedDelivery;
use model::{BreakerOpen, Delivery, Destination, FailureKind, Origin};

/// What ends when it is told to, has ended after this time: less than what a Lambda keeps
/// for sending back what is left.
const LISTENS: Duration = Duration::from_millis(100);

/// Now, in milliseconds since the Unix epoch.
pub(super) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

impl Processor {
    /// Delivers an object to one destination; with what is left of it, if anything.
    pub(super) async fn deliver(
        &self,
        work: &Work<'_>,
        origin: &Arc<Origin>,
        delivery: &Arc<Delivery>,
    ) -> (Entry, Option<Left>) {
        let started = Instant::now();
        let key = memory::key(work, &origin.tenant_id, delivery.id());
        let (at_work, reached) = match self.begin(work, &key).await {
            Ok(begun) => begun,
            Err(entry) => return entry.of(work, origin, delivery, key),
        };
        let resume = refused::begins(copies::resume(work.resume, reached), self.refused_fails());
        if self.refused_fails() && refused::is_settled(Some(&resume)) {
            let entry = Entry::new(&work.id, Some(&origin.tenant_id), Some(delivery.id()), Outcome::Failed);
            let (entry, left) = self.only_fails(work, entry, &resume);
            return (entry, Some(Left { key: Some(key), ..left }));
        }
        let settled = Arc::<AtomicU64>::default();
        let mut one = One {
            processor: self,
            work,
            origin: Arc::clone(origin),
            delivery,
            planned: None,
            began_at: resume.offset,
            before: resume,
            activity: Activity::default(),
            stop: work.control.stop.scope(),
            refusals: Refusals::new(Arc::clone(&settled)),
            settled,
            stored: None,
            guest_time: Duration::ZERO,
            filter_log_lines: 0,
            retry_after: Duration::ZERO,
            left: None,
        };
        let mut entry = one.permitted().await;
        entry.guest_log_lines += one.filter_log_lines;
        if let Some(planned) = &mut one.planned {
            planned.complete(&mut entry);
            self.plans.ended(planned, &entry);
        }
        entry.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut left = entry.outcome.is_open().then(|| one.left(&entry));
        if left.is_none() {
            (entry, left) = one.concluded(entry);
        }
        let left = left.map(|left| Left { key: Some(key.clone()), ..left });
        match &left {
            Some(left) => at_work.left(left.next(now())),
            None => self.done(work, &key, &entry, at_work),
        }
        // A copy asks nothing about the source: its event's time is its LastModified.
        let modified = one.stored.as_ref().map(|stored| stored.last_modified).or(work.announced.event_time);
        let latency = modified.map(|modified| now().saturating_sub(modified).max(0));
        self.metrics.delivery(&FinishedDelivery { entry: &entry, latency, guest_time: one.guest_time });
        (entry, left)
    }

    /// A delivery has its outcome.
    fn done(&self, work: &Work<'_>, key: &Key, entry: &Entry, at_work: AtWork) {
        self.metrics.waiting().end(key.name());
        self.memory.settled(key, &work.message.id);
        if matches!(entry.outcome, Outcome::Delivered | Outcome::Partial) {
            at_work.delivered();
        }
    }
}

/// One delivery of one object.
pub(super) struct One<'a> {
    pub(super) processor: &'a Processor,
    pub(super) work: &'a Work<'a>,
    /// As its component refines it.
    pub(super) origin: Arc<Origin>,
    pub(super) delivery: &'a Arc<Delivery>,
    /// Its components, once they are known.
    pub(super) planned: Option<Planned>,
    /// How far an earlier attempt came.
    pub(super) before: Resume,
    /// Its offset.
    pub(super) began_at: u64,
    pub(super) activity: Activity,
    /// Ends with the delivery, whatever becomes of it.
    pub(super) stop: StopScope,
    /// Events that are settled, in guest order, while it runs.
    pub(super) settled: Arc<AtomicU64>,
    /// What of it is refused for good.
    pub(super) refusals: Refusals,
    /// What S3 said about the object.
    pub(super) stored: Option<StoredObject>,
    pub(super) guest_time: Duration,
    /// Lines that were logged before the object was opened.
    pub(super) filter_log_lines: u64,
    /// Not to be tried before that: its failure opened the destination's circuit breaker.
    retry_after: Duration,
    /// How it is with it, where its destination was not asked.
    pub(super) left: Option<State>,
}

impl One<'_> {
    /// Waits for its turn, and delivers.
    async fn permitted(&mut self) -> Entry {
        let (which, item) = breaker::destination(self.delivery);
        let breakers = &self.processor.breakers;
        if let Some(refused) = breakers.check_open(&which, &item, Instant::now()) {
            return self.breaker_open(&refused);
        }
        let tenant = self.delivery.tenant_id.as_str();
        let Some(permit) = self.processor.permits.acquire(tenant, &self.work.control.stop).await else {
            self.left = Some(State::NotStarted);
            return self.entry(Outcome::Interrupted).because(Cause::Interrupted, "stopped before its turn came");
        };
        let breaker_permit = match breakers.admit(which, item, Instant::now()) {
            Ok(breaker_permit) => breaker_permit,
            Err(refused) => return self.breaker_open(&refused),
        };
        let activity = self.activity.clone();
        let mut entry = permit.watch(&activity, self.attempt_in_time()).await;
        if entry.failure() == Some(FailureKind::Aws(AwsErrorKind::Expired)) {
            // A session ended before its time (a clock that is off, a role that was
            // changed): once more with a new one, from where it stands.
            self.processor.aws.forget_session(self.delivery);
            // What was refused is noted beside it.
            let refused = self.before.refused.take();
            self.before = Resume { refused, ..self.reached() };
            entry = permit.watch(&activity, self.attempt_in_time()).await;
        }
        match Showed::by(&entry) {
            Showed::Works => {
                breaker_permit.record_success(Instant::now());
                permit.release(Use::Good);
            }
            Showed::Fails => {
                self.retry_after =
                    breaker_permit.record_failure(entry.error.as_deref().unwrap_or_default(), Instant::now());
                permit.release(Use::Bad);
            }
            Showed::Nothing => {
                breaker_permit.release();
                permit.release(Use::Neutral);
            }
        }
        entry
    }

    /// What came of it where the destination is left alone.
    fn breaker_open(&mut self, refused: &BreakerOpen) -> Entry {
        self.left = Some(State::BreakerOpen { retry_after: refused.retry_after });
        let error = format!(
            "not tried: this destination of {} has failed again and again, and is left alone for {} s more; at last: {}",
            self.delivery.tenant_id,
            refused.retry_after.as_secs().max(1),
            refused.cause
        );
        self.entry(Outcome::Failed).because(FailureKind::BreakerOpen, error)
    }

    pub(super) fn entry(&self, outcome: Outcome) -> Entry {
        Entry::new(&self.work.id, Some(&self.delivery.tenant_id), Some(self.delivery.id()), outcome)
    }

    /// An attempt that ends where it is told to, also where it hangs in a call that
    /// doesn't listen: a role that is assumed, an object's first byte.
    async fn attempt_in_time(&mut self) -> Entry {
        let stop = (*self.stop).clone();
        let hangs = async {
            stop.abandoned().await;
            tokio::time::sleep(LISTENS).await;
        };
        tokio::select! {
            entry = self.attempt() => return entry,
            () = hangs => {}
        }
        self.entry(Outcome::Interrupted).because(Cause::Interrupted, "stopped while a call was not answered")
    }

    async fn attempt(&mut self) -> Entry {
        let entry = self.attempt_from_there().await;
        if entry.failure() != Some(FailureKind::OffsetBeyond) {
            return entry;
        }
        // Nothing was put: what is delivered twice is better than what is never delivered.
        self.processor.metrics.checkpoint_refused();
        (self.before.offset, self.before.checkpoint, self.began_at) = (0, None, 0);
        self.settled.store(0, Ordering::Relaxed);
        self.attempt_from_there().await
    }

    async fn attempt_from_there(&mut self) -> Entry {
        let announced = self.work.announced;
        if announced.event_time.is_none() {
            let which = self.which();
            // The guests' clock is the object's; asked once for all its deliveries.
            let asked = || self.processor.source.head(&self.work.id, &which);
            match self.work.stored.get_or_try_init(asked).await {
                Ok(stored) => self.stored = Some(stored.clone()),
                Err(error) => return self.source_failed(&error).await,
            }
        }
        let last_modified = self.stored.as_ref().map(|stored| stored.last_modified);
        let now = announced.event_time.or(last_modified).unwrap_or_default();
        let plan = match self.plan(now).await {
            Ok(plan) => plan,
            Err(entry) => return entry,
        };
        let job = self.job(now);
        let guests = match self.start(&plan, &job).await {
            Ok(guests) => guests,
            Err(entry) => return entry,
        };
        match &self.delivery.destination {
            Destination::CloudWatch { role_arn, log_group, .. } => self.events(job, guests, role_arn, log_group).await,
            Destination::S3 { bucket, prefix, .. } => {
                let target = Target {
                    source: (*self.work.id).clone(),
                    origin: (*self.origin).clone(),
                    bucket: bucket.clone(),
                    prefix: prefix.clone(),
                    now: self::now() / 1000,
                    headers: Headers::default(),
                };
                match plan.rewrites() {
                    true => self.rewritten(job, guests, &target).await,
                    false => self.copied(job, guests, &plan, &target).await,
                }
            }
        }
    }

    /// The work, as far as it is known before the object is opened.
    fn job(&self, now: i64) -> Job {
        Job {
            object: Arc::clone(&self.work.id),
            origin: Arc::clone(&self.origin),
            delivery: Arc::clone(self.delivery),
            now,
            last_modified: self.stored.as_ref().map_or(now, |stored| stored.last_modified),
            timestamp_numbers: self.processor.bounds.timestamp_numbers,
            stored_bytes: 0,
            resume_from: 0,
            limits: self.processor.read_limits(),
            window_bytes: WINDOW_BYTES,
            max_batch_events: self.processor.bounds.max_batch_events,
            // CloudWatch Logs judges by its own clock, and says so.
            age_at: None,
            shadow_contents: self.processor.bounds.shadow_contents,
            guest_words: self.logs_to_operator(),
        }
    }

    async fn events(&mut self, job: Job, guests: Guests, role_arn: &str, log_group: &str) -> Entry {
        let (job, reader) = match self.open(job).await {
            Ok(opened) => opened,
            Err(entry) => return entry,
        };
        let logs = self.processor.aws.logs(&self.delivery.tenant_id, role_arn, &self.delivery.target_region);
        let (settled, activity) = (Arc::clone(&self.settled), self.activity.clone());
        let sink = CloudWatchSink::new(logs, log_group, &self.origin.pod_name, self.own_letters(), settled, activity);
        let resume_from = job.resume_from;
        let delivered = deliver_events(job, guests, reader, self.stop.clone(), &sink).await;
        Entry { resumed_from_event: resume_from, ..self.delivered(delivered).await }
    }

    /// The dead letters of this delivery.
    pub(super) fn own_letters(&self) -> Letters {
        let etag = self.stored.as_ref().map(|stored| stored.etag.as_str());
        let tenant = self.planned.as_ref().and_then(|planned| planned.plan.tenant.as_ref());
        let component = tenant.map(|tenant| tenant.component.digest().to_owned());
        self.processor.letters(self.work, Some(self.delivery.id()), etag, component).noting(self.refusals.clone())
    }

    pub(super) async fn delivered(&mut self, delivered: Delivered) -> Entry {
        self.guest_time = delivered.guest_time;
        self.hear(&delivered.guest_log);
        let changed = matches!(&delivered.end, End::Failed(failure) if failure.kind == FailureKind::Changed);
        let entry = self.entry(Outcome::Delivered).with(delivered);
        if !changed {
            return entry;
        }
        // Under our hands.
        let Entry { outcome, reason, error, fault, .. } = self.changed(entry.error.clone().unwrap_or_default()).await;
        Entry { outcome, reason, error, fault, ..entry }
    }

    /// What its next attempt needs.
    fn left(&self, entry: &Entry) -> Left {
        let reached = self.reached();
        let further = reached.offset > self.began_at;
        let ended = State::after_attempt(entry.outcome == Outcome::Failed, further, self.retry_after);
        let (state, error) = (self.left.unwrap_or(ended), entry.error.clone().unwrap_or_default());
        let left = self.work.left(Some(self.delivery.id()), state, error);
        Left { resume: Resume { only: left.resume.only.clone(), ..reached }, ..left }
    }
}
