//! The blocking side: an object's pieces through its guests.

use std::io::{Read, Write};

use super::guests::Guests;
use super::ledger::Outcome;
use super::outbox::{Outbox, SharedLedger};
use super::rewrite::{NewLines, RewriteStage};
use super::shadow::Shadow;
use super::transform::TransformStage;
use super::{Halt, Job, Stop};
use crate::object::{Chunk, LineReader, Piece, Rest};
use model::Reason;
use sandbox::{Context, GuestError};

impl Job {
    /// What its guests are told.
    pub fn context<'a>(&'a self, settings: &'a [(String, String)]) -> Context<'a> {
        Context {
            origin: &self.origin,
            delivery: &self.delivery,
            object: &self.object,
            settings,
            now: self.now,
            last_modified: self.last_modified,
            max_line_bytes: self.limits.max_line_bytes,
            timestamp_numbers: self.timestamp_numbers,
        }
    }
}

/// What the lines of an object go through.
pub(super) enum Stages<W> {
    /// Lines to events.
    Events { rewrite: Option<RewriteStage>, transform: TransformStage },
    /// Lines to lines, to a writer.
    Lines { rewrite: RewriteStage, to: W },
}

/// The way of lines through guests.
pub(super) struct Chain<W> {
    pub(super) guests: Guests,
    pub(super) stages: Stages<W>,
    pub(super) ledger: SharedLedger,
    pub(super) outbox: Outbox,
    /// Bytes of lines that a guest is given at once.
    pub(super) chunk_bytes: usize,
}

impl<W: Write> Chain<W> {
    /// Stages for events.
    pub(super) fn event_stages(guests: &Guests, job: &Job) -> Stages<W> {
        let rewrite = guests.rewrites().then(|| RewriteStage::new(job.limits.max_line_bytes));
        Stages::Events { transform: TransformStage::new(rewrite.is_some()), rewrite }
    }

    /// Stages for a rewritten object.
    pub(super) fn line_stages(to: W, job: &Job) -> Stages<W> {
        Stages::Lines { rewrite: RewriteStage::new(job.limits.max_line_bytes), to }
    }

    pub(super) fn begin(&mut self, job: &Job) -> Result<(), Halt> {
        let events = matches!(self.stages, Stages::Events { .. });
        Ok(self.guests.begin(job.clone(), events)?)
    }

    /// Returns a chunk whose buffer can be used again.
    pub(super) fn chunk(&mut self, chunk: Chunk) -> Result<Option<Chunk>, Halt> {
        let Self { guests, stages, ledger, outbox, .. } = self;
        match stages {
            Stages::Events { rewrite: None, transform } => transform.chunk(chunk, guests, ledger, outbox),
            Stages::Events { rewrite: Some(rewrite), .. } | Stages::Lines { rewrite, .. } => {
                let lines = rewrite.chunk(chunk, guests, ledger, outbox)?;
                self.rewritten(lines)?;
                Ok(None)
            }
        }
    }

    /// A rewriter's lines: on to the transformer, or to the writer.
    fn rewritten(&mut self, mut lines: NewLines) -> Result<(), Halt> {
        let then = lines.then.take().map_or(Ok(()), Err);
        if lines.sources.is_empty() {
            return then;
        }
        let Self { guests, ledger, outbox, .. } = self;
        match &mut self.stages {
            Stages::Events { transform, .. } => {
                let mut chunks = lines.into_chunks(transform.next_line(), self.chunk_bytes).into_iter();
                chunks.try_for_each(|(chunk, sources)| transform.rewritten(chunk, sources, guests, ledger, outbox))
            }
            Stages::Lines { to, .. } => {
                outbox.written(&lines.bytes, lines.sources.iter().map(|source| source.line));
                to.write_all(&lines.bytes).map_err(Halt::Write)
            }
        }
        .and(then)
    }

    /// After the last line.
    pub(super) fn end(&mut self) -> Result<(), Halt> {
        let Self { guests, stages, ledger, outbox, .. } = self;
        if let Stages::Events { rewrite: Some(rewrite), .. } | Stages::Lines { rewrite, .. } = stages {
            let lines = rewrite.end(guests, ledger, outbox)?;
            self.rewritten(lines)?;
        }
        let Self { guests, stages, ledger, outbox, .. } = self;
        match stages {
            Stages::Events { transform, .. } => transform.end(guests, ledger, outbox),
            Stages::Lines { .. } => Ok(()),
        }
    }

    /// The first line that was given and is not settled by all of them.
    pub(super) fn first_open(&self) -> Option<u64> {
        match &self.stages {
            Stages::Events { rewrite, transform } => {
                let rewrite = rewrite.as_ref().and_then(RewriteStage::first_open);
                rewrite.into_iter().chain(transform.first_open()).min()
            }
            Stages::Lines { rewrite, .. } => rewrite.first_open(),
        }
    }
}

/// Everything that the blocking side works with.
pub(super) struct Reading<W> {
    pub(super) chain: Chain<W>,
    pub(super) shadow: Option<Shadow>,
    pub(super) stop: Stop,
    /// Why the rest of the object was not read, if so.
    pub(super) cut_short: Option<Reason>,
    /// Bytes that were read, decompressed.
    pub(super) read_bytes: u64,
}

impl<W: Write> Reading<W> {
    /// Reads all of the object.
    pub(super) fn run<R: Read>(&mut self, job: &Job, lines: &mut LineReader<R>) -> Result<(), Halt> {
        let mut result = self.read(job, lines);
        if stands(&result) {
            result = self.chain.outbox.finish().and(result);
        }
        if stands(&result) {
            self.end_shadow(result.is_err());
        }
        result
    }

    fn read<R: Read>(&mut self, job: &Job, lines: &mut LineReader<R>) -> Result<(), Halt> {
        self.chain.begin(job)?;
        while let Some(piece) = lines.next_piece().map_err(Halt::Read)? {
            if self.stop.is_requested() {
                return Err(Halt::Stopped);
            }
            let seen = self.shadow.as_mut().and_then(|shadow| shadow.saw(&piece));
            self.chain.outbox.looks_like(lines.looks_like());
            let result = self.piece(piece, lines, job);
            if stands(&result) {
                self.shadow(seen);
            }
            result?;
        }
        self.chain.end()
    }

    fn piece<R: Read>(&mut self, piece: Piece, lines: &mut LineReader<R>, job: &Job) -> Result<(), Halt> {
        match piece {
            Piece::Chunk(chunk) => {
                self.read_bytes = chunk.offset + chunk.bytes.len() as u64;
                if let Some(used) = self.chain.chunk(chunk)? {
                    lines.recycle(used);
                }
            }
            Piece::TooLong { line, offset, length, head } => {
                self.read_bytes = offset + length;
                let detail = format!("the line has {length} bytes, over MAX_LINE_BYTES");
                self.without_guest(Reason::LineTooLong, 1);
                self.chain.outbox.part(Reason::LineTooLong, detail, line, offset, length, head)?;
            }
            Piece::Rest(rest) => self.rest(rest, job)?,
        }
        Ok(())
    }

    fn rest(&mut self, rest: Rest, job: &Job) -> Result<(), Halt> {
        self.read_bytes = rest.offset + rest.length;
        self.without_guest(rest.reason, u64::from(rest.partial));
        self.cut_short = Some(rest.reason);
        // What is no part of the decompressed object lasts to the stored one's end.
        let length = rest.stored_from.map_or(rest.length, |from| job.stored_bytes.saturating_sub(from));
        self.chain.outbox.rest(rest.reason, rest.detail, rest.line, rest.offset, length, rest.head)
    }

    /// Lines that no guest gets to see.
    fn without_guest(&self, reason: Reason, lines: u64) {
        let mut ledger = self.chain.ledger.lock();
        ledger.saw(0, lines);
        ledger.settle(lines, Outcome::DeadLettered(reason));
    }

    /// The shadow's turn: it can wait, what is delivered and who stops it can't.
    fn shadow(&mut self, seen: Option<Piece>) {
        let Some(shadow) = self.shadow.as_mut().filter(|_| !self.stop.is_requested()) else { return };
        let open = self.chain.first_open();
        shadow.piece(seen, &mut self.chain.outbox.tap, open);
    }

    /// What the shadow held back, when all was handed over. `rejected`: the active
    /// guests would not have what they had not settled.
    fn end_shadow(&mut self, rejected: bool) {
        if self.stop.is_requested() {
            // What it has seen is less than the object.
            self.shadow = None;
        }
        let open = self.chain.first_open().filter(|_| rejected);
        let tap = &mut self.chain.outbox.tap;
        if let (Some(tap), Some(open)) = (tap.as_mut(), open) {
            tap.reject_from(open);
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.end(tap);
        }
    }
}

/// Whether what came out is delivered: after a rejection what came before it is.
fn stands(result: &Result<(), Halt>) -> bool {
    matches!(result, Ok(()) | Err(Halt::Guest(GuestError::Rejected { .. })))
}
