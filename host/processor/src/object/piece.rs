//! What an object is read as: whole lines, lines that are too long, and the rest of
//! an object that ends before its end.

use model::Reason;

/// What bounds the reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// Bytes of whole lines in a chunk; a longer line makes a chunk of its own.
    pub chunk_bytes: usize,
    /// MAX_LINE_BYTES: longest line, without its newline.
    pub max_line_bytes: usize,
    /// MAX_OBJECT_BYTES, decompressed; 0: none.
    pub max_object_bytes: u64,
}

/// Whole lines.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunk {
    /// Number of the first line.
    pub first_line: u64,
    /// Offset of the first byte in the decompressed object.
    pub offset: u64,
    /// The lines; each ends with a newline, but for the object's last.
    pub bytes: Vec<u8>,
    /// Where each line ends in `bytes`, its newline included.
    pub ends: Vec<usize>,
}

impl Chunk {
    /// The line after the last.
    pub fn end_line(&self) -> u64 {
        self.first_line + self.ends.len() as u64
    }

    /// A line without its newline, and its offset in the object.
    pub fn line(&self, number: u64) -> Option<(&[u8], u64)> {
        let index = usize::try_from(number.checked_sub(self.first_line)?).ok()?;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let line = self.bytes.get(start..end)?;
        Some((line.strip_suffix(b"\n").unwrap_or(line), self.offset + start as u64))
    }

    /// Each line without its newline.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let line = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            line.strip_suffix(b"\n").unwrap_or(line)
        })
    }
}

/// The rest of an object, from where it can't be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Number of the line that is not whole, or would follow.
    pub line: u64,
    /// Whether anything of that line was there: then it counts as a line.
    pub partial: bool,
    /// Where it begins in the decompressed object.
    pub offset: u64,
    /// Bytes of it that were read.
    pub length: u64,
    /// Why.
    pub reason: Reason,
    /// Why in words.
    pub detail: String,
    /// The first bytes of that line, or of what is at `stored_from`.
    pub head: Vec<u8>,
    /// Where it begins in the stored object, where it is no part of the decompressed
    /// one: bytes after a gzip member that are none of gzip's.
    pub stored_from: Option<u64>,
}

/// What an object is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Whole lines.
    Chunk(Chunk),
    /// A line over MAX_LINE_BYTES.
    TooLong {
        /// Its number.
        line: u64,
        /// Where it begins in the decompressed object.
        offset: u64,
        /// Its bytes.
        length: u64,
        /// The first of them.
        head: Vec<u8>,
    },
    /// The object ends here, before its end.
    Rest(Rest),
}
