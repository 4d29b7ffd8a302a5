//! Files that grow by whole lines, even if the disk is full or the run is killed.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{OutputError, make_parent};

/// A file that grows by whole lines.
#[derive(Debug)]
pub(super) struct AppendFile {
    path: PathBuf,
    file: File,
    len: u64,
}

impl AppendFile {
    /// Opens or creates the file. A last line without its newline, as a killed run may leave
    /// it, is cut off.
    pub(super) fn open(path: PathBuf) -> Result<Self, OutputError> {
        make_parent(&path)?;
        let mut options = OpenOptions::new();
        let opened = options.read(true).append(true).create(true).open(&path);
        let whole = opened.and_then(|mut file| {
            let len = truncate_to_last_newline(&mut file)?;
            Ok((file, len))
        });
        match whole {
            Ok((file, len)) => Ok(Self { path, file, len }),
            Err(cause) => Err(OutputError::Write { path, cause }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file's length in bytes.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Appends all of `bytes`, or nothing.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), OutputError> {
        if let Err(cause) = self.file.write_all(bytes) {
            self.truncate(self.len);
            let path = self.path.clone();
            return Err(OutputError::Write { path, cause });
        }
        self.len += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Truncates the file. If even that fails there is nothing left to try: the error that led
    /// here is reported, and the next open cuts off a torn line.
    pub(super) fn truncate(&mut self, len: u64) {
        let _ = self.file.set_len(len);
    }
}

/// Cuts off what follows the last newline; returns the remaining length.
fn truncate_to_last_newline(file: &mut File) -> io::Result<u64> {
    const STEP: u64 = 64 << 10;
    let len = file.metadata()?.len();
    let mut end = len;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(STEP);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        Read::by_ref(file).take(end - start).read_to_end(&mut block)?;
        if let Some(newline) = block.iter().rposition(|b| *b == b'\n') {
            end = start + u64::try_from(newline).unwrap_or_default() + 1;
            break;
        }
        end = start;
    }
    if end < len {
        file.set_len(end)?;
    }
    Ok(end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_follows_the_last_newline_is_cut_off_however_long() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("folder/file");
        let long = "x".repeat(200_000);
        let whole = format!("a\n{long}\n");
        AppendFile::open(path.clone()).unwrap();
        for torn in ["", "t", &long] {
            fs::write(&path, format!("{whole}{torn}")).unwrap();
            let mut file = AppendFile::open(path.clone()).unwrap();
            assert_eq!(file.len(), whole.len() as u64);
            file.append(b"b\n").unwrap();
            assert_eq!(file.len(), whole.len() as u64 + 2);
            assert_eq!(fs::read_to_string(&path).unwrap(), format!("{whole}b\n"));
        }
        fs::write(&path, &long).unwrap();
        assert_eq!(AppendFile::open(path).unwrap().len(), 0);
    }
}
