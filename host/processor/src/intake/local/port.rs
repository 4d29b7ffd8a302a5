//! A folder in place of AWS, as the delivery run sees it.

use std::fs::Metadata;
use std::io::{self, ErrorKind};
use std::sync::{Arc, Mutex};

use model::{DeadLetter, Delivery, Failure, FailureKind, Fault, ObjectId, lock};
use sandbox::GuestLog;

use super::Run;
use super::progress::{CountingReader, ReadProgress};
use super::sink::{LazyUpload, LocalStream, failed};
use crate::delivery::local::{DeadLetterFile, Fingerprint, JournalEntry, JournalProgress, OutputError};
use crate::delivery_run::{Copied, DeliveryPort, ObjectTime, Opened, Progress, WhenChanged};
use crate::object::LocalObject;
use crate::pipeline::{Job, Plan};

/// A file that is delivered, in the state that it was found in.
pub(super) struct ObjectFile<'a> {
    pub(super) object: &'a LocalObject,
    pub(super) id: Arc<ObjectId>,
    pub(super) fingerprint: Fingerprint,
    pub(super) progress: &'a ReadProgress,
}

impl<'a> ObjectFile<'a> {
    pub(super) fn new(object: &'a LocalObject, metadata: &Metadata, progress: &'a ReadProgress) -> Self {
        let (id, fingerprint) = (Arc::new(object.id.clone()), Fingerprint::from(metadata));
        Self { object, id, fingerprint, progress }
    }

    /// LastModified, in milliseconds since the Unix epoch: the guests' clock.
    pub(super) fn last_modified(&self) -> i64 {
        i64::try_from(self.fingerprint.mtime / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// One delivery of a file to the output folder.
pub(super) struct LocalPort<'a> {
    run: &'a Arc<Run>,
    file: &'a ObjectFile<'a>,
    delivery: &'a Arc<Delivery>,
    /// Where its output lies, below the output folder. Another log group or bucket is
    /// another delivery.
    output: &'a str,
    /// Digest of what decides which events the object becomes.
    events_from: String,
    /// Events that earlier runs settled.
    resume_from: u64,
    /// Digest of the tenant's component, where there is one.
    component: Option<String>,
    /// The dead letters of this delivery, once it has begun.
    dead_letters: Mutex<Option<DeadLetterFile>>,
}

impl<'a> LocalPort<'a> {
    pub(super) fn new(
        run: &'a Arc<Run>,
        file: &'a ObjectFile<'a>,
        delivery: &'a Arc<Delivery>,
        output: &'a str,
    ) -> Self {
        let (events_from, resume_from, component) = (String::new(), 0, None);
        Self { run, file, delivery, output, events_from, resume_from, component, dead_letters: Mutex::default() }
    }

    fn journal_entry(&self) -> JournalEntry<'_> {
        JournalEntry {
            object: &self.file.id,
            fingerprint: self.file.fingerprint,
            tenant: &self.delivery.tenant_id,
            delivery: self.output,
            events_from: &self.events_from,
        }
    }

    fn failed(&self, error: OutputError) -> Failure {
        failed(error, &self.run.stop)
    }

    /// Appends dead letters to the file, which is begun where it isn't yet: then the
    /// letters of earlier runs are gone, also where there are none now.
    fn append_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        let mut slot = lock(&self.dead_letters);
        let file = match &mut *slot {
            Some(file) => file,
            none => {
                let (component, kind) = (self.component.clone(), self.delivery.id().name());
                let begun = self.run.output.dead_letters.begin(&self.file.id, Some(kind), component);
                none.insert(begun.map_err(|error| self.failed(error))?)
            }
        };
        letters.iter().try_for_each(|letter| file.write(letter)).map_err(|error| self.failed(error))
    }
}

impl<'a> DeliveryPort for LocalPort<'a> {
    type Source = CountingReader;
    type Stream = LocalStream<'a>;
    type Upload = LazyUpload;

    async fn object_time(&mut self) -> Result<ObjectTime, Failure> {
        let last_modified = self.file.last_modified();
        Ok(ObjectTime { now: last_modified, last_modified })
    }

    /// The journal knows a file's state by its size and time: nothing need be opened.
    fn begin(&mut self, plan: &Plan, events_from: &str) -> Progress {
        self.component = plan.tenant.as_ref().map(|tenant| tenant.component.digest().to_owned());
        events_from.clone_into(&mut self.events_from);
        self.resume_from = match self.run.output.journal.state(&self.journal_entry()) {
            JournalProgress::Done if !self.run.redeliver => return Progress::Done,
            JournalProgress::Resume { events } if !self.run.redeliver => events,
            _ => 0,
        };
        Progress::Settled(self.resume_from)
    }

    async fn open(&mut self, _: &str) -> Result<Opened<CountingReader>, Failure> {
        self.append_dead_letters(&[])?;
        let file = self.file.object.open().map_err(|error| self.unreadable(error))?;
        Ok(Opened {
            source: self.file.progress.of(file),
            last_modified: self.file.last_modified(),
            stored_bytes: self.file.fingerprint.len,
            resume_from: self.resume_from,
        })
    }

    fn unreadable(&self, error: io::Error) -> Failure {
        unreadable(self.file.object, &error)
    }

    fn stream(&mut self, job: &Job) -> Result<LocalStream<'a>, Failure> {
        let (output, stop) = (&self.run.output, self.run.stop.clone());
        LocalStream::new(output, self.delivery, &self.file.id, &job.origin.pod_name, stop)
    }

    fn upload(&mut self, _: &Job, target: &ObjectId, gzip: bool) -> LazyUpload {
        LazyUpload::new(Arc::clone(self.run), target, gzip)
    }

    async fn copy(&mut self, _: &Job, target: &ObjectId) -> Result<Copied, Failure> {
        self.append_dead_letters(&[])?;
        let copied = self.run.output.objects.copy(&self.file.object.path, &target.bucket, &target.key);
        Ok(Copied { bytes: copied.map_err(|error| self.failed(error))?, warning: None })
    }

    fn replaces_another(&self, target: &ObjectId) -> bool {
        self.run.output.targets.replaces(target, &self.file.id)
    }

    async fn write_dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        self.append_dead_letters(letters)
    }

    fn record_progress(&self, settled: u64) -> Result<(), Failure> {
        self.run.output.journal.progress(&self.journal_entry(), settled).map_err(|error| self.failed(error))
    }

    /// A file that was written to while it was read is no object.
    fn verify_unchanged(&self) -> Result<(), Failure> {
        let path = &self.file.object.path;
        if std::fs::metadata(path).is_ok_and(|now| Fingerprint::from(&now) == self.file.fingerprint) {
            return Ok(());
        }
        let text = format!("{} changed while it was read; run again when it is complete", path.display());
        Err(Failure::new(FailureKind::Changed, text).with_fault(Fault::Source))
    }

    fn record_done(&mut self, settled: u64, outcome: &str) -> Result<(), Failure> {
        let recorded = self.run.output.journal.done(&self.journal_entry(), settled, outcome);
        recorded.map_err(|error| self.failed(error))
    }

    fn show_guest_log(&self, log: &GuestLog) {
        self.run.listener.guest_log(&self.file.id, &log.kept);
    }

    /// Whoever runs this owns the logs.
    fn shows_guest_words(&self) -> bool {
        true
    }

    /// A folder takes events of any age. They are judged as CloudWatch Logs would have
    /// judged them when the file was written, so that old logs can be tried out.
    fn age_at(&self, time: ObjectTime) -> Option<i64> {
        Some(time.last_modified)
    }

    /// The next run finds the file as it is then.
    fn when_changed(&self) -> WhenChanged {
        WhenChanged::Fail
    }

    /// The journal is this program's own, and knows the file's state: something is wrong.
    fn forget_progress(&mut self) -> bool {
        false
    }
}

/// The file can't be read.
pub(super) fn unreadable(object: &LocalObject, error: &io::Error) -> Failure {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "let this user read it",
        ErrorKind::NotFound => "it was moved away, or is a link to nothing",
        ErrorKind::Other => "remove it, or put the object itself there",
        _ => "check the disk",
    };
    let text = format!("{}: {error}; {remedy}, then run again", object.path.display());
    Failure::new(FailureKind::Unreadable, text)
}
