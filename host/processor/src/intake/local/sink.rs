//! Where a delivery's output goes in the output folder.

use std::io::{self, Write};
use std::sync::Arc;

use model::{Delivery, Destination, Failure, FailureKind, ObjectId, Stop};

use super::{OutputFolder, Run};
use crate::delivery::batch::Batch;
use crate::delivery::event_sink::{LogStream, RejectedEvent};
use crate::delivery::local::{OutputError, StreamName, Upload};
use crate::delivery_run;
use crate::object::GzipWriter;

/// Turns an error of the output folder into a failure of the delivery. Where every
/// later write would fail too, the run stops instead of trying each.
pub(super) fn failed(error: OutputError, stop: &Stop) -> Failure {
    if error.stops_everything() {
        stop.request();
    }
    Failure::of(FailureKind::Destination, error)
}

/// Writes files right from the task: a local disk is never as slow as to be
/// worth another thread's hand-over. One put at a time: a file has an order.
pub(super) struct LocalStream<'a> {
    output: &'a OutputFolder,
    object: &'a ObjectId,
    account: &'a str,
    region: &'a str,
    group: &'a str,
    pod: String,
    stop: Stop,
}

impl<'a> LocalStream<'a> {
    /// The stream of a pod.
    ///
    /// # Errors
    /// The delivery has no streams: a bug.
    pub(super) fn new(
        output: &'a OutputFolder,
        delivery: &'a Delivery,
        object: &'a ObjectId,
        pod: &str,
        stop: Stop,
    ) -> Result<Self, Failure> {
        let Destination::CloudWatch { account, log_group, .. } = &delivery.destination else {
            return Err(Failure::new(FailureKind::Destination, "a bug: events for a delivery that takes none"));
        };
        let (region, group, pod) = (&delivery.target_region, log_group, pod.to_owned());
        Ok(Self { output, object, account, region, group, pod, stop })
    }
}

impl LogStream for LocalStream<'_> {
    async fn put(&self, batch: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        let &Self { account, region, group, .. } = self;
        let at = StreamName { account, region, group, stream: &self.pod };
        let events = batch.entries.iter().map(|entry| &entry.event);
        self.output.streams.put(&at, self.object, events).map_err(|error| failed(error, &self.stop))?;
        Ok(Vec::new())
    }
}

/// A rewritten object on its way: begun with its first byte, so that no line
/// left means no object.
pub(super) struct LazyUpload {
    run: Arc<Run>,
    target: ObjectId,
    gzip: bool,
    upload: Option<GzipWriter<Upload>>,
    bytes: u64,
}

impl LazyUpload {
    pub(super) fn new(run: Arc<Run>, target: &ObjectId, gzip: bool) -> Self {
        Self { run, target: target.clone(), gzip, upload: None, bytes: 0 }
    }
}

impl delivery_run::Upload for LazyUpload {
    /// The bytes are those that were written, before compression.
    async fn finish(self) -> Result<u64, Failure> {
        let Some(upload) = self.upload else { return Ok(0) };
        let upload = upload.finish().map_err(|error| Failure::of(FailureKind::Destination, error))?;
        upload.commit().map_err(|error| failed(error, &self.run.stop))?;
        Ok(self.bytes)
    }
}

impl Write for LazyUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let upload = match self.upload.take() {
            Some(upload) => upload,
            None => {
                let upload = self.run.output.objects.upload(&self.target.bucket, &self.target.key);
                GzipWriter::new(upload.map_err(io::Error::other)?, self.gzip)
            }
        };
        let written = self.upload.insert(upload).write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.upload.as_mut().map_or(Ok(()), Write::flush)
    }
}
