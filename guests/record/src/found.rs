//! The results of lines: events, and notes on lines that have none.

use std::borrow::Cow;

/// The results so far. Over an object, events ascend by line; notes ascend too, and never
/// overlap each other or a line that has events. A line with neither was dropped, as the
/// reference drops it: a value that is no object, or blank.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transformed<'a> {
    /// The events.
    pub events: Vec<Event<'a>>,
    /// Notes on lines without an event.
    pub notes: Vec<Note>,
    /// The first line that is still held back, if there is one.
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

/// A verdict on the lines from `first` to `last`, both included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// First line.
    pub first: u64,
    /// Last line.
    pub last: u64,
    /// The verdict.
    pub verdict: Verdict,
}

/// Why a line has no event of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The line belongs to a value that begins on a line before it, or holds nothing but an
    /// array's brackets and commas.
    Joined,
    /// The line is no record. The reason is short and holds nothing of the line.
    Malformed(String),
}

impl<'a> Transformed<'a> {
    /// Adds a verdict on a line; an equal verdict on the line before is extended.
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
