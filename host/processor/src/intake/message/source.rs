//! The object that a delivery reads: which state of it, from where on, how far it came,
//! and what comes of it where it can't be read or has changed.

use std::sync::atomic::Ordering;

use super::Bounds;
use super::delivery::One;
use super::refused;
use crate::aws::{AwsError, AwsErrorKind, ObjectVersion, StoredObject};
use crate::notification::{Checkpoint, Resume};
use crate::object::RemoteReader;
use crate::pipeline::Job;
use crate::report::{Entry, Outcome};
use model::{DeadLetter, Fault, Reason};

impl One<'_> {
    /// Of a call about the source.
    pub(super) async fn source_failed(&self, error: &AwsError) -> Entry {
        if error.kind == AwsErrorKind::Precondition {
            return self.changed(error.to_string()).await;
        }
        self.entry(Outcome::Failed).failed(&error.clone().into_source_failure())
    }

    /// The object has changed since it was announced. Its new state should have a
    /// notification of its own; what rewrites it without one (lifecycle, replication, an
    /// event that isn't configured) would make its logs vanish, so this one is kept.
    pub(super) async fn changed(&self, error: String) -> Entry {
        let data = self.work.announced.record.to_string().into_bytes();
        let letter = DeadLetter::of_object(&self.work.id, Reason::Changed, error.as_str())
            .for_delivery(self.delivery)
            .with_data(data);
        match self.own_letters().write(&[letter]).await {
            Ok(()) => self.entry(Outcome::Ignored).because(Reason::Changed, error).fault(Fault::Source),
            Err(unwritten) => self.entry(Outcome::Failed).failed(&unwritten),
        }
    }

    pub(super) fn which(&self) -> ObjectVersion {
        let announced = self.work.announced;
        ObjectVersion { version_id: announced.version_id.clone(), etag: announced.etag.clone() }
    }

    /// Opens the object; what S3 says about it completes the job.
    pub(super) async fn open(&mut self, job: Job) -> Result<(Job, RemoteReader), Entry> {
        let source = &self.processor.source;
        let attempts = self.processor.bounds.attempts;
        let opened =
            crate::object::open(source, &self.work.id, &self.which(), attempts, &self.activity, &self.stop).await;
        let (stored, reader) = match opened {
            Ok(opened) => opened,
            Err(error) => return Err(self.source_failed(&error).await),
        };
        let resume_from = self.resume_from(&stored);
        self.settled.store(resume_from, Ordering::Relaxed);
        let job = Job { last_modified: stored.last_modified, stored_bytes: stored.size, resume_from, ..job };
        self.stored = Some(stored);
        Ok((job, reader))
    }

    /// The event to begin with: an earlier attempt's offset, if it is about the
    /// same object and the same guests.
    fn resume_from(&self, stored: &StoredObject) -> u64 {
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

    fn checkpoint(&self, stored: &StoredObject) -> Checkpoint {
        let Bounds { max_line_bytes, timestamp_numbers, .. } = self.processor.bounds;
        let planned = self.planned.as_ref();
        let guests =
            planned.map(|planned| planned.plan.digest(max_line_bytes, timestamp_numbers, &self.origin, self.delivery));
        Checkpoint { etag: stored.etag.clone(), guests: guests.unwrap_or_default() }
    }

    /// How far it came; where the object wasn't opened, what was known before holds.
    pub(super) fn reached(&self) -> Resume {
        let settled = self.settled.load(Ordering::Relaxed);
        let mut reached = self.before.clone();
        let (now, fails) = (self.refusals.so_far(), self.processor.refused_fails());
        reached.refused = refused::so_far(reached.refused.as_ref(), now, fails);
        if let Some(stored) = self.stored.as_ref().filter(|_| settled > 0) {
            (reached.offset, reached.checkpoint) = (settled, Some(self.checkpoint(stored)));
        }
        reached
    }
}
