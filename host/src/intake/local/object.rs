//! One object, for each delivery of its tenant.

use std::fs::{File, Metadata};
use std::io::{ErrorKind, Read};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use super::progress::Progress;
use super::sink::{LazyUpload, LocalSink, failed};
use super::{Run, WINDOW_BYTES};
use crate::delivery::local::{Entry as JournalEntry, Fingerprint, State};
use crate::guest::{Context, GuestError, GuestLog};
use crate::model::{DeadLetter, Delivery, Destination, ObjectId, Origin, Reason};
use crate::object::{LocalObject, is_gzip};
use crate::pipeline::{Delivered, End, Guests, Job, blocking, deliver_events, deliver_object};
use crate::report::{Entry, Numbers, Outcome};
use crate::tenant::Lookup;

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
    if run.stop.is_asked() {
        return vec![without(None, Outcome::Interrupted)];
    }
    let fingerprint = match metadata {
        Ok(metadata) => Fingerprint::from(&metadata),
        Err(error) => return vec![without(None, Outcome::Failed).because("unreadable", unreadable(object, &error))],
    };
    let origin = match parse_key(run, &id).await {
        Ok(origin) => Arc::new(origin),
        Err(GuestError::Rejected { text, .. }) => return vec![invalid_key(run, &id, text)],
        Err(error) => return vec![without(None, Outcome::Failed).because(error.name(), error.to_string())],
    };
    let ignored = |reason, error: &str| vec![without(Some(&origin.tenant_id), Outcome::Ignored).because(reason, error)];
    let deliveries = match run.tenants.lookup(&origin.tenant_id) {
        Lookup::Deliveries(deliveries) => deliveries,
        Lookup::Unknown => return ignored("unknown-tenant", "the tenant file has no item of this tenant"),
        Lookup::NoneEnabled => return ignored("none-enabled", "no delivery of this tenant is enabled"),
    };
    let mut entries = Vec::new();
    for delivery in deliveries {
        let started = Instant::now();
        let one = One { run, object, id: &id, origin: &origin, delivery: &delivery, fingerprint, progress };
        let mut entry = one.deliver().await;
        entry.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        entry.output = folder(&delivery);
        entries.push(entry);
    }
    entries
}

async fn parse_key(run: &Arc<Run>, id: &Arc<ObjectId>) -> Result<Origin, GuestError> {
    let (plan, id) = (run.plan.clone(), Arc::clone(id));
    blocking("parse-key", move || plan.parse_key(&id.key)).await
}

fn invalid_key(run: &Run, id: &Arc<ObjectId>, text: String) -> Entry {
    let entry = Entry::new(id, None, None, Outcome::Rejected).because(Reason::InvalidKey.name(), text.clone());
    let letter = DeadLetter::whole(id, Reason::InvalidKey, text);
    let written = run.output.dead_letters.begin(id, None).and_then(|mut file| file.write(&letter));
    match written {
        Ok(()) => entry,
        Err(error) => {
            let error = failed(error, &run.stop).to_string();
            Entry { outcome: Outcome::Failed, ..entry }.because("destination", error)
        }
    }
}

/// Whoever copied logs without their times finds all of them refused: say why.
fn ages(numbers: &Numbers) -> Option<String> {
    let of = |reason: Reason| numbers.dead_lettered.get(reason.name()).copied().unwrap_or(0);
    let (old, new) = (of(Reason::TooOld), of(Reason::TooNew));
    (old + new > 0).then(|| {
        format!(
            "{old} lines are too old and {new} too new for CloudWatch Logs, by the file's modification time \
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
        Destination::S3 { bucket, prefix } => format!("s3/{bucket}/{prefix}{}", delivery.tenant_id),
    }
}

/// One delivery of one object.
struct One<'a> {
    run: &'a Arc<Run>,
    object: &'a LocalObject,
    id: &'a Arc<ObjectId>,
    origin: &'a Arc<Origin>,
    delivery: &'a Arc<Delivery>,
    fingerprint: Fingerprint,
    progress: &'a Progress,
}

impl One<'_> {
    async fn deliver(&self) -> Entry {
        let decides = self.run.plan.digest(self.run.max_line_bytes);
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
            State::Done if !self.run.again => return self.entry(Outcome::AlreadyDelivered),
            State::Resume { events } if !self.run.again => events,
            _ => 0,
        };
        let job = self.job(resume_from);
        let mut filter_log = GuestLog::default();
        let delivered = match self.start(&job).await {
            Ok((guests, wanted, log)) => {
                self.run.watch.guest_log(self.id, &log.kept);
                if !wanted {
                    return Entry { guest_log_lines: log.lines, ..self.entry(Outcome::Filtered) };
                }
                filter_log = log;
                self.work(&job, guests, journal_entry).await
            }
            Err(GuestError::Rejected { text, .. }) => self.rejected(&text),
            Err(error) => Delivered::failed(error.name(), error.to_string()),
        };
        self.run.watch.guest_log(self.id, &delivered.guest_log.kept);
        let mut entry = self.entry(Outcome::Delivered).with(delivered);
        entry.resumed_from_event = resume_from;
        entry.guest_log_lines += filter_log.lines;
        entry.warnings.extend(ages(&entry.numbers));
        if entry.outcome.is_open() {
            return entry;
        }
        let outcome = entry.reason.unwrap_or("delivered");
        let events = resume_from.saturating_add(entry.numbers.events);
        match self.run.output.journal.done(&journal_entry, events, outcome) {
            Ok(()) => entry,
            Err(error) => {
                let error = failed(error, &self.run.stop).to_string();
                Entry { outcome: Outcome::Failed, ..entry }.because("destination", error)
            }
        }
    }

    fn entry(&self, outcome: Outcome) -> Entry {
        Entry::new(self.id, Some(&self.delivery.tenant_id), Some(self.delivery.id()), outcome)
    }

    fn job(&self, resume_from: u64) -> Job {
        let last_modified = i64::try_from(self.fingerprint.mtime / 1_000_000).unwrap_or(i64::MAX);
        Job {
            object: Arc::clone(self.id),
            origin: Arc::clone(self.origin),
            delivery: Arc::clone(self.delivery),
            now: last_modified,
            last_modified,
            resume_from,
            limits: self.run.read_limits(),
            window_bytes: WINDOW_BYTES,
            max_batch_events: self.run.max_batch_events,
            age_at: Some(last_modified),
        }
    }

    /// Fresh guests, whether the delivery wants the object, and what was logged.
    async fn start(&self, job: &Job) -> Result<(Guests, bool, GuestLog), GuestError> {
        let (plan, job) = (self.run.plan.clone(), job.clone());
        let asked = move || {
            let mut guests = plan.start()?;
            let context: Context<'_> = job.context(&plan.settings);
            let wanted = guests.wants(&context)?;
            let log = guests.take_log();
            Ok((guests, wanted, log))
        };
        blocking("wants", asked).await
    }

    async fn work(&self, job: &Job, guests: Guests, journal_entry: JournalEntry<'_>) -> Delivered {
        let letters = match self.run.output.dead_letters.begin(self.id, Some(self.delivery.id())) {
            Ok(letters) => Mutex::new(letters),
            Err(error) => return Delivered::failed("destination", failed(error, &self.run.stop).to_string()),
        };
        let stop = self.run.stop.clone();
        let sink = LocalSink { output: &self.run.output, job, journal_entry, letters, stop };
        let delivered = match &self.delivery.destination {
            Destination::CloudWatch { .. } => self.events(job, guests, &sink).await,
            Destination::S3 { bucket, prefix } => {
                let name = self.id.key.rsplit('/').next().unwrap_or_default();
                let Origin { tenant_id, application, pod_name, .. } = &**self.origin;
                let key = format!("{prefix}{tenant_id}/{application}/{pod_name}/{name}");
                if self.run.plan.rewrites() {
                    self.rewritten(job, guests, &sink, bucket, key).await
                } else {
                    return self.copy(bucket, &key);
                }
            }
        };
        self.unchanged(delivered)
    }

    async fn events(&self, job: &Job, guests: Guests, sink: &LocalSink<'_>) -> Delivered {
        let settings = Arc::clone(&self.run.plan.settings);
        match self.object.open() {
            Ok(file) => {
                let file = self.progress.of(file);
                deliver_events(job.clone(), settings, guests, file, self.run.stop.clone(), sink).await
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
        let settings = Arc::clone(&self.run.plan.settings);
        let (mut delivered, to) =
            deliver_object(job.clone(), settings, guests, self.progress.of(file), to, self.run.stop.clone(), sink)
                .await;
        match to.map(LazyUpload::commit) {
            Some(Ok(bytes)) => delivered.bytes = bytes,
            Some(Err(error)) => return Delivered::failed(error.name, error.text),
            None => {}
        }
        delivered
    }

    /// A plain copy is accounted for as one object, its lines unread.
    fn copy(&self, bucket: &str, key: &str) -> Delivered {
        match self.run.output.objects.copy(&self.object.path, bucket, key) {
            Ok(bytes) => Delivered { bytes, ..Delivered::unread(End::Complete) },
            Err(error) => Delivered::failed("destination", failed(error, &self.run.stop).to_string()),
        }
    }

    /// A file that was written to while it was read is no object: it fails.
    fn unchanged(&self, delivered: Delivered) -> Delivered {
        let same = std::fs::metadata(&self.object.path).is_ok_and(|now| Fingerprint::from(&now) == self.fingerprint);
        if same || matches!(delivered.end, End::Failed { .. } | End::Interrupted) {
            return delivered;
        }
        let error = format!("{} changed while it was read; run again when it is complete", self.object.path.display());
        Delivered { end: End::Failed { name: "changed", error }, ..delivered }
    }

    fn unreadable(&self, error: &std::io::Error) -> Delivered {
        Delivered::failed("unreadable", unreadable(self.object, error))
    }

    /// The filter refused the object for good.
    fn rejected(&self, text: &str) -> Delivered {
        let detail = format!("the guest rejected the object: {text}");
        let letter = DeadLetter::whole(self.id, Reason::GuestRejected, detail).of(self.delivery);
        let written = self.run.output.dead_letters.begin(self.id, letter.delivery);
        match written.and_then(|mut file| file.write(&letter)) {
            Ok(()) => Delivered::unread(End::Rejected(Reason::GuestRejected)),
            Err(error) => Delivered::failed("destination", failed(error, &self.run.stop).to_string()),
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
