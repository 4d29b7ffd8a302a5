//! An array read across lines: each element stands for itself, under the line
//! where it begins.

use crate::blank::{is_blank, trim_start};
use crate::found::{Event, Transformed, Verdict};
use crate::lines::{MAX_RECORDS, Reader};
use crate::one::{is_newline, on_one_line};
use crate::record::{Record, value};
use crate::scan::{Cursor, Fault};

/// An array that is open at the end of a line.
pub(crate) struct Array {
    max: usize,
    expect: Expect,
    /// The element that is open at the end of the line.
    element: Option<Element>,
    held: Option<Held>,
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
    place: Place,
}

/// Where an open element begins.
#[derive(Clone, Copy)]
enum Place {
    /// In the line that is being read.
    Here(usize),
    /// In the lines held back.
    Held(usize),
    /// It is longer than it may be: its lines are only passed over.
    Passed,
}

/// What a line is that has no events. Where several are true, the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Quiet {
    Joined,
    /// An element that is no object begins there.
    Dropped,
    TooLong,
}

impl Quiet {
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

/// Lines held back: the element that is open began on the first of them. Also
/// the array's first line, if it had no events, until another line shows that
/// it is an array across lines indeed.
struct Held {
    line: u64,
    text: Vec<u8>,
    /// Events of the first line, from elements before the open one.
    events: Vec<Event<'static>>,
    /// What the first line is if it has no events.
    quiet: Quiet,
}

impl Held {
    fn too_long(self) -> Self {
        Self { quiet: Quiet::TooLong, ..self }
    }

    /// The first line has its events; the `others` are quiet.
    fn settle(self, max: usize, others: Quiet, found: &mut Transformed<'_>) {
        let mut quiet = self.quiet;
        let has_events = !self.events.is_empty();
        found.events.extend(self.events);
        for (number, line) in (self.line..).zip(self.text.split_inclusive(is_newline)) {
            if number > self.line || !has_events {
                quiet.note(max, number, line, found);
            }
            quiet = others;
        }
    }

    /// The lines are judged alone, but for the first if it had events.
    fn judge(self, reader: &mut Reader, found: &mut Transformed<'_>) {
        if self.events.is_empty() {
            return reader.judge_held(self.line, &self.text, found);
        }
        found.events.extend(self.events);
        let mut lines = self.text.splitn(2, is_newline);
        let others = lines.nth(1).unwrap_or_default();
        reader.judge_held(self.line + 1, others, found);
    }
}

/// What became of the array with a line.
pub(crate) enum Step {
    /// It goes on.
    On,
    /// It is closed, with nothing behind it.
    Closed,
    /// It is none, or none from here on. The line must be judged alone if it
    /// isn't settled.
    Failed { settled: bool },
}

/// How far a line was read.
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
    quiet: Quiet,
}

impl<'a> Line<'a> {
    fn too_long(self) -> Self {
        Self { quiet: Quiet::TooLong, ..self }
    }

    fn settle(self, max: usize, found: &mut Transformed<'a>) {
        if self.events.is_empty() {
            self.quiet.note(max, self.number, self.cursor.text, found);
        }
        found.events.extend(self.events);
    }

    fn hold(self) -> Held {
        Held {
            line: self.number,
            text: self.cursor.text.to_owned(),
            events: self.events.into_iter().map(Event::into_owned).collect(),
            quiet: self.quiet,
        }
    }
}

impl Array {
    pub(crate) fn new(max: usize) -> Self {
        Self { max, expect: Expect::Open, element: None, held: None }
    }

    /// The first line that is held back.
    pub(crate) fn pending_from(&self) -> Option<u64> {
        self.held.as_ref().map(|held| held.line)
    }

    /// Takes the next line, newline included.
    pub(crate) fn line<'a>(
        &mut self,
        reader: &mut Reader,
        number: u64,
        text: &'a [u8],
        found: &mut Transformed<'a>,
    ) -> Step {
        let is_first = self.expect == Expect::Open;
        let mut line = Line { number, cursor: Cursor { text, pos: 0 }, events: Vec::new(), quiet: Quiet::Joined };
        match self.read(reader, &mut line, found) {
            Reached::End => {
                self.end_of_line(line, is_first, found);
                Step::On
            }
            Reached::Closed => {
                self.end_of_line(line, false, found);
                Step::Closed
            }
            // Nothing of a first line that is no array stands.
            Reached::Fault if is_first => Step::Failed { settled: false },
            Reached::Fault => {
                self.give_up(reader, found);
                let settled = !line.events.is_empty();
                found.events.append(&mut line.events);
                Step::Failed { settled }
            }
        }
    }

    /// The array goes no further: what is held back is judged alone.
    pub(crate) fn give_up(&mut self, reader: &mut Reader, found: &mut Transformed<'_>) {
        if let Some(held) = self.held.take() {
            held.judge(reader, found);
        }
    }

    /// Lines were left out. Between elements they were elements that are too
    /// long; within one, that one is.
    pub(crate) fn lines_are_missing(&mut self, found: &mut Transformed<'_>) {
        if self.element.is_some() {
            if let Some(held) = self.held.take() {
                held.too_long().settle(self.max, Quiet::TooLong, found);
            }
            self.place(Place::Passed);
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
        let quiet = if is_object { Quiet::Joined } else { Quiet::Dropped };
        line.quiet = line.quiet.max(quiet);
        match outcome {
            Ok(_) if line.cursor.pos - start > self.max => line.quiet = Quiet::TooLong,
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
                self.element = Some(Element { is_object, place: Place::Here(start) });
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An element that began on an earlier line ends on this one.
    fn finish(&mut self, element: &Element, reader: &mut Reader, line: &mut Line<'_>, found: &mut Transformed<'_>) {
        self.expect = Expect::Comma;
        let (Place::Held(start), Some(mut held)) = (element.place, self.held.take()) else {
            line.quiet = Quiet::TooLong;
            return;
        };
        let tail = line.cursor.text.get(..line.cursor.pos).unwrap_or_default();
        if held.text.len() - start + tail.len() > self.max {
            line.quiet = Quiet::TooLong;
            return held.too_long().settle(self.max, Quiet::TooLong, found);
        }
        if element.is_object {
            let mut whole = on_one_line(held.text.get(start..).unwrap_or_default());
            whole.extend_from_slice(tail);
            let mut cursor = Cursor { text: &whole, pos: 0 };
            if let Ok(record) = Record::read(&mut cursor, &mut reader.walk, 1) {
                let event = reader.event(held.line, &whole, &record);
                held.events.push(event.into_owned());
            }
        }
        held.settle(self.max, Quiet::Joined, found);
    }

    /// Settles the line, or holds it back.
    fn end_of_line<'a>(&mut self, line: Line<'a>, is_first: bool, found: &mut Transformed<'a>) {
        let text = line.cursor.text;
        match self.element.as_ref().map(|element| element.place) {
            None if is_blank(text) => {}
            None => {
                self.settle(found);
                if is_first && line.events.is_empty() && line.quiet < Quiet::TooLong {
                    self.held = Some(line.hold());
                } else {
                    line.settle(self.max, found);
                }
            }
            Some(Place::Here(start)) => {
                self.settle(found);
                if text.len() - start < self.max {
                    self.held = Some(line.hold());
                    self.place(Place::Held(start));
                } else {
                    line.too_long().settle(self.max, found);
                    self.place(Place::Passed);
                }
            }
            Some(Place::Held(start)) => match &mut self.held {
                Some(held) if held.text.len() - start + text.len() < self.max => {
                    held.text.extend_from_slice(text);
                }
                held => {
                    if let Some(held) = held.take() {
                        held.too_long().settle(self.max, Quiet::TooLong, found);
                    }
                    line.too_long().settle(self.max, found);
                    self.place(Place::Passed);
                }
            },
            Some(Place::Passed) => line.too_long().settle(self.max, found),
        }
    }

    fn place(&mut self, place: Place) {
        if let Some(element) = &mut self.element {
            element.place = place;
        }
    }

    fn settle(&mut self, found: &mut Transformed<'_>) {
        if let Some(held) = self.held.take() {
            held.settle(self.max, Quiet::Joined, found);
        }
    }
}

struct Failed;
