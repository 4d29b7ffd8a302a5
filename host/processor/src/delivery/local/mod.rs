//! The output folder of `local`, in place of AWS: streams of CloudWatch Logs, objects of S3,
//! dead letters, and a journal.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

mod append;
mod dead_letter;
mod journal;
mod object;
pub(in crate::delivery) mod path;
mod stream;

pub use dead_letter::{DeadLetterFile, DeadLetters};
pub use journal::{Fingerprint, Journal, JournalEntry, JournalProgress};
pub use object::{Objects, Upload};
pub use stream::{StreamName, Streams};

/// Why something couldn't be written to the output folder. Errors never hold the content.
#[derive(Debug, Error)]
pub enum OutputError {
    /// A file or folder of the output can't be made, read or written.
    #[error("can't write {}: {cause}; {}", .path.display(), remedy(.cause))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The object that is to be copied can't be read.
    #[error("can't read {}: {cause}; let this user read it, then run again", .path.display())]
    Source {
        /// The object's file.
        path: PathBuf,
        /// The cause.
        cause: io::Error,
    },
    /// The object changed while it was copied; nothing was written.
    #[error("{} changed while it was copied; run again when it is complete", .path.display())]
    SourceChanged {
        /// The object's file.
        path: PathBuf,
    },
    /// Another run writes to the same output folder.
    #[error(
        "another run{} writes to {}; wait for it to end, or give another --output",
        .process.map(|id| format!(" (process {id})")).unwrap_or_default(),
        .path.display()
    )]
    Locked {
        /// The output folder.
        path: PathBuf,
        /// The process that holds it, where it is known.
        process: Option<u32>,
    },
}

impl OutputError {
    /// Whether every later write will fail too, until someone makes room or gives
    /// leave: a full disk, a spent quota, a file system that is read-only.
    pub fn stops_everything(&self) -> bool {
        let Self::Write { cause, .. } = self else {
            return matches!(self, Self::Locked { .. });
        };
        matches!(
            cause.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::ReadOnlyFilesystem
        )
    }

    fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Write { path, cause }
    }

    fn source(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Source { path, cause }
    }
}

fn remedy(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "the disk is full: free space, or give another --output",
        io::ErrorKind::QuotaExceeded => "this user's quota is spent: free space, or give another --output",
        io::ErrorKind::ReadOnlyFilesystem => "the file system is read-only: give another --output",
        io::ErrorKind::PermissionDenied => "let this user write there, or give another --output",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            "a file stands where a folder is needed: move it away, or give another --output"
        }
        io::ErrorKind::IsADirectory => "a folder stands where a file is needed: move it away, or give another --output",
        _ => "check the disk, or give another --output",
    }
}

/// Creates the folder that `path` lies in.
fn make_parent(path: &Path) -> Result<(), OutputError> {
    match path.parent() {
        Some(parent) => fs::create_dir_all(parent).map_err(OutputError::write(parent)),
        None => Ok(()),
    }
}

/// 128 bits of FNV-1a: the same on every machine and in every version, for names and
/// keys that nobody gains by forging.
fn stable_hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u128 {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = OFFSET;
    for part in parts {
        // The length keeps ("ab", "c") and ("a", "bc") apart.
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX).to_le_bytes();
        for byte in part.iter().chain(&length) {
            hash = (hash ^ u128::from(*byte)).wrapping_mul(PRIME);
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_name_path_cause_and_remedy() {
        let error = |kind: io::ErrorKind| OutputError::write(Path::new("out/x"))(kind.into());
        let full = error(io::ErrorKind::StorageFull);
        assert_eq!(
            full.to_string(),
            "can't write out/x: no storage space; the disk is full: free space, or give another --output"
        );
        assert!(full.stops_everything());
        assert!(error(io::ErrorKind::QuotaExceeded).stops_everything());
        assert!(error(io::ErrorKind::ReadOnlyFilesystem).stops_everything());
        let denied = error(io::ErrorKind::PermissionDenied);
        assert!(!denied.stops_everything());
        assert!(denied.to_string().ends_with("let this user write there, or give another --output"));
    }

    #[test]
    fn the_hash_keeps_parts_apart_and_never_changes() {
        let hash = |parts: &[&str]| stable_hash(parts.iter().map(|p| p.as_bytes()));
        assert_ne!(hash(&["ab", "c"]), hash(&["a", "bc"]));
        assert_ne!(hash(&["a"]), hash(&["a", ""]));
        assert_eq!(format!("{:032x}", hash(&["a"])), "19c3dbf8e5061a5c61631051cd9ca0c5");
    }
}
