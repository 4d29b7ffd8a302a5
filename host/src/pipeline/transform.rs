//! Lines through the transformer, each accounted for.

use std::collections::VecDeque;

use super::Halt;
use super::guests::Guests;
use super::ledger::{Ledger, Outcome};
use super::open::OpenLines;
use super::outbox::{Outbox, SharedLedger};
use crate::guest::{GuestError, Note, Transformed, Verdict};
use crate::model::{Event, Reason};
use crate::object::Chunk;

/// What a note means for its lines: outcome, reason of the dead letter, words;
/// none: they are joined to a line before them.
pub(super) fn verdict(note: &Note) -> Option<(Outcome, Reason, &str)> {
    match &note.verdict {
        Verdict::Joined => None,
        Verdict::Malformed(text) => Some((Outcome::Malformed, Reason::Malformed, text)),
        Verdict::Rejected(text) => Some((Outcome::DeadLettered(Reason::GuestRejected), Reason::GuestRejected, text)),
    }
}

/// What the numbers of the transformer's lines mean.
enum Numbering {
    /// They are the object's.
    Object,
    /// A rewriter's, numbered from 0: the source of each line from the first
    /// of them on that may still be spoken of.
    Rewritten { first: u64, sources: VecDeque<u64> },
}

/// The stage between lines and events.
pub(super) struct TransformStage {
    open: OpenLines,
    /// First line that is not settled.
    from: u64,
    /// The line after the last that was given.
    to: u64,
    numbering: Numbering,
}

impl TransformStage {
    /// Takes the object's own lines, or a rewriter's.
    pub(super) fn new(rewritten: bool) -> Self {
        let numbering =
            if rewritten { Numbering::Rewritten { first: 0, sources: VecDeque::new() } } else { Numbering::Object };
        Self { open: OpenLines::default(), from: 0, to: 0, numbering }
    }

    /// Puts a chunk of the object through the guest; returns a chunk whose
    /// buffer can be used again.
    pub(super) fn chunk(
        &mut self,
        chunk: Chunk,
        guests: &mut Guests,
        ledger: &SharedLedger,
        outbox: &mut Outbox,
    ) -> Result<Option<Chunk>, Halt> {
        let first = chunk.first_line;
        self.to = chunk.end_line();
        let (blank, others) = self.open.push(chunk);
        if matches!(self.numbering, Numbering::Object) {
            ledger.lock().saw(blank, others);
        }
        let bytes = self.open.newest().map(|chunk| chunk.bytes.as_slice()).unwrap_or_default();
        let out = guests.transformer(|guest| guest.transform(first, bytes, (self.from, self.to)))?;
        self.check_events("transform", &out)?;
        self.dead_letters(&out.notes, outbox)?;
        self.settle(out, &mut ledger.lock(), outbox);
        outbox.send()?;
        Ok(self.open.release(self.from))
    }

    /// Puts a rewriter's lines through the guest, with the source of each.
    pub(super) fn rewritten(
        &mut self,
        chunk: Chunk,
        sources: Vec<u64>,
        guests: &mut Guests,
        ledger: &SharedLedger,
        outbox: &mut Outbox,
    ) -> Result<(), Halt> {
        if let Numbering::Rewritten { sources: known, .. } = &mut self.numbering {
            known.extend(sources);
        }
        self.chunk(chunk, guests, ledger, outbox).map(drop)
    }

    /// The line after the last that was given.
    pub(super) fn next_line(&self) -> u64 {
        self.to
    }

    /// After the last line.
    pub(super) fn end(&mut self, guests: &mut Guests, ledger: &SharedLedger, outbox: &mut Outbox) -> Result<(), Halt> {
        let out = guests.transformer(|guest| guest.end_transform((self.from, self.to)))?;
        self.check_events("end", &out)?;
        self.dead_letters(&out.notes, outbox)?;
        self.settle(out, &mut ledger.lock(), outbox);
        outbox.send()
    }

    /// Dead letters go out as they are made: there may be one for each of
    /// millions of lines that were held back.
    fn dead_letters(&self, notes: &[Note], outbox: &mut Outbox) -> Result<(), Halt> {
        for note in notes {
            let Some((_, reason, text)) = verdict(note) else { continue };
            for (line, bytes, offset) in self.open.each_record(note.first, note.last + 1) {
                outbox.line(reason, text, self.source(line), offset, bytes)?;
            }
        }
        Ok(())
    }

    /// Events are of lines that were given: looked at before anything goes out.
    fn check_events(&self, function: &'static str, out: &Transformed) -> Result<(), GuestError> {
        for event in out.events.chunk_by(|a, b| a.line == b.line).filter_map(|of_line| of_line.first()) {
            if self.open.record(event.line).is_none() {
                let what = format!("line {} has events, but it is blank or was not given", event.line);
                return Err(GuestError::Contract { function, what });
            }
        }
        Ok(())
    }

    /// Gives each line before `pending_from` its outcome, or its open outputs.
    fn settle(&mut self, out: Transformed, ledger: &mut Ledger, outbox: &mut Outbox) {
        let mut notes = out.notes.into_iter().peekable();
        let mut events = out.events.into_iter().peekable();
        let mut cursor = self.from;
        while let Some(line) = events.peek().map(|event| event.line) {
            while let Some(note) = notes.next_if(|note| note.last < line) {
                self.note(&note, cursor, ledger);
                cursor = note.last + 1;
            }
            self.filtered(cursor, line, ledger);
            let of_line = std::iter::from_fn(|| events.next_if(|event| event.line == line)).collect();
            self.events(line, of_line, ledger, outbox);
            cursor = line + 1;
        }
        for note in notes {
            self.note(&note, cursor, ledger);
            cursor = note.last + 1;
        }
        self.filtered(cursor, out.pending_from, ledger);
        self.from = out.pending_from;
        self.forget_sources();
    }

    /// The events of one line.
    fn events(&self, line: u64, events: Vec<Event>, ledger: &mut Ledger, outbox: &mut Outbox) {
        let offset = self.open.record(line).map_or(0, |(_, offset)| offset);
        let source = match &self.numbering {
            Numbering::Object => {
                ledger.open(line, events.len() as u64);
                line
            }
            Numbering::Rewritten { .. } => {
                let source = self.source(line);
                ledger.report(source, events.len() as u64);
                source
            }
        };
        for event in events {
            outbox.event(Event { line: source, ..event }, offset, ledger);
        }
    }

    /// A note, and the lines before it that nothing was said of.
    fn note(&self, note: &Note, cursor: u64, ledger: &mut Ledger) {
        self.filtered(cursor, note.first, ledger);
        let end = note.last + 1;
        match verdict(note) {
            Some((outcome, ..)) => self.all(note.first, end, outcome, ledger),
            None => self.joined(note.first, end, ledger),
        }
    }

    fn filtered(&self, from: u64, to: u64, ledger: &mut Ledger) {
        self.all(from, to, Outcome::Filtered, ledger);
    }

    /// Lines without output get one outcome.
    fn all(&self, from: u64, to: u64, outcome: Outcome, ledger: &mut Ledger) {
        if from >= to {
            return;
        }
        match &self.numbering {
            Numbering::Object => ledger.settle(self.open.records(from, to), outcome),
            Numbering::Rewritten { .. } => {
                for (line, ..) in self.open.each_record(from, to) {
                    ledger.output(self.source(line), outcome);
                }
            }
        }
    }

    fn joined(&self, from: u64, to: u64, ledger: &mut Ledger) {
        match &self.numbering {
            Numbering::Object => ledger.join(self.open.records(from, to)),
            Numbering::Rewritten { .. } => {
                self.open.each_record(from, to).for_each(|(line, ..)| ledger.follow(self.source(line)));
            }
        }
    }

    /// The object's line that a line comes from.
    fn source(&self, line: u64) -> u64 {
        match &self.numbering {
            Numbering::Object => line,
            Numbering::Rewritten { first, sources } => {
                let index = usize::try_from(line.saturating_sub(*first)).unwrap_or(usize::MAX);
                sources.get(index).copied().unwrap_or(line)
            }
        }
    }

    fn forget_sources(&mut self) {
        if let Numbering::Rewritten { first, sources } = &mut self.numbering {
            let settled = usize::try_from(self.from.saturating_sub(*first)).unwrap_or(usize::MAX);
            sources.drain(..settled.min(sources.len()));
            *first = self.from;
        }
    }
}
