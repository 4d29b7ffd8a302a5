//! An array read across lines: each element stands for itself, under the line
//! where it begins.

use crate::blank::{is_blank, trim_start};
use crate::buffered_line::{BufferedLine, NoEvents, reserve};
use crate::found::{Copied, Findings, Mark};
use crate::lines::{MAX_RECORDS, Reader};
use crate::record::{Record, value};
use crate::scan::{Cursor, Fault};
use crate::spanning_object::{append, on_one_line};

/// An array that is open at the end of a line.
pub(crate) struct Array {
    max: usize,
    expect: Expect,
    /// The element that is open at the end of the line.
    element: Option<OpenElement>,
    buffered: Option<BufferedLine>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Expect {
    Open,
    First,
    Element,
    Comma,
}

struct OpenElement {
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
    /// Where the elements begin of which events were made, and what there was before.
    start: usize,
    before: Mark,
    /// Events of it.
    events: usize,
    no_events: NoEvents,
}

impl<'a> Line<'a> {
    fn too_long(self) -> Self {
        Self { no_events: NoEvents::TooLong, ..self }
    }

    fn settle<F: Findings<'a>>(self, max: usize, found: &mut F) {
        if self.events == 0 {
            self.no_events.note(max, self.number, self.cursor.text, found);
        }
    }

    /// Holds the line back, whose open element begins at `end`: so its events are taken back.
    fn buffer<F: Findings<'a>>(self, end: usize, found: &mut F) -> BufferedLine {
        if self.events > 0 {
            found.take_back(self.before);
        }
        BufferedLine {
            line: self.number,
            text: self.cursor.text.to_owned(),
            before: (self.start, end),
            has_events: self.events > 0,
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
    pub(crate) fn line<'a, F: Findings<'a>>(
        &mut self,
        reader: &mut Reader,
        number: u64,
        text: &'a [u8],
        found: &mut F,
    ) -> ArrayStep {
        let is_first = self.expect == Expect::Open;
        let mut line = Line {
            number,
            cursor: Cursor { text, pos: 0 },
            start: 0,
            before: found.mark(),
            events: 0,
            no_events: NoEvents::Joined,
        };
        match self.read(reader, &mut line, found) {
            Reached::End => {
                self.end_of_line(line, is_first, reader, found);
                ArrayStep::Continues
            }
            Reached::Closed => {
                self.end_of_line(line, false, reader, found);
                ArrayStep::Closed
            }
            // Nothing of a first line that is no array stands.
            Reached::Fault if is_first => {
                found.take_back(line.before);
                ArrayStep::Failed { settled: false }
            }
            Reached::Fault => {
                // A line has events only where no element is open: what is buffered then has none.
                self.give_up(reader, found);
                ArrayStep::Failed { settled: line.events > 0 }
            }
        }
    }

    /// The array goes no further: what is held back is judged alone.
    pub(crate) fn give_up<'a, F: Findings<'a>>(&mut self, reader: &mut Reader, found: &mut F) {
        if let Some(buffered) = self.buffered.take() {
            buffered.judge(self.max, reader, found);
        }
    }

    /// Lines were left out. Between elements they were elements that are too
    /// long; within one, that one is.
    pub(crate) fn lines_are_missing<'a, F: Findings<'a>>(&mut self, reader: &mut Reader, found: &mut F) {
        if self.element.is_some() {
            if let Some(buffered) = self.buffered.take() {
                buffered.too_long().settle(self.max, NoEvents::TooLong, reader, found);
            }
            self.place(ElementStart::Skipped);
        }
    }

    fn read<'a, F: Findings<'a>>(&mut self, reader: &mut Reader, line: &mut Line<'a>, found: &mut F) -> Reached {
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
        (line.start, line.before) = (line.cursor.pos, found.mark());
        reserve(line.cursor.text, line.start, found);
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
                _ => match self.begin(byte, reader, line, found) {
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
    fn begin<'a, F: Findings<'a>>(
        &mut self,
        first: u8,
        reader: &mut Reader,
        line: &mut Line<'a>,
        found: &mut F,
    ) -> Result<bool, Failed> {
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
            Ok(Some(_)) if line.events >= MAX_RECORDS => return Err(Failed),
            Ok(Some(record)) => {
                line.events += 1;
                reader.event(line.number, line.cursor.text, &record, found);
            }
            Err(malformed) if malformed.fault != Fault::Incomplete => return Err(Failed),
            Err(_) => {
                line.cursor.pos = start;
                reader.walk.begin(1);
                reader.walk.feed(&mut line.cursor).map_err(|_| Failed)?;
                self.element = Some(OpenElement { is_object, place: ElementStart::InLine(start) });
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// An element that began on an earlier line ends on this one.
    fn finish<'a, F: Findings<'a>>(
        &mut self,
        element: &OpenElement,
        reader: &mut Reader,
        line: &mut Line<'a>,
        found: &mut F,
    ) {
        self.expect = Expect::Comma;
        let (ElementStart::BufferedLine(start), Some(mut buffered)) = (element.place, self.buffered.take()) else {
            line.no_events = NoEvents::TooLong;
            return;
        };
        let tail = line.cursor.text.get(..line.cursor.pos).unwrap_or_default();
        if buffered.text.len() - start + tail.len() > self.max {
            line.no_events = NoEvents::TooLong;
            return buffered.too_long().settle(self.max, NoEvents::TooLong, reader, found);
        }
        buffered.events(self.max, reader, found);
        buffered.has_events |= element.is_object;
        buffered.notes(self.max, NoEvents::Joined, found);
        if element.is_object {
            append(&mut buffered.text, tail);
            let whole = buffered.text.get_mut(start..).unwrap_or_default();
            let record = on_one_line(whole, 1, reader);
            reader.event(buffered.line, whole, &record, &mut Copied(found));
        }
    }

    /// Settles the line, or holds it back.
    fn end_of_line<'a, F: Findings<'a>>(&mut self, line: Line<'a>, is_first: bool, reader: &mut Reader, found: &mut F) {
        let text = line.cursor.text;
        match self.element.as_ref().map(|element| element.place) {
            None if is_blank(text) => {}
            None => {
                self.settle(reader, found);
                if is_first && line.events == 0 && line.no_events < NoEvents::TooLong {
                    self.buffered = Some(line.buffer(0, found));
                } else {
                    line.settle(self.max, found);
                }
            }
            Some(ElementStart::InLine(start)) => {
                self.settle(reader, found);
                if text.len() - start < self.max {
                    self.buffered = Some(line.buffer(start, found));
                    self.place(ElementStart::BufferedLine(start));
                } else {
                    line.too_long().settle(self.max, found);
                    self.place(ElementStart::Skipped);
                }
            }
            Some(ElementStart::BufferedLine(start)) => match &mut self.buffered {
                Some(buffered) if buffered.text.len() - start + text.len() < self.max => {
                    append(&mut buffered.text, text);
                }
                buffered => {
                    if let Some(buffered) = buffered.take() {
                        buffered.too_long().settle(self.max, NoEvents::TooLong, reader, found);
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

    fn settle<'a, F: Findings<'a>>(&mut self, reader: &mut Reader, found: &mut F) {
        if let Some(buffered) = self.buffered.take() {
            buffered.settle(self.max, NoEvents::Joined, reader, found);
        }
    }
}

struct Failed;
