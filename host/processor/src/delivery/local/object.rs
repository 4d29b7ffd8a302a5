//! Objects as files: `s3/<bucket>/<key>`. An object is written to a temporary file and renamed
//! when it is complete, so that it appears whole, as in S3.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::{OutputError, make_parent, path};

/// The folder of incomplete objects, below the output folder: on the same file system, so that
/// a rename is enough, and easy to clear after a run was killed.
const TEMPORARY: &str = ".incoming";

/// The objects below an output folder. Threads may write at once; if two write the same key
/// the last one wins, as in S3.
#[derive(Debug)]
pub struct Objects {
    root: PathBuf,
    next: AtomicU64,
}

impl Objects {
    /// Objects below the output folder `root`. What an earlier run left unfinished is
    /// removed, so the [`Journal`](super::Journal) must be held.
    ///
    /// # Errors
    /// Leftovers of an earlier run can't be removed.
    pub fn new(root: &Path) -> Result<Self, OutputError> {
        let left = root.join(TEMPORARY);
        match fs::remove_dir_all(&left) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(OutputError::write(&left)(e)),
            _ => Ok(Self { root: root.to_owned(), next: AtomicU64::new(0) }),
        }
    }

    /// The path of an object's file.
    pub fn path(&self, bucket: &str, key: &str) -> PathBuf {
        self.root.join("s3").join(path::segment(bucket)).join(path::key(key))
    }

    /// Copies the file `from` to an object; returns its size in bytes.
    ///
    /// # Errors
    /// The source can't be read, or changed meanwhile; the object can't be written.
    /// Nothing remains then.
    pub fn copy(&self, from: &Path, bucket: &str, key: &str) -> Result<u64, OutputError> {
        let mut source = File::open(from).map_err(OutputError::source(from))?;
        let state = |file: &File| {
            let metadata = file.metadata()?;
            Ok((metadata.len(), metadata.modified()?))
        };
        let before = state(&source).map_err(OutputError::source(from))?;
        let mut upload = self.upload(bucket, key)?;
        // The kernel copies, or shares the blocks where the file system can.
        let copied = io::copy(&mut source, &mut upload.file).map_err(|e| copy_failed(e, from, &upload.temporary))?;
        let after = state(&source).map_err(OutputError::source(from))?;
        if before != after || copied != before.0 {
            return Err(OutputError::SourceChanged { path: from.to_owned() });
        }
        upload.commit()?;
        Ok(copied)
    }

    /// Begins an object that is written piece by piece.
    ///
    /// # Errors
    /// The temporary file can't be made.
    pub fn upload(&self, bucket: &str, key: &str) -> Result<Upload, OutputError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let temporary = self.root.join(TEMPORARY).join(number.to_string());
        make_parent(&temporary)?;
        Ok(Upload {
            file: File::create(&temporary).map_err(OutputError::write(&temporary))?,
            temporary,
            path: self.path(bucket, key),
        })
    }
}

/// A copy does not say which side failed; a cause that only one can have tells.
fn copy_failed(error: io::Error, from: &Path, to: &Path) -> OutputError {
    match error.kind() {
        io::ErrorKind::IsADirectory | io::ErrorKind::StaleNetworkFileHandle => OutputError::source(from)(error),
        _ => OutputError::write(to)(error),
    }
}

/// An object that is being written. Dropped before [`commit`](Self::commit), it leaves
/// nothing. Writes aren't buffered: write large pieces.
#[derive(Debug)]
pub struct Upload {
    file: File,
    temporary: PathBuf,
    path: PathBuf,
}

impl Upload {
    /// Renames the complete file to the object.
    ///
    /// # Errors
    /// The folder or the object can't be made: a full disk, or a file where a folder
    /// is needed (S3 takes both `a` and `a/b`, a file system does not).
    pub fn commit(self) -> Result<(), OutputError> {
        make_parent(&self.path)?;
        fs::rename(&self.temporary, &self.path).map_err(OutputError::write(&self.path))
    }
}

impl Write for Upload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        // After a commit the temporary file is gone.
        let _ = fs::remove_file(&self.temporary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn objects() -> (TempDir, Objects) {
        let dir = tempfile::tempdir().unwrap();
        let objects = Objects::new(dir.path()).unwrap();
        (dir, objects)
    }

    fn left(dir: &TempDir) -> usize {
        fs::read_dir(dir.path().join(TEMPORARY)).map_or(0, Iterator::count)
    }

    #[test]
    fn a_copy_has_the_bytes_and_replaces_what_was_there() {
        let (dir, objects) = objects();
        let from = dir.path().join("from");
        for content in ["first", "the second"] {
            fs::write(&from, content).unwrap();
            let copied = objects.copy(&from, "logs", "a/../b.gz").unwrap();
            assert_eq!(copied, content.len() as u64);
            let to = dir.path().join("s3/logs/a/%2E%2E/b.gz");
            assert_eq!(fs::read_to_string(to).unwrap(), content);
        }
        assert_eq!(left(&dir), 0);
    }

    #[test]
    fn an_upload_is_there_when_it_is_committed_and_not_before() {
        let (dir, objects) = objects();
        let path = objects.path("logs", "k");
        let mut upload = objects.upload("logs", "k").unwrap();
        upload.write_all(b"half").unwrap();
        assert!(!path.exists());
        drop(upload);
        assert!(!path.exists());
        let mut upload = objects.upload("logs", "k").unwrap();
        upload.write_all(b"whole").unwrap();
        upload.commit().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"whole");
        assert_eq!(left(&dir), 0);
    }

    #[test]
    fn what_a_killed_run_left_is_removed() {
        let (dir, objects) = objects();
        std::mem::forget(objects.upload("logs", "k").unwrap());
        assert_eq!(left(&dir), 1);
        Objects::new(dir.path()).unwrap();
        assert_eq!(left(&dir), 0);
    }

    #[test]
    fn a_source_that_can_not_be_read_is_named() {
        let (dir, objects) = objects();
        let from = dir.path().join("missing");
        let error = objects.copy(&from, "logs", "k").unwrap_err().to_string();
        let expected = format!("can't read {}: No such file", from.display());
        assert!(error.starts_with(&expected), "{error}");
        let error = objects.copy(dir.path(), "logs", "k").unwrap_err();
        assert!(matches!(error, OutputError::Source { .. }), "{error}");
        assert_eq!(left(&dir), 0);
    }

    /// A source that grows faster than it is copied never ends, so the length is what
    /// shows it: `/proc` files have none and yet bytes.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_source_that_changes_is_refused() {
        let (dir, objects) = objects();
        let error = objects.copy(Path::new("/proc/version"), "logs", "k").unwrap_err();
        assert_eq!(error.to_string(), "/proc/version changed while it was copied; run again when it is complete");
        assert!(!objects.path("logs", "k").exists());
        assert_eq!(left(&dir), 0);
    }

    #[test]
    fn a_file_where_a_folder_is_needed_is_an_error_with_its_remedy() {
        let (dir, objects) = objects();
        let from = dir.path().join("from");
        fs::write(&from, "x").unwrap();
        objects.copy(&from, "logs", "a").unwrap();
        let error = objects.copy(&from, "logs", "a/b").unwrap_err().to_string();
        assert!(error.contains("a file stands where a folder is needed"), "{error}");
        objects.copy(&from, "logs", "c/d").unwrap();
        let error = objects.copy(&from, "logs", "c").unwrap_err().to_string();
        assert!(error.contains("a folder stands where a file is needed"), "{error}");
    }
}
