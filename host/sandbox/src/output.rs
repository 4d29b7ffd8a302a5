//! What guests return: as they say it, and as it is once it was checked.

use model::Event;

/// What became of lines that led to no output of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Part of a record that is reported under an earlier line.
    Joined,
    /// Not a record; the guest's reason.
    Malformed(String),
    /// A record that must not be delivered; the guest's reason.
    Rejected(String),
}

/// A verdict over the lines `first..=last`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// First line.
    pub first: u64,
    /// Last line.
    pub last: u64,
    /// What became of them.
    pub verdict: Verdict,
}

/// Events of the lines before `pending_from` that were not settled before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transformed {
    /// Ascending by line.
    pub events: Vec<Event>,
    /// Ascending; none covers a line that has events.
    pub notes: Vec<Note>,
    /// Lines before this one are settled.
    pub pending_from: u64,
}

/// Lines that a rewriter made of the lines before `pending_from`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rewritten {
    /// Each ended by a newline.
    pub lines: Vec<u8>,
    /// For each line its source, ascending.
    pub sources: Vec<u64>,
    /// Ascending; none covers a line that is a source.
    pub notes: Vec<Note>,
    /// Lines before this one are settled.
    pub pending_from: u64,
}

/// Lines, as a guest says: `checked` decides whether it is believed.
pub(crate) struct RawRewritten {
    pub(crate) lines: Vec<u8>,
    pub(crate) sources: Vec<u64>,
    pub(crate) notes: Vec<Note>,
    /// None: nothing is held back.
    pub(crate) pending_from: Option<u64>,
}

/// Events, as a guest says: `checked` decides whether it is believed.
pub(crate) struct RawTransformed {
    pub(crate) events: Vec<Event>,
    pub(crate) notes: Vec<Note>,
    /// None: nothing is held back.
    pub(crate) pending_from: Option<u64>,
}
