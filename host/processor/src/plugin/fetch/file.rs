//! Reads components from files.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use crate::plugin::failure;
use model::{ComponentErrorKind, ComponentRef, Failure};

/// The location of a file relative to the allowed folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileLocation {
    /// The file lies below one of the folders, links followed.
    Below,
    /// The file would lie below one of them, but doesn't exist.
    Missing,
    /// The path lies outside of all of them, whether or not the file exists.
    Elsewhere,
}

/// Locates a file, following links.
pub(super) fn locate(path: &Path, folders: &[PathBuf]) -> FileLocation {
    let real: Vec<PathBuf> = folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    let is_below = |path: &Path, folders: &[PathBuf]| folders.iter().any(|folder| path.starts_with(folder));
    match path.canonicalize() {
        Ok(path) if is_below(&path, &real) => FileLocation::Below,
        Ok(_) => FileLocation::Elsewhere,
        // A missing file has no real path; the error must not tell more than the path does.
        Err(_) if path.components().any(|part| part == Component::ParentDir) => FileLocation::Elsewhere,
        Err(_) if is_below(path, folders) || is_below(path, &real) => FileLocation::Missing,
        Err(_) => FileLocation::Elsewhere,
    }
}

/// Reads a file of at most `max_bytes`.
pub(super) fn read(component: &ComponentRef, path: &Path, max_bytes: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => failure::missing(component, error),
        _ => {
            let text = format!("component {component}: it can't be read: {error}; check the file's mode");
            failure::by_error(ComponentErrorKind::Source, component, error).in_words(text)
        }
    };
    // Without NONBLOCK a pipe would wait for a writer.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options().read(true).custom_flags(nonblock).open(path).map_err(failed)?;
    let stored = file.metadata().map_err(failed)?;
    if !stored.is_file() {
        return Err(failure::of_component(
            ComponentErrorKind::Source,
            component,
            "it is no file; name the component's own file",
        ));
    }
    if stored.len() > max_bytes {
        return Err(failure::too_large(component, Some(stored.len()), max_bytes));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stored.len()).unwrap_or_default());
    file.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if u64::try_from(bytes.len()).is_ok_and(|bytes| bytes <= max_bytes) {
        Ok(bytes)
    } else {
        Err(failure::too_large(component, None, max_bytes))
    }
}
