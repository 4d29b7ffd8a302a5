//! An object that spans lines, tried on an object that begins with `{`.

use crate::blank::{is_blank, trim_start};
use crate::found::{Copied, Findings, Verdict};
use crate::lines::Reader;
use crate::record::Record;
use crate::scan::Cursor;

/// Lines that are buffered while they may still be one value. Only the end shows whether they
/// are, for nothing but blank lines may follow.
pub(crate) struct SpanningObject {
    /// The first line's number.
    pub(crate) line: u64,
    buffered: Vec<u8>,
    /// The start and end of the value in `buffered`.
    start: usize,
    end: Option<usize>,
}

impl SpanningObject {
    pub(crate) fn new(line: u64) -> Self {
        Self { line, buffered: Vec::new(), start: 0, end: None }
    }

    /// Takes the next line, newline included. Returns false, and doesn't take it, if this is
    /// no value of at most `max` bytes with nothing behind it.
    pub(crate) fn line(&mut self, reader: &mut Reader, max: usize, line: &[u8]) -> bool {
        if self.end.is_some() {
            return is_blank(line);
        }
        let mut cursor = Cursor { text: line, pos: 0 };
        if self.buffered.is_empty() {
            self.start = line.len() - trim_start(line).len();
            cursor.pos = self.start;
            reader.walk.begin(0);
        }
        let possible = match reader.walk.feed(&mut cursor) {
            Err(_) => false,
            Ok(false) => self.buffered.len() + line.len() - self.start < max,
            Ok(true) => {
                let end = self.buffered.len() + cursor.pos;
                self.end = Some(end);
                let rest = line.get(cursor.pos..).unwrap_or_default();
                end - self.start <= max && is_blank(rest)
            }
        };
        if possible {
            append(&mut self.buffered, line);
        }
        possible
    }

    /// Ends the object: the value's record, or the lines judged alone.
    pub(crate) fn end<'a, F: Findings<'a>>(mut self, reader: &mut Reader, found: &mut F) {
        let Some(end) = self.end else {
            return self.give_up(reader, found);
        };
        for (number, line) in (self.line..).zip(self.buffered.split_inclusive(is_newline)).skip(1) {
            if !is_blank(line) {
                found.note(number, Verdict::Joined);
            }
        }
        let value = self.buffered.get_mut(self.start..end).unwrap_or_default();
        let record = on_one_line(value, 0, reader);
        reader.event(self.line, value, &record, &mut Copied(found));
    }

    /// Judges the lines alone.
    pub(crate) fn give_up<'a, F: Findings<'a>>(self, reader: &mut Reader, found: &mut F) {
        reader.judge_buffered(self.line, &self.buffered, found);
    }
}

/// Adds a line to those before. They grow by a quarter: doubled, they would take as much memory
/// again as they need.
pub(crate) fn append(lines: &mut Vec<u8>, line: &[u8]) {
    if lines.capacity() - lines.len() < line.len() {
        lines.reserve_exact(line.len().max(lines.len() / 4));
    }
    lines.extend_from_slice(line);
}

/// The record of an object that a walk found complete, inside `depth` open brackets. Its newlines,
/// which can only be white space in it, become spaces: a copy would take as much memory again.
pub(crate) fn on_one_line(value: &mut [u8], depth: usize, reader: &mut Reader) -> Record {
    value.iter_mut().filter(|byte| is_newline(byte)).for_each(|byte| *byte = b' ');
    let mut cursor = Cursor { text: value, pos: 0 };
    // The walk knows the same grammar: nothing can fail here, and a record is never lost.
    Record::read(&mut cursor, &mut reader.walk, depth).unwrap_or_else(|_| Record::of_any(value.len()))
}

pub(crate) fn is_newline(byte: &u8) -> bool {
    *byte == b'\n'
}
