//! Guests' notes: what they say about lines that led to no output.

use super::ledger::LineOutcome;
use super::open_lines::OpenLines;
use model::Reason;
use sandbox::{Note, Verdict};

/// The outcome of a note's lines, the reason of their dead letter, and the guest's words;
/// none: they are joined to a line before them.
pub(super) fn verdict(note: &Note) -> Option<(LineOutcome, Reason, &str)> {
    match &note.verdict {
        Verdict::Joined => None,
        Verdict::Malformed(text) => Some((LineOutcome::Malformed, Reason::Malformed, text)),
        Verdict::Rejected(text) => {
            Some((LineOutcome::DeadLettered(Reason::GuestRejected), Reason::GuestRejected, text))
        }
    }
}

/// Number of records that notes speak of.
pub(super) fn noted_records(notes: &[Note], open: &OpenLines) -> u64 {
    notes.iter().map(|note| open.records(note.first, note.last + 1)).sum()
}
