//! The blocking side: an object's pieces through its guests.

use std::io::{Read, Write};

use super::chain::StageChain;
use super::halt::Halt;
use super::job::Job;
use super::ledger::LineOutcome;
use super::outbox::Undeliverable;
use super::shadow::Shadow;
use crate::object::{LineReader, Piece, Remainder};
use model::{Reason, Stop};
use sandbox::GuestError;

/// Everything that the blocking side works with.
pub(super) struct ReadSide<W> {
    pub(super) chain: StageChain<W>,
    pub(super) shadow: Option<Shadow>,
    pub(super) stop: Stop,
    /// Why the rest of the object was not read, if so.
    pub(super) cut_short: Option<Reason>,
    /// Bytes that were read, decompressed.
    pub(super) read_bytes: u64,
}

impl<W: Write> ReadSide<W> {
    /// Reads all of the object.
    pub(super) fn run<R: Read>(&mut self, job: &Job, lines: &mut LineReader<R>) -> Result<(), Halt> {
        let mut result = self.read(job, lines);
        if is_delivered(&result) {
            result = self.chain.context.outbox.finish().and(result);
        }
        if is_delivered(&result) {
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
            let seen = self.shadow.as_mut().and_then(|shadow| shadow.observe(&piece));
            self.chain.context.outbox.looks_like(lines.looks_like());
            let result = self.piece(piece, lines, job);
            if is_delivered(&result) {
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
                let reason = Reason::LineTooLong;
                let part = Undeliverable { reason, detail, line, offset: Some(offset), length, data: head };
                self.chain.context.outbox.push_partial_line(part)?;
            }
            Piece::Remainder(rest) => self.rest(rest, job)?,
        }
        Ok(())
    }

    fn rest(&mut self, rest: Remainder, job: &Job) -> Result<(), Halt> {
        self.read_bytes = rest.offset + rest.length;
        self.without_guest(rest.reason, u64::from(rest.partial));
        self.cut_short = Some(rest.reason);
        // What is no part of the decompressed object lasts to the stored one's end.
        let length = rest.stored_from.map_or(rest.length, |from| job.stored_bytes.saturating_sub(from));
        self.chain.context.outbox.push_remainder(Undeliverable {
            reason: rest.reason,
            detail: rest.detail,
            line: rest.line,
            offset: Some(rest.offset),
            length,
            data: rest.head,
        })
    }

    /// Lines that no guest gets to see.
    fn without_guest(&self, reason: Reason, lines: u64) {
        let mut ledger = self.chain.context.ledger.lock();
        ledger.add_read(0, lines);
        ledger.settle(lines, LineOutcome::DeadLettered(reason));
    }

    /// The shadow's turn: it can wait, what is delivered and who stops it can't.
    fn shadow(&mut self, seen: Option<Piece>) {
        let Some(shadow) = self.shadow.as_mut().filter(|_| !self.stop.is_requested()) else { return };
        let open = self.chain.first_open();
        shadow.piece(seen, &mut self.chain.context.outbox.tap, open);
    }

    /// What the shadow held back, when all was handed over. `rejected`: the active
    /// guests would not have what they had not settled.
    fn end_shadow(&mut self, rejected: bool) {
        if self.stop.is_requested() {
            // What it has seen is less than the object.
            self.shadow = None;
        }
        let open = self.chain.first_open().filter(|_| rejected);
        let tap = &mut self.chain.context.outbox.tap;
        if let (Some(tap), Some(open)) = (tap.as_mut(), open) {
            tap.reject_from(open);
        }
        if let Some(shadow) = &mut self.shadow {
            shadow.end(tap);
        }
    }
}

/// Whether what came out is delivered: after a rejection what came before it is.
fn is_delivered(result: &Result<(), Halt>) -> bool {
    matches!(result, Ok(()) | Err(Halt::Guest(GuestError::Rejected { .. })))
}
