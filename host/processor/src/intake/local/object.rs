//! One object, for each delivery of its tenant.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::progress::Progress;
use super::sink::{LazyUpload, LocalSink, failed};
use super::{Run, WINDOW_BYTES};
use crate::delivery::local::{DeadLetterFile, Fingerprint, JournalEntry, JournalProgress, OutputError};
use crate::delivery::s3::{self, Targets};
use crate::object::{LocalObject, is_gzip};
use crate::pipeline::{Asked, Delivered, End, Guests, Job, blocking, compare_copy, deliver_events, deliver_object};
use crate::plugin::{KeyError, Planned};
use crate::report::{Cause, Entry, Numbers, Outcome, Unwanted};
use crate::tenant::{InvalidDelivery, Lookup};
use model::{DeadLetter, Delivery, Destination, Failure, FailureKind, Fault, ObjectId, Origin, Reason};
use sandbox::{GuestError, GuestLog};

/// Delivers an object; returns an entry for each delivery, or one where it has none.
pub(super) async fn deliver(run: &Arc<Run>, object: &LocalObject) -> Vec<Entry> {
    let metadata = object.metadata();
    let progress = Progress::new(&run.watch, metadata.as_ref().map_or(0, Metadata::len));
    let entries = watched(run, object, metadata, &progress).await;
    progress.finish();
    entries
}

async fn watched(
    run: &Arc<Run>,
    object: &LocalObject,
    metadata: std::io::Result<Metadata>,
    progress: &Progress,
) -> Vec<Entry> {
    let id = Arc::new(object.id.clone());
    let without = |tenant: Option<&str>, outcome| Entry::new(&id, tenant, None, outcome);
    if run.stop.is_requested() {
        return vec![without(None, Outcome::Interrupted)];
    }
    let fingerprint = match metadata {
        Ok(metadata) => Fingerprint::from(&metadata),
        Err(error) => {
            return vec![without(None, Outcome::Failed).because(FailureKind::Unreadable, unreadable(object, &error))];
        }
    };
    let origin = match run.plans.parse_key(&id, fingerprint_time(fingerprint)).await {
        Ok(origin) => Arc::new(origin),
        Err(KeyError::Rejected { text, .. }) => return vec![invalid_key(run, &id, text)],
        Err(KeyError::Failed(error)) => return vec![without(None, Outcome::Failed).failed(&error.failure)],
    };
    let ignored =
        |reason: Unwanted, error: &str| vec![without(Some(&origin.tenant_id), Outcome::Ignored).because(reason, error)];
    let found = run.tenants.lookup(&origin.tenant_id);
    let mut entries: Vec<Entry> = found.invalid.iter().map(|invalid| unusable(&id, &origin, invalid)).collect();
    let deliveries: &[Arc<Delivery>] = match &found.lookup {
        Lookup::Deliveries(deliveries) => deliveries,
        Lookup::Unknown => return ignored(Unwanted::UnknownTenant, "the tenant file has no item of this tenant"),
        Lookup::NoneEnabled if entries.is_empty() => {
            return ignored(Unwanted::NoneEnabled, "no delivery of this tenant is enabled");
        }
        Lookup::NoneEnabled => &[],
    };
    for delivery in deliveries {
        let started = Instant::now();
        let mut entry = match run.plans.plan(delivery).await {
            Ok(planned) => {
                let origin = Arc::clone(&origin);
                let mut one = One { run, planned, object, id: &id, origin, delivery, fingerprint, progress };
                let mut entry = one.deliver().await;
                one.planned.complete(&mut entry);
                run.plans.ended(&mut one.planned, &entry);
                entry
            }
            Err(error) => error.of(Entry::new(&id, Some(&delivery.tenant_id), Some(delivery.id()), Outcome::Failed)),
        };
        entry.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        entry.output = folder(delivery);
        entries.push(entry);
    }
    entries
}

/// LastModified, in milliseconds since the Unix epoch: the guests' clock.
fn fingerprint_time(fingerprint: Fingerprint) -> i64 {
    i64::try_from(fingerprint.mtime / 1_000_000).unwrap_or(i64::MAX)
}

/// A delivery whose item can't be used.
fn unusable(id: &ObjectId, origin: &Origin, invalid: &InvalidDelivery) -> Entry {
    let entry = Entry::new(id, Some(&origin.tenant_id), invalid.delivery(), Outcome::Failed);
    entry.because(FailureKind::InvalidDelivery, invalid.problem.clone())
}

fn invalid_key(run: &Run, id: &Arc<ObjectId>, text: String) -> Entry {
    let entry = Entry::new(id, None, None, Outcome::Rejected).because(Reason::InvalidKey, text.clone());
    let letter = DeadLetter::of_object(id, Reason::InvalidKey, text);
    let written = run.output.dead_letters.begin(id, None, None).and_then(|mut file| file.write(&letter));
    match written {
        Ok(()) => entry,
        Err(error) => entry.failed(&failed(error, &run.stop)),
    }
}

/// Whoever copied logs without their times finds all of them refused: say why.
fn ages(numbers: &Numbers) -> Option<String> {
    let of = |reason: Reason| numbers.dead_lettered.get(reason);
    let (old, new) = (of(Reason::TooOld), of(Reason::TooNew));
    (old + new > 0).then(|| {
        format!(
            "lines too old for CloudWatch Logs: {old}, too new: {new}, by the file's modification time \
             (`cp -p` and `aws s3 sync` keep it)"
        )
    })
}

/// Where a delivery's output lies, below the output folder.
fn folder(delivery: &Delivery) -> String {
    match &delivery.destination {
        Destination::CloudWatch { account, log_group, .. } => {
            format!("cloudwatch/{account}/{}/{}", delivery.target_region, log_group.trim_start_matches('/'))
        }
        Destination::S3 { bucket, prefix, .. } => format!("s3/{bucket}/{prefix}{}", delivery.tenant_id),
    }
}

/// One delivery of one object.
struct One<'a> {
    run: &'a Arc<Run>,
    planned: Planned,
    object: &'a LocalObject,
    id: &'a Arc<ObjectId>,
    /// As its component refines it.
    origin: Arc<Origin>,
    delivery: &'a Arc<Delivery>,
    fingerprint: Fingerprint,
    progress: &'a Progress,
}

impl One<'_> {
    async fn deliver(&mut self) -> Entry {
        let (bytes, numbers) = (self.run.max_line_bytes, self.run.timestamp_numbers);
        let decides = self.planned.plan.digest(bytes, numbers, &self.origin, self.delivery);
        // Another log group or bucket is another delivery.
        let place = folder(self.delivery);
        let journal_entry = JournalEntry {
            object: self.id,
            fingerprint: self.fingerprint,
            tenant: &self.delivery.tenant_id,
            delivery: &place,
            events_from: &decides,
        };
        let resume_from = match self.run.output.journal.state(&journal_entry) {
            JournalProgress::Done if !self.run.again => return self.entry(Outcome::AlreadyDelivered),
            JournalProgress::Resume { events } if !self.run.again => events,
            _ => 0,
        };
        let mut filter_log = GuestLog::default();
        let delivered = match self.start(resume_from).await {
            Ok((job, guests, wanted, log)) => {
                self.run.watch.guest_log(self.id, &log.kept);
                if !wanted {
                    let component = guests.component();
                    return Entry { guest_log_lines: log.lines, component, ..self.entry(Outcome::Filtered) };
                }
                filter_log = log;
                self.work(&job, guests, journal_entry).await
            }
            Err(GuestError::Rejected { text, .. }) => self.rejected(&text),
            Err(error) => Delivered::failed(error.into_failure(true)),
        };
        self.run.watch.guest_log(self.id, &delivered.guest_log.kept);
        let mut entry = self.entry(Outcome::Delivered).with(delivered);
        entry.resumed_from_event = resume_from;
        entry.guest_log_lines += filter_log.lines;
        entry.warnings.extend(ages(&entry.numbers));
        if entry.outcome.is_open() {
            return entry;
        }
        let outcome = entry.reason.map_or("delivered", Cause::name);
        let events = resume_from.saturating_add(entry.numbers.events);
        match self.run.output.journal.done(&journal_entry, events, outcome) {
            Ok(()) => entry,
            Err(error) => entry.failed(&failed(error, &self.run.stop)),
        }
    }

    fn entry(&self, outcome: Outcome) -> Entry {
        Entry::new(self.id, Some(&self.delivery.tenant_id), Some(self.delivery.id()), outcome)
    }

    fn job(&self, resume_from: u64) -> Job {
        let last_modified = fingerprint_time(self.fingerprint);
        Job {
            object: Arc::clone(self.id),
            origin: Arc::clone(&self.origin),
            delivery: Arc::clone(self.delivery),
            now: last_modified,
            last_modified,
            timestamp_numbers: self.run.timestamp_numbers,
            stored_bytes: self.fingerprint.len,
            resume_from,
            limits: self.run.read_limits(),
            window_bytes: WINDOW_BYTES,
            max_batch_events: self.run.max_batch_events,
            age_at: Some(last_modified),
            shadow_contents: self.run.shadow_contents,
            guest_words: true,
        }
    }

    /// The work, fresh guests, whether the delivery wants the object, and what was logged.
    async fn start(&mut self, resume_from: u64) -> Result<(Job, Guests, bool, GuestLog), GuestError> {
        let now = fingerprint_time(self.fingerprint);
        self.origin = self.planned.refine(&self.origin, self.id, now).await?;
        let (plan, job) = (self.planned.plan.clone(), self.job(resume_from));
        let asked = move || Guests::ask(&plan, &job).map(|asked| (job, asked));
        let (job, Asked { answer, run, log, warnings }) = blocking("wants", asked).await?;
        self.planned.warn(warnings);
        if answer.is_err() {
            self.planned.failed_before(run);
        }
        answer.map(|(guests, wanted)| (job, guests, wanted, log))
    }

    async fn work(&self, job: &Job, guests: Guests, journal_entry: JournalEntry<'_>) -> Delivered {
        let letters = match self.letters() {
            Ok(letters) => Mutex::new(letters),
            Err(error) => return Delivered::failed(failed(error, &self.run.stop)),
        };
        let stop = self.run.stop.clone();
        let sink = LocalSink { output: &self.run.output, job, journal_entry, letters, stop };
        let delivered = match &self.delivery.destination {
            Destination::CloudWatch { .. } => self.events(job, guests, &sink).await,
            Destination::S3 { bucket, prefix, .. } => {
                let key = s3::key(prefix, &self.origin, self.id);
                let target = ObjectId { bucket: bucket.clone(), key: key.clone() };
                if self.planned.plan.rewrites() {
                    let delivered = self.rewritten(job, guests, &sink, bucket, key).await;
                    self.written(&target, delivered)
                } else {
                    let component = guests.component();
                    let copied = Delivered { component, ..self.copied(job, bucket, &key).await };
                    return self.written(&target, copied);
                }
            }
        };
        self.unchanged(delivered)
    }

    async fn events(&self, job: &Job, guests: Guests, sink: &LocalSink<'_>) -> Delivered {
        match self.object.open() {
            Ok(file) => {
                let file = self.progress.of(file);
                deliver_events(job.clone(), guests, file, self.run.stop.clone(), sink).await
            }
            Err(error) => self.unreadable(&error),
        }
    }

    async fn rewritten(&self, job: &Job, guests: Guests, sink: &LocalSink<'_>, bucket: &str, key: String) -> Delivered {
        let (file, gzip) = match self.object.open().and_then(|file| Ok((gzip_head(&self.object.open()?)?, file))) {
            Ok((gzip, file)) => (file, gzip),
            Err(error) => return self.unreadable(&error),
        };
        let to = LazyUpload::new(Arc::clone(self.run), bucket, key, gzip);
        let (mut delivered, to) =
            deliver_object(job.clone(), guests, self.progress.of(file), to, self.run.stop.clone(), sink).await;
        match to.map(LazyUpload::commit) {
            Some(Ok(bytes)) => delivered.bytes = bytes,
            Some(Err(failure)) => return Delivered::failed(failure),
            None => {}
        }
        delivered
    }

    /// A copy, compared with what a shadow would have left of the object.
    async fn copied(&self, job: &Job, bucket: &str, key: &str) -> Delivered {
        let mut delivered = self.copy(bucket, key);
        let plan = &self.planned.plan;
        // What can't be read for this alone is no failure of the delivery.
        if delivered.end == End::Complete
            && plan.shadow_touches_copies()
            && let Ok(file) = self.object.open()
        {
            delivered.shadow = compare_copy(job.clone(), plan, file, self.run.stop.clone()).await;
        }
        delivered
    }

    /// A plain copy is accounted for as one object, its lines unread.
    fn copy(&self, bucket: &str, key: &str) -> Delivered {
        match self.run.output.objects.copy(&self.object.path, bucket, key) {
            Ok(bytes) => Delivered { bytes, ..Delivered::unread(End::Complete) },
            Err(error) => Delivered::failed(failed(error, &self.run.stop)),
        }
    }

    /// Warns of a file that replaced another object's.
    fn written(&self, target: &ObjectId, mut delivered: Delivered) -> Delivered {
        let ended_well = matches!(delivered.end, End::Complete | End::Rejected(_));
        if ended_well && delivered.bytes > 0 && self.run.output.targets.replaces(target, self.id) {
            delivered.warnings.push(Targets::warning(target));
        }
        delivered
    }

    /// A file that was written to while it was read is no object: it fails.
    fn unchanged(&self, delivered: Delivered) -> Delivered {
        let same = std::fs::metadata(&self.object.path).is_ok_and(|now| Fingerprint::from(&now) == self.fingerprint);
        if same || matches!(delivered.end, End::Failed(_) | End::Interrupted) {
            return delivered;
        }
        let error = format!("{} changed while it was read; run again when it is complete", self.object.path.display());
        let failure = Failure::new(FailureKind::Changed, error).with_fault(Fault::Source);
        Delivered { end: End::Failed(failure), ..delivered }
    }

    fn unreadable(&self, error: &std::io::Error) -> Delivered {
        Delivered::failed(Failure::new(FailureKind::Unreadable, unreadable(self.object, error)))
    }

    /// The dead letters of this delivery.
    fn letters(&self) -> Result<DeadLetterFile, OutputError> {
        let component = self.planned.plan.tenant.as_ref().map(|tenant| tenant.component.digest().to_owned());
        self.run.output.dead_letters.begin(self.id, Some(self.delivery.id()), component)
    }

    /// The filter refused the object for good.
    fn rejected(&self, text: &str) -> Delivered {
        let detail = format!("the guest rejected the object: {text}");
        let letter = DeadLetter::of_object(self.id, Reason::GuestRejected, detail).for_delivery(self.delivery);
        match self.letters().and_then(|mut file| file.write(&letter)) {
            Ok(()) => Delivered::unread(End::Rejected(Reason::GuestRejected)),
            Err(error) => Delivered::failed(failed(error, &self.run.stop)),
        }
    }
}

fn unreadable(object: &LocalObject, error: &std::io::Error) -> String {
    let remedy = match error.kind() {
        ErrorKind::PermissionDenied => "let this user read it",
        ErrorKind::NotFound => "it was moved away, or is a link to nothing",
        ErrorKind::Other => "remove it, or put the object itself there",
        _ => "check the disk",
    };
    format!("{}: {error}; {remedy}, then run again", object.path.display())
}

fn gzip_head(mut file: &File) -> std::io::Result<bool> {
    let mut head = [0; 2];
    Ok(file.read(&mut head)? == head.len() && is_gzip(&head))
}
