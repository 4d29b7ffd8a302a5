//! Lines through the tenant's rewriter, each accounted for. What comes out is
//! numbered from 0 and knows its sources.

use memchr::memchr_iter;

use super::feed::{feed, feed_to_the_end};
use super::guests::Guests;
use super::halt::Halt;
use super::ledger::{LineLedger, LineOutcome};
use super::notes::{noted_records, verdict};
use super::open_lines::{LineSpan, OpenLines};
use super::outbox::Outbox;
use super::plan::StageRole;
use super::stage::{Cursor, LineStage, StageContext};
use crate::object::Chunk;
use model::Reason;
use sandbox::{GuestError, Note, Rewritten};

/// Where a rewritten line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SourceLine {
    /// The object's line.
    pub(super) line: u64,
    /// Where that begins in the decompressed object.
    pub(super) offset: u64,
}

/// Lines that came out of a rewriter; the source of each is open in the ledger.
#[derive(Default)]
pub(super) struct RewrittenLines {
    /// Whole lines.
    pub(super) bytes: Vec<u8>,
    /// Where each comes from, ascending.
    pub(super) sources: Vec<SourceLine>,
    /// What came after them: the guest rejects the rest.
    pub(super) halted_by: Option<Halt>,
}

impl RewrittenLines {
    /// As chunks of about `chunk_bytes`, the first line of all number
    /// `first_line`, each with the sources of its lines.
    pub(super) fn into_chunks(self, first_line: u64, chunk_bytes: usize) -> Vec<(Chunk, Vec<SourceLine>)> {
        // Where a rewritten line would lie in the object has no answer.
        let mut chunk = Chunk { first_line, ..Chunk::default() };
        if self.bytes.len() <= chunk_bytes && !self.sources.is_empty() {
            chunk.ends = memchr_iter(b'\n', &self.bytes).map(|newline| newline + 1).collect();
            chunk.bytes = self.bytes;
            return vec![(chunk, self.sources)];
        }
        let (mut chunks, mut sources) = (Vec::new(), Vec::new());
        for (line, source) in whole_lines(&self.bytes).zip(self.sources) {
            if !sources.is_empty() && chunk.bytes.len() + line.len() > chunk_bytes {
                let next = Chunk { first_line: chunk.end_line(), ..Chunk::default() };
                chunks.push((std::mem::replace(&mut chunk, next), std::mem::take(&mut sources)));
            }
            chunk.bytes.extend_from_slice(line);
            chunk.ends.push(chunk.bytes.len());
            sources.push(source);
        }
        if !sources.is_empty() {
            chunks.push((chunk, sources));
        }
        chunks
    }
}

/// Each line with its newline, which every line has.
fn whole_lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut begin = 0;
    memchr_iter(b'\n', bytes).filter_map(move |newline| bytes.get(std::mem::replace(&mut begin, newline + 1)..=newline))
}

/// The stage between lines and lines.
pub(super) struct RewriteStage {
    open: OpenLines,
    cursor: Cursor,
    /// The line after the last.
    to: u64,
    max_line_bytes: usize,
    /// What came out and was not passed on yet.
    out: RewrittenLines,
}

impl RewriteStage {
    /// Lines that come out have at most `max_line_bytes`, as those that go in.
    pub(super) fn new(max_line_bytes: usize) -> Self {
        Self {
            open: OpenLines::default(),
            cursor: Cursor::default(),
            to: 0,
            max_line_bytes,
            out: RewrittenLines::default(),
        }
    }

    /// The first line that is not settled.
    pub(super) fn first_open(&self) -> Option<u64> {
        (self.cursor.from < self.to).then_some(self.cursor.from)
    }

    /// Puts a chunk through the guest.
    pub(super) fn chunk(&mut self, chunk: Chunk, context: &mut StageContext) -> Result<RewrittenLines, Halt> {
        self.to = chunk.end_line();
        let (blank, others) = self.open.push(chunk);
        context.ledger.lock().add_read(blank, others);
        let fed = feed(self, self.to, context);
        self.pass_on(fed)
    }

    /// After the last line.
    pub(super) fn end(&mut self, context: &mut StageContext) -> Result<RewrittenLines, Halt> {
        let ended = feed_to_the_end(self, self.to, context);
        self.pass_on(ended)
    }

    /// What came out. Lines that came before a rejection stand.
    fn pass_on(&mut self, result: Result<(), Halt>) -> Result<RewrittenLines, Halt> {
        self.open.release(self.cursor.from);
        let halted_by = match result {
            Err(rejected @ Halt::Guest(GuestError::Rejected { .. })) => Some(rejected),
            result => result.map(|()| None)?,
        };
        Ok(RewrittenLines { halted_by, ..std::mem::take(&mut self.out) })
    }

    fn settle(&mut self, out: Rewritten, ledger: &mut LineLedger) {
        let mut notes = out.notes.iter().peekable();
        let mut cursor = self.cursor.from;
        for of_source in out.sources.chunk_by(|a, b| a == b) {
            let Some(&line) = of_source.first() else { continue };
            while let Some(note) = notes.next_if(|note| note.last < line) {
                self.note(note, cursor, ledger);
                cursor = note.last + 1;
            }
            self.all(cursor, line, LineOutcome::Filtered, ledger);
            ledger.open(line, of_source.len() as u64);
            let offset = self.open.record(line).map_or(0, |(_, offset)| offset);
            self.out.sources.extend(of_source.iter().map(|_| SourceLine { line, offset }));
            cursor = line + 1;
        }
        for note in notes {
            self.note(note, cursor, ledger);
            cursor = note.last + 1;
        }
        self.all(cursor, out.pending_from, LineOutcome::Filtered, ledger);
        self.cursor.from = out.pending_from;
        if self.out.bytes.is_empty() {
            self.out.bytes = out.lines;
        } else {
            self.out.bytes.extend_from_slice(&out.lines);
        }
    }

    /// Each line has a source that was given, and is JSON; or it is its source
    /// unchanged: what was malformed before stays for the transformer to judge.
    fn check_lines(&self, function: &'static str, out: &Rewritten) -> Result<(), GuestError> {
        let broken = |what: String| Err(GuestError::Contract { function, what });
        for (line, &source) in whole_lines(&out.lines).zip(&out.sources) {
            let Some((given, _)) = self.open.record(source) else {
                return broken(format!("an output line has source {source}, which is blank or was not given"));
            };
            let line = line.strip_suffix(b"\n").unwrap_or(line);
            if line.len() > self.max_line_bytes {
                let bytes = line.len();
                return broken(format!("the output line of source {source} has {bytes} bytes, over MAX_LINE_BYTES"));
            }
            if line != given && serde_json::from_slice::<serde::de::IgnoredAny>(line).is_err() {
                return broken(format!("the output line of source {source} is no JSON"));
            }
        }
        Ok(())
    }

    /// The open lines before `to` as they are: what the default guest does alone.
    fn unchanged(&self, to: u64) -> Rewritten {
        let mut out = Rewritten { lines: Vec::new(), sources: Vec::new(), notes: Vec::new(), pending_from: to };
        for (line, bytes, _) in self.open.each_record(self.cursor.from, to) {
            out.lines.extend_from_slice(bytes);
            out.lines.push(b'\n');
            out.sources.push(line);
        }
        out
    }

    fn dead_letters(&self, notes: &[Note], outbox: &mut Outbox) -> Result<(), Halt> {
        for note in notes {
            let Some((_, reason, text)) = verdict(note) else { continue };
            for (line, bytes, offset) in self.open.each_record(note.first, note.last + 1) {
                outbox.push_refused_line(reason, text, line, offset, bytes)?;
            }
        }
        Ok(())
    }

    fn note(&self, note: &Note, cursor: u64, ledger: &mut LineLedger) {
        self.all(cursor, note.first, LineOutcome::Filtered, ledger);
        match verdict(note) {
            Some((outcome, ..)) => self.all(note.first, note.last + 1, outcome, ledger),
            None => ledger.join(self.open.records(note.first, note.last + 1)),
        }
    }

    fn all(&self, from: u64, to: u64, outcome: LineOutcome, ledger: &mut LineLedger) {
        if from < to {
            ledger.settle(self.open.records(from, to), outcome);
        }
    }
}

impl LineStage for RewriteStage {
    type Output = Rewritten;
    const ROLE: StageRole = StageRole::Rewrite;

    fn open(&self) -> &OpenLines {
        &self.open
    }

    fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    fn cursor_mut(&mut self) -> &mut Cursor {
        &mut self.cursor
    }

    fn give(&self, span: &LineSpan<'_>, guests: &mut Guests) -> Result<Rewritten, GuestError> {
        if !guests.rewrites() {
            return Ok(self.unchanged(span.end));
        }
        let open = self.cursor.from..span.end;
        let out = guests.rewriter(|guest| guest.rewrite(span.first, span.bytes, open))?;
        self.check_lines("rewrite", &out).map(|()| out)
    }

    fn finish(&self, to: u64, guests: &mut Guests) -> Result<Rewritten, GuestError> {
        if !guests.rewrites() {
            return Ok(self.unchanged(to));
        }
        let out = guests.rewriter(|guest| guest.end_rewrite(self.cursor.from..to))?;
        self.check_lines("end", &out).map(|()| out)
    }

    fn take(&mut self, out: Rewritten, context: &mut StageContext) -> Result<(), Halt> {
        self.dead_letters(&out.notes, &mut context.outbox)?;
        let sources = out.sources.chunk_by(|a, b| a == b).count() as u64;
        let spoken_of = sources + noted_records(&out.notes, &self.open);
        let dropped = self.open.records(self.cursor.from, out.pending_from).saturating_sub(spoken_of);
        context.guests.count_output(StageRole::Rewrite, out.sources.len() as u64, dropped);
        self.settle(out, &mut context.ledger.lock());
        context.outbox.send()
    }

    fn poison(&mut self, to: u64, detail: &str, context: &mut StageContext) -> Result<(), Halt> {
        for (line, bytes, offset) in self.open.each_record(self.cursor.from, to) {
            context.outbox.push_refused_line(Reason::Poison, detail, line, offset, bytes)?;
        }
        self.all(self.cursor.from, to, LineOutcome::DeadLettered(Reason::Poison), &mut context.ledger.lock());
        context.outbox.send()
    }
}
