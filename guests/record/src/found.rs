//! What comes of lines: events, and notes on lines that have none.

use std::borrow::Cow;

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
