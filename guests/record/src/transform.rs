//! The lines of one object, chunk by chunk.

use crate::array::{Array, ArrayStep};
use crate::blank::{is_blank, trim_start};
use crate::found::{Findings, Transformed};
use crate::lines::Reader;
use crate::simd::find;
use crate::spanning_object::SpanningObject;
use crate::time::{Clock, Numbers};

/// Turns the lines of one object into events. Make one for each object, give
/// it the lines with [`chunk`](Self::chunk), and say [`end`](Self::end).
pub struct Transformer {
    reader: Reader,
    mode: Mode,
    max_value_bytes: usize,
    /// Events of the last chunk: the next will have about as many.
    usual: usize,
    /// The number after the last line, while values may stretch over lines.
    next_line: u64,
}

/// The way that lines are read, which the first one that isn't blank decides.
enum Mode {
    Start,
    Lines,
    SpanningObject(SpanningObject),
    Array(Box<Array>),
}

impl Transformer {
    /// A transformer for one object. `max_value_bytes`: the longest value that is read across
    /// lines; about as much may be held in memory.
    #[must_use]
    pub fn new(clock: Clock, max_value_bytes: usize) -> Self {
        Self { reader: Reader::new(clock), mode: Mode::Start, max_value_bytes, usual: 0, next_line: 0 }
    }

    /// Sets how numbers in `timestamp` are read.
    #[must_use]
    pub fn reading(mut self, numbers: Numbers) -> Self {
        self.reader.numbers = numbers;
        self
    }

    /// Takes whole lines, the first of them number `first_line`, each ended by
    /// a newline; only the very last of the object may lack its own.
    pub fn chunk<'a>(&mut self, first_line: u64, lines: &'a [u8]) -> Transformed<'a> {
        let mut found = Transformed { events: Vec::with_capacity(self.usual), ..Transformed::default() };
        found.pending_from = self.chunk_into(first_line, lines, &mut found);
        self.usual = found.events.len();
        found
    }

    /// As [`chunk`](Self::chunk), with other places for what was found. Returns the first line
    /// that is held back, if there is one.
    pub fn chunk_into<'a, F: Findings<'a>>(&mut self, first_line: u64, lines: &'a [u8], found: &mut F) -> Option<u64> {
        if first_line != self.next_line {
            self.lines_are_missing(found);
        }
        let mut number = first_line;
        let mut rest = lines;
        while !rest.is_empty() {
            if matches!(self.mode, Mode::Lines) {
                self.reader.judge(number, rest, found);
                break;
            }
            let length = find(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            if self.takes(number, line, found) {
                rest = after;
                number += 1;
            }
        }
        // Where each line stands alone a gap means nothing, and none is looked for.
        self.next_line = number;
        match &self.mode {
            Mode::Start | Mode::Lines => None,
            Mode::SpanningObject(spanning_object) => Some(spanning_object.line),
            Mode::Array(array) => array.pending_from(),
        }
    }

    /// Ends the object; returns what was held back.
    pub fn end(&mut self) -> Transformed<'static> {
        let mut found = Transformed::default();
        self.end_into(&mut found);
        found
    }

    /// As [`end`](Self::end), with other places for what was found.
    pub fn end_into<'a, F: Findings<'a>>(&mut self, found: &mut F) {
        match std::mem::replace(&mut self.mode, Mode::Start) {
            Mode::Start | Mode::Lines => {}
            Mode::SpanningObject(spanning_object) => spanning_object.end(&mut self.reader, found),
            Mode::Array(mut array) => array.give_up(&mut self.reader, found),
        }
    }

    /// The host left lines out, for they were too long: a value that is open is
    /// not what it was.
    fn lines_are_missing<'a, F: Findings<'a>>(&mut self, found: &mut F) {
        match &mut self.mode {
            Mode::Start | Mode::Lines => {}
            Mode::SpanningObject(_) => {
                if let Mode::SpanningObject(spanning_object) = std::mem::replace(&mut self.mode, Mode::Lines) {
                    spanning_object.give_up(&mut self.reader, found);
                }
            }
            Mode::Array(array) => array.lines_are_missing(&mut self.reader, found),
        }
    }

    /// Shows a line to the mode. Returns false if the mode has changed and the new one must
    /// see the line.
    fn takes<'a, F: Findings<'a>>(&mut self, number: u64, line: &'a [u8], found: &mut F) -> bool {
        match std::mem::replace(&mut self.mode, Mode::Lines) {
            Mode::Lines => false,
            Mode::Start => self.starts(number, line),
            Mode::SpanningObject(mut spanning_object) => {
                let possible = spanning_object.line(&mut self.reader, self.max_value_bytes, line);
                if possible {
                    self.mode = Mode::SpanningObject(spanning_object);
                } else {
                    spanning_object.give_up(&mut self.reader, found);
                }
                possible
            }
            Mode::Array(mut array) => match array.line(&mut self.reader, number, line, found) {
                ArrayStep::Continues => {
                    self.mode = Mode::Array(array);
                    true
                }
                ArrayStep::Closed => true,
                ArrayStep::Failed { settled } => settled,
            },
        }
    }

    /// Chooses the mode by the first line that isn't blank.
    fn starts(&mut self, number: u64, line: &[u8]) -> bool {
        if is_blank(line) {
            self.mode = Mode::Start;
            return true;
        }
        match trim_start(line).first() {
            Some(b'{') if !self.reader.is_value(line) => {
                self.mode = Mode::SpanningObject(SpanningObject::new(number));
            }
            Some(b'[') if !self.reader.is_value(line) => {
                self.mode = Mode::Array(Box::new(Array::new(self.max_value_bytes)));
            }
            _ => {}
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::found::{Copied, Verdict};

    /// Events, by line, and lines that are malformed.
    type Told = (Vec<(u64, String)>, Vec<(u64, u64)>);

    /// What lines come to, each given as a chunk, with their numbers.
    fn told(lines: &[(u64, &str)]) -> Told {
        let mut transformer = Transformer::new(Clock { now: 1, last_modified: 2 }, 1000);
        let mut all = Transformed::default();
        let mut append = |found: Transformed<'static>| {
            all.events.extend(found.events);
            all.notes.extend(found.notes);
        };
        for (number, line) in lines {
            let mut found = Transformed::default();
            transformer.chunk_into(*number, line.as_bytes(), &mut Copied(&mut found));
            append(found);
        }
        append(transformer.end());
        let events = all.events.into_iter().map(|event| (event.line, event.message.into_owned()));
        let malformed = all.notes.iter().filter(|note| note.verdict != Verdict::Joined);
        (events.collect(), malformed.map(|note| (note.first, note.last)).collect())
    }

    #[test]
    fn a_line_left_out_between_elements_is_an_element() {
        let lines = [(0, "[\n"), (1, "{\"message\":\"a\"},\n"), (3, "{\"message\":\"b\"}\n"), (4, "]\n")];
        assert_eq!(told(&lines), (vec![(1, "a".into()), (3, "b".into())], vec![]));
    }

    #[test]
    fn a_value_that_lacks_a_line_is_no_record() {
        let array = [(0, "[\n"), (1, "{\n"), (3, "\"x\":1\n"), (4, "},\n"), (5, "{\"message\":\"b\"}]\n")];
        assert_eq!(told(&array), (vec![(5, "b".into())], vec![(1, 1), (3, 3), (4, 4)]));
        let object = [(0, "{\n"), (2, "\"x\":1\n"), (3, "}\n")];
        let (events, malformed) = told(&object);
        assert!(events.is_empty());
        assert_eq!(malformed.first(), Some(&(0, 0)));
    }
}
