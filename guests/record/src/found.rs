//! The results of lines: events, and notes on lines that have none.

use std::borrow::Cow;

/// Where the results of lines go, which live in memory for `'a`. Over an object, events ascend by
/// line; notes ascend too, and never overlap each other or a line that has events. A line with
/// neither was dropped, as the reference drops it: a value that is no object, or blank.
pub trait Findings<'a> {
    /// Whether only the number of events matters: their messages are not made then.
    const ONLY_COUNTS: bool = false;

    /// The point that was reached.
    fn mark(&self) -> Mark;

    /// Forgets the events since then; there are no notes since.
    fn take_back(&mut self, to: Mark);

    /// Makes room for so many more events and notes, and for no others: a long line comes to many.
    fn reserve(&mut self, events: usize, notes: usize);

    /// Takes an event: the line where its record begins, milliseconds since the Unix epoch, and
    /// the message, which may be empty.
    fn event(&mut self, line: u64, timestamp: i64, message: Message<'a, '_>);

    /// Takes a verdict on a line; an equal verdict on the line before is extended.
    fn note(&mut self, line: u64, verdict: Verdict);
}

/// A point in the results of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// Events so far.
    pub events: usize,
    /// What the findings count themselves of the messages' texts.
    pub texts: [usize; 3],
}

/// A message, by who keeps its text.
#[derive(Debug)]
pub enum Message<'a, 'b> {
    /// It stands in its line as it is.
    InLine(&'a str),
    /// It must be copied: the text is written over with the next message.
    Passing(&'b str),
    /// A long one, which nobody else has.
    Own(String),
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

/// The results of a call as lists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Transformed<'a> {
    /// The events.
    pub events: Vec<Event<'a>>,
    /// Notes on lines without an event.
    pub notes: Vec<Note>,
    /// The first line that is still held back, if there is one.
    pub pending_from: Option<u64>,
}

impl<'a> Findings<'a> for Transformed<'a> {
    fn mark(&self) -> Mark {
        Mark { events: self.events.len(), ..Mark::default() }
    }

    fn take_back(&mut self, to: Mark) {
        self.events.truncate(to.events);
    }

    fn reserve(&mut self, events: usize, notes: usize) {
        self.events.reserve_exact(events);
        self.notes.reserve_exact(notes);
    }

    fn event(&mut self, line: u64, timestamp: i64, message: Message<'a, '_>) {
        let message = match message {
            Message::InLine(text) => Cow::Borrowed(text),
            Message::Passing(text) => Cow::Owned(text.to_owned()),
            Message::Own(text) => Cow::Owned(text),
        };
        self.events.push(Event { line, timestamp, message });
    }

    fn note(&mut self, line: u64, verdict: Verdict) {
        match self.notes.last_mut() {
            Some(note) if note.verdict == verdict && note.last + 1 == line => note.last = line,
            _ => self.notes.push(Note { first: line, last: line, verdict }),
        }
    }
}

/// Results of lines that don't outlive the call: their messages are copied.
pub(crate) struct Copied<'f, F>(pub(crate) &'f mut F);

impl<'a, 'f, 't, F: Findings<'f>> Findings<'t> for Copied<'a, F> {
    const ONLY_COUNTS: bool = F::ONLY_COUNTS;

    fn mark(&self) -> Mark {
        self.0.mark()
    }

    fn take_back(&mut self, to: Mark) {
        self.0.take_back(to);
    }

    fn reserve(&mut self, events: usize, notes: usize) {
        self.0.reserve(events, notes);
    }

    fn event(&mut self, line: u64, timestamp: i64, message: Message<'t, '_>) {
        let message = match message {
            Message::InLine(text) | Message::Passing(text) => Message::Passing(text),
            Message::Own(text) => Message::Own(text),
        };
        self.0.event(line, timestamp, message);
    }

    fn note(&mut self, line: u64, verdict: Verdict) {
        self.0.note(line, verdict);
    }
}

/// The numbers of events and notes that lines come to.
#[derive(Default)]
pub(crate) struct Counts {
    events: usize,
    /// The most events that there were, before some were taken back.
    pub(crate) most_events: usize,
    pub(crate) notes: usize,
    last_note: Option<(u64, Verdict)>,
}

impl Findings<'_> for Counts {
    const ONLY_COUNTS: bool = true;

    fn mark(&self) -> Mark {
        Mark { events: self.events, ..Mark::default() }
    }

    fn take_back(&mut self, to: Mark) {
        self.events = to.events;
    }

    fn reserve(&mut self, _events: usize, _notes: usize) {}

    fn event(&mut self, _line: u64, _timestamp: i64, _message: Message<'_, '_>) {
        self.events += 1;
        self.most_events = self.most_events.max(self.events);
    }

    fn note(&mut self, line: u64, verdict: Verdict) {
        let extends = self.last_note.as_ref().is_some_and(|(last, before)| last + 1 == line && *before == verdict);
        self.notes += usize::from(!extends);
        self.last_note = Some((line, verdict));
    }
}
