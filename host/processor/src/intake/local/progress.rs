//! How much of an object is read, for whoever watches.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::Watch;

/// The progress of one object. `Clone` is cheap, and of the same object.
#[derive(Clone)]
pub(super) struct ReadProgress {
    watch: Arc<dyn Watch>,
    /// Stored bytes.
    size: u64,
    read: Arc<AtomicU64>,
}

impl ReadProgress {
    pub(super) fn new(watch: &Arc<dyn Watch>, size: u64) -> Self {
        Self { watch: Arc::clone(watch), size, read: Arc::default() }
    }

    /// Bytes were read. Each delivery reads the object again; it is shown once.
    fn add(&self, bytes: u64) {
        let before = self.read.fetch_add(bytes, Ordering::Relaxed);
        let after = before.saturating_add(bytes).min(self.size);
        self.watch.bytes_read(after.saturating_sub(before.min(self.size)));
    }

    /// Whatever was not read need not be.
    pub(super) fn finish(&self) {
        self.add(self.size);
    }

    /// Watches a file being read.
    pub(super) fn of(&self, file: File) -> Watched {
        Watched { file, progress: self.clone() }
    }
}

/// A file whose reading is watched.
pub(super) struct Watched {
    file: File,
    progress: ReadProgress,
}

impl Read for Watched {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read(out)?;
        self.progress.add(read as u64);
        Ok(read)
    }
}
