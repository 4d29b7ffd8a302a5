//! Log streams as files: `cloudwatch/<account>/<region>/<group>/<stream>.ndjson` with a line
//! per event, and beside it `<stream>.batches.jsonl` with a line per put.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::append::AppendFile;
use super::{OutputError, path};
use crate::delivery::json::{push_number, push_string};
use model::{Event, ObjectId, lock};

/// The most streams whose two files are kept open.
const MAX_OPEN: usize = 64;

/// Bytes that AWS counts per event in addition to its message.
const EVENT_OVERHEAD_BYTES: usize = 26;

/// The largest buffer that is kept for the next put: 1 MiB of messages fits, unless most of it
/// must be escaped.
const MAX_KEPT_BUFFER_BYTES: usize = 2 << 20;

/// A log stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamName<'a> {
    /// Twelve digits.
    pub account: &'a str,
    /// AWS region.
    pub region: &'a str,
    /// Log group.
    pub group: &'a str,
    /// Log stream.
    pub stream: &'a str,
}

impl StreamName<'_> {
    /// The folder of the stream's files, below the output folder.
    fn folder(&self) -> PathBuf {
        ["cloudwatch".to_owned(), path::segment(self.account), path::segment(self.region)]
            .iter()
            .collect::<PathBuf>()
            .join(path::group(self.group))
    }

    /// The stream's events, below the output folder.
    fn events(&self) -> PathBuf {
        self.folder().join(path::segment(self.stream) + ".ndjson")
    }

    /// The stream's puts, below the output folder.
    fn batches(&self) -> PathBuf {
        self.folder().join(path::segment(self.stream) + ".batches.jsonl")
    }
}

/// The log streams below an output folder. Threads may put at once.
#[derive(Debug)]
pub struct Streams {
    root: PathBuf,
    open: Mutex<OpenStreams>,
    /// Spare buffers, at most one per concurrent put.
    buffers: Mutex<Vec<Vec<u8>>>,
}

#[derive(Debug, Default)]
struct OpenStreams {
    /// Slots by the path of the events, each with its last use.
    slots: HashMap<PathBuf, (Arc<Slot>, u64)>,
    /// A counter of uses, from which the least recently used slot follows.
    uses: u64,
}

/// The files of a stream; `None` before they are opened, and after a failure.
type Slot = Mutex<Option<StreamFiles>>;

#[derive(Debug)]
struct StreamFiles {
    events: AppendFile,
    batches: AppendFile,
}

impl Streams {
    /// Streams below the output folder `root`. Nothing is created yet.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), open: Mutex::default(), buffers: Mutex::default() }
    }

    /// The file of a stream's events.
    pub fn path(&self, at: &StreamName<'_>) -> PathBuf {
        self.root.join(at.events())
    }

    /// Appends the events of one put, in order, and a line about the put: all of it or
    /// nothing.
    ///
    /// # Errors
    /// The file and the cause; nothing of the put remains, unless the file could not
    /// even be cut back.
    pub fn put<'e>(
        &self,
        at: &StreamName<'_>,
        object: &ObjectId,
        events: impl ExactSizeIterator<Item = &'e Event> + Clone,
    ) -> Result<(), OutputError> {
        let (Some(first), Some(last)) = (events.clone().next(), events.clone().last()) else {
            return Ok(());
        };
        let mut lines = lock(&self.buffers).pop().unwrap_or_default();
        write_events(&mut lines, events.clone());
        let mut batch = Vec::new();
        let sizes = events.clone().map(|e| e.message.len() + EVENT_OVERHEAD_BYTES);
        batch.extend_from_slice(b"{\"object\":");
        push_string(&mut batch, &object.to_string());
        batch.extend_from_slice(b",\"events\":");
        push_number(&mut batch, events.len());
        batch.extend_from_slice(b",\"bytes\":");
        push_number(&mut batch, sizes.sum::<usize>());
        batch.extend_from_slice(b",\"first\":");
        push_number(&mut batch, first.timestamp);
        batch.extend_from_slice(b",\"last\":");
        push_number(&mut batch, last.timestamp);
        batch.extend_from_slice(b"}\n");

        let written = self.append(at, &lines, &batch);
        if lines.capacity() <= MAX_KEPT_BUFFER_BYTES {
            lines.clear();
            lock(&self.buffers).push(lines);
        }
        written
    }

    fn append(&self, at: &StreamName<'_>, lines: &[u8], batch: &[u8]) -> Result<(), OutputError> {
        let events = self.path(at);
        let slot = lock(&self.open).slot(&events);
        let mut files = lock(&slot);
        let open = match files.take() {
            Some(open) => open,
            None => StreamFiles {
                events: AppendFile::open(events)?,
                batches: AppendFile::open(self.root.join(at.batches()))?,
            },
        };
        // After a failure the files are opened again, which checks what is there.
        *files = Some(open.put(lines, batch)?);
        Ok(())
    }
}

fn write_events<'e>(out: &mut Vec<u8>, events: impl Iterator<Item = &'e Event>) {
    for event in events {
        out.extend_from_slice(b"{\"timestamp\":");
        push_number(out, event.timestamp);
        out.extend_from_slice(b",\"message\":");
        push_string(out, &event.message);
        out.extend_from_slice(b"}\n");
    }
}

impl OpenStreams {
    fn slot(&mut self, events: &Path) -> Arc<Slot> {
        self.uses += 1;
        if let Some((slot, used)) = self.slots.get_mut(events) {
            *used = self.uses;
            return Arc::clone(slot);
        }
        self.make_room();
        let slot = Arc::new(Slot::default());
        let entry = (Arc::clone(&slot), self.uses);
        self.slots.insert(events.to_owned(), entry);
        slot
    }

    /// Closes the least recently used streams that nobody writes to, so that a
    /// stream's files are never open twice.
    fn make_room(&mut self) {
        while self.slots.len() >= MAX_OPEN {
            let idle = self.slots.iter().filter(|(_, (slot, _))| Arc::strong_count(slot) == 1);
            let Some(oldest) = idle.min_by_key(|(_, (_, used))| *used) else {
                return;
            };
            let oldest = oldest.0.clone();
            self.slots.remove(&oldest);
        }
    }
}

impl StreamFiles {
    fn put(mut self, lines: &[u8], batch: &[u8]) -> Result<Self, OutputError> {
        let before = self.events.len();
        self.events.append(lines)?;
        if let Err(error) = self.batches.append(batch) {
            // The put failed as a whole, and the caller is told.
            self.events.truncate(before);
            return Err(error);
        }
        Ok(self)
    }
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
