//! Both sides, line by line: each line that is not blank is counted once.

use std::collections::VecDeque;

use super::super::component_run::{Difference, ShadowRun};
use super::super::open_lines::is_blank;
use super::super::tap::LineOutput;
use crate::object::Piece;

/// Differences that are kept of an object.
const MAX_SAMPLES: usize = 10;

/// Lines that are not blank, and not counted yet: runs of numbers, ascending, each
/// from its first to the one after its last.
#[derive(Debug, Default)]
pub(super) struct UncountedLines(VecDeque<(u64, u64)>);

impl UncountedLines {
    /// Takes a piece's lines; returns the line after the last.
    pub(super) fn observe(&mut self, piece: &Piece) -> u64 {
        match piece {
            Piece::Chunk(chunk) => {
                let numbered = (chunk.first_line..).zip(chunk.lines());
                numbered.filter(|(_, line)| !is_blank(line)).for_each(|(number, _)| self.push(number));
                chunk.end_line()
            }
            Piece::TooLong { line, .. } => {
                self.push(*line);
                line + 1
            }
            Piece::Remainder(rest) if rest.partial => {
                self.push(rest.line);
                rest.line + 1
            }
            Piece::Remainder(rest) => rest.line,
        }
    }

    fn push(&mut self, line: u64) {
        match self.0.back_mut() {
            Some((_, end)) if *end == line => *end += 1,
            _ => self.0.push_back((line, line + 1)),
        }
    }

    /// Takes out the next line, if it is one before `to`.
    pub(super) fn next_before(&mut self, to: u64) -> Option<u64> {
        let (next, end) = self.0.front_mut()?;
        let line = *next;
        if line >= to {
            return None;
        }
        *next += 1;
        if next == end {
            self.0.pop_front();
        }
        Some(line)
    }

    /// Takes out all; returns how many there were.
    pub(super) fn take_all(&mut self) -> u64 {
        self.0.drain(..).map(|(from, to)| to - from).sum()
    }

    /// Runs.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Counts a line that both sides have settled.
pub(super) fn count(run: &mut ShadowRun, line: u64, active: LineOutput, shadow: LineOutput) {
    let (counter, kind) = match (active.is_there(), shadow.is_there()) {
        _ if active.equals(&shadow) => return run.same += 1,
        // Why a line has no output is nothing to ask of who would not read it.
        (false, _) if run.unwanted => return run.same += 1,
        (true, false) => (&mut run.dropped, "dropped"),
        (false, true) => (&mut run.added, "added"),
        (true, true) | (false, false) => (&mut run.changed, "changed"),
    };
    *counter += 1;
    if run.samples.len() < MAX_SAMPLES {
        run.samples.push(Difference { line, kind, active: active.in_words(), shadow: shadow.in_words() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::{Decompressor, LineReader, ReadLimits};

    #[test]
    fn each_line_that_is_not_blank_comes_once() {
        for chunk_bytes in [1, 5, 1000] {
            let limits = ReadLimits { chunk_bytes, max_line_bytes: 5, max_object_bytes: 22 };
            let text = "a\nb\n\n \nc\ntoo long\nd\nnot read";
            let mut reader = LineReader::new(Decompressor::new(text.as_bytes()), limits);
            let (mut records, mut to) = (UncountedLines::default(), 0);
            while let Some(piece) = reader.next_piece().unwrap() {
                to = records.observe(&piece);
            }
            assert_eq!((to, records.len()), (8, 2), "{chunk_bytes} {records:?}");
            assert_eq!((records.next_before(0), records.next_before(1)), (None, Some(0)));
            assert_eq!(std::iter::from_fn(|| records.next_before(6)).collect::<Vec<_>>(), [1, 4, 5]);
            assert_eq!((records.take_all(), records.len()), (2, 0));
        }
    }
}
