//! The journal of what earlier runs delivered, so that later runs don't deliver it again:
//! `.journal.ndjson` in the output folder, with a line per step.

use std::collections::HashMap;
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use super::append::AppendFile;
use super::{OutputError, stable_hash};
use model::{ObjectId, lock};

const FILE: &str = ".journal.ndjson";
const LOCK: &str = ".lock";

/// The number of obsolete lines from which the file is compacted on opening, if they are also
/// the majority.
const COMPACT_MIN_STALE: u64 = 1000;

/// A fingerprint of a file's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint {
    /// The file's length in bytes.
    pub len: u64,
    /// The file's modification time in nanoseconds since the Unix epoch; 0 if the file system
    /// doesn't know it.
    pub mtime: u64,
}

impl From<&Metadata> for Fingerprint {
    fn from(metadata: &Metadata) -> Self {
        let since = metadata.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
        Self { len: metadata.len(), mtime: since.and_then(|d| u64::try_from(d.as_nanos()).ok()).unwrap_or(0) }
    }
}

/// The subject of a line in the journal: one delivery of one object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JournalEntry<'a> {
    /// The object.
    pub object: &'a ObjectId,
    /// The state of the object's file.
    pub fingerprint: Fingerprint,
    /// The tenant.
    pub tenant: &'a str,
    /// The delivery's id.
    pub delivery: &'a str,
    /// Digest of everything that decides which events the object becomes (guest, settings of
    /// the delivery). Under another digest a number of events means nothing.
    pub events_from: &'a str,
}

/// The progress of an object's delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JournalProgress {
    /// Nothing is delivered yet.
    Fresh,
    /// The first events, in guest order, are delivered.
    Resume {
        /// The number of delivered events.
        events: u64,
    },
    /// Everything that can be delivered is.
    Done,
}

/// The journal of an output folder. While it is open, no other run can open it.
#[derive(Debug)]
pub struct Journal {
    inner: Mutex<JournalFile>,
    warnings: Vec<String>,
    /// Released by the system with the process, however that ends.
    _lock: File,
}

#[derive(Debug)]
struct JournalFile {
    file: AppendFile,
    latest_by_key: LatestByKey,
}

/// The latest lines, by a hash of object, tenant and delivery: a folder may hold millions of
/// objects.
type LatestByKey = HashMap<u128, Latest>;

#[derive(Debug, Clone, Copy)]
struct Latest {
    fingerprint: Fingerprint,
    events_from: u128,
    events: u64,
    done: bool,
    /// The number of the line in the file.
    line: u64,
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
struct JournalLine<'a> {
    #[serde(borrow)]
    object: std::borrow::Cow<'a, str>,
    fingerprint: Fingerprint,
    #[serde(borrow)]
    tenant: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    delivery: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    events_from: std::borrow::Cow<'a, str>,
    events: u64,
    done: bool,
    #[serde(borrow)]
    outcome: std::borrow::Cow<'a, str>,
}

impl JournalLine<'_> {
    fn key(&self) -> u128 {
        stable_hash([&self.object, &self.tenant, &self.delivery].map(|s| s.as_bytes()))
    }

    fn latest(&self, line: u64) -> Latest {
        Latest {
            fingerprint: self.fingerprint,
            events_from: stable_hash([self.events_from.as_bytes()]),
            events: self.events,
            done: self.done,
            line,
        }
    }
}

impl Journal {
    /// Opens the journal of the output folder `root`, which is created if missing, and locks
    /// out other runs.
    ///
    /// # Errors
    /// Another run has the folder locked; it can't be created or written; the journal can't be
    /// read.
    pub fn open(root: &Path) -> Result<Self, OutputError> {
        fs::create_dir_all(root).map_err(OutputError::write(root))?;
        let lock = lock_folder(root)?;
        let path = root.join(FILE);
        // Opening cuts off an incomplete last line of a killed run.
        let mut file = AppendFile::open(path.clone())?;
        let mut read = read_journal(&path).map_err(OutputError::write(&path))?;
        let kept = u64::try_from(read.latest_by_key.len()).unwrap_or(u64::MAX);
        let stale = read.lines.saturating_sub(kept);
        if stale >= COMPACT_MIN_STALE && stale > kept {
            drop(file);
            compact(&path, &read.latest_by_key).map_err(OutputError::write(&path))?;
            file = AppendFile::open(path.clone())?;
        }
        let warnings = match read.damaged {
            0 => Vec::new(),
            n => vec![format!("{} has {n} damaged lines; what they were about may be delivered again", path.display())],
        };
        let latest_by_key = std::mem::take(&mut read.latest_by_key);
        Ok(Self { inner: Mutex::new(JournalFile { file, latest_by_key }), warnings, _lock: lock })
    }

    /// Warnings about the journal, a sentence each.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Returns how far earlier runs, and this one, came with a delivery.
    pub fn state(&self, entry: &JournalEntry<'_>) -> JournalProgress {
        let line = entry.line(0, false, "");
        let inner = lock(&self.inner);
        let Some(latest) = inner.latest_by_key.get(&line.key()) else {
            return JournalProgress::Fresh;
        };
        let now = line.latest(0);
        match latest {
            latest if latest.fingerprint != now.fingerprint => JournalProgress::Fresh,
            latest if latest.done => JournalProgress::Done,
            latest if latest.events == 0 || latest.events_from != now.events_from => JournalProgress::Fresh,
            latest => JournalProgress::Resume { events: latest.events },
        }
    }

    /// Records that the first `events` events, in guest order, are delivered.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn progress(&self, entry: &JournalEntry<'_>, events: u64) -> Result<(), OutputError> {
        self.add(&entry.line(events, false, ""))
    }

    /// Records that a delivery is done, with `events` events delivered; `outcome` is a word
    /// for people who read the journal.
    ///
    /// # Errors
    /// The journal can't be written.
    pub fn done(&self, entry: &JournalEntry<'_>, events: u64, outcome: &str) -> Result<(), OutputError> {
        self.add(&entry.line(events, true, outcome))
    }

    fn add(&self, line: &JournalLine<'_>) -> Result<(), OutputError> {
        let mut inner = lock(&self.inner);
        let JournalFile { file, latest_by_key } = &mut *inner;
        let mut bytes = serde_json::to_vec(line).map_err(|e| OutputError::write(file.path())(e.into()))?;
        bytes.push(b'\n');
        file.append(&bytes)?;
        latest_by_key.insert(line.key(), line.latest(0));
        Ok(())
    }
}

impl<'a> JournalEntry<'a> {
    fn line(&self, events: u64, done: bool, outcome: &'a str) -> JournalLine<'a> {
        JournalLine {
            object: self.object.to_string().into(),
            fingerprint: self.fingerprint,
            tenant: self.tenant.into(),
            delivery: self.delivery.into(),
            events_from: self.events_from.into(),
            events,
            done,
            outcome: outcome.into(),
        }
    }
}

/// Locks out other runs. The lock file holds the process id.
fn lock_folder(root: &Path) -> Result<File, OutputError> {
    let path = root.join(LOCK);
    let failed = || OutputError::write(&path);
    let mut options = OpenOptions::new();
    let options = options.read(true).write(true).create(true).truncate(false);
    let mut file = options.open(&path).map_err(failed())?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(failed())?;
            writeln!(file, "{}", std::process::id()).map_err(failed())?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            let read = file.take(20).read_to_string(&mut holder);
            Err(OutputError::Locked {
                path: root.to_owned(),
                process: read.ok().and_then(|_| holder.trim().parse().ok()),
            })
        }
        Err(TryLockError::Error(e)) => Err(failed()(e)),
    }
}

struct JournalContents {
    latest_by_key: LatestByKey,
    lines: u64,
    damaged: u64,
}

fn read_journal(path: &Path) -> io::Result<JournalContents> {
    let mut contents = JournalContents { latest_by_key: LatestByKey::new(), lines: 0, damaged: 0 };
    each_line(path, |number, bytes| {
        contents.lines += 1;
        match serde_json::from_slice::<JournalLine<'_>>(bytes) {
            Ok(line) => {
                contents.latest_by_key.insert(line.key(), line.latest(number));
            }
            Err(_) => contents.damaged += 1,
        }
        Ok(())
    })?;
    Ok(contents)
}

/// Rewrites the file with only the latest lines.
fn compact(path: &Path, latest_by_key: &LatestByKey) -> io::Result<()> {
    let new: PathBuf = path.with_extension("ndjson.new");
    let mut out = BufWriter::new(File::create(&new)?);
    each_line(path, |number, bytes| match serde_json::from_slice::<JournalLine<'_>>(bytes) {
        Ok(line) if latest_by_key.get(&line.key()).is_some_and(|l| l.line == number) => out.write_all(bytes),
        _ => Ok(()),
    })?;
    out.into_inner()?.sync_all()?;
    fs::rename(new, path)
}

/// Calls `take` with each line, its newline included, and its number.
fn each_line(path: &Path, mut take: impl FnMut(u64, &[u8]) -> io::Result<()>) -> io::Result<()> {
    let mut file = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    let mut number = 0;
    while file.read_until(b'\n', &mut line)? > 0 {
        take(number, &line)?;
        line.clear();
        number += 1;
    }
    Ok(())
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
