//! A shadow beside an object that is copied as it is: the object is read once
//! more, and each line of the copy is compared.

use std::io::Read;

use super::super::component_run::ShadowRun;
use super::super::job::Job;
use super::super::open_lines::is_blank;
use super::super::plan::{OutputKind, Plan};
use super::super::tap::Tap;
use super::Shadow;
use crate::object::{Decompressor, LineReader, Piece};
use model::Stop;

impl Plan {
    /// Whether its shadow might leave something else of an object than its copy:
    /// then [`compare_copy`] has something to say.
    pub fn shadow_touches_copies(&self) -> bool {
        let exports = self.shadow.as_ref().map(|shadow| shadow.component.exports()).unwrap_or_default();
        exports.record_rewrite.is_some() || exports.log_filter.is_some()
    }
}

/// Compares an object that was copied with what the plan's shadow would have
/// left of it. `source` is the object as it is stored. None: there is no shadow,
/// it was stopped before its end, or the object can't be read now; no harm is done.
pub async fn compare_copy<R: Read + Send + 'static>(job: Job, plan: &Plan, source: R, stop: Stop) -> Option<ShadowRun> {
    let shadow = Shadow::of(plan, &job, OutputKind::Lines)?;
    let asked = stop.clone();
    let work = tokio::task::spawn_blocking(move || compare(&job, shadow, source, &asked));
    tokio::select! {
        biased;
        () = stop.abandoned() => None,
        run = work => run.ok().flatten(),
    }
}

fn compare<R: Read>(job: &Job, mut shadow: Shadow, source: R, stop: &Stop) -> Option<ShadowRun> {
    let mut active = Some(Tap::new(job));
    let memory = job.memory.clone();
    let claim = move || memory.claim_line().map_err(std::io::Error::other);
    let mut lines = LineReader::new(Decompressor::new(source), job.limits).with_claim(claim);
    while let Some(piece) = lines.next_piece().ok()? {
        if stop.is_requested() {
            return None;
        }
        if let Some(active) = &mut active {
            note_copied(active, &piece);
        }
        let seen = shadow.observe(&piece);
        shadow.piece(seen, &mut active, None);
        if let Piece::Chunk(chunk) = piece {
            lines.recycle(chunk);
        }
    }
    if stop.is_requested() {
        return None;
    }
    shadow.end(&mut active);
    Some(shadow.into_run())
}

/// In a copy each line is there as it is: those too that no guest is given.
pub(super) fn note_copied(tap: &mut Tap, piece: &Piece) {
    match piece {
        Piece::Chunk(chunk) => {
            let numbered = (chunk.first_line..).zip(chunk.lines());
            numbered.filter(|(_, line)| !is_blank(line)).for_each(|(number, line)| tap.line(number, line));
        }
        Piece::TooLong { line, head, .. } => tap.line(*line, head),
        Piece::Remainder(rest) if rest.partial => tap.line(rest.line, &rest.head),
        Piece::Remainder(_) => {}
    }
}
