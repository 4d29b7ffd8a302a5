//! Dead letters: what can never be delivered, kept where the operator wants it (DEAD_LETTER).
//!
//! The dead letters of each call are one NDJSON file or object,
//! `<bucket>/<key>/<delivery>/<ETag>/<first line>-<hash>.ndjson`; `delivery` is `object` if
//! they are about the object as a whole. Each call has a file of its own, so that many
//! workers, and attempts that resume from a checkpoint, never overwrite each other.
//!
//! - `line`: a letter as JSON; `provenance`: what it says of the attempt.
//! - `dead_letter_path`: where letters lie; `refusals`: what they are about, also where none is kept.

mod dead_letter_path;
mod line;
mod provenance;
mod refusals;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fs, io};

use bytes::Bytes;

use self::dead_letter_path::DeadLetterPath;
use crate::aws::{PutRequest, S3};
use model::{DeadLetter, DestinationKind, Failure, FailureKind, ObjectId, Reason};

pub(in crate::delivery) use self::line::DeadLetterLine;
pub use self::line::written_bytes;
pub use self::provenance::Provenance;
pub use self::refusals::{RefusalCounter, RefusalCounts};

/// The place for dead letters. `Clone` is cheap.
#[derive(Clone)]
pub enum DeadLetterStore {
    /// Dead letters are only counted. What a guest refused or fails on can't be written then.
    None,
    /// Anything that would need a dead letter fails to the queue's own dead-letter queue.
    Fail,
    /// Dead letters go below a folder.
    Folder(Arc<PathBuf>),
    /// Dead letters go to a bucket, below a prefix, with the processor's own credentials.
    S3 {
        /// Own credentials.
        s3: S3,
        /// Bucket.
        bucket: Arc<str>,
        /// Ends in `/`, or is empty.
        prefix: Arc<str>,
    },
}

impl DeadLetterStore {
    /// Says in words what becomes of dead letters.
    pub fn describe(&self) -> &'static str {
        match self {
            Self::None => "dropped: DEAD_LETTER is not set",
            Self::Fail => "left to the queue's dead-letter queue (DEAD_LETTER=fail)",
            Self::Folder(_) | Self::S3 { .. } => "kept in DEAD_LETTER",
        }
    }
}

/// Writes the dead letters of one delivery of one object (or of the object as a whole, or of a
/// message). `Clone` is cheap.
#[derive(Clone)]
pub struct DeadLetterWriter {
    store: DeadLetterStore,
    object: Arc<ObjectId>,
    delivery: Option<DestinationKind>,
    provenance: Arc<Provenance>,
    refusals: Option<RefusalCounter>,
}

impl DeadLetterWriter {
    /// A writer for a delivery: `cloudwatch`, `s3`, or `None` for the object as a whole.
    pub fn new(
        store: DeadLetterStore,
        object: &Arc<ObjectId>,
        delivery: Option<DestinationKind>,
        provenance: Provenance,
    ) -> Self {
        Self { store, object: Arc::clone(object), delivery, provenance: Arc::new(provenance), refusals: None }
    }

    /// Also records what the dead letters are about. With [`DeadLetterStore::Fail`] that is
    /// all that happens to them: whoever reads the record lets the delivery fail.
    #[must_use]
    pub fn with_refusals(self, refusals: RefusalCounter) -> Self {
        Self { refusals: Some(refusals), ..self }
    }

    /// Writes dead letters. Writing the same ones again changes nothing.
    ///
    /// # Errors
    /// They can't be written; or there is no place for them, though they hold what a guest
    /// refused or fails on; or they must fail (DEAD_LETTER=fail) and nobody records them.
    pub async fn write(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        let Some(first) = letters.first() else { return Ok(()) };
        self.write_to_store(first, letters).await?;
        self.refusals.iter().for_each(|refusals| refusals.record(letters));
        Ok(())
    }

    async fn write_to_store(&self, first: &DeadLetter, letters: &[DeadLetter]) -> Result<(), Failure> {
        match &self.store {
            DeadLetterStore::None => self.count_or_refuse(letters),
            DeadLetterStore::Fail if self.refusals.is_some() => Ok(()),
            DeadLetterStore::Fail => {
                Err(dead_letter_error(format!("{} ({}; DEAD_LETTER=fail)", first.detail, first.reason)))
            }
            DeadLetterStore::Folder(root) => {
                let (path, lines) = (self.dead_letter_path(letters).path(root), self.serialize(letters)?);
                let shown = path.display().to_string();
                // On a blocking thread: the folder may be on a network.
                let written = tokio::task::spawn_blocking(move || write_whole(&path, &lines)).await;
                written.unwrap_or_else(|lost| Err(io::Error::other(lost))).map_err(|error| {
                    let text = format!("the dead letters can't be written to {shown}: {error}; see DEAD_LETTER");
                    Failure::of(FailureKind::DeadLetter, error).in_words(text)
                })
            }
            DeadLetterStore::S3 { s3, bucket, prefix } => {
                let key = self.dead_letter_path(letters).key(prefix);
                let target = ObjectId { bucket: bucket.to_string(), key };
                let put = PutRequest { target, ..PutRequest::default() };
                let written = s3.put(&put, Bytes::from(self.serialize(letters)?)).await;
                // The failure is the dead-letter store's, not the tenant's destination's.
                written.map_err(|error| {
                    let text = format!("the dead letters can't be written: {error}; see DEAD_LETTER");
                    Failure::of(FailureKind::DeadLetter, error).in_words(text)
                })
            }
        }
    }

    fn dead_letter_path(&self, letters: &[DeadLetter]) -> DeadLetterPath<'_> {
        DeadLetterPath::new(&self.object, self.delivery, &self.provenance, letters)
    }

    fn serialize(&self, letters: &[DeadLetter]) -> Result<Vec<u8>, Failure> {
        let mut lines = Vec::new();
        for letter in letters {
            let line = DeadLetterLine::of(letter).from(&self.provenance);
            line.write(&mut lines).map_err(|error| {
                let text = format!("a bug: no dead letter can be made: {error}");
                Failure::of(FailureKind::DeadLetter, error).in_words(text)
            })?;
        }
        Ok(lines)
    }

    /// Without a place, dead letters are dropped; but what a guest refused or fails on is an
    /// error. It is the tenant's doing, and must not lose a record before anyone could look at
    /// it.
    fn count_or_refuse(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        let guests = |letter: &DeadLetter| matches!(letter.reason, Reason::GuestRejected | Reason::Poison);
        if !letters.iter().any(guests) {
            return Ok(());
        }
        Err(dead_letter_error(format!(
            "the guest rejected or failed on records of {}, and there is no place for dead letters: \
             set DEAD_LETTER to s3://bucket/prefix or a folder",
            self.object
        )))
    }
}

fn dead_letter_error(text: String) -> Failure {
    Failure::new(FailureKind::DeadLetter, text)
}

/// Writes a file completely or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    // Two workers may write the same dead letters at once.
    let temporary = path.with_extension(format!("{}.tmp", uuid::Uuid::new_v4().simple()));
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
