//! The numbers of an entry: its lines by what became of them, events, puts, bytes.

use serde::{Serialize, Serializer};

use crate::pipeline::Lines;
use model::{Counts, Named, Reason};

/// Numbers of an entry, or of all. Lines: `lines_seen` is the sum of `blank`,
/// `delivered`, `filtered`, `malformed`, all of `dead_lettered`, and `left`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct EntryCounts {
    /// Lines of the object, blank ones included.
    pub lines_seen: u64,
    /// Nothing but white space.
    pub blank: u64,
    /// Lines that are delivered.
    pub delivered: u64,
    /// Lines that the guest dropped, `empty` ones included.
    pub filtered: u64,
    /// The lines among `filtered` whose message is empty.
    pub empty: u64,
    /// Lines that are no record.
    pub malformed: u64,
    /// Lines that can never be delivered, by reason.
    #[serde(serialize_with = "by_name")]
    pub dead_lettered: Counts<Reason>,
    /// Lines that are left for another attempt.
    pub left: u64,
    /// Events that were put.
    pub events: u64,
    /// Puts.
    pub batches: u64,
    /// Bytes of the messages put, or of the object written.
    pub bytes: u64,
    /// Bytes read, decompressed; 0 for a plain copy.
    pub bytes_read: u64,
}

impl EntryCounts {
    pub(super) fn new(lines: Lines) -> Self {
        Self {
            lines_seen: lines.seen,
            blank: lines.blank,
            delivered: lines.delivered,
            filtered: lines.filtered,
            empty: lines.empty,
            malformed: lines.malformed,
            // An object that breaks off between two lines loses no line; that count is
            // dropped.
            dead_lettered: lines.dead_lettered.into_iter().collect(),
            left: lines.left,
            ..Self::default()
        }
    }

    pub(super) fn add(&mut self, other: &Self) {
        let Self {
            lines_seen,
            blank,
            delivered,
            filtered,
            empty,
            malformed,
            left,
            events,
            batches,
            bytes,
            bytes_read,
            ..
        } = self;
        for (sum, more) in [
            (lines_seen, other.lines_seen),
            (blank, other.blank),
            (delivered, other.delivered),
            (filtered, other.filtered),
            (empty, other.empty),
            (malformed, other.malformed),
            (left, other.left),
            (events, other.events),
            (batches, other.batches),
            (bytes, other.bytes),
            (bytes_read, other.bytes_read),
        ] {
            *sum += more;
        }
        self.dead_lettered.add_all(&other.dead_lettered);
    }

    /// Lines that can never be delivered, by reason, malformed ones included. What is
    /// blank, empty or filtered is no loss.
    pub fn refused(&self) -> Counts<Reason> {
        let mut refused = self.dead_lettered.clone();
        refused.add(Reason::Malformed, self.malformed);
        refused
    }

    /// Whether anything arrived. Of an array of records, which is one line, some may have
    /// arrived though the line as a whole counts as refused.
    pub(super) fn has_deliveries(&self) -> bool {
        self.delivered > 0 || self.events > 0
    }
}

/// Formats counts by reason: `too-old 2, malformed 1`.
pub fn by_reason(refused: &Counts<Reason>) -> String {
    refused.by_name().map(|(reason, count)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
}

/// Serializes counts, by name.
pub(super) fn by_name<K: Named, S: Serializer>(counts: &Counts<K>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(counts.by_name())
}
