//! An object that spans lines, tried on an object that begins with `{`.

use crate::blank::{is_blank, trim_start};
use crate::found::{Transformed, Verdict};
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
            self.buffered.extend_from_slice(line);
        }
        possible
    }

    /// Ends the object: the value's record, or the lines judged alone.
    pub(crate) fn end(self, reader: &mut Reader, found: &mut Transformed<'_>) {
        let value = self.end.and_then(|end| self.buffered.get(self.start..end));
        let Some(value) = value.map(on_one_line) else {
            return self.give_up(reader, found);
        };
        let mut cursor = Cursor { text: &value, pos: 0 };
        let Ok(record) = Record::read(&mut cursor, &mut reader.walk, 0) else {
            return self.give_up(reader, found);
        };
        let event = reader.event(self.line, &value, &record).into_owned();
        found.events.push(event);
        for (number, line) in (self.line..).zip(self.buffered.split_inclusive(is_newline)).skip(1) {
            if !is_blank(line) {
                found.note(number, Verdict::Joined);
            }
        }
    }

    /// Judges the lines alone.
    pub(crate) fn give_up(self, reader: &mut Reader, found: &mut Transformed<'_>) {
        reader.judge_buffered(self.line, &self.buffered, found);
    }
}

/// A value without newlines, which can only be white space in it.
pub(crate) fn on_one_line(value: &[u8]) -> Vec<u8> {
    let line = value.iter().map(|&byte| if byte == b'\n' { b' ' } else { byte });
    line.collect()
}

pub(crate) fn is_newline(byte: &u8) -> bool {
    *byte == b'\n'
}
