//! The pieces of an object: whole lines, lines that are too long, and the rest of an object
//! that can't be read to its end.

use model::Reason;

/// The limits of reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadLimits {
    /// The most bytes of whole lines in a chunk; a longer line is a chunk of its own.
    pub chunk_bytes: usize,
    /// MAX_LINE_BYTES: the most bytes of a line, without its newline.
    pub max_line_bytes: usize,
    /// MAX_OBJECT_BYTES: the most bytes of the decompressed object; 0 for no limit.
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
    /// The end of each line in `bytes`, its newline included.
    pub ends: Vec<usize>,
}

impl Chunk {
    /// The line after the last.
    pub fn end_line(&self) -> u64 {
        self.first_line + self.ends.len() as u64
    }

    /// Returns a line without its newline, and its offset in the object.
    pub fn line(&self, number: u64) -> Option<(&[u8], u64)> {
        let index = usize::try_from(number.checked_sub(self.first_line)?).ok()?;
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let line = self.bytes.get(start..end)?;
        Some((line.strip_suffix(b"\n").unwrap_or(line), self.offset + start as u64))
    }

    /// The lines, each without its newline.
    pub fn lines(&self) -> impl Iterator<Item = &[u8]> {
        let mut start = 0;
        self.ends.iter().map(move |&end| {
            let line = self.bytes.get(start..end).unwrap_or_default();
            start = end;
            line.strip_suffix(b"\n").unwrap_or(line)
        })
    }
}

/// The rest of an object, from the point where it can't be read any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remainder {
    /// Number of the line that is not whole, or would follow.
    pub line: u64,
    /// Whether the incomplete line has any bytes: only then it counts as a line.
    pub partial: bool,
    /// The offset in the decompressed object at which the rest begins.
    pub offset: u64,
    /// The bytes of the rest that were read.
    pub length: u64,
    /// The reason why reading ended.
    pub reason: Reason,
    /// The reason in words.
    pub detail: String,
    /// The first bytes of the incomplete line, or of the stored object at `stored_from`.
    pub head: Vec<u8>,
    /// The offset in the stored object, if the rest is no part of the decompressed object:
    /// bytes after a gzip member that aren't gzip.
    pub stored_from: Option<u64>,
}

/// A piece of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Whole lines.
    Chunk(Chunk),
    /// A line over MAX_LINE_BYTES.
    TooLong {
        /// The line's number.
        line: u64,
        /// The line's offset in the decompressed object.
        offset: u64,
        /// The line's length in bytes.
        length: u64,
        /// The line's first bytes.
        head: Vec<u8>,
    },
    /// The object can't be read beyond this point.
    Remainder(Remainder),
}
