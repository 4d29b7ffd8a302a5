//! The lines of one object, chunk by chunk.

use std::borrow::Cow;

use crate::array::{Array, Step};
use crate::blank::{is_blank, trim_start};
use crate::lines::Reader;
use crate::one::One;
use crate::simd::find;
use crate::time::Clock;

/// Turns the lines of one object into events. Make one for each object, give
/// it the lines with [`chunk`](Self::chunk), and say [`end`](Self::end).
pub struct Transformer {
    reader: Reader,
    mode: Mode,
    max_value_bytes: usize,
    /// Events of the last chunk: the next will have about as many.
    usual: usize,
}

/// How the lines are read, which the first one that isn't blank decides.
enum Mode {
    Start,
    Lines,
    One(One),
    Array(Box<Array>),
}

/// What came of the lines so far. Over an object, events ascend by line; notes
/// ascend too, and never meet each other or a line that has events. A line
/// with neither was dropped, as the reference drops it: a value that is no
/// object, or blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transformed<'a> {
    /// What goes out.
    pub events: Vec<Event<'a>>,
    /// What became of lines without an event.
    pub notes: Vec<Note>,
    /// Lines from this one on are still held back; none: nothing is.
    pub pending_from: Option<u64>,
}

/// One CloudWatch event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<'a> {
    /// The line where its record begins.
    pub line: u64,
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// May be empty. Borrowed where it stands in its line as it is.
    pub message: Cow<'a, str>,
}

/// What became of the lines from `first` to `last`, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// First line.
    pub first: u64,
    /// Last line.
    pub last: u64,
    /// What became of them.
    pub verdict: Verdict,
}

/// Why a line has no event of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It belongs to a value that begins on a line before it, or holds nothing
    /// but an array's brackets and commas.
    Joined,
    /// It is no record. The reason is short and holds nothing of the line.
    Malformed(String),
}

impl Transformer {
    /// For one object. `max_value_bytes`: the longest value that is read
    /// across lines; about as much may be held in memory.
    #[must_use]
    pub fn new(clock: Clock, max_value_bytes: usize) -> Self {
        Self { reader: Reader::new(clock), mode: Mode::Start, max_value_bytes, usual: 0 }
    }

    /// Takes whole lines, the first of them number `first_line`, each ended by
    /// a newline; only the very last of the object may lack its own.
    pub fn chunk<'a>(&mut self, first_line: u64, lines: &'a [u8]) -> Transformed<'a> {
        let mut found = Transformed { events: Vec::with_capacity(self.usual), ..Transformed::default() };
        let mut number = first_line;
        let mut rest = lines;
        while !rest.is_empty() {
            if matches!(self.mode, Mode::Lines) {
                self.reader.judge(number, rest, &mut found);
                break;
            }
            let length = find(b'\n', rest).map_or(rest.len(), |at| at + 1);
            let (line, after) = rest.split_at_checked(length).unwrap_or((rest, &[]));
            if self.takes(number, line, &mut found) {
                rest = after;
                number += 1;
            }
        }
        found.pending_from = match &self.mode {
            Mode::Start | Mode::Lines => None,
            Mode::One(one) => Some(one.line),
            Mode::Array(array) => array.pending_from(),
        };
        self.usual = found.events.len();
        found
    }

    /// After the last line: what was held back.
    pub fn end(&mut self) -> Transformed<'static> {
        let mut found = Transformed::default();
        match std::mem::replace(&mut self.mode, Mode::Start) {
            Mode::Start | Mode::Lines => {}
            Mode::One(one) => one.end(&mut self.reader, &mut found),
            Mode::Array(mut array) => array.give_up(&mut self.reader, &mut found),
        }
        found
    }

    /// Shows a line to the mode; false: the mode has changed, and the new one
    /// must see the line.
    fn takes<'a>(&mut self, number: u64, line: &'a [u8], found: &mut Transformed<'a>) -> bool {
        match std::mem::replace(&mut self.mode, Mode::Lines) {
            Mode::Lines => false,
            Mode::Start => self.starts(number, line, found),
            Mode::One(mut one) => {
                let possible = one.line(&mut self.reader, self.max_value_bytes, line);
                if possible {
                    self.mode = Mode::One(one);
                } else {
                    one.give_up(&mut self.reader, found);
                }
                possible
            }
            Mode::Array(mut array) => match array.line(&mut self.reader, number, line, found) {
                Step::On => {
                    self.mode = Mode::Array(array);
                    true
                }
                Step::Closed => true,
                Step::Failed { settled } => settled,
            },
        }
    }

    /// Chooses the mode by the first line that isn't blank.
    fn starts<'a>(&mut self, number: u64, line: &'a [u8], found: &mut Transformed<'a>) -> bool {
        if is_blank(line) {
            self.mode = Mode::Start;
            return true;
        }
        let mut alone = Transformed::default();
        self.reader.judge(number, line, &mut alone);
        let is_value = alone.notes.is_empty();
        match trim_start(line).first() {
            Some(b'{') if !is_value => self.mode = Mode::One(One::new(number)),
            Some(b'[') if !is_value => self.mode = Mode::Array(Box::new(Array::new(self.max_value_bytes))),
            _ => {
                found.append(alone);
                return true;
            }
        }
        false
    }
}

impl<'a> Transformed<'a> {
    /// Adds a verdict on a line, to the note before it where it is the same.
    pub(crate) fn note(&mut self, line: u64, verdict: Verdict) {
        match self.notes.last_mut() {
            Some(note) if note.verdict == verdict && note.last + 1 == line => note.last = line,
            _ => self.notes.push(Note { first: line, last: line, verdict }),
        }
    }

    /// Adds what was found in later lines.
    pub(crate) fn append(&mut self, later: Transformed<'a>) {
        self.events.extend(later.events);
        self.notes.extend(later.notes);
    }

    pub(crate) fn into_owned(self) -> Transformed<'static> {
        Transformed {
            events: self.events.into_iter().map(Event::into_owned).collect(),
            notes: self.notes,
            pending_from: self.pending_from,
        }
    }
}

impl Event<'_> {
    pub(crate) fn into_owned(self) -> Event<'static> {
        Event { line: self.line, timestamp: self.timestamp, message: Cow::Owned(self.message.into_owned()) }
    }
}
