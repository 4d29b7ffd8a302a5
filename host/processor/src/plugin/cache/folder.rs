//! The cache's folder: files that come whole or not at all, and go, the least
//! recently used first, when there is no room. Several processes may use it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, Stat};

/// What a file is called until it is whole ends like this.
const PARTIAL_SUFFIX: &str = ".part";

/// A file that isn't whole after this time never will be: its writer is dead.
const PARTIAL_TTL: Duration = Duration::from_secs(60 * 60);

/// A folder that is open: whatever happens to its path, it stays this one.
pub(super) struct Folder {
    fd: OwnedFd,
    own: bool,
}

/// A file of it, read.
pub(super) struct CachedFile {
    pub(super) bytes: Vec<u8>,
    /// Only this user could have written it, as far as the file itself says.
    pub(super) own: bool,
}

impl Folder {
    /// The folder at a path, made for this user alone where there is none.
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
            // A link: whoever can change it decides what is read here.
            Err(_) => Ok(Self { fd: open(OFlags::empty())?, own: false }),
        }
    }

    /// Whether only this user can write in it.
    pub(super) fn is_own(&self) -> bool {
        self.own
    }

    /// A file of at most `max_bytes` bytes, which counts as used now. None: there is no
    /// such file, or nothing that can be read.
    pub(super) fn read(&self, name: &str, max_bytes: u64) -> io::Result<Option<CachedFile>> {
        // Without NONBLOCK a pipe in its place would wait for a writer.
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
        // A folder of others may not allow it; then it is only forgotten earlier.
        let _ = file.set_modified(SystemTime::now());
        Ok(Some(CachedFile { bytes, own: is_own(&stat) }))
    }

    /// Writes a file, whole or not at all, in place of what had its name.
    pub(super) fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let partial = format!(".{}{PARTIAL_SUFFIX}", uuid::Uuid::new_v4());
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        // A folder that others can write is one to share.
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

    /// Removes a file, if it is there and may be removed.
    pub(super) fn remove(&self, name: &str) {
        let _ = rustix::fs::unlinkat(&self.fd, name, AtFlags::empty());
    }

    /// Removes what was not used for longest, until `incoming` more bytes are at
    /// most `bound` with what is left. Only files that `is_entry` knows.
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
            // It may be gone by now: another process made room.
            let Ok(stat) = rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            let used = (stat.st_mtime, i64::try_from(stat.st_mtime_nsec).unwrap_or_default());
            files.push(CacheEntry { name: name.to_owned(), partial, size: size(&stat), used });
        }
        Ok(files)
    }
}

struct CacheEntry {
    name: String,
    /// It isn't whole yet.
    partial: bool,
    size: u64,
    /// Seconds and nanoseconds since the Unix epoch.
    used: (i64, i64),
}

fn size(stat: &Stat) -> u64 {
    u64::try_from(stat.st_size).unwrap_or_default()
}

/// It belongs to this user, and nobody else may write to it.
fn is_own(stat: &Stat) -> bool {
    stat.st_uid == rustix::process::geteuid().as_raw()
        && !Mode::from_raw_mode(stat.st_mode).intersects(Mode::WGRP | Mode::WOTH)
}
