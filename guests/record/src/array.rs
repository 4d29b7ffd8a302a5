//! An array read across lines: each element stands for itself, under the line
//! where it begins.

use crate::blank::{is_blank, trim_start};
use crate::found::{Event, Transformed, Verdict};
use crate::lines::{MAX_RECORDS, Reader};
use crate::record::{Record, value};
use crate::scan::{Cursor, Fault};
use crate::spanning_object::{is_newline, on_one_line};

/// An array that is open at the end of a line.
pub(crate) struct Array {
    max: usize,
    expect: Expect,
    /// The element that is open at the end of the line.
    element: Option<Element>,
    buffered: Option<BufferedLine>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Open,
    First,
    Element,
    Comma,
}

struct Element {
    is_object: bool,
    place: ElementStart,
}

/// The start of an open element.
#[derive(Clone, Copy)]
enum ElementStart {
    /// The offset in the line that is being read.
    InLine(usize),
    /// The offset in the buffered lines.
    BufferedLine(usize),
    /// The element is too long; its lines are skipped.
    Skipped,
}

/// The reason why a line has no events; of several, the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum NoEvents {
    Joined,
    /// An element that is no object begins on the line.
    Dropped,
    TooLong,
}

impl NoEvents {
    fn note(self, max: usize, number: u64, line: &[u8], found: &mut Transformed<'_>) {
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
struct BufferedLine {
    line: u64,
    text: Vec<u8>,
    /// The events of the first line, from elements before the open one.
    events: Vec<Event<'static>>,
    /// The reason why the first line has no events, if it hasn't.
    no_events: NoEvents,
}

impl BufferedLine {
    fn too_long(self) -> Self {
        Self { no_events: NoEvents::TooLong, ..self }
    }

    /// Settles the lines: the first with its events, the others as `others` says.
    fn settle(self, max: usize, others: NoEvents, found: &mut Transformed<'_>) {
        let mut no_events = self.no_events;
        let has_events = !self.events.is_empty();
        found.events.extend(self.events);
        for (number, line) in (self.line..).zip(self.text.split_inclusive(is_newline)) {
            if number > self.line || !has_events {
                no_events.note(max, number, line, found);
            }
            no_events = others;
        }
    }

    /// Judges each line alone, except the first if it had events.
    fn judge(self, reader: &mut Reader, found: &mut Transformed<'_>) {
        if self.events.is_empty() {
            return reader.judge_buffered(self.line, &self.text, found);
        }
        found.events.extend(self.events);
        let mut lines = self.text.splitn(2, is_newline);
        let others = lines.nth(1).unwrap_or_default();
        reader.judge_buffered(self.line + 1, others, found);
    }
}

/// The state of the array after a line.
pub(crate) enum ArrayStep {
    /// The array goes on.
    Continues,
    /// The array is closed, with nothing behind it.
    Closed,
    /// This is no array, or none from here on. The line must be judged alone if it isn't
    /// settled.
    Failed { settled: bool },
}

/// The point that was reached in a line.
enum Reached {
    End,
    Closed,
    Fault,
}

/// The line being read.
struct Line<'a> {
    number: u64,
    cursor: Cursor<'a>,
    events: Vec<Event<'a>>,
    no_events: NoEvents,
}

impl<'a> Line<'a> {
    fn too_long(self) -> Self {
        Self { no_events: NoEvents::TooLong, ..self }
    }

    fn settle(self, max: usize, found: &mut Transformed<'a>) {
        if self.events.is_empty() {
            self.no_events.note(max, self.number, self.cursor.text, found);
        }
        found.events.extend(self.events);
    }

    fn buffer(self) -> BufferedLine {
        BufferedLine {
            line: self.number,
            text: self.cursor.text.to_owned(),
            events: self.events.into_iter().map(Event::into_owned).collect(),
            no_events: self.no_events,
        }
    }
}

impl Array {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, expect: Expect::Open, element: None, buffered: None }
    }

    /// The first line that is held back.
    pub(crate) fn pending_from(&self) -> Option<u64> {
        self.buffered.as_ref().map(|buffered| buffered.line)
    }

    /// Takes the next line, newline included.
    pub(crate) fn line<'a>(
        &mut self,
        reader: &mut Reader,
        number: u64,
        text: &'a [u8],
        found: &mut Transformed<'a>,
    ) -> ArrayStep {
        let is_first = self.expect == Expect::Open;
        let mut line =
            Line { number, cursor: Cursor { text, pos: 0 }, events: Vec::new(), no_events: NoEvents::Joined };
        match self.read(reader, &mut line, found) {
            Reached::End => {
                self.end_of_line(line, is_first, found);
                ArrayStep::Continues
            }
            Reached::Closed => {
                self.end_of_line(line, false, found);
                ArrayStep::Closed
            }
            // Nothing of a first line that is no array stands.
            Reached::Fault if is_first => ArrayStep::Failed { settled: false },
            Reached::Fault => {
                self.give_up(reader, found);
                let settled = !line.events.is_empty();
                found.events.append(&mut line.events);
                ArrayStep::Failed { settled }
            }
        }
    }

    /// The array goes no further: what is held back is judged alone.
    pub(crate) fn give_up(&mut self, reader: &mut Reader, found: &mut Transformed<'_>) {
        if let Some(buffered) = self.buffered.take() {
            buffered.judge(reader, found);
        }
    }

    /// Lines were left out. Between elements they were elements that are too
    /// long; within one, that one is.
    pub(crate) fn lines_are_missing(&mut self, found: &mut Transformed<'_>) {
        if self.element.is_some() {
            if let Some(buffered) = self.buffered.take() {
                buffered.too_long().settle(self.max, NoEvents::TooLong, found);
            }
            self.place(ElementStart::Skipped);
        }
    }

    fn read<'a>(&mut self, reader: &mut Reader, line: &mut Line<'a>, found: &mut Transformed<'a>) -> Reached {
        if self.expect == Expect::Open {
            let text = line.cursor.text;
            line.cursor.pos = text.len() - trim_start(text).len() + 1;
            self.expect = Expect::First;
        }
        if let Some(element) = self.element.take() {
            match reader.walk.feed(&mut line.cursor) {
                Err(_) => return Reached::Fault,
                Ok(true) => self.finish(&element, reader, line, found),
                Ok(false) => {
                    self.element = Some(element);
                    return Reached::End;
                }
            }
        }
        while let Some(byte) = line.cursor.token() {
            match (self.expect, byte) {
                (Expect::Comma, b',') => {
                    line.cursor.pos += 1;
                    self.expect = Expect::Element;
                }
                (Expect::Comma | Expect::First, b']') => {
                    line.cursor.pos += 1;
                    let rest = line.cursor.text.get(line.cursor.pos..);
                    let is_last = is_blank(rest.unwrap_or_default());
                    return if is_last { Reached::Closed } else { Reached::Fault };
                }
                (Expect::Comma, _) => return Reached::Fault,
                _ => match self.begin(byte, reader, line) {
                    Ok(true) => self.expect = Expect::Comma,
                    Ok(false) => return Reached::End,
                    Err(Failed) => return Reached::Fault,
                },
            }
        }
        Reached::End
    }

    /// Reads an element from its beginning: true at its end, false at the end
    /// of the line.
    fn begin(&mut self, first: u8, reader: &mut Reader, line: &mut Line<'_>) -> Result<bool, Failed> {
        let start = line.cursor.pos;
        let is_object = first == b'{';
        // Most elements stand on one line.
        let outcome = if is_object {
            Record::read(&mut line.cursor, &mut reader.walk, 1).map(Some)
        } else {
            value(&mut line.cursor, &mut reader.walk, 1).map(|_| None)
        };
        let no_events = if is_object { NoEvents::Joined } else { NoEvents::Dropped };
        line.no_events = line.no_events.max(no_events);
        match outcome {
            Ok(_) if line.cursor.pos - start > self.max => line.no_events = NoEvents::TooLong,
            Ok(None) => {}
            Ok(Some(_)) if line.events.len() >= MAX_RECORDS => return Err(Failed),
            Ok(Some(record)) => {
                let event = reader.event(line.number, line.cursor.text, &record);
                line.events.push(event);
            }
            Err(malformed) if malformed.fault != Fault::Incomplete => return Err(Failed),
            Err(_) => {
                line.cursor.pos = start;
                reader.walk.begin(1);
                reader.walk.feed(&mut line.cursor).map_err(|_| Failed)?;
                self.element = Some(Element { is_object, place: ElementStart::InLine(start) });
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An element that began on an earlier line ends on this one.
    fn finish(&mut self, element: &Element, reader: &mut Reader, line: &mut Line<'_>, found: &mut Transformed<'_>) {
        self.expect = Expect::Comma;
        let (ElementStart::BufferedLine(start), Some(mut buffered)) = (element.place, self.buffered.take()) else {
            line.no_events = NoEvents::TooLong;
            return;
        };
        let tail = line.cursor.text.get(..line.cursor.pos).unwrap_or_default();
        if buffered.text.len() - start + tail.len() > self.max {
            line.no_events = NoEvents::TooLong;
            return buffered.too_long().settle(self.max, NoEvents::TooLong, found);
        }
        if element.is_object {
            let mut whole = on_one_line(buffered.text.get(start..).unwrap_or_default());
            whole.extend_from_slice(tail);
            let mut cursor = Cursor { text: &whole, pos: 0 };
            if let Ok(record) = Record::read(&mut cursor, &mut reader.walk, 1) {
                let event = reader.event(buffered.line, &whole, &record);
                buffered.events.push(event.into_owned());
            }
        }
        buffered.settle(self.max, NoEvents::Joined, found);
    }

    /// Settles the line, or holds it back.
    fn end_of_line<'a>(&mut self, line: Line<'a>, is_first: bool, found: &mut Transformed<'a>) {
        let text = line.cursor.text;
        match self.element.as_ref().map(|element| element.place) {
            None if is_blank(text) => {}
            None => {
                self.settle(found);
                if is_first && line.events.is_empty() && line.no_events < NoEvents::TooLong {
                    self.buffered = Some(line.buffer());
                } else {
                    line.settle(self.max, found);
                }
            }
            Some(ElementStart::InLine(start)) => {
                self.settle(found);
                if text.len() - start < self.max {
                    self.buffered = Some(line.buffer());
                    self.place(ElementStart::BufferedLine(start));
                } else {
                    line.too_long().settle(self.max, found);
                    self.place(ElementStart::Skipped);
                }
            }
            Some(ElementStart::BufferedLine(start)) => match &mut self.buffered {
                Some(buffered) if buffered.text.len() - start + text.len() < self.max => {
                    buffered.text.extend_from_slice(text);
                }
                buffered => {
                    if let Some(buffered) = buffered.take() {
                        buffered.too_long().settle(self.max, NoEvents::TooLong, found);
                    }
                    line.too_long().settle(self.max, found);
                    self.place(ElementStart::Skipped);
                }
            },
            Some(ElementStart::Skipped) => line.too_long().settle(self.max, found),
        }
    }

    fn place(&mut self, place: ElementStart) {
        if let Some(element) = &mut self.element {
            element.place = place;
        }
    }

    fn settle(&mut self, found: &mut Transformed<'_>) {
        if let Some(buffered) = self.buffered.take() {
            buffered.settle(self.max, NoEvents::Joined, found);
        }
    }
}

struct Failed;
