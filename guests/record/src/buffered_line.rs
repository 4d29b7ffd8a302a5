//! Lines that an array holds back, because an element is open at their end.

use crate::blank::is_blank;
use crate::found::{Copied, Findings, Verdict};
use crate::lines::{LONG, MAX_RECORDS, Reader};
use crate::record::{Record, value};
use crate::scan::{Cursor, Walk};
use crate::spanning_object::is_newline;

/// The reason why a line has no events; of several, the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum NoEvents {
    Joined,
    /// An element that is no object begins on the line.
    Dropped,
    TooLong,
}

impl NoEvents {
    pub(crate) fn note<'a, F: Findings<'a>>(self, max: usize, number: u64, line: &[u8], found: &mut F) {
        let verdict = match self {
            Self::Dropped => return,
            Self::Joined => Verdict::Joined,
            Self::TooLong => Verdict::Malformed(format!("value longer than {max} bytes")),
        };
        if !is_blank(line) {
            found.note(number, verdict);
        }
    }
}

/// Buffered lines. The open element began on the first of them. They include the array's first
/// line, if it had no events, until another line shows that the array does span lines.
pub(crate) struct BufferedLine {
    pub(crate) line: u64,
    pub(crate) text: Vec<u8>,
    /// Elements of the first line before the open one: where they begin and end. Their events are
    /// made when the line is settled: until then the text is enough.
    pub(crate) before: (usize, usize),
    /// Whether there are records among these.
    pub(crate) has_events: bool,
    /// The reason why the first line has no events, if it hasn't.
    pub(crate) no_events: NoEvents,
}

impl BufferedLine {
    pub(crate) fn too_long(self) -> Self {
        Self { no_events: NoEvents::TooLong, ..self }
    }

    /// Makes the events of the elements before the open one.
    pub(crate) fn events<'a, F: Findings<'a>>(&self, max: usize, reader: &mut Reader, found: &mut F) {
        if !self.has_events {
            return;
        }
        let (start, end) = self.before;
        let text = self.text.get(..end).unwrap_or_default();
        reserve(text, start, found);
        // The reader's own is in the middle of the open element.
        let mut walk = Walk::new();
        let mut cursor = Cursor { text, pos: start };
        while let Some(element) = next_element(&mut walk, &mut cursor) {
            if let Element { record: Some(record), length } = element
                && length <= max
            {
                reader.event(self.line, text, &record, &mut Copied(found));
            }
        }
    }

    /// Notes on the lines: on the first if it has no events, on the others as `others` says.
    pub(crate) fn notes<'a, F: Findings<'a>>(&self, max: usize, others: NoEvents, found: &mut F) {
        let mut no_events = self.no_events;
        for (number, line) in (self.line..).zip(self.text.split_inclusive(is_newline)) {
            if number > self.line || !self.has_events {
                no_events.note(max, number, line, found);
            }
            no_events = others;
        }
    }

    /// Settles the lines: the first with its events, the others as `others` says.
    pub(crate) fn settle<'a, F: Findings<'a>>(self, max: usize, others: NoEvents, reader: &mut Reader, found: &mut F) {
        self.events(max, reader, found);
        self.notes(max, others, found);
    }

    /// Judges each line alone, except the first if it had events.
    pub(crate) fn judge<'a, F: Findings<'a>>(self, max: usize, reader: &mut Reader, found: &mut F) {
        if !self.has_events {
            return reader.judge_buffered(self.line, &self.text, found);
        }
        self.events(max, reader, found);
        let mut lines = self.text.splitn(2, is_newline);
        let others = lines.nth(1).unwrap_or_default();
        reader.judge_buffered(self.line + 1, others, found);
    }
}

/// An element that is complete.
struct Element {
    /// If it is an object.
    record: Option<Record>,
    length: usize,
}

/// Passes over the element that comes next, if it is complete on this line.
fn next_element(walk: &mut Walk, cursor: &mut Cursor<'_>) -> Option<Element> {
    let mut first = cursor.token()?;
    if first == b',' {
        cursor.pos += 1;
        first = cursor.token()?;
    }
    let start = cursor.pos;
    let record = match first {
        b'{' => Some(Record::read(cursor, walk, 1).ok()?),
        _ => {
            value(cursor, walk, 1).ok()?;
            None
        }
    };
    Some(Element { record, length: cursor.pos - start })
}

/// Makes room for the records among the complete elements from `start` on, and for the one that is
/// open behind them, if the text is long.
pub(crate) fn reserve<'a, F: Findings<'a>>(text: &[u8], start: usize, found: &mut F) {
    if text.len() >= LONG {
        let (mut walk, mut cursor) = (Walk::new(), Cursor { text, pos: start });
        let elements = std::iter::from_fn(|| next_element(&mut walk, &mut cursor));
        let records = elements.filter(|element| element.record.is_some()).count();
        found.reserve(records.min(MAX_RECORDS) + 1, 0);
    }
}
