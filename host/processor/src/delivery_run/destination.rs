//! The last step of a delivery: events to a log stream, or an object to a bucket, rewritten
//! or copied.

use model::{Failure, FailureKind, ObjectId};

use super::port::{Copied, DeliveryPort, Upload};
use super::run::{DeliveryRun, Wanted};
use super::sink::RunSink;
use super::source::peek;
use crate::delivery::s3::Targets;
use crate::pipeline::{Job, compare_copy, deliver_events, deliver_object};
use crate::report::{Entry, Outcome};

impl<P: DeliveryPort> DeliveryRun<'_, P> {
    /// Delivers the object's lines as events.
    pub(super) async fn deliver_events(&mut self, wanted: Wanted) -> Entry {
        let Wanted { job, guests, events_from, .. } = wanted;
        let (job, source) = match self.open(job, events_from).await {
            Ok(opened) => opened,
            Err(failure) => return self.failed(failure).await,
        };
        self.resumed_from = job.resume_from;
        let stream = match self.port.stream(&job) {
            Ok(stream) => Some(stream),
            Err(failure) => return self.entry(Outcome::Failed).failed(&failure),
        };
        let sink = RunSink { port: &self.port, stream, settled: self.settled.clone() };
        let delivered = deliver_events(job, guests, source, self.stop.clone(), &sink).await;
        let entry = self.entry_with(delivered);
        self.verify_source(entry).await
    }

    /// Writes what the plugin makes of the object.
    pub(super) async fn rewrite(&mut self, wanted: Wanted, target: &ObjectId) -> Entry {
        let Wanted { job, guests, events_from, .. } = wanted;
        let (job, source) = match self.open(job, events_from).await {
            // A rewritten object is made whole, from its beginning.
            Ok((job, source)) => (Job { resume_from: 0, ..job }, source),
            Err(failure) => return self.failed(failure).await,
        };
        let failed = |failure: &Failure| self.entry(Outcome::Failed).failed(failure);
        let (gzip, source) = match tokio::task::spawn_blocking(move || peek(source)).await {
            Ok(Ok(peeked)) => peeked,
            Ok(Err(error)) => return failed(&self.port.unreadable(error)),
            Err(_) => return failed(&Failure::new(FailureKind::Internal, "a bug: reading was given up")),
        };
        let upload = self.port.upload(&job, target, gzip);
        let sink = RunSink { port: &self.port, stream: None, settled: self.settled.clone() };
        let (delivered, upload) = deliver_object(job, guests, source, upload, self.stop.clone(), &sink).await;
        let mut entry = self.entry_with(delivered);
        if let Some(upload) = upload {
            match upload.finish().await {
                Ok(bytes) => {
                    entry.counts.bytes = bytes;
                    // Nothing left, no object.
                    entry = if bytes > 0 { self.written(target, entry) } else { entry };
                }
                Err(failure) => entry = entry.failed(&failure),
            }
        }
        self.verify_source(entry).await
    }

    /// Copies the object as it is, and compares the copy with what a shadow would have
    /// left of it.
    pub(super) async fn copy(&mut self, wanted: Wanted, target: &ObjectId) -> Entry {
        let Wanted { job, plan, guests, events_from } = wanted;
        let component = guests.component();
        drop(guests);
        let mut entry = Entry { component, ..self.copy_object(&job, target).await };
        if entry.outcome == Outcome::Delivered && plan.shadow_touches_copies() {
            // What can't be read for this alone is no failure of the delivery.
            if let Ok((job, source)) = self.open(job, events_from).await {
                entry.shadow = compare_copy(job, &plan, source, self.stop.clone()).await;
            }
        }
        entry
    }

    /// A copy is accounted for as one object, its lines unread.
    async fn copy_object(&mut self, job: &Job, target: &ObjectId) -> Entry {
        let copied = tokio::select! {
            biased;
            copied = self.port.copy(job, target) => copied,
            () = self.stop.abandoned() => return self.entry(Outcome::Interrupted),
        };
        match copied {
            Ok(Copied { bytes, warning }) => {
                let mut entry = self.entry(Outcome::Delivered);
                entry.counts.bytes = bytes;
                entry.warnings.extend(warning);
                self.written(target, entry)
            }
            Err(failure) => self.failed(failure).await,
        }
    }

    /// Warns of what replaced another object's copy.
    fn written(&self, target: &ObjectId, mut entry: Entry) -> Entry {
        if self.port.replaces_another(target) {
            entry.warnings.push(Targets::warning(target));
        }
        entry
    }
}
