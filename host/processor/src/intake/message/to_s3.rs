//! A delivery to a tenant's bucket: a copy, or what its component makes of the object.

use std::io::{Cursor, Read};

use super::delivery::One;
use crate::aws::S3;
use crate::delivery::dead_letter::OnlyLetters;
use crate::delivery::s3::{self, Copied, ObjectUpload, Target, Targets};
use crate::object::{GzipWriter, RemoteReader, is_gzip};
use crate::pipeline::{Guests, Job, Plan, compare_copy, deliver_object};
use crate::report::{Entry, Outcome};
use model::{Destination, Failure, FailureKind, Fault};

impl One<'_> {
    /// Copies the object as it is, and compares the copy with what a shadow would have
    /// left of it.
    pub(super) async fn copied(&mut self, job: Job, guests: Guests, plan: &Plan, target: &Target) -> Entry {
        let component = guests.component();
        drop(guests);
        let mut entry = Entry { component, ..self.copy(target).await };
        if entry.outcome == Outcome::Delivered && plan.shadow_touches_copies() {
            // What can't be read for this alone is no failure of the delivery.
            if let Ok((job, reader)) = self.open(job).await {
                entry.shadow = compare_copy(job, plan, reader, (*self.stop).clone()).await;
            }
        }
        entry
    }

    async fn copy(&mut self, target: &Target) -> Entry {
        let s3 = self.bucket();
        let which = self.which();
        let known = self.stored.as_ref();
        let copied = tokio::select! {
            copied = s3::copy(&s3, target, &which, known, &self.activity) => copied,
            () = self.stop.abandoned() => return self.entry(Outcome::Interrupted),
        };
        match copied {
            Ok(Copied { bytes, warning }) => {
                let mut entry = self.entry(Outcome::Delivered);
                entry.numbers.bytes = bytes.or(self.work.announced.size).unwrap_or_default();
                entry.warnings.extend(warning);
                self.written(target, entry)
            }
            Err(error) if error.fault == Fault::Source => self.source_failed(&error).await,
            Err(error) => self.entry(Outcome::Failed).failed(&error.into()),
        }
    }

    /// The tenant's bucket.
    fn bucket(&self) -> S3 {
        let account = match &self.delivery.destination {
            Destination::S3 { account, .. } => account.as_deref(),
            Destination::CloudWatch { .. } => None,
        };
        self.processor.aws.destination(&self.delivery.tenant_id, &self.delivery.target_region, account)
    }

    /// Warns of what replaced another object's copy.
    fn written(&self, target: &Target, mut entry: Entry) -> Entry {
        let place = target.object();
        if self.processor.targets.replaces(&place, &target.source) {
            self.processor.metrics.target_replaced();
            entry.warnings.push(Targets::warning(&place));
        }
        entry
    }

    /// Writes what the component makes of the object.
    pub(super) async fn rewritten(&mut self, job: Job, guests: Guests, target: &Target) -> Entry {
        let (job, reader) = match self.open(job).await {
            // A rewritten object is made whole, from its beginning.
            Ok((job, reader)) => (Job { resume_from: 0, ..job }, reader),
            Err(entry) => return entry,
        };
        let headers = self.stored.as_ref().map(|stored| stored.headers.clone()).unwrap_or_default();
        let target = &Target { headers, ..target.clone() };
        let (gzip, reader) = match tokio::task::spawn_blocking(move || peek(reader)).await {
            Ok(Ok(peeked)) => peeked,
            Ok(Err(error)) => {
                let failure = Failure::of(FailureKind::Source, error).with_fault(Fault::Source);
                return self.entry(Outcome::Failed).failed(&failure);
            }
            Err(_) => return self.entry(Outcome::Failed).because(FailureKind::Internal, "a bug: reading was given up"),
        };
        let to = GzipWriter::new(ObjectUpload::new(self.bucket(), target, self.activity.clone(), &self.stop), gzip);
        let sink = OnlyLetters::new(self.own_letters(), self.activity.clone());
        let stop = self.stop.clone();
        let (delivered, to) = deliver_object(job, guests, reader, to, stop, &sink).await;
        let mut entry = self.delivered(delivered).await;
        let Some(to) = to else { return entry };
        let finished = match to.finish() {
            Ok(upload) => upload.finish().await,
            Err(error) => Err(error.downcast().unwrap_or_else(|error| Failure::of(FailureKind::Destination, error))),
        };
        match finished {
            Ok(bytes) => {
                entry.numbers.bytes = bytes;
                // Nothing left, no object.
                if bytes > 0 { self.written(target, entry) } else { entry }
            }
            Err(failure) => entry.failed(&failure),
        }
    }
}

/// Whether it is gzip, and all of it.
fn peek(mut reader: RemoteReader) -> std::io::Result<(bool, impl Read + Send + 'static)> {
    let mut head = Vec::new();
    reader.by_ref().take(2).read_to_end(&mut head)?;
    Ok((is_gzip(&head), Cursor::new(head).chain(reader)))
}
