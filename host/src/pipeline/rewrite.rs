//! Lines through the tenant's rewriter, each accounted for. What comes out is
//! numbered from 0 and knows its sources.

use super::Halt;
use super::guests::Guests;
use super::ledger::{Ledger, Outcome};
use super::open::OpenLines;
use super::outbox::{Outbox, SharedLedger};
use super::transform::verdict;
use crate::guest::{GuestError, Note, Rewritten};
use crate::object::Chunk;

/// Lines that came out of a rewriter; the source of each is open in the ledger.
pub(super) struct NewLines {
    /// Whole lines.
    pub(super) bytes: Vec<u8>,
    /// The object's line that each comes from, ascending.
    pub(super) sources: Vec<u64>,
}

impl NewLines {
    /// As chunks of about `chunk_bytes`, the first line of all number
    /// `first_line`, each with the sources of its lines.
    pub(super) fn into_chunks(self, first_line: u64, chunk_bytes: usize) -> Vec<(Chunk, Vec<u64>)> {
        let mut chunks = Vec::new();
        // Where a rewritten line would lie in the object has no answer.
        let mut chunk = Chunk { first_line, ..Chunk::default() };
        let mut sources = Vec::new();
        let lines = self.bytes.split_inclusive(|&byte| byte == b'\n');
        for (line, source) in lines.zip(self.sources) {
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

/// The stage between lines and lines.
pub(super) struct RewriteStage {
    open: OpenLines,
    from: u64,
    to: u64,
    max_line_bytes: usize,
}

impl RewriteStage {
    /// Lines that come out have at most `max_line_bytes`, as those that go in.
    pub(super) fn new(max_line_bytes: usize) -> Self {
        Self { open: OpenLines::default(), from: 0, to: 0, max_line_bytes }
    }

    /// Puts a chunk through the guest.
    pub(super) fn chunk(
        &mut self,
        chunk: Chunk,
        guests: &mut Guests,
        ledger: &SharedLedger,
        outbox: &mut Outbox,
    ) -> Result<NewLines, Halt> {
        let first = chunk.first_line;
        self.to = chunk.end_line();
        let (blank, others) = self.open.push(chunk);
        ledger.lock().saw(blank, others);
        let bytes = self.open.newest().map(|chunk| chunk.bytes.as_slice()).unwrap_or_default();
        let out = guests.rewriter(|guest| guest.rewrite(first, bytes, (self.from, self.to)))?;
        self.check_lines("rewrite", &out)?;
        self.dead_letters(&out.notes, outbox)?;
        let lines = self.settle(out, &mut ledger.lock());
        outbox.send()?;
        self.open.release(self.from);
        Ok(lines)
    }

    /// After the last line.
    pub(super) fn end(
        &mut self,
        guests: &mut Guests,
        ledger: &SharedLedger,
        outbox: &mut Outbox,
    ) -> Result<NewLines, Halt> {
        let out = guests.rewriter(|guest| guest.end_rewrite((self.from, self.to)))?;
        self.check_lines("end", &out)?;
        self.dead_letters(&out.notes, outbox)?;
        let lines = self.settle(out, &mut ledger.lock());
        outbox.send()?;
        Ok(lines)
    }

    fn settle(&mut self, out: Rewritten, ledger: &mut Ledger) -> NewLines {
        let mut notes = out.notes.iter().peekable();
        let mut cursor = self.from;
        for of_source in out.sources.chunk_by(|a, b| a == b) {
            let Some(&source) = of_source.first() else { continue };
            while let Some(note) = notes.next_if(|note| note.last < source) {
                self.note(note, cursor, ledger);
                cursor = note.last + 1;
            }
            self.all(cursor, source, Outcome::Filtered, ledger);
            ledger.open(source, of_source.len() as u64);
            cursor = source + 1;
        }
        for note in notes {
            self.note(note, cursor, ledger);
            cursor = note.last + 1;
        }
        self.all(cursor, out.pending_from, Outcome::Filtered, ledger);
        self.from = out.pending_from;
        NewLines { bytes: out.lines, sources: out.sources }
    }

    /// Each line has a source that was given, and is JSON; or it is its source
    /// unchanged: what was malformed before stays for the transformer to judge.
    fn check_lines(&self, function: &'static str, out: &Rewritten) -> Result<(), GuestError> {
        let broken = |what: String| Err(GuestError::Contract { function, what });
        let lines = out.lines.split_inclusive(|&byte| byte == b'\n');
        for (line, &source) in lines.zip(&out.sources) {
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

    fn dead_letters(&self, notes: &[Note], outbox: &mut Outbox) -> Result<(), Halt> {
        for note in notes {
            let Some((_, reason, text)) = verdict(note) else { continue };
            for (line, bytes, offset) in self.open.each_record(note.first, note.last + 1) {
                outbox.line(reason, text, line, offset, bytes)?;
            }
        }
        Ok(())
    }

    fn note(&self, note: &Note, cursor: u64, ledger: &mut Ledger) {
        self.all(cursor, note.first, Outcome::Filtered, ledger);
        match verdict(note) {
            Some((outcome, ..)) => self.all(note.first, note.last + 1, outcome, ledger),
            None => ledger.join(self.open.records(note.first, note.last + 1)),
        }
    }

    fn all(&self, from: u64, to: u64, outcome: Outcome, ledger: &mut Ledger) {
        if from < to {
            ledger.settle(self.open.records(from, to), outcome);
        }
    }
}
