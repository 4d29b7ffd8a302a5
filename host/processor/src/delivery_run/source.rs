//! The object that a delivery reads: opened, read, and the same still in the end.

use std::io::{Cursor, Read};

use model::{DeadLetter, Failure, FailureKind, Fault, Reason};

use super::port::{DeliveryPort, Opened, WhenChanged};
use super::run::DeliveryRun;
use crate::object::is_gzip;
use crate::pipeline::Job;
use crate::report::{Entry, Outcome};

impl<P: DeliveryPort> DeliveryRun<'_, P> {
    /// Opens the object; what is known of it then completes the job.
    pub(super) async fn open(&mut self, job: Job, events_from: String) -> Result<(Job, P::Source), Failure> {
        let Opened { source, last_modified, stored_bytes, resume_from } = self.port.open(&events_from).await?;
        self.settled.set(resume_from);
        self.events_from = Some(events_from);
        Ok((Job { last_modified, stored_bytes, resume_from, ..job }, source))
    }

    /// An attempt failed before anything was read; where the object has changed, it is
    /// treated so.
    pub(super) async fn failed(&self, failure: Failure) -> Entry {
        let entry = self.entry(Outcome::Failed).failed(&failure);
        self.verify_source(entry).await
    }

    /// Whether what an entry says is about the object that was announced.
    pub(super) async fn verify_source(&self, entry: Entry) -> Entry {
        let failure = match entry.failure() {
            Some(FailureKind::Changed) => {
                let text = entry.error.clone().unwrap_or_default();
                Failure::new(FailureKind::Changed, text).with_fault(Fault::Source)
            }
            _ if entry.outcome.is_open() => return entry,
            _ => match self.port.verify_unchanged() {
                Ok(()) => return entry,
                Err(failure) => failure,
            },
        };
        match failure.kind {
            FailureKind::Changed => self.changed(entry, &failure).await,
            _ => entry.failed(&failure),
        }
    }

    /// The object has changed since it was announced.
    async fn changed(&self, entry: Entry, failure: &Failure) -> Entry {
        let WhenChanged::Keep(data) = self.port.when_changed() else { return entry.failed(failure) };
        let (object, delivery) = (self.subject.object, self.subject.delivery);
        let letter =
            DeadLetter::of_object(object, Reason::Changed, failure.to_string()).for_delivery(delivery).with_data(data);
        match self.port.write_dead_letters(&[letter]).await {
            Ok(()) => {
                let entry = entry.with_reason(Reason::Changed, failure.to_string());
                Entry { outcome: Outcome::Ignored, fault: Some(Fault::Source), ..entry }
            }
            Err(unwritten) => entry.failed(&unwritten),
        }
    }
}

/// Whether an object is gzip, and all of it.
pub(super) fn peek<R: Read>(mut source: R) -> std::io::Result<(bool, impl Read + use<R>)> {
    let mut head = Vec::new();
    source.by_ref().take(2).read_to_end(&mut head)?;
    Ok((is_gzip(&head), Cursor::new(head).chain(source)))
}
