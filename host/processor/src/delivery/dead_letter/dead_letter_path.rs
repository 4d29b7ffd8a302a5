//! The path of the dead letters of one call. It depends only on their contents, so that a
//! repeated attempt writes the same files again.

use std::path::{Path, PathBuf};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};

use super::provenance::Provenance;
use crate::delivery::local::path;
use model::{DeadLetter, DestinationKind, ObjectId, hex};

/// The most bytes of a key that S3 takes.
const MAX_KEY_BYTES: usize = 1024;

/// The most bytes of the source's key before it is cut, which leaves room for the rest and a
/// prefix.
const MAX_SOURCE_BYTES: usize = 640;

/// The most characters of an ETag or version in a name; S3's have fewer.
const MAX_STATE_CHARACTERS: usize = 128;

/// The characters that aren't encoded in a name: those that are the same in a path, a key and
/// a URL.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_');

/// The path of some dead letters below a bucket's prefix or a folder.
pub(super) struct DeadLetterPath<'a> {
    object: &'a ObjectId,
    delivery: &'static str,
    /// The ETag or version of the object.
    state: String,
    /// The file's name.
    file: String,
}

impl<'a> DeadLetterPath<'a> {
    pub(super) fn new(
        object: &'a ObjectId,
        delivery: Option<DestinationKind>,
        provenance: &Provenance,
        letters: &[DeadLetter],
    ) -> Self {
        let state = provenance.etag.as_deref().or(provenance.version_id.as_deref()).unwrap_or("unknown");
        let mut state: String = utf8_percent_encode(state, PLAIN).to_string();
        state.truncate(MAX_STATE_CHARACTERS);
        let line = letters.iter().find_map(|letter| letter.lines).map_or(0, |(first, _)| first);
        let file = format!("{line:012}-{}.ndjson", hash_contents(letters));
        Self { object, delivery: delivery.map_or("object", DestinationKind::name), state, file }
    }

    /// The path as a key that S3 takes (a prefix that leaves no room is S3's to refuse).
    pub(super) fn key(&self, prefix: &str) -> String {
        let Self { object, delivery, state, file } = self;
        let other_bytes = prefix.len() + object.bucket.len() + delivery.len() + state.len() + file.len() + 4;
        let source = shorten(&object.key, MAX_KEY_BYTES.saturating_sub(other_bytes).min(MAX_SOURCE_BYTES));
        format!("{prefix}{}/{source}/{delivery}/{state}/{file}", object.bucket)
    }

    /// The path in a folder. No part of a bucket or key leads out of it.
    pub(super) fn path(&self, root: &Path) -> PathBuf {
        let Self { object, delivery, state, file } = self;
        // `.` and `..` may stand for a state too.
        let folder = root.join(path::segment(&object.bucket)).join(path::folders(&object.key));
        folder.join(delivery).join(path::segment(state)).join(file)
    }
}

/// Shortens a key that is too long to its beginning and a hash of all of it.
fn shorten(key: &str, room: usize) -> String {
    if key.len() <= room {
        return key.to_owned();
    }
    let hash = format!("~{}", short_hash(Sha256::new_with_prefix(key)));
    let end = key.floor_char_boundary(room.saturating_sub(hash.len()));
    key.get(..end).unwrap_or_default().to_owned() + &hash
}

/// A hash of what the dead letters are about, without the reasons in words and the attempt.
fn hash_contents(letters: &[DeadLetter]) -> String {
    let mut hash = Sha256::new();
    for DeadLetter { lines, offset, reason, timestamp, count, data, length, .. } in letters {
        // The length keeps the data of neighbours apart.
        hash.update(format!("{lines:?} {offset:?} {reason} {timestamp:?} {length:?} {}\n", data.len()));
        hash.update(data);
        if let Some(count) = count {
            hash.update(format!("{count}\n"));
        }
    }
    short_hash(hash)
}

/// The first 64 bits of a hash in hex.
fn short_hash(hash: Sha256) -> String {
    hex(hash.finalize().get(..8).unwrap_or_default())
}
