//! Lines through the transformer, each accounted for.

use std::collections::VecDeque;

use super::feed::{feed, feed_to_the_end};
use super::guests::Guests;
use super::halt::Halt;
use super::ledger::{LineLedger, LineOutcome};
use super::notes::{noted_records, verdict};
use super::open_lines::{LineSpan, OpenLines};
use super::outbox::Outbox;
use super::plan::StageRole;
use super::rewrite::SourceLine;
use super::stage::{Cursor, LineStage, StageContext};
use crate::object::Chunk;
use model::{Event, Reason};
use sandbox::{GuestError, Note, Transformed};

/// Events of one line that are handed on together.
const PORTION_EVENTS: usize = 10_000;

/// What the numbers of the transformer's lines mean.
enum Numbering {
    /// They are the object's.
    Object,
    /// A rewriter's, numbered from 0: the source of each line from the first
    /// of them on that may still be spoken of.
    Rewritten { first: u64, sources: VecDeque<SourceLine> },
}

/// The stage between lines and events.
pub(super) struct TransformStage {
    open: OpenLines,
    cursor: Cursor,
    /// The line after the last.
    to: u64,
    numbering: Numbering,
}

impl TransformStage {
    /// Takes the object's own lines, or a rewriter's.
    pub(super) fn new(rewritten: bool) -> Self {
        let numbering =
            if rewritten { Numbering::Rewritten { first: 0, sources: VecDeque::new() } } else { Numbering::Object };
        Self { open: OpenLines::default(), cursor: Cursor::default(), to: 0, numbering }
    }

    /// The object's first line of which something is not settled.
    pub(super) fn first_open(&self) -> Option<u64> {
        (self.cursor.from < self.to).then(|| self.source(self.cursor.from).line)
    }

    /// Puts a chunk of the object through the guest; returns a chunk whose
    /// buffer can be used again.
    pub(super) fn chunk(&mut self, chunk: Chunk, context: &mut StageContext) -> Result<Option<Chunk>, Halt> {
        self.to = chunk.end_line();
        let (blank, others) = self.open.push(chunk);
        if matches!(self.numbering, Numbering::Object) {
            context.ledger.lock().add_read(blank, others);
        }
        feed(self, self.to, context)?;
        Ok(self.open.release(self.cursor.from))
    }

    /// Puts a rewriter's lines through the guest, with the source of each.
    pub(super) fn rewritten(
        &mut self,
        chunk: Chunk,
        sources: Vec<SourceLine>,
        context: &mut StageContext,
    ) -> Result<(), Halt> {
        if let Numbering::Rewritten { sources: known, .. } = &mut self.numbering {
            known.extend(sources);
        }
        self.chunk(chunk, context).map(drop)
    }

    /// The line after the last.
    pub(super) fn next_line(&self) -> u64 {
        self.to
    }

    /// After the last line.
    pub(super) fn end(&mut self, context: &mut StageContext) -> Result<(), Halt> {
        feed_to_the_end(self, self.to, context)
    }

    /// Dead letters go out as they are made: there may be one for each of
    /// millions of lines that were held back.
    fn dead_letters(&self, notes: &[Note], outbox: &mut Outbox) -> Result<(), Halt> {
        for note in notes {
            let Some((_, reason, text)) = verdict(note) else { continue };
            self.letters(note.first, note.last + 1, reason, text, outbox)?;
        }
        Ok(())
    }

    fn letters(&self, from: u64, to: u64, reason: Reason, text: &str, outbox: &mut Outbox) -> Result<(), Halt> {
        for (line, bytes, _) in self.open.each_record(from, to) {
            let source = self.source(line);
            outbox.push_refused_line(reason, text, source.line, source.offset, bytes)?;
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
    fn settle(&mut self, out: Transformed, context: &mut StageContext) -> Result<(), Halt> {
        let StageContext { ledger: shared, outbox, .. } = context;
        let mut notes = out.notes.into_iter().peekable();
        let mut events = out.events.into_iter();
        let mut cursor = self.cursor.from;
        let mut ledger = shared.lock();
        while let Some(line) = events.as_slice().first().map(|event| event.line) {
            while let Some(note) = notes.next_if(|note| note.last < line) {
                self.note(&note, cursor, &mut ledger);
                cursor = note.last + 1;
            }
            self.filtered(cursor, line, &mut ledger);
            let mut left = events.as_slice().iter().take_while(|event| event.line == line).count();
            let source = self.open_outputs(line, left as u64, &mut ledger);
            // A line may have millions: no more of them than a window are there twice.
            while left > 0 {
                let portion = left.min(PORTION_EVENTS);
                for event in events.by_ref().take(portion) {
                    outbox.push_event(Event { line: source.line, ..event }, source.offset, &mut ledger);
                }
                left -= portion;
                if left > 0 {
                    drop(ledger);
                    outbox.send()?;
                    ledger = shared.lock();
                }
            }
            cursor = line + 1;
        }
        for note in notes {
            self.note(&note, cursor, &mut ledger);
            cursor = note.last + 1;
        }
        self.filtered(cursor, out.pending_from, &mut ledger);
        drop(ledger);
        self.cursor.from = out.pending_from;
        self.forget_sources();
        outbox.send()
    }

    /// Opens the outputs of a line that has events; returns its source.
    fn open_outputs(&self, line: u64, events: u64, ledger: &mut LineLedger) -> SourceLine {
        let source = self.source(line);
        match &self.numbering {
            Numbering::Object => ledger.open(line, events),
            Numbering::Rewritten { .. } => ledger.add_events(source.line, events),
        }
        source
    }

    /// A note, and the lines before it that nothing was said of.
    fn note(&self, note: &Note, cursor: u64, ledger: &mut LineLedger) {
        self.filtered(cursor, note.first, ledger);
        let end = note.last + 1;
        match verdict(note) {
            Some((outcome, ..)) => self.all(note.first, end, outcome, ledger),
            None => self.joined(note.first, end, ledger),
        }
    }

    fn filtered(&self, from: u64, to: u64, ledger: &mut LineLedger) {
        self.all(from, to, LineOutcome::Filtered, ledger);
    }

    /// Lines without output get one outcome.
    fn all(&self, from: u64, to: u64, outcome: LineOutcome, ledger: &mut LineLedger) {
        if from >= to {
            return;
        }
        match &self.numbering {
            Numbering::Object => ledger.settle(self.open.records(from, to), outcome),
            Numbering::Rewritten { .. } => {
                for (line, ..) in self.open.each_record(from, to) {
                    ledger.output(self.source(line).line, outcome);
                }
            }
        }
    }

    fn joined(&self, from: u64, to: u64, ledger: &mut LineLedger) {
        match &self.numbering {
            Numbering::Object => ledger.join(self.open.records(from, to)),
            Numbering::Rewritten { .. } => {
                self.open.each_record(from, to).for_each(|(line, ..)| ledger.follow(self.source(line).line));
            }
        }
    }

    /// The object's line that a line comes from.
    fn source(&self, line: u64) -> SourceLine {
        let own = || SourceLine { line, offset: self.open.record(line).map_or(0, |(_, offset)| offset) };
        match &self.numbering {
            Numbering::Object => own(),
            Numbering::Rewritten { first, sources } => {
                let index = usize::try_from(line.saturating_sub(*first)).unwrap_or(usize::MAX);
                sources.get(index).copied().unwrap_or_else(own)
            }
        }
    }

    fn forget_sources(&mut self) {
        if let Numbering::Rewritten { first, sources } = &mut self.numbering {
            let settled = usize::try_from(self.cursor.from.saturating_sub(*first)).unwrap_or(usize::MAX);
            sources.drain(..settled.min(sources.len()));
            *first = self.cursor.from;
        }
    }
}

impl LineStage for TransformStage {
    type Output = Transformed;
    const ROLE: StageRole = StageRole::Transform;

    fn open(&self) -> &OpenLines {
        &self.open
    }

    fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    fn cursor_mut(&mut self) -> &mut Cursor {
        &mut self.cursor
    }

    fn give(&self, span: &LineSpan<'_>, guests: &mut Guests) -> Result<Transformed, GuestError> {
        let open = self.cursor.from..span.end;
        let out = guests.transformer(|guest| guest.transform(span.first, span.bytes, open))?;
        self.check_events("transform", &out).map(|()| out)
    }

    fn finish(&self, to: u64, guests: &mut Guests) -> Result<Transformed, GuestError> {
        let out = guests.transformer(|guest| guest.end_transform(self.cursor.from..to))?;
        self.check_events("end", &out).map(|()| out)
    }

    fn take(&mut self, out: Transformed, context: &mut StageContext) -> Result<(), Halt> {
        self.dead_letters(&out.notes, &mut context.outbox)?;
        let lines = out.events.chunk_by(|a, b| a.line == b.line).count() as u64;
        let spoken_of = lines + noted_records(&out.notes, &self.open);
        let dropped = self.open.records(self.cursor.from, out.pending_from).saturating_sub(spoken_of);
        context.guests.count_output(StageRole::Transform, out.events.len() as u64, dropped);
        self.settle(out, context)
    }

    fn poison(&mut self, to: u64, detail: &str, context: &mut StageContext) -> Result<(), Halt> {
        self.letters(self.cursor.from, to, Reason::Poison, detail, &mut context.outbox)?;
        self.all(self.cursor.from, to, LineOutcome::DeadLettered(Reason::Poison), &mut context.ledger.lock());
        context.outbox.send()
    }
}
