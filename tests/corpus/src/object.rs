//! Files: made with their folders, dated, and every error names the path.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::time::Instant;

/// The folder of a new corpus. Objects of an earlier one would make its
/// manifest untrue, so there must be none.
pub(crate) fn fresh(dir: &Path) -> Result<PathBuf> {
    let objects = dir.join("objects");
    let taken = match fs::read_dir(&objects) {
        Ok(mut entries) => entries.next().is_some(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => false,
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read {}", objects.display()));
        }
    };
    ensure!(!taken, "{} holds objects already: remove it, or choose another folder", objects.display());
    fs::create_dir_all(&objects).with_context(|| format!("cannot create {}", objects.display()))?;
    Ok(objects)
}

/// Opens a new file for writing, with the folders above it.
pub(crate) fn create(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    }
    File::create(path).with_context(|| format!("cannot create {}", path.display()))
}

/// Dates a file that is written, and returns its size.
pub(crate) fn close(file: &File, path: &Path, modified: Instant) -> Result<u64> {
    file.set_modified(modified.system())
        .and_then(|()| file.metadata())
        .map(|metadata| metadata.len())
        .with_context(|| format!("cannot finish {}", path.display()))
}

/// Writes a whole file and dates it.
pub(crate) fn write(path: &Path, bytes: &[u8], modified: Instant) -> Result<u64> {
    let mut file = create(path)?;
    file.write_all(bytes).with_context(|| format!("cannot write {}", path.display()))?;
    close(&file, path, modified)
}

/// Each part becomes a gzip member of its own.
pub(crate) fn gzip(parts: &[&[u8]]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    for part in parts {
        let mut encoder = GzEncoder::new(out, Compression::default());
        encoder.write_all(part)?;
        out = encoder.finish()?;
    }
    Ok(out)
}

/// A gzip stream that breaks off after `readable`: the rest was in it, but
/// only a few bytes of its first block are left, too few to decompress one.
pub(crate) fn truncated_gzip(readable: &[u8], rest: &[u8]) -> Result<Vec<u8>> {
    const LEFT: usize = 12;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(readable)?;
    encoder.flush()?;
    let end = encoder.get_ref().len() + LEFT;
    encoder.write_all(rest)?;
    let mut out = encoder.finish()?;
    ensure!(out.len() > end, "too little to truncate");
    out.truncate(end);
    Ok(out)
}
