//! A delivery's place in the output folder.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use super::Output;
use crate::delivery::batch::Batch;
use crate::delivery::local::{DeadLetterFile, JournalEntry, OutputError, StreamName, Upload};
use crate::delivery::port::{EventSink, RejectedEvent};
use crate::object::GzipWriter;
use crate::pipeline::{Job, Stop};
use model::{DeadLetter, Destination, Failure, FailureKind, lock};

impl From<OutputError> for Failure {
    fn from(error: OutputError) -> Self {
        Self::of(FailureKind::Destination, error)
    }
}

/// Turns an error of the output folder into one of the delivery. Where every
/// later write would fail too, the run stops instead of trying each.
pub(super) fn failed(error: OutputError, stop: &Stop) -> Failure {
    if error.stops_everything() {
        stop.request();
    }
    error.into()
}

/// Writes files right from the task: a local disk is never as slow as to be
/// worth another thread's hand-over. One put at a time: a file has an order.
pub(super) struct LocalSink<'a> {
    pub(super) output: &'a Output,
    pub(super) job: &'a Job,
    pub(super) journal_entry: JournalEntry<'a>,
    pub(super) letters: Mutex<DeadLetterFile>,
    pub(super) stop: Stop,
}

impl EventSink for LocalSink<'_> {
    async fn put(&self, batch: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        let Destination::CloudWatch { account, log_group, .. } = &self.job.delivery.destination else {
            return Err(Failure::new(FailureKind::Destination, "a bug: events for a delivery that takes none"));
        };
        let at = StreamName {
            account,
            region: &self.job.delivery.target_region,
            group: log_group,
            stream: &self.job.origin.pod_name,
        };
        let events = batch.entries.iter().map(|entry| &entry.event);
        self.output.streams.put(&at, &self.job.object, events).map_err(|error| failed(error, &self.stop))?;
        Ok(Vec::new())
    }

    async fn dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        let mut file = lock(&self.letters);
        letters.iter().try_for_each(|letter| file.write(letter)).map_err(|error| failed(error, &self.stop))
    }

    async fn checkpoint(&self, events: u64) -> Result<(), Failure> {
        self.output.journal.progress(&self.journal_entry, events).map_err(|error| failed(error, &self.stop))
    }
}

/// A rewritten object on its way: begun with its first byte, so that no line
/// left means no object.
pub(super) struct LazyUpload {
    pub(super) output: Arc<super::Run>,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) gzip: bool,
    upload: Option<GzipWriter<Upload>>,
    bytes: u64,
}

impl LazyUpload {
    pub(super) fn new(output: Arc<super::Run>, bucket: &str, key: String, gzip: bool) -> Self {
        Self { output, bucket: bucket.to_owned(), key, gzip, upload: None, bytes: 0 }
    }

    /// Makes the object appear; returns the bytes that were written to it
    /// before compression.
    pub(super) fn commit(self) -> Result<u64, Failure> {
        let Some(upload) = self.upload else { return Ok(0) };
        let upload = upload.finish().map_err(|error| Failure::of(FailureKind::Destination, error))?;
        upload.commit().map_err(|error| failed(error, &self.output.stop))?;
        Ok(self.bytes)
    }
}

impl Write for LazyUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let upload = match self.upload.take() {
            Some(upload) => upload,
            None => {
                let upload = self.output.output.objects.upload(&self.bucket, &self.key);
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
