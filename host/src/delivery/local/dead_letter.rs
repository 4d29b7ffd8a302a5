//! What can never be delivered, kept: `dead-letter/<bucket>/<key>/<delivery>.ndjson`,
//! or `object.ndjson` where it is about the object as a whole.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::append::Appended;
use super::{OutputError, path};
use crate::model::{DeadLetter, ObjectId};

/// Bytes of a record that a dead letter keeps.
pub(super) const MOST_DATA: usize = 256 << 10;

/// The dead letters below an output folder.
#[derive(Debug)]
pub struct DeadLetters {
    root: PathBuf,
}

/// The dead letters of one attempt at one delivery of an object.
#[derive(Debug)]
pub struct DeadLetterFile {
    path: PathBuf,
    /// None: no letter yet.
    file: Option<Appended>,
}

impl DeadLetters {
    /// Dead letters below the output folder `root`; makes nothing yet.
    pub fn new(root: &Path) -> Self {
        let root = root.join("dead-letter");
        Self { root }
    }

    /// Begins an attempt: what an earlier one of the same delivery wrote is removed,
    /// so that an attempt repeated leaves the same letters. `delivery`: its id; none
    /// for the object as a whole.
    ///
    /// # Errors
    /// The file of an earlier attempt can't be removed.
    pub fn begin(&self, object: &ObjectId, delivery: Option<&str>) -> Result<DeadLetterFile, OutputError> {
        let folder = self.root.join(path::segment(&object.bucket)).join(path::folders(&object.key));
        let path = folder.join(path::segment(delivery.unwrap_or("object")) + ".ndjson");
        match fs::remove_file(&path) {
            Err(e) if !is_missing(&e) => Err(OutputError::write(&path)(e)),
            _ => Ok(DeadLetterFile { path, file: None }),
        }
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

impl DeadLetterFile {
    /// Where the letters lie; the file is made with the first.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends a letter; it is in the file when this returns.
    ///
    /// # Errors
    /// The file and the cause; nothing of the letter remains then.
    pub fn write(&mut self, letter: &DeadLetter) -> Result<(), OutputError> {
        let mut line = Vec::new();
        serde_json::to_writer(&mut line, &Line::of(letter)).map_err(|e| OutputError::write(&self.path)(e.into()))?;
        line.push(b'\n');
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(Appended::open(self.path.clone())?),
        };
        file.append(&line)
    }
}

/// A letter as it is written; what there is none of is left out.
#[derive(Serialize)]
struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'a str>,
    bucket: &'a str,
    key: &'a str,
    reason: &'a str,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    lines: Option<(u64, u64)>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    /// The data is only the beginning.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

impl<'a> Line<'a> {
    fn of(letter: &'a DeadLetter) -> Self {
        let kept = letter.data.get(..MOST_DATA).unwrap_or(&letter.data);
        let length = u64::try_from(kept.len()).unwrap_or(u64::MAX);
        let truncated = kept.len() < letter.data.len() || letter.length.is_some_and(|l| l > length);
        let text = text(kept, truncated);
        Self {
            tenant: letter.tenant.as_deref(),
            delivery: letter.delivery,
            bucket: &letter.object.bucket,
            key: &letter.object.key,
            reason: letter.reason.name(),
            detail: &letter.detail,
            lines: letter.lines,
            offset: letter.offset,
            length: letter.length,
            timestamp: letter.timestamp,
            data: text.filter(|text| !text.is_empty()),
            data_base64: text.is_none().then(|| STANDARD.encode(kept)),
            truncated,
        }
    }
}

/// The bytes as text, where they are; a character that the cut went through is left out.
fn text(bytes: &[u8], cut: bool) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(e) if cut && e.error_len().is_none() => std::str::from_utf8(bytes.get(..e.valid_up_to())?).ok(),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Reason;
    use std::sync::Arc;

    fn letter(data: &[u8]) -> DeadLetter {
        DeadLetter {
            object: Arc::new(ObjectId { bucket: "logs".to_owned(), key: "c/n/a/p/f.ndjson".to_owned() }),
            tenant: Some("n".to_owned()),
            delivery: Some("cloudwatch"),
            reason: Reason::Malformed,
            detail: "no JSON".to_owned(),
            lines: Some((3, 3)),
            offset: Some(120),
            length: Some(data.len() as u64),
            timestamp: None,
            data: data.to_vec(),
        }
    }

    fn line(letter: &DeadLetter) -> serde_json::Value {
        serde_json::to_value(Line::of(letter)).unwrap()
    }

    #[test]
    fn an_attempt_repeated_leaves_the_same_letters() {
        let dir = tempfile::tempdir().unwrap();
        let letters = DeadLetters::new(dir.path());
        let object = letter(b"").object;
        let path = dir.path().join("dead-letter/logs/c/n/a/p/f%2Endjson/cloudwatch.ndjson");
        for _ in 0..2 {
            let mut file = letters.begin(&object, Some("cloudwatch")).unwrap();
            assert!(!path.exists());
            file.write(&letter(b"{oops")).unwrap();
            file.write(&letter(b"again")).unwrap();
            assert_eq!(file.path(), path);
        }
        let first = r#"{"tenant":"n","delivery":"cloudwatch","bucket":"logs","key":"c/n/a/p/f.ndjson","reason":"malformed","detail":"no JSON","lines":[3,3],"offset":120,"length":5,"data":"{oops"}"#;
        let written = fs::read_to_string(&path).unwrap();
        assert_eq!(written.lines().next(), Some(first));
        assert_eq!(written.lines().count(), 2);
        letters.begin(&object, Some("cloudwatch")).unwrap();
        assert!(!path.exists(), "an attempt without letters leaves none");
    }

    #[test]
    fn letters_about_the_object_have_a_file_of_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let object = ObjectId { bucket: "b".to_owned(), key: "short".to_owned() };
        let file = DeadLetters::new(dir.path()).begin(&object, None).unwrap();
        assert_eq!(file.path(), dir.path().join("dead-letter/b/short/object.ndjson"));
    }

    #[test]
    fn bytes_that_are_no_text_are_kept_as_base64() {
        let line = line(&letter(b"a\xffb"));
        assert_eq!(line["data_base64"], "Yf9i");
        assert!(line.get("data").is_none());
        assert!(line.get("truncated").is_none());
    }

    #[test]
    fn data_is_bounded_and_cut_between_characters() {
        let text = "é".repeat(MOST_DATA);
        let cut = line(&letter(format!("a{text}").as_bytes()));
        assert_eq!(cut["data"].as_str().unwrap().len(), MOST_DATA - 1);
        assert_eq!(cut["truncated"], true);
        let broken = line(&letter(&[b"\xff".as_slice(), text.as_bytes()].concat()));
        assert_eq!(STANDARD.decode(broken["data_base64"].as_str().unwrap()).unwrap().len(), MOST_DATA);
        let mut beginning = letter("né".as_bytes());
        beginning.data.pop();
        beginning.length = Some(1 << 30);
        assert_eq!(line(&beginning)["data"], "n");
        assert_eq!(line(&beginning)["truncated"], true);
        assert!(line(&letter(b"")).get("data").is_none());
    }
}
