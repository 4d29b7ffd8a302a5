//! The cache's folder. Files appear whole or not at all; when there is no room the least
//! recently used go first. Several processes may share it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// The suffix of an incomplete file.
const PARTIAL_SUFFIX: &str = ".part";

/// The age after which an incomplete file is abandoned: its writer is dead.
const PARTIAL_TTL: Duration = Duration::from_secs(60 * 60);

/// An open folder: whatever happens to its path, it stays this one.
pub(super) struct Folder {
    fd: OwnedFd,
    own: bool,
}

/// A file that was read.
pub(super) struct CachedFile {
    pub(super) bytes: Vec<u8>,
    /// Whether only this user could have written the file, as far as the file itself shows.
    pub(super) own: bool,
}

impl Folder {
    /// Opens the folder at a path, creating it for this user alone if it is missing.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let open = |more| rustix::fs::open(path, flags | more, Mode::empty());
        if open(OFlags::NOFOLLOW).is_err_and(|error| error == rustix::io::Errno::NOENT) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        }
        match open(OFlags::NOFOLLOW) {
            Ok(fd) => {
                let own = is_own(&rustix::fs::fstat(&fd)?);
                Ok(Self { fd, own })
            }
            // The path is a link: whoever can change it decides what is read here.
            Err(_) => Ok(Self { fd: open(OFlags::empty())?, own: false }),
        }
    }

    /// Whether only this user can write to the folder.
    pub(super) fn is_own(&self) -> bool {
        self.own
    }

    /// Reads a file of at most `max_bytes`, and marks it as used now. `None` if there is no
    /// such file, or nothing that can be read.
    pub(super) fn read(&self, name: &str, max_bytes: u64) -> io::Result<Option<CachedFile>> {
        // Without NONBLOCK a pipe would wait for a writer.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let fd = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            fd => fd?,
        };
        let stat = rustix::fs::fstat(&fd)?;
        let size = size(&stat);
        if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile || size > max_bytes {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        let file = File::from(fd);
        (&file).take(size).read_to_end(&mut bytes)?;
        // A shared folder may not allow it; then the file is evicted earlier.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(CachedFile { bytes, own: is_own(&stat) }))
    }

    /// Writes a file, whole or not at all, over one of the same name.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let partial = format!(".{}{PARTIAL_SUFFIX}", uuid::Uuid::new_v4());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A folder that others can write is meant to be shared.
        let others = if self.own { Mode::empty() } else { Mode::RGRP | Mode::ROTH };
        let fd = rustix::fs::openat(&self.fd, partial.as_str(), flags, Mode::RUSR | Mode::WUSR | others)?;
        let written = File::from(fd)
            .write_all(bytes)
            .and_then(|()| rustix::fs::renameat(&self.fd, partial.as_str(), &self.fd, name).map_err(io::Error::from));
        if written.is_err() {
            self.remove(&partial);
        }
        written
    }

    /// Removes a file, if it exists and may be removed.
    pub(super) fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
    }

    /// Removes the least recently used files until `incoming` more bytes fit into `bound`.
    /// Only files that `is_entry` accepts are touched.
    pub(super) fn make_room(&self, incoming: u64, bound: u64, is_entry: fn(&str) -> bool) -> io::Result<()> {
        let mut files = self.files(is_entry)?;
        files.sort_by_key(|file| file.used);
        let mut total = files.iter().fold(incoming, |sum, file| sum.saturating_add(file.size));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for file in files {
            let dead = i64::try_from(now.saturating_sub(PARTIAL_TTL).as_secs()).is_ok_and(|dead| file.used.0 < dead);
            if (file.partial && dead) || (!file.partial && total > bound) {
                self.remove(&file.name);
                total = total.saturating_sub(file.size);
            }
        }
        Ok(())
    }

    fn files(&self, is_entry: fn(&str) -> bool) -> io::Result<Vec<CacheEntry>> {
        let mut files = Vec::new();
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let Ok(name) = entry.file_name().to_str() else { continue };
            let partial = name.starts_with('.') && name.ends_with(PARTIAL_SUFFIX);
            if !partial && !is_entry(name) {
                continue;
            }
            // Another process may have evicted it by now.
            let Ok(stat) = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let used = (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or_default());
            files.push(CacheEntry { name: name.to_owned(), partial, size: size(&stat), used });
        }
        Ok(files)
    }
}

struct CacheEntry {
    name: String,
    /// Whether the file is incomplete.
    partial: bool,
    size: u64,
    /// Seconds and nanoseconds since the Unix epoch.
    used: (i64, i64),
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

/// Whether a file belongs to this user, and nobody else may write to it.
fn is_own(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
        && !Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH)
}
