//! Lines that a guest was given and has not settled: kept, so that each can be
//! accounted for and its bytes dead-lettered.

use std::collections::VecDeque;

use crate::object::Chunk;

/// A chunk that has lines which are not settled.
#[derive(Debug)]
struct OpenChunk {
    chunk: Chunk,
    /// Numbers of its blank lines, ascending: usually none.
    blank: Vec<u64>,
}

/// Lines in a row, with their newlines.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LineSpan<'a> {
    /// Number of the first.
    pub(super) first: u64,
    pub(super) bytes: &'a [u8],
    /// The line after the last.
    pub(super) end: u64,
}

/// The chunks from the first line on that is not settled.
#[derive(Debug, Default)]
pub(super) struct OpenLines {
    kept: VecDeque<OpenChunk>,
}

impl OpenLines {
    /// Takes a chunk; returns how many of its lines are blank, and how many not.
    pub(super) fn push(&mut self, chunk: Chunk) -> (u64, u64) {
        let numbered = (chunk.first_line..).zip(chunk.lines());
        let blank: Vec<u64> = numbered.filter(|(_, line)| is_blank(line)).map(|(number, _)| number).collect();
        let counts = (blank.len() as u64, (chunk.ends.len() - blank.len()) as u64);
        self.kept.push_back(OpenChunk { chunk, blank });
        counts
    }

    /// Bytes of the chunks that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.kept.iter().map(|kept| kept.chunk.bytes.len()).sum()
    }

    /// The first lines of `start..end`, as far as they lie in one chunk; none: no line
    /// of them is there (a guest never gets to see a line that is too long).
    pub(super) fn span(&self, start: u64, end: u64) -> Option<LineSpan<'_>> {
        let kept = self.kept.get(self.kept.partition_point(|kept| kept.chunk.end_line() <= start))?;
        kept.span(start, end)
    }

    /// Where `start..end` is cut in two that have as many records; none: there is but
    /// one, or none.
    pub(super) fn middle(&self, start: u64, end: u64) -> Option<u64> {
        let half = usize::try_from(self.records(start, end) / 2).ok().filter(|&half| half > 0)?;
        self.each_record(start, end).nth(half).map(|(line, ..)| line)
    }

    /// Lines of `from..to` that are not blank.
    pub(super) fn records(&self, from: u64, to: u64) -> u64 {
        self.kept.iter().map(|kept| kept.records(from, to)).sum()
    }

    /// A line that is not blank, without its newline, and its offset.
    pub(super) fn record(&self, line: u64) -> Option<(&[u8], u64)> {
        // The usual question is about the newest chunk.
        let kept = self.kept.iter().rev().find(|kept| kept.chunk.first_line <= line)?;
        if kept.blank.binary_search(&line).is_ok() {
            return None;
        }
        kept.chunk.line(line)
    }

    /// The lines of `from..to` that are not blank: number, bytes, offset.
    pub(super) fn each_record(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, &[u8], u64)> {
        let overlap =
            self.kept.iter().flat_map(move |kept| from.max(kept.chunk.first_line)..to.min(kept.chunk.end_line()));
        overlap.filter_map(|line| self.record(line).map(|(bytes, offset)| (line, bytes, offset)))
    }

    /// Lets go of the chunks before `line`; returns one whose buffer can be used again.
    pub(super) fn release(&mut self, line: u64) -> Option<Chunk> {
        let mut released = None;
        while self.kept.front().is_some_and(|kept| kept.chunk.end_line() <= line) {
            released = self.kept.pop_front().map(|kept| kept.chunk);
        }
        released
    }
}

impl OpenChunk {
    fn span(&self, start: u64, end: u64) -> Option<LineSpan<'_>> {
        let Chunk { first_line, bytes, ends, .. } = &self.chunk;
        let (first, end) = (start.max(*first_line), end.min(self.chunk.end_line()));
        let index = |line: u64| usize::try_from(line.checked_sub(*first_line)?).ok();
        let begins = |line: u64| match index(line)? {
            0 => Some(0),
            index => ends.get(index - 1).copied(),
        };
        let bytes = bytes.get(begins(first)?..begins(end)?).filter(|bytes| !bytes.is_empty())?;
        Some(LineSpan { first, bytes, end })
    }

    fn records(&self, from: u64, to: u64) -> u64 {
        let (from, to) = (from.max(self.chunk.first_line), to.min(self.chunk.end_line()));
        if from >= to {
            return 0;
        }
        let blank = self.blank.partition_point(|&line| line < to) - self.blank.partition_point(|&line| line < from);
        (to - from) - blank as u64
    }
}

/// Nothing but white space, as Unicode has it: what the reference skips.
/// Bytes that are not UTF-8 are no white space.
pub(super) fn is_blank(line: &[u8]) -> bool {
    match line.first() {
        None => true,
        // The usual line begins with `{`.
        Some(first) if first.is_ascii_graphic() => false,
        Some(_) => std::str::from_utf8(line).is_ok_and(|text| text.chars().all(char::is_whitespace)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Decompressor, LineReader, Piece, ReadLimits};

    fn open(text: &str, chunk_bytes: usize) -> OpenLines {
        let limits = ReadLimits { chunk_bytes, max_line_bytes: 1000, max_object_bytes: 0 };
        let mut reader = LineReader::new(Decompressor::new(text.as_bytes()), limits);
        let mut open = OpenLines::default();
        while let Some(Piece::Chunk(chunk)) = reader.next_piece().unwrap() {
            open.push(chunk);
        }
        open
    }

    #[test]
    fn blank_is_what_the_reference_skips() {
        for blank in ["", " ", "\t\r", "\u{b}\u{c}", "\u{a0}", "\u{85}\u{2028}\u{3000} "] {
            assert!(is_blank(blank.as_bytes()), "{blank:?}");
        }
        for line in [&b"x"[..], b" x", b"\xff", b" \xff", "\u{feff}".as_bytes(), "\u{200b}".as_bytes(), b"\0"] {
            assert!(!is_blank(line), "{line:?}");
        }
    }

    #[test]
    fn lines_are_found_across_chunks() {
        for chunk_bytes in [1, 4, 1000] {
            let mut open = open("a\n\nbb\n \nccc", chunk_bytes);
            assert_eq!((open.records(0, 5), open.records(1, 4), open.records(2, 3)), (3, 1, 1));
            assert_eq!(open.record(2), Some((&b"bb"[..], 3)));
            assert_eq!((open.record(1), open.record(5)), (None, None));
            let all: Vec<_> = open.each_record(0, 9).collect();
            assert_eq!(all, [(0, &b"a"[..], 0), (2, b"bb", 3), (4, b"ccc", 8)]);
            open.release(4);
            assert_eq!(open.record(4), Some((&b"ccc"[..], 8)));
        }
    }

    #[test]
    fn spans_end_with_their_chunks_and_know_no_gap() {
        let text = "a\n\nbb\n \nccc";
        let whole = open(text, 1000);
        assert_eq!(whole.span(0, 9), Some(LineSpan { first: 0, bytes: text.as_bytes(), end: 5 }));
        assert_eq!(whole.span(2, 4), Some(LineSpan { first: 2, bytes: b"bb\n \n", end: 4 }));
        assert_eq!((whole.span(2, 2), whole.span(3, 2), whole.span(5, 9)), (None, None, None));
        let mut cut = open(text, 4);
        assert_eq!(cut.span(1, 5), Some(LineSpan { first: 1, bytes: b"\n", end: 2 }));
        assert_eq!(cut.span(2, 3), Some(LineSpan { first: 2, bytes: b"bb\n", end: 3 }));
        // Line 5 is too long.
        cut.push(Chunk { first_line: 6, offset: 99, bytes: b"d\n".to_vec(), ends: vec![2] });
        assert_eq!(cut.span(5, 9), Some(LineSpan { first: 6, bytes: b"d\n", end: 7 }));
        assert_eq!(cut.span(5, 6), None);
    }

    #[test]
    fn the_middle_is_one_of_records() {
        for chunk_bytes in [1, 4, 1000] {
            let open = open("a\n\nbb\n \nccc", chunk_bytes);
            assert_eq!((open.middle(0, 5), open.middle(0, 4), open.middle(1, 5)), (Some(2), Some(2), Some(4)));
            assert_eq!((open.middle(0, 2), open.middle(1, 2), open.middle(5, 9)), (None, None, None));
        }
    }
}
