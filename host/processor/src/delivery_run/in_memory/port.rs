//! One delivery of one object, in memory.

use std::io::{self, Cursor, Read, Write};
use std::sync::Arc;

use model::{DeadLetter, Delivery, Destination, Failure, FailureKind, Fault, ObjectId};
use sandbox::GuestLog;

use super::{Call, DeliveryKey, InMemory, Recorded, StoredObject};
use crate::delivery::batch::Batch;
use crate::delivery::event_sink::{LogStream, RejectedEvent};
use crate::delivery_run::{self, Copied, DeliveryPort, ObjectTime, Opened, Progress, WhenChanged};
use crate::object::GzipWriter;
use crate::pipeline::{Job, Plan};

/// In what surroundings differ on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// Progress is known before the object is open.
    pub(crate) progress_before_open: bool,
    /// An object that changed is done with, and kept as a dead letter.
    pub(crate) keeps_changed: bool,
    /// Progress beyond the object's end is forgotten.
    pub(crate) forgets_progress: bool,
    /// Errors have guests' own words.
    pub(crate) guest_words: bool,
    /// Ages are judged against the object's time.
    pub(crate) judges_ages: bool,
}

impl Policy {
    /// As `intake/local` has it.
    pub(crate) const LOCAL: Self = Self {
        progress_before_open: true,
        keeps_changed: false,
        forgets_progress: false,
        guest_words: true,
        judges_ages: true,
    };

    /// As `intake/message` has it.
    pub(crate) const AWS: Self = Self {
        progress_before_open: false,
        keeps_changed: true,
        forgets_progress: true,
        guest_words: false,
        judges_ages: false,
    };
}

/// One delivery of the state of an object that was announced.
pub(crate) struct MemoryPort {
    memory: InMemory,
    policy: Policy,
    object: Arc<ObjectId>,
    delivery: Arc<Delivery>,
    /// The version that was announced.
    version: u64,
    events_from: String,
    forgotten: bool,
}

impl MemoryPort {
    /// A delivery of the object as it is now.
    pub(crate) fn new(memory: &InMemory, policy: Policy, object: &Arc<ObjectId>, delivery: &Arc<Delivery>) -> Self {
        Self {
            memory: memory.clone(),
            policy,
            object: Arc::clone(object),
            delivery: Arc::clone(delivery),
            version: memory.object(object).map_or(0, |stored| stored.version),
            events_from: String::new(),
            forgotten: false,
        }
    }

    fn key(&self) -> DeliveryKey {
        (ObjectId::clone(&self.object), self.delivery.tenant_id.clone(), self.delivery.id())
    }

    /// What was recorded of this state, under this digest.
    fn recorded(&self, events_from: &str) -> Option<Recorded> {
        let recorded = self.memory.recorded(&self.key()).filter(|_| !self.forgotten);
        recorded.filter(|recorded| recorded.version == self.version && recorded.events_from == events_from)
    }

    fn to_record(&self, settled: u64, done: Option<&str>) -> Recorded {
        let (events_from, done) = (self.events_from.clone(), done.map(str::to_owned));
        Recorded { version: self.version, events_from, settled, done }
    }

    /// The object as it was announced.
    fn announced(&self, stored: Option<StoredObject>) -> Result<StoredObject, Failure> {
        let failure =
            |kind, text: &str| Failure::new(kind, format!("{}: {text}", self.object)).with_fault(Fault::Source);
        let stored = stored.ok_or_else(|| failure(FailureKind::Source, "it isn't there"))?;
        if stored.version == self.version { Ok(stored) } else { Err(failure(FailureKind::Changed, "it has changed")) }
    }
}

impl DeliveryPort for MemoryPort {
    type Source = MemoryReader;
    type Stream = MemoryStream;
    type Upload = MemoryUpload;

    async fn object_time(&mut self) -> Result<ObjectTime, Failure> {
        let stored = self.memory.call(Call::ObjectTime, |state| state.objects.get(&*self.object).cloned()).await?;
        let last_modified = self.announced(stored)?.last_modified;
        Ok(ObjectTime { now: last_modified, last_modified })
    }

    fn begin(&mut self, _: &Plan, events_from: &str) -> Progress {
        if !self.policy.progress_before_open {
            return Progress::Settled(0);
        }
        events_from.clone_into(&mut self.events_from);
        match self.recorded(events_from) {
            Some(Recorded { done: Some(_), .. }) => Progress::Done,
            recorded => Progress::Settled(recorded.map_or(0, |recorded| recorded.settled)),
        }
    }

    async fn open(&mut self, events_from: &str) -> Result<Opened<MemoryReader>, Failure> {
        let stored = self.memory.call(Call::Open, |state| state.objects.get(&*self.object).cloned()).await?;
        let stored = self.announced(stored)?;
        if !self.policy.progress_before_open {
            events_from.clone_into(&mut self.events_from);
        }
        Ok(Opened {
            stored_bytes: stored.bytes.len() as u64,
            source: MemoryReader { memory: self.memory.clone(), bytes: Cursor::new(stored.bytes) },
            last_modified: stored.last_modified,
            resume_from: self.recorded(&self.events_from).map_or(0, |recorded| recorded.settled),
        })
    }

    fn unreadable(&self, error: io::Error) -> Failure {
        Failure::of(FailureKind::Unreadable, error).with_fault(Fault::Source)
    }

    fn stream(&mut self, job: &Job) -> Result<MemoryStream, Failure> {
        let group = match &self.delivery.destination {
            Destination::CloudWatch { log_group, .. } => log_group.clone(),
            Destination::S3 { .. } => return Err(Failure::new(FailureKind::Destination, "a bug: no log group")),
        };
        let stream = MemoryStream { memory: self.memory.clone(), name: (group, job.origin.pod_name.clone()) };
        self.memory.answer(Call::Stream, |_| stream)
    }

    fn upload(&mut self, _: &Job, target: &ObjectId, gzip: bool) -> MemoryUpload {
        MemoryUpload { memory: self.memory.clone(), target: target.clone(), bytes: GzipWriter::new(Vec::new(), gzip) }
    }

    async fn copy(&mut self, _: &Job, target: &ObjectId) -> Result<Copied, Failure> {
        let stored = self.announced(self.memory.object(&self.object))?;
        let bytes = stored.bytes.len() as u64;
        let copied = |state: &mut super::State| drop(state.objects.insert(target.clone(), stored));
        self.memory.call(Call::Copy, copied).await?;
        Ok(Copied { bytes, warning: None })
    }

    fn replaces_another(&self, target: &ObjectId) -> bool {
        let before = self.memory.lock().sources.insert(target.clone(), ObjectId::clone(&self.object));
        before.is_some_and(|before| before != *self.object)
    }

    async fn write_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        self.memory.call(Call::DeadLetters, |state| state.dead_letters.extend_from_slice(letters)).await
    }

    fn record_progress(&self, settled: u64) -> Result<(), Failure> {
        let (key, recorded) = (self.key(), self.to_record(settled, None));
        self.memory.answer(Call::Progress, |state| drop(state.progress.insert(key, recorded)))
    }

    fn verify_unchanged(&self) -> Result<(), Failure> {
        let stored = self.memory.answer(Call::Verify, |state| state.objects.get(&*self.object).cloned())?;
        self.announced(stored).map(drop)
    }

    fn record_done(&mut self, settled: u64, outcome: &str) -> Result<(), Failure> {
        let (key, recorded) = (self.key(), self.to_record(settled, Some(outcome)));
        self.memory.answer(Call::Done, |state| drop(state.progress.insert(key, recorded)))
    }

    fn show_guest_log(&self, log: &GuestLog) {
        self.memory.lock().guest_log_lines += log.lines;
    }

    fn shows_guest_words(&self) -> bool {
        self.policy.guest_words
    }

    fn age_at(&self, time: ObjectTime) -> Option<i64> {
        self.policy.judges_ages.then_some(time.last_modified)
    }

    fn when_changed(&self) -> WhenChanged {
        match self.policy.keeps_changed {
            true => WhenChanged::Keep(b"as it was announced".to_vec()),
            false => WhenChanged::Fail,
        }
    }

    fn forget_progress(&mut self) -> bool {
        self.forgotten = self.policy.forgets_progress;
        self.forgotten
    }
}

/// The bytes of an object, as they were when it was opened.
pub(crate) struct MemoryReader {
    memory: InMemory,
    bytes: Cursor<Vec<u8>>,
}

impl Read for MemoryReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.memory.answer(Call::Read, |_| ()).map_err(io::Error::other)?;
        self.bytes.read(out)
    }
}

/// A log stream.
pub(crate) struct MemoryStream {
    memory: InMemory,
    /// Group and stream.
    name: (String, String),
}

impl LogStream for MemoryStream {
    async fn put(&self, batch: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        let events = batch.entries.iter().map(|entry| entry.event.clone());
        let put = |state: &mut super::State| state.streams.entry(self.name.clone()).or_default().extend(events);
        self.memory.call(Call::Put, put).await?;
        Ok(Vec::new())
    }
}

/// An object on its way.
pub(crate) struct MemoryUpload {
    memory: InMemory,
    target: ObjectId,
    bytes: GzipWriter<Vec<u8>>,
}

impl Write for MemoryUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.memory.answer(Call::Write, |_| ()).map_err(io::Error::other)?;
        self.bytes.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.bytes.flush()
    }
}

impl delivery_run::Upload for MemoryUpload {
    async fn finish(self) -> Result<u64, Failure> {
        let Self { memory, target, bytes } = self;
        let bytes = bytes.finish().map_err(|error| Failure::of(FailureKind::Destination, error))?;
        let length = bytes.len() as u64;
        let appears = |state: &mut super::State| {
            if !bytes.is_empty() {
                state.versions += 1;
                let stored = StoredObject { bytes, version: state.versions, last_modified: 0 };
                state.objects.insert(target, stored);
            }
        };
        memory.call(Call::Finish, appears).await?;
        Ok(length)
    }
}
