//! The blocking side: an object's pieces through its guests.

use std::io::{Read, Write};

use super::guests::Guests;
use super::ledger::Outcome;
use super::outbox::{Outbox, SharedLedger};
use super::rewrite::{NewLines, RewriteStage};
use super::transform::TransformStage;
use super::{Halt, Job, Stop};
use crate::guest::Context;
use crate::model::Reason;
use crate::object::{Chunk, LineReader, Piece, Rest};

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

/// Everything that the blocking side works with.
pub(super) struct Reading<W> {
    pub(super) guests: Guests,
    pub(super) stages: Stages<W>,
    pub(super) ledger: SharedLedger,
    pub(super) outbox: Outbox,
    pub(super) stop: Stop,
    /// Bytes of lines that a guest is given at once.
    pub(super) chunk_bytes: usize,
    /// Why the rest of the object was not read, if so.
    pub(super) cut_short: Option<Reason>,
    /// Bytes that were read, decompressed.
    pub(super) read_bytes: u64,
}

impl<W: Write> Reading<W> {
    /// Stages for events.
    pub(super) fn event_stages(guests: &Guests, job: &Job) -> Stages<W> {
        let rewrite = guests.rewrites().then(|| RewriteStage::new(job.limits.max_line_bytes));
        Stages::Events { transform: TransformStage::new(rewrite.is_some()), rewrite }
    }

    /// Stages for a rewritten object.
    pub(super) fn line_stages(to: W, job: &Job) -> Stages<W> {
        Stages::Lines { rewrite: RewriteStage::new(job.limits.max_line_bytes), to }
    }

    /// Reads all of the object.
    pub(super) fn run<R: Read>(&mut self, context: &Context<'_>, lines: &mut LineReader<R>) -> Result<(), Halt> {
        self.begin(context)?;
        while let Some(piece) = lines.next_piece().map_err(Halt::Read)? {
            if self.stop.is_asked() {
                return Err(Halt::Stopped);
            }
            match piece {
                Piece::Chunk(chunk) => {
                    self.read_bytes = chunk.offset + chunk.bytes.len() as u64;
                    if let Some(used) = self.chunk(chunk)? {
                        lines.recycle(used);
                    }
                }
                Piece::TooLong { line, offset, length, head } => {
                    self.read_bytes = offset + length;
                    let detail = format!("the line has {length} bytes, over MAX_LINE_BYTES");
                    self.without_guest(Reason::LineTooLong, 1);
                    self.outbox.part(Reason::LineTooLong, detail, line, offset, length, head);
                }
                Piece::Rest(rest) => self.rest(rest),
            }
        }
        self.end()?;
        self.outbox.finish()
    }

    fn begin(&mut self, context: &Context<'_>) -> Result<(), Halt> {
        if self.guests.rewrites() {
            self.guests.rewriter(|guest| guest.begin_rewrite(context))?;
        }
        if let Stages::Events { .. } = self.stages {
            self.guests.transformer(|guest| guest.begin_transform(context))?;
        }
        Ok(())
    }

    fn chunk(&mut self, chunk: Chunk) -> Result<Option<Chunk>, Halt> {
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
    fn rewritten(&mut self, lines: NewLines) -> Result<(), Halt> {
        if lines.sources.is_empty() {
            return Ok(());
        }
        match &mut self.stages {
            Stages::Events { transform, .. } => {
                let Self { guests, ledger, outbox, .. } = self;
                let mut chunks = lines.into_chunks(transform.next_line(), self.chunk_bytes).into_iter();
                chunks.try_for_each(|(chunk, sources)| transform.rewritten(chunk, sources, guests, ledger, outbox))
            }
            Stages::Lines { to, .. } => to.write_all(&lines.bytes).map_err(Halt::Write),
        }
    }

    fn end(&mut self) -> Result<(), Halt> {
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

    fn rest(&mut self, rest: Rest) {
        self.read_bytes = rest.offset + rest.length;
        self.without_guest(rest.reason, u64::from(rest.partial));
        self.cut_short = Some(rest.reason);
        self.outbox.part(rest.reason, rest.detail, rest.line, rest.offset, rest.length, rest.head);
    }

    /// Lines that no guest gets to see.
    fn without_guest(&self, reason: Reason, lines: u64) {
        let mut ledger = self.ledger.lock();
        ledger.saw(0, lines);
        ledger.settle(lines, Outcome::DeadLettered(reason));
    }
}
