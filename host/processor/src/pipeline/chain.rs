//! The stages that an object's lines go through, one after the other.

use std::io::Write;

use super::guests::Guests;
use super::halt::Halt;
use super::job::Job;
use super::plan::OutputKind;
use super::rewrite::{RewriteStage, RewrittenLines};
use super::stage::StageContext;
use super::transform::TransformStage;
use crate::object::Chunk;

/// What the lines of an object go through.
pub(super) enum Stages<W> {
    /// Lines to events.
    Events { rewrite: Option<RewriteStage>, transform: TransformStage },
    /// Lines to lines, to a writer.
    Lines { rewrite: RewriteStage, to: W },
}

/// The way of lines through guests.
pub(super) struct StageChain<W> {
    pub(super) context: StageContext,
    pub(super) stages: Stages<W>,
    /// Bytes of lines that a guest is given at once.
    pub(super) chunk_bytes: usize,
}

impl<W> Stages<W> {
    /// What comes out.
    pub(super) fn output(&self) -> OutputKind {
        match self {
            Self::Events { .. } => OutputKind::Events,
            Self::Lines { .. } => OutputKind::Lines,
        }
    }
}

impl<W: Write> StageChain<W> {
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
        Ok(self.context.guests.begin(job.clone(), self.stages.output())?)
    }

    /// Returns a chunk whose buffer can be used again.
    pub(super) fn chunk(&mut self, chunk: Chunk) -> Result<Option<Chunk>, Halt> {
        let Self { context, stages, .. } = self;
        match stages {
            Stages::Events { rewrite: None, transform } => transform.chunk(chunk, context),
            Stages::Events { rewrite: Some(rewrite), .. } | Stages::Lines { rewrite, .. } => {
                let lines = rewrite.chunk(chunk, context)?;
                self.rewritten(lines)?;
                Ok(None)
            }
        }
    }

    /// A rewriter's lines: on to the transformer, or to the writer.
    fn rewritten(&mut self, mut lines: RewrittenLines) -> Result<(), Halt> {
        let then = lines.halted_by.take().map_or(Ok(()), Err);
        if lines.sources.is_empty() {
            return then;
        }
        let Self { context, stages, chunk_bytes } = self;
        match stages {
            Stages::Events { transform, .. } => {
                let mut chunks = lines.into_chunks(transform.next_line(), *chunk_bytes).into_iter();
                chunks.try_for_each(|(chunk, sources)| transform.rewritten(chunk, sources, context))
            }
            Stages::Lines { to, .. } => {
                context.outbox.note_written(&lines.bytes, lines.sources.iter().map(|source| source.line));
                to.write_all(&lines.bytes).map_err(Halt::Write)
            }
        }
        .and(then)
    }

    /// After the last line.
    pub(super) fn end(&mut self) -> Result<(), Halt> {
        let Self { context, stages, .. } = self;
        if let Stages::Events { rewrite: Some(rewrite), .. } | Stages::Lines { rewrite, .. } = stages {
            let lines = rewrite.end(context)?;
            self.rewritten(lines)?;
        }
        let Self { context, stages, .. } = self;
        match stages {
            Stages::Events { transform, .. } => transform.end(context),
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
