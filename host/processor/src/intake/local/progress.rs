//! How much of an object is read, for a progress bar.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::ProgressListener;

/// The progress of one object. `Clone` is cheap, and of the same object.
#[derive(Clone)]
pub(super) struct ReadProgress {
    listener: Arc<dyn ProgressListener>,
    /// Stored bytes.
    size: u64,
    read: Arc<AtomicU64>,
}

impl ReadProgress {
    pub(super) fn new(listener: &Arc<dyn ProgressListener>, size: u64) -> Self {
        Self { listener: Arc::clone(listener), size, read: Arc::default() }
    }

    /// Bytes were read. Each delivery reads the object again; it is shown once.
    fn add(&self, bytes: u64) {
        let before = self.read.fetch_add(bytes, Ordering::Relaxed);
        let after = before.saturating_add(bytes).min(self.size);
        self.listener.bytes_read(after.saturating_sub(before.min(self.size)));
    }

    /// Whatever was not read need not be.
    pub(super) fn finish(&self) {
        self.add(self.size);
    }

    /// Counts the bytes of a file as it is read.
    pub(super) fn of(&self, file: File) -> CountingReader {
        CountingReader { file, progress: self.clone() }
    }
}

/// A file whose bytes are counted as they are read.
pub(super) struct CountingReader {
    file: File,
    progress: ReadProgress,
}

impl Read for CountingReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.progress.add(read as u64);
        Ok(read)
    }
}
