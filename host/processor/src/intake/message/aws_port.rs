//! AWS, as the delivery run sees it: an object of S3, a tenant's log stream or bucket,
//! dead letters, and the checkpoint that a message carries.

use std::io;
use std::sync::Arc;

use model::{Activity, DeadLetter, Delivery, Destination, Failure, FailureKind, Fault, ObjectId, Stop};
use sandbox::GuestLog;

use super::clock::now;
use super::object_run::ObjectRun;
use super::processor::Processor;
use super::refusals;
use crate::aws::{AwsError, Headers, ObjectVersion, S3, StoredObject};
use crate::delivery::Settled;
use crate::delivery::cloudwatch::CloudWatchStream;
use crate::delivery::dead_letter::{DeadLetterWriter, Provenance, RefusalCounter};
use crate::delivery::s3::{self, ObjectUpload, Target};
use crate::delivery_run::{
    Copied, DeliveryPort, Directory, ObjectTime, Opened, Progress, Reached, Upload, WhenChanged,
};
use crate::notification::{Checkpoint, Resume};
use crate::object::{GzipWriter, RemoteReader};
use crate::pipeline::{Job, LoadedPlugin, Plan};
use crate::tenant::{TableDirectory, TenantRecord};

impl Directory for TableDirectory {
    fn name(&self) -> &'static str {
        "tenant table"
    }

    async fn lookup(&self, tenant_id: &str) -> Result<Arc<TenantRecord>, Failure> {
        Self::lookup(self, tenant_id).await.map_err(|error| Failure::of(FailureKind::TenantTable, error))
    }
}

/// One delivery of an announced object.
pub(super) struct AwsPort<'a> {
    processor: &'a Processor,
    object: &'a ObjectRun<'a>,
    delivery: &'a Arc<Delivery>,
    /// How far earlier attempts came, by the message and by what this process knows.
    resume: Resume,
    /// The event that this message began with: progress is what lies beyond it.
    first_event: u64,
    /// Told of each sign of life.
    pub(super) activity: Activity,
    /// Ends with the delivery.
    stop: Stop,
    /// What of the delivery is refused for good.
    refusals: RefusalCounter,
    /// What S3 says about the object, once it was asked.
    stored: Option<StoredObject>,
    /// The tenant's plugin, where it has one.
    plugin: Option<LoadedPlugin>,
}

impl<'a> AwsPort<'a> {
    /// A delivery that goes on from `resume`. `settled`: how far it is while it runs.
    pub(super) fn new(
        processor: &'a Processor,
        object: &'a ObjectRun<'a>,
        delivery: &'a Arc<Delivery>,
        resume: Resume,
        stop: &Stop,
        settled: Settled,
    ) -> Self {
        Self {
            processor,
            object,
            delivery,
            first_event: resume.offset,
            resume,
            activity: Activity::default(),
            stop: stop.clone(),
            refusals: RefusalCounter::new(settled),
            stored: None,
            plugin: None,
        }
    }

    /// How far earlier attempts came.
    pub(super) fn resume(&self) -> &Resume {
        &self.resume
    }

    /// Lets the next attempt of this message go on from `checkpoint`. What was refused is
    /// noted beside it, in [`RefusalCounter`].
    pub(super) fn resume_from(&mut self, checkpoint: Resume) {
        let refused = self.resume.refused.take();
        self.resume = Resume { refused, ..checkpoint };
    }

    /// Whether this message came further than the one before.
    pub(super) fn made_progress(&self, checkpoint: &Resume) -> bool {
        checkpoint.offset > self.first_event
    }

    /// Where another attempt goes on. Where no event is settled, what was known before holds.
    pub(super) fn checkpoint(&self, reached: Option<Reached<'_>>) -> Resume {
        let mut resume = self.resume.clone();
        let (refusals, fails) = (self.refusals.snapshot(), self.processor.fails_on_refusal());
        resume.refused = refusals::merge(resume.refused.as_ref(), refusals, fails);
        if let (Some(stored), Some(Reached { events, events_from })) = (&self.stored, reached) {
            resume.offset = events;
            resume.checkpoint = Some(Checkpoint { etag: stored.etag.clone(), guests: events_from.to_owned() });
        }
        resume
    }

    /// LastModified, in milliseconds since the Unix epoch, where it is known. A copy asks
    /// nothing about the source: its event's time is its LastModified.
    pub(super) fn last_modified(&self) -> Option<i64> {
        self.stored.as_ref().map(|stored| stored.last_modified).or(self.object.announced.event_time)
    }

    fn version(&self) -> ObjectVersion {
        let announced = self.object.announced;
        ObjectVersion { version_id: announced.version_id.clone(), etag: announced.etag.clone() }
    }

    fn dead_letters(&self) -> DeadLetterWriter {
        let (announced, stored) = (self.object.announced, self.stored.as_ref());
        let provenance = Provenance {
            etag: stored.map(|stored| stored.etag.clone()).or_else(|| announced.etag.clone()),
            version_id: announced.version_id.clone(),
            component: self.plugin.as_ref().map(|plugin| plugin.component.digest().to_owned()),
            attempt: self.object.attempt(),
        };
        let store = self.processor.dead_letters.clone();
        let writer = DeadLetterWriter::new(store, &self.object.id, Some(self.delivery.id()), provenance);
        writer.with_refusals(self.refusals.clone())
    }

    /// The tenant's bucket.
    fn bucket(&self) -> S3 {
        let account = match &self.delivery.destination {
            Destination::S3 { account, .. } => account.as_deref(),
            Destination::CloudWatch { .. } => None,
        };
        self.processor.aws.destination(&self.delivery.tenant_id, &self.delivery.target_region, account)
    }

    fn target(&self, job: &Job, target: &ObjectId, headers: Headers) -> Target {
        let prefix = match &self.delivery.destination {
            Destination::S3 { prefix, .. } => prefix.clone(),
            Destination::CloudWatch { .. } => String::new(),
        };
        Target {
            source: ObjectId::clone(&self.object.id),
            origin: (*job.origin).clone(),
            bucket: target.bucket.clone(),
            prefix,
            now: now() / 1000,
            headers,
        }
    }

    /// The events that an earlier attempt settled, if it was about the same object and the
    /// same guests.
    fn offset(&self, stored: &StoredObject, events_from: &str) -> u64 {
        let same = match &self.resume.checkpoint {
            // The reference's own message.
            None => true,
            Some(Checkpoint { etag, guests }) => *etag == stored.etag && guests == events_from,
        };
        if !same && self.resume.offset > 0 {
            self.processor.metrics.count_refused_checkpoint();
            return 0;
        }
        self.resume.offset
    }

    fn logs_to_operator(&self) -> bool {
        self.plugin.as_ref().is_some_and(|plugin| plugin.logs_to_operator)
    }
}

impl DeliveryPort for AwsPort<'_> {
    type Source = RemoteReader;
    type Stream = CloudWatchStream;
    type Upload = GzipWriter<ObjectUpload>;

    /// S3 is asked only where the message doesn't say, once for all deliveries of the object.
    async fn object_time(&mut self) -> Result<ObjectTime, Failure> {
        let announced = self.object.announced;
        if announced.event_time.is_none() {
            let version = self.version();
            let head = || self.processor.source.head(&self.object.id, &version);
            let stored = self.object.stored.get_or_try_init(head).await;
            self.stored = Some(stored.map_err(AwsError::into_source_failure)?.clone());
        }
        let last_modified = self.stored.as_ref().map(|stored| stored.last_modified);
        let now = announced.event_time.or(last_modified).unwrap_or_default();
        Ok(ObjectTime { now, last_modified: last_modified.unwrap_or(now) })
    }

    /// A checkpoint belongs to an ETag, which is known when the object is open.
    fn begin(&mut self, plan: &Plan, _: &str) -> Progress {
        self.plugin.clone_from(&plan.tenant);
        Progress::Settled(0)
    }

    async fn open(&mut self, events_from: &str) -> Result<Opened<RemoteReader>, Failure> {
        let (source, attempts) = (&self.processor.source, self.processor.limits.attempts);
        let version = self.version();
        let opened = crate::object::open(source, &self.object.id, &version, attempts, &self.activity, &self.stop).await;
        let (stored, source) = opened.map_err(AwsError::into_source_failure)?;
        let resume_from = self.offset(&stored, events_from);
        let StoredObject { last_modified, size: stored_bytes, .. } = stored;
        self.stored = Some(stored);
        Ok(Opened { source, last_modified, stored_bytes, resume_from })
    }

    fn unreadable(&self, error: io::Error) -> Failure {
        Failure::of(FailureKind::Source, error).with_fault(Fault::Source)
    }

    fn stream(&mut self, job: &Job) -> Result<CloudWatchStream, Failure> {
        let Destination::CloudWatch { role_arn, log_group, .. } = &self.delivery.destination else {
            return Err(Failure::new(FailureKind::Destination, "a bug: events for a delivery that takes none"));
        };
        let logs = self.processor.aws.logs(&self.delivery.tenant_id, role_arn, &self.delivery.target_region);
        Ok(CloudWatchStream::new(logs, log_group, &job.origin.pod_name, self.activity.clone()))
    }

    fn upload(&mut self, job: &Job, target: &ObjectId, gzip: bool) -> GzipWriter<ObjectUpload> {
        let headers = self.stored.as_ref().map(|stored| stored.headers.clone()).unwrap_or_default();
        let target = self.target(job, target, headers);
        GzipWriter::new(ObjectUpload::new(self.bucket(), &target, self.activity.clone(), &self.stop), gzip)
    }

    async fn copy(&mut self, job: &Job, target: &ObjectId) -> Result<Copied, Failure> {
        let (s3, target) = (self.bucket(), self.target(job, target, Headers::default()));
        match s3::copy(&s3, &target, &self.version(), self.stored.as_ref(), &self.activity).await {
            Ok(s3::Copied { bytes, warning }) => {
                let bytes = bytes.or(self.object.announced.size).unwrap_or_default();
                Ok(Copied { bytes, warning })
            }
            Err(error) if error.fault == Fault::Source => Err(error.into_source_failure()),
            Err(error) => Err(error.into()),
        }
    }

    fn replaces_another(&self, target: &ObjectId) -> bool {
        let replaces = self.processor.targets.replaces(target, &self.object.id);
        if replaces {
            self.processor.metrics.count_replaced_target();
        }
        replaces
    }

    async fn write_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        self.dead_letters().write(letters).await?;
        self.activity.record();
        Ok(())
    }

    /// The message that is sent back has it.
    fn record_progress(&self, _: u64) -> Result<(), Failure> {
        Ok(())
    }

    /// S3 itself refuses to read on in another state of the object.
    fn verify_unchanged(&self) -> Result<(), Failure> {
        Ok(())
    }

    /// The message that is acknowledged is the record.
    fn record_done(&mut self, _: u64, _: &str) -> Result<(), Failure> {
        Ok(())
    }

    fn show_guest_log(&self, log: &GuestLog) {
        if let Some(plugin) = self.plugin.as_ref().filter(|plugin| plugin.logs_to_operator) {
            self.processor.guest_logs.show(&self.delivery.tenant_id, &plugin.component, &self.object.id, &log.kept);
        }
    }

    /// What a guest says may quote the tenant's lines: the processor's log has it only where
    /// the tenant's item asks for that.
    fn shows_guest_words(&self) -> bool {
        self.logs_to_operator()
    }

    /// CloudWatch Logs judges by its own clock, and says so.
    fn age_at(&self, _: ObjectTime) -> Option<i64> {
        None
    }

    /// Its new state should have a notification of its own; what rewrites it without one
    /// (lifecycle, replication, an event that isn't configured) would make its logs vanish,
    /// so this one is kept.
    fn when_changed(&self) -> WhenChanged {
        WhenChanged::Keep(self.object.announced.record.to_string().into_bytes())
    }

    /// A message's offset is somebody else's word.
    fn forget_progress(&mut self) -> bool {
        self.processor.metrics.count_refused_checkpoint();
        (self.resume.offset, self.resume.checkpoint, self.first_event) = (0, None, 0);
        true
    }
}

impl Upload for GzipWriter<ObjectUpload> {
    async fn finish(self) -> Result<u64, Failure> {
        match Self::finish(self) {
            Ok(upload) => upload.finish().await,
            // What the upload put into its error.
            Err(error) => Err(error.downcast().unwrap_or_else(|error| Failure::of(FailureKind::Destination, error))),
        }
    }
}
