//! A component from a file.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Component, Path, PathBuf};

use crate::plugin::failure;
use model::{ComponentErrorKind, ComponentRef, Failure};

/// Where a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FileLocation {
    /// Below one of the folders, links followed.
    Below,
    /// It would be below one of them, but isn't there.
    Missing,
    /// Outside of all of them, there or not.
    Elsewhere,
}

/// Where a file lies, links followed.
pub(super) fn locate(path: &Path, folders: &[PathBuf]) -> FileLocation {
    let real: Vec<PathBuf> = folders.iter().filter_map(|folder| folder.canonicalize().ok()).collect();
    let is_below = |path: &Path, folders: &[PathBuf]| folders.iter().any(|folder| path.starts_with(folder));
    match path.canonicalize() {
        Ok(path) if is_below(&path, &real) => FileLocation::Below,
        Ok(_) => FileLocation::Elsewhere,
        // What isn't there has no real path; what is said of it must not tell more than the path does.
        Err(_) if path.components().any(|part| part == Component::ParentDir) => FileLocation::Elsewhere,
        Err(_) if is_below(path, folders) || is_below(path, &real) => FileLocation::Missing,
        Err(_) => FileLocation::Elsewhere,
    }
}

/// All of a file, which may have `max_bytes` bytes.
pub(super) fn read(component: &ComponentRef, path: &Path, max_bytes: u64) -> Result<Vec<u8>, Failure> {
    let failed = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => failure::missing(component, error),
        _ => {
            let text = format!("component {component}: it can't be read: {error}; check the file's mode");
            failure::by_error(ComponentErrorKind::Source, component, error).in_words(text)
        }
    };
    // Without NONBLOCK a pipe in its place would wait for a writer.
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
