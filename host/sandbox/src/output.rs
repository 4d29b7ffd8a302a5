//! Output of guests: as they return it (raw), and as it is after the check.

use model::Event;

/// The fate of lines that led to no output of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Joined: part of a record that is reported under an earlier line.
    Joined,
    /// Malformed: no record; with the guest's reason.
    Malformed(String),
    /// Rejected: a record that must not be delivered; with the guest's reason.
    Rejected(String),
}

/// A verdict over the lines `first..=last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// First line.
    pub first: u64,
    /// Last line.
    pub last: u64,
    /// Fate of these lines.
    pub verdict: Verdict,
}

/// Events of the lines before `pending_from` that were not settled before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transformed {
    /// Events, ascending by line.
    pub events: Vec<Event>,
    /// Notes, ascending; none covers a line that has events.
    pub notes: Vec<Note>,
    /// The first line that is not settled.
    pub pending_from: u64,
}

/// Lines that a rewriter made of the lines before `pending_from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Lines, each ended by a newline.
    pub lines: Vec<u8>,
    /// Source of each line, ascending.
    pub sources: Vec<u64>,
    /// Notes, ascending; none covers a line that is a source.
    pub notes: Vec<Note>,
    /// The first line that is not settled.
    pub pending_from: u64,
}

/// Rewritten lines as a guest returns them: `checked` decides whether they are believed.
pub(crate) struct RawRewritten {
    pub(crate) lines: Vec<u8>,
    pub(crate) sources: Vec<u64>,
    pub(crate) notes: Vec<Note>,
    /// The first line that is held back; none: nothing is.
    pub(crate) pending_from: Option<u64>,
}

/// Events as a guest returns them: `checked` decides whether they are believed.
pub(crate) struct RawTransformed {
    pub(crate) events: Vec<Event>,
    pub(crate) notes: Vec<Note>,
    /// The first line that is held back; none: nothing is.
    pub(crate) pending_from: Option<u64>,
}
