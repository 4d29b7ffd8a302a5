//! A dead letter as a line of JSON.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

use super::provenance::Provenance;
use model::{DeadLetter, DestinationKind};

/// The most bytes of a record that a dead letter keeps.
const MAX_DATA_BYTES: usize = 256 << 10;

/// The bytes that the provenance and the newline take in each line: an ETag and a version of
/// 36 characters, a digest of 64, an attempt, and their names; rather too many.
const PROVENANCE_BYTES: u64 = 256;

/// A dead letter as it is written. Fields without a value are left out.
#[derive(Serialize)]
pub(in crate::delivery) struct DeadLetterLine<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<&'a str>,
    bucket: &'a str,
    key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    etag: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    component: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
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
    count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_base64: Option<String>,
    /// Whether the data is only the beginning.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

impl<'a> DeadLetterLine<'a> {
    /// The line of a dead letter, without provenance.
    pub(in crate::delivery) fn of(letter: &'a DeadLetter) -> Self {
        let kept = letter.data.get(..MAX_DATA_BYTES).unwrap_or(&letter.data);
        let length = u64::try_from(kept.len()).unwrap_or(u64::MAX);
        let truncated = kept.len() < letter.data.len() || letter.length.is_some_and(|l| l > length);
        let text = text(kept, truncated);
        Self {
            tenant: letter.tenant.as_deref(),
            delivery: letter.delivery.map(DestinationKind::name),
            bucket: &letter.object.bucket,
            key: &letter.object.key,
            etag: None,
            version: None,
            component: None,
            attempt: None,
            reason: letter.reason.name(),
            detail: &letter.detail,
            lines: letter.lines,
            offset: letter.offset,
            length: letter.length,
            timestamp: letter.timestamp,
            count: letter.count,
            data: text.filter(|text| !text.is_empty()),
            data_base64: text.is_none().then(|| STANDARD.encode(kept)),
            truncated,
        }
    }

    /// Adds the provenance of the delivery.
    pub(super) fn from(self, provenance: &'a Provenance) -> Self {
        Self {
            etag: provenance.etag.as_deref(),
            version: provenance.version_id.as_deref(),
            component: provenance.component.as_deref(),
            attempt: Some(provenance.attempt),
            ..self
        }
    }

    /// Adds the digest of the tenant's component.
    pub(in crate::delivery) fn made_by(self, component: Option<&'a str>) -> Self {
        Self { component, ..self }
    }

    /// Appends the line.
    ///
    /// # Errors
    /// None that memory has.
    pub(in crate::delivery) fn write(&self, out: &mut Vec<u8>) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        out.push(b'\n');
        Ok(())
    }
}

/// The bytes that a dead letter takes when written, with an estimate of its provenance.
pub fn written_bytes(letter: &DeadLetter) -> u64 {
    struct ByteCounter(u64);
    impl io::Write for ByteCounter {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 += bytes.len() as u64;
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut count = ByteCounter(PROVENANCE_BYTES);
    // Nothing here can fail: a letter's names are texts.
    let _ = serde_json::to_writer(&mut count, &DeadLetterLine::of(letter));
    count.0
}

/// The bytes as text, if they are UTF-8, without a character that was cut.
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
    use crate::delivery::testing::letter;

    fn line(letter: &DeadLetter) -> serde_json::Value {
        serde_json::to_value(DeadLetterLine::of(letter)).unwrap()
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
        let text = "é".repeat(MAX_DATA_BYTES);
        let cut = line(&letter(format!("a{text}").as_bytes()));
        assert_eq!(cut["data"].as_str().unwrap().len(), MAX_DATA_BYTES - 1);
        assert_eq!(cut["truncated"], true);
        let broken = line(&letter(&[b"\xff".as_slice(), text.as_bytes()].concat()));
        assert_eq!(STANDARD.decode(broken["data_base64"].as_str().unwrap()).unwrap().len(), MAX_DATA_BYTES);
        let mut beginning = letter("né".as_bytes());
        beginning.data.pop();
        beginning.length = Some(1 << 30);
        assert_eq!(line(&beginning)["data"], "n");
        assert_eq!(line(&beginning)["truncated"], true);
        assert!(line(&letter(b"")).get("data").is_none());
    }
}
