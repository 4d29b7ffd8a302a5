//! One delivery of one object.

use std::io::{Cursor, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use super::memory::{self, Remembered};
use super::object::{Left, Work};
use super::permits::Use;
use super::{Processor, WINDOW_BYTES};
use crate::aws::{AwsError, Kind, Stored, Which};
use crate::delivery::cloudwatch::CloudWatchSink;
use crate::delivery::dead_letter::{Letters, OnlyLetters};
use crate::delivery::port::{Activity, DeliveryError};
use crate::delivery::s3::{self, ObjectUpload, Target};
use crate::guest::GuestError;
use crate::model::{DeadLetter, Delivery, Destination, Origin, Reason, hex};
use crate::notification::{Checkpoint, Resume};
use crate::object::{GzipWriter, RemoteReader, is_gzip};
use crate::pipeline::{Delivered, End, Guests, Job, StopScope, blocking, deliver_events, deliver_object};
use crate::report::{Entry, Outcome};
use crate::telemetry::DeliveryDone;

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
        let remembered = memory::key(work, delivery.id());
        let resume = match self.memory.get(&remembered) {
            Some(Remembered::Settled) => {
                let entry =
                    Entry::new(&work.id, Some(&origin.tenant_id), Some(delivery.id()), Outcome::AlreadyDelivered);
                return (entry, None);
            }
            Some(Remembered::At(resume)) => resume,
            None => work.resume.cloned().unwrap_or_default(),
        };
        let mut one = One {
            processor: self,
            work,
            origin,
            delivery,
            began_at: resume.offset,
            before: resume,
            activity: Activity::default(),
            stop: work.control.stop.scope(),
            settled: Arc::default(),
            stored: None,
            guest_time: Duration::ZERO,
            wait: Duration::ZERO,
            waited: false,
        };
        let mut entry = one.permitted().await;
        entry.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut left = entry.outcome.is_open().then(|| one.left(&entry));
        match &mut left {
            None => self.memory.settled(remembered),
            Some(left) => {
                self.memory.at(remembered.clone(), left.resume.clone());
                left.remembered = Some(remembered);
            }
        }
        // A copy asks nothing about the source: its event's time is its LastModified.
        let modified = one.stored.as_ref().map(|stored| stored.last_modified).or(work.announced.event_time);
        let latency = modified.map(|modified| now().saturating_sub(modified).max(0));
        self.metrics.delivery(&DeliveryDone { entry: &entry, latency, guest_time: one.guest_time });
        (entry, left)
    }
}

/// One delivery of one object.
struct One<'a> {
    processor: &'a Processor,
    work: &'a Work<'a>,
    origin: &'a Arc<Origin>,
    delivery: &'a Arc<Delivery>,
    /// How far an earlier attempt came.
    before: Resume,
    /// Its offset.
    began_at: u64,
    activity: Activity,
    /// Ends with the delivery, whatever becomes of it.
    stop: StopScope,
    /// Events that are settled, in guest order, while it runs.
    settled: Arc<AtomicU64>,
    /// What S3 said about the object.
    stored: Option<Stored>,
    guest_time: Duration,
    /// Not to be tried before that.
    wait: Duration,
    /// Its turn never came.
    waited: bool,
}

impl One<'_> {
    /// Waits for its turn, and delivers.
    async fn permitted(&mut self) -> Entry {
        let (tenant, kind) = (self.origin.tenant_id.as_str(), self.delivery.id());
        // Asked before it waits for a turn, and after it.
        if let Some(entry) = self.at_rest() {
            return entry;
        }
        let Some(permit) = self.processor.permits.acquire(tenant, &self.work.control.stop).await else {
            self.waited = true;
            return self.entry(Outcome::Interrupted).because("interrupted", "stopped before its turn came");
        };
        if let Some(entry) = self.at_rest() {
            return entry;
        }
        let activity = self.activity.clone();
        let mut entry = permit.watch(&activity, self.attempt()).await;
        if entry.reason == Some(Kind::Expired.name()) {
            // A session ended before its time (a clock that is off, a role that was
            // changed): once more with a new one, from where it stands.
            self.processor.aws.forget_sessions();
            self.before = self.reached();
            entry = permit.watch(&activity, self.attempt()).await;
        }
        let breakers = &self.processor.breakers;
        match entry.outcome {
            Outcome::Delivered | Outcome::Partial | Outcome::Rejected => {
                breakers.succeeded(tenant, kind);
                permit.release(Use::Good);
            }
            Outcome::Failed if entry.reason.is_some_and(Kind::is_name) => {
                self.wait = breakers.failed(tenant, kind, Instant::now());
                permit.release(Use::Bad);
            }
            _ => {
                breakers.undecided(tenant, kind);
                permit.release(Use::Neutral);
            }
        }
        entry
    }

    /// What came of it, if the destination is given a rest.
    fn at_rest(&mut self) -> Option<Entry> {
        let rest = self.processor.breakers.check(&self.origin.tenant_id, self.delivery.id(), Instant::now());
        rest.err().map(|wait| {
            self.wait = wait;
            let error = format!(
                "not tried: this destination of {} has failed again and again, and is left alone for {} s more",
                self.origin.tenant_id,
                wait.as_secs().max(1)
            );
            self.entry(Outcome::Failed).because("breaker-open", error)
        })
    }

    fn entry(&self, outcome: Outcome) -> Entry {
        Entry::new(&self.work.id, Some(&self.delivery.tenant_id), Some(self.delivery.id()), outcome)
    }

    /// Of a call about the source.
    fn source_failed(&self, error: &AwsError) -> Entry {
        if error.kind == Kind::Precondition {
            // The new state has a notification of its own.
            return self.entry(Outcome::Ignored).because(error.kind.name(), error.to_string());
        }
        self.entry(Outcome::Failed).because("source", error.to_string())
    }

    async fn attempt(&mut self) -> Entry {
        let announced = self.work.announced;
        if announced.event_time.is_none() {
            // The guests' clock is the object's.
            match self.processor.source.head(&self.work.id, &self.which()).await {
                Ok(stored) => self.stored = Some(stored),
                Err(error) => return self.source_failed(&error),
            }
        }
        let last_modified = self.stored.as_ref().map(|stored| stored.last_modified);
        let job = self.job(announced.event_time.or(last_modified).unwrap_or_default());
        let guests = match self.start(&job).await {
            Ok((guests, true)) => guests,
            Ok((_, false)) => return self.entry(Outcome::Filtered),
            Err(GuestError::Rejected { text, .. }) => return self.refused(&text).await,
            Err(error) => return self.entry(Outcome::Failed).because(error.name(), error.to_string()),
        };
        match &self.delivery.destination {
            Destination::CloudWatch { role_arn, log_group, .. } => self.events(job, guests, role_arn, log_group).await,
            Destination::S3 { bucket, prefix } => {
                let target = Target {
                    source: (*self.work.id).clone(),
                    origin: (**self.origin).clone(),
                    bucket: bucket.clone(),
                    prefix: prefix.clone(),
                    now: now() / 1000,
                };
                match self.processor.plan.rewrites() {
                    true => self.rewritten(job, guests, &target).await,
                    false => self.copy(&target).await,
                }
            }
        }
    }

    fn which(&self) -> Which {
        let announced = self.work.announced;
        Which { version_id: announced.version_id.clone(), etag: announced.etag.clone() }
    }

    /// The work, as far as it is known before the object is opened.
    fn job(&self, now: i64) -> Job {
        Job {
            object: Arc::clone(&self.work.id),
            origin: Arc::clone(self.origin),
            delivery: Arc::clone(self.delivery),
            now,
            last_modified: self.stored.as_ref().map_or(now, |stored| stored.last_modified),
            resume_from: 0,
            limits: self.processor.read_limits(),
            window_bytes: WINDOW_BYTES,
            max_batch_events: self.processor.bounds.max_batch_events,
            // CloudWatch Logs judges by its own clock, and says so.
            age_at: None,
        }
    }

    /// Fresh guests, and whether the delivery wants the object.
    async fn start(&self, job: &Job) -> Result<(Guests, bool), GuestError> {
        let (plan, job) = (self.processor.plan.clone(), job.clone());
        let asked = move || {
            let mut guests = plan.start()?;
            let wanted = guests.wants(&job.context(&plan.settings))?;
            Ok((guests, wanted))
        };
        blocking("wants", asked).await
    }

    /// Opens the object; what S3 says about it completes the job.
    async fn open(&mut self, job: Job) -> Result<(Job, RemoteReader), Entry> {
        let source = &self.processor.source;
        let attempts = self.processor.bounds.attempts;
        let opened =
            crate::object::open(source, &self.work.id, &self.which(), attempts, &self.activity, &self.stop).await;
        let (stored, reader) = opened.map_err(|error| self.source_failed(&error))?;
        let resume_from = self.resume_from(&stored);
        self.settled.store(resume_from, Ordering::Relaxed);
        let job = Job { last_modified: stored.last_modified, resume_from, ..job };
        self.stored = Some(stored);
        Ok((job, reader))
    }

    /// The event to begin with: an earlier attempt's offset, if it is about the
    /// same object and the same guests.
    fn resume_from(&self, stored: &Stored) -> u64 {
        let same = match &self.before.checkpoint {
            // The reference's own message.
            None => true,
            Some(checkpoint) => *checkpoint == self.checkpoint(stored),
        };
        if !same && self.before.offset > 0 {
            self.processor.metrics.checkpoint_refused();
            return 0;
        }
        self.before.offset
    }

    fn checkpoint(&self, stored: &Stored) -> Checkpoint {
        let decides = self.processor.plan.digest(self.processor.bounds.max_line_bytes);
        Checkpoint { etag: stored.etag.clone(), guests: hex(&Sha256::digest(decides)) }
    }

    async fn events(&mut self, job: Job, guests: Guests, role_arn: &str, log_group: &str) -> Entry {
        let (job, reader) = match self.open(job).await {
            Ok(opened) => opened,
            Err(entry) => return entry,
        };
        let logs = self.processor.aws.logs(&self.delivery.tenant_id, role_arn, &self.delivery.target_region);
        let (settled, activity) = (Arc::clone(&self.settled), self.activity.clone());
        let sink = CloudWatchSink::new(logs, log_group, &self.origin.pod_name, self.own_letters(), settled, activity);
        let settings = Arc::clone(&self.processor.plan.settings);
        let resume_from = job.resume_from;
        let delivered = deliver_events(job, settings, guests, reader, self.stop.clone(), &sink).await;
        Entry { resumed_from_event: resume_from, ..self.delivered(delivered) }
    }

    /// The dead letters of this delivery.
    fn own_letters(&self) -> Letters {
        let etag = self.stored.as_ref().map(|stored| stored.etag.as_str());
        self.processor.letters(self.work, Some(self.delivery.id()), etag)
    }

    fn delivered(&mut self, delivered: Delivered) -> Entry {
        self.guest_time = delivered.guest_time;
        let changed = matches!(&delivered.end, End::Failed { name, .. } if *name == Kind::Precondition.name());
        let entry = self.entry(Outcome::Delivered).with(delivered);
        // The object has changed under our hands: what follows is announced anew.
        if changed { Entry { outcome: Outcome::Ignored, ..entry } } else { entry }
    }

    async fn copy(&mut self, target: &Target) -> Entry {
        let s3 = self.processor.aws.destination(&self.delivery.tenant_id, &self.delivery.target_region);
        let size = self.work.announced.size;
        let which = self.which();
        let copied = tokio::select! {
            copied = s3::copy(&s3, target, &which, size, &self.activity) => copied,
            () = self.stop.abandoned() => return self.entry(Outcome::Interrupted),
        };
        match copied {
            Ok(()) => {
                let mut entry = self.entry(Outcome::Delivered);
                entry.numbers.bytes = size.unwrap_or_default();
                entry
            }
            Err(error) if error.kind == Kind::Precondition => {
                self.entry(Outcome::Ignored).because(error.kind.name(), error.to_string())
            }
            // The source's object, and no fault of the destination.
            Err(error) if error.kind == Kind::NotFound => self.source_failed(&error),
            Err(error) => self.entry(Outcome::Failed).because(error.kind.name(), error.to_string()),
        }
    }

    async fn rewritten(&mut self, job: Job, guests: Guests, target: &Target) -> Entry {
        let (job, reader) = match self.open(job).await {
            // A rewritten object is made whole, from its beginning.
            Ok((job, reader)) => (Job { resume_from: 0, ..job }, reader),
            Err(entry) => return entry,
        };
        let (gzip, reader) = match tokio::task::spawn_blocking(move || peek(reader)).await {
            Ok(Ok(peeked)) => peeked,
            Ok(Err(error)) => return self.entry(Outcome::Failed).because("source", error.to_string()),
            Err(_) => return self.entry(Outcome::Failed).because("internal", "a bug: reading was given up"),
        };
        let s3 = self.processor.aws.destination(&self.delivery.tenant_id, &self.delivery.target_region);
        let to = GzipWriter::new(ObjectUpload::new(s3, target, self.activity.clone(), &self.stop), gzip);
        let sink = OnlyLetters::new(self.own_letters(), self.activity.clone());
        let settings = Arc::clone(&self.processor.plan.settings);
        let stop = self.stop.clone();
        let (delivered, to) = deliver_object(job, settings, guests, reader, to, stop, &sink).await;
        let mut entry = self.delivered(delivered);
        let Some(to) = to else { return entry };
        let finished = match to.finish() {
            Ok(upload) => upload.finish().await,
            Err(error) => Err(DeliveryError::new(error.to_string())),
        };
        match finished {
            Ok(bytes) => entry.numbers.bytes = bytes,
            Err(error) => entry = Entry { outcome: Outcome::Failed, ..entry }.because(error.name, error.text),
        }
        entry
    }

    /// The filter refused the object for good.
    async fn refused(&self, text: &str) -> Entry {
        let detail = format!("the guest rejected the object: {text}");
        let letter = DeadLetter::whole(&self.work.id, Reason::GuestRejected, detail).of(self.delivery);
        match self.own_letters().write(&[letter]).await {
            Ok(()) => self.entry(Outcome::Rejected).because(Reason::GuestRejected.name(), text),
            Err(error) => self.entry(Outcome::Failed).because(error.name, error.text),
        }
    }

    /// How far it came; where the object wasn't opened, what was known before holds.
    fn reached(&self) -> Resume {
        let settled = self.settled.load(Ordering::Relaxed);
        let mut reached = self.before.clone();
        if let Some(stored) = self.stored.as_ref().filter(|_| settled > 0) {
            (reached.offset, reached.checkpoint) = (settled, Some(self.checkpoint(stored)));
        }
        reached
    }

    /// What its next attempt needs.
    fn left(&self, entry: &Entry) -> Left {
        let reached = self.reached();
        let progress = reached.offset > self.began_at;
        let mut left = self.work.left(Some(self.delivery.id()), entry.error.clone().unwrap_or_default());
        left.resume = Resume { delivery: left.resume.delivery, ..reached };
        let interrupted = entry.outcome == Outcome::Interrupted;
        Left { progress, waited: self.waited, interrupted, wait: self.wait, ..left }
    }
}

/// Whether it is gzip, and all of it.
fn peek(mut reader: RemoteReader) -> std::io::Result<(bool, impl Read + Send + 'static)> {
    let mut head = Vec::new();
    reader.by_ref().take(2).read_to_end(&mut head)?;
    Ok((is_gzip(&head), Cursor::new(head).chain(reader)))
}
