//! What became of each line of an object, for one delivery. Promise 1: every
//! line has one outcome, and the sum is the input. The host counts the lines
//! itself; guests only say what became of them.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasherDefault, Hasher};

use model::Reason;

/// What became of a line; of a line with several outcomes (an array of
/// records, a rewritten line) the last of this order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LineOutcome {
    /// Dropped by the guest's choice.
    Filtered,
    /// Its only events have empty messages, which CloudWatch Logs doesn't take.
    Empty,
    /// All of it that can be delivered is.
    Delivered,
    /// Not a record.
    Malformed,
    /// It, or an event of it, can never be delivered.
    DeadLettered(Reason),
}

/// Lines by what became of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// All of them, blank ones included.
    pub seen: u64,
    /// Nothing but white space.
    pub blank: u64,
    /// Delivered.
    pub delivered: u64,
    /// Dropped by the guest's choice, or empty.
    pub filtered: u64,
    /// Of `filtered`: those whose message was empty.
    pub empty: u64,
    /// Not a record.
    pub malformed: u64,
    /// Never to be delivered, by reason.
    pub dead_lettered: BTreeMap<Reason, u64>,
    /// Left for another attempt.
    pub left: u64,
}

impl Lines {
    /// Whether every line has exactly one outcome.
    pub fn add_up(&self) -> bool {
        let dead: u64 = self.dead_lettered.values().sum();
        let settled = self.delivered + self.filtered + self.malformed + dead;
        self.seen == self.blank + settled + self.left
    }
}

/// A line that is not settled yet.
#[derive(Debug)]
struct OpenLine {
    /// Outputs of it whose outcome isn't known.
    waiting: u64,
    /// Lines that share its outcome: itself, and those joined to it.
    lines: u64,
    worst: LineOutcome,
}

/// Spreads line numbers, which the host itself gives: nobody can choose them to
/// collide, so they need none of the usual care.
#[derive(Debug, Default)]
struct LineHasher(u64);

impl Hasher for LineHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, line: u64) {
        // 2^64 divided by the golden ratio: neighbours come far apart.
        self.0 = (self.0 ^ line).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The account of one object and delivery.
#[derive(Debug, Default)]
pub(super) struct LineLedger {
    lines: Lines,
    /// Lines with no outcome and no output: unread, or held back by a guest.
    pending: u64,
    open: HashMap<u64, OpenLine, BuildHasherDefault<LineHasher>>,
    /// The last line that had output, and its outcome once it is settled.
    last: Option<(u64, Option<LineOutcome>)>,
    /// The same of rewritten lines: the source of the last that had events.
    last_reported: Option<(u64, Option<LineOutcome>)>,
}

impl LineLedger {
    /// Lines were read.
    pub(super) fn add_read(&mut self, blank: u64, others: u64) {
        self.lines.seen += blank + others;
        self.lines.blank += blank;
        self.pending += others;
    }

    /// Lines that have no output got their outcome.
    pub(super) fn settle(&mut self, lines: u64, outcome: LineOutcome) {
        self.pending = self.pending.saturating_sub(lines);
        self.count(lines, outcome);
    }

    /// A line has `outputs` outputs (at least one), whose outcomes follow.
    pub(super) fn open(&mut self, line: u64, outputs: u64) {
        self.pending = self.pending.saturating_sub(1);
        self.open.insert(line, OpenLine { waiting: outputs, lines: 1, worst: LineOutcome::Filtered });
        self.last = Some((line, None));
    }

    /// An output of an open line, a rewritten line, became `events` events.
    pub(super) fn add_events(&mut self, line: u64, events: u64) {
        if let Some(open) = self.open.get_mut(&line) {
            open.waiting += events.saturating_sub(1);
            self.last_reported = Some((line, None));
        }
    }

    /// An output of an open line, a rewritten line, belongs to the last one
    /// that was reported: a line that has nothing else shares its outcome.
    pub(super) fn follow(&mut self, line: u64) {
        let Some(open) = self.open.get(&line) else { return };
        let alone = open.waiting == 1 && open.worst == LineOutcome::Filtered;
        let lines = open.lines;
        match self.last_reported {
            Some((to, None)) if alone && to != line && self.open.contains_key(&to) => {
                self.open.remove(&line);
                if let Some(open) = self.open.get_mut(&to) {
                    open.lines += lines;
                }
                if self.last == Some((line, None)) {
                    self.last = Some((to, None));
                }
            }
            Some((to, Some(outcome))) if alone && to != line => self.output(line, outcome),
            _ => self.output(line, LineOutcome::Filtered),
        }
    }

    /// Lines share the outcome of the last line that had output; where there
    /// is none, they hold nothing to deliver.
    pub(super) fn join(&mut self, lines: u64) {
        self.pending = self.pending.saturating_sub(lines);
        match self.last {
            Some((line, None)) => {
                if let Some(open) = self.open.get_mut(&line) {
                    open.lines += lines;
                }
            }
            Some((_, Some(outcome))) => self.count(lines, outcome),
            None => self.count(lines, LineOutcome::Filtered),
        }
    }

    /// An output of an open line is not the last of a row: if it is worse than
    /// what was known, that stands.
    pub(super) fn worsen(&mut self, line: u64, outcome: LineOutcome) {
        if let Some(open) = self.open.get_mut(&line) {
            open.worst = open.worst.max(outcome);
        }
    }

    /// An output of an open line got its outcome; with the last the line has one.
    pub(super) fn output(&mut self, line: u64, outcome: LineOutcome) {
        let Some(open) = self.open.get_mut(&line) else { return };
        open.worst = open.worst.max(outcome);
        open.waiting = open.waiting.saturating_sub(1);
        if open.waiting > 0 {
            return;
        }
        let (lines, worst) = (open.lines, open.worst);
        self.open.remove(&line);
        self.count(lines, worst);
        for (last, settled) in [&mut self.last, &mut self.last_reported].into_iter().flatten() {
            if *last == line {
                *settled = Some(worst);
            }
        }
    }

    /// Every open line's outputs were delivered together (an upload's commit).
    pub(super) fn deliver_open(&mut self) {
        let lines: u64 = self.open.drain().map(|(_, open)| open.lines).sum();
        self.count(lines, LineOutcome::Delivered);
        self.last = None;
    }

    /// Every line that has no outcome yet gets this one.
    pub(super) fn settle_rest(&mut self, outcome: LineOutcome) {
        let open: u64 = self.open.drain().map(|(_, open)| open.lines).sum();
        let rest = std::mem::take(&mut self.pending) + open;
        self.count(rest, outcome);
        self.last = None;
    }

    /// Whether nothing waits for an outcome.
    pub(super) fn is_settled(&self) -> bool {
        self.pending == 0 && self.open.is_empty()
    }

    /// The lines, with what has no outcome as `left`.
    pub(super) fn lines(&self) -> Lines {
        let open: u64 = self.open.values().map(|open| open.lines).sum();
        Lines { left: self.pending + open, ..self.lines.clone() }
    }

    fn count(&mut self, lines: u64, outcome: LineOutcome) {
        let counter = match outcome {
            LineOutcome::Filtered => &mut self.lines.filtered,
            LineOutcome::Empty => {
                self.lines.empty += lines;
                &mut self.lines.filtered
            }
            LineOutcome::Delivered => &mut self.lines.delivered,
            LineOutcome::Malformed => &mut self.lines.malformed,
            LineOutcome::DeadLettered(reason) => self.lines.dead_lettered.entry(reason).or_default(),
        };
        *counter += lines;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_with_several_outputs_has_the_worst_outcome_once() {
        let mut ledger = LineLedger::default();
        ledger.add_read(2, 3);
        ledger.open(0, 2);
        ledger.join(1);
        ledger.settle(1, LineOutcome::Malformed);
        assert!(ledger.lines().add_up() && !ledger.is_settled());
        ledger.output(0, LineOutcome::DeadLettered(Reason::TooOld));
        assert_eq!(ledger.lines().left, 2);
        ledger.output(0, LineOutcome::Delivered);
        let lines = ledger.lines();
        assert_eq!((lines.dead_lettered.get(&Reason::TooOld), lines.malformed, lines.left), (Some(&2), 1, 0));
        assert!(lines.add_up() && ledger.is_settled());
    }

    #[test]
    fn joined_lines_follow_what_they_are_joined_to() {
        let mut ledger = LineLedger::default();
        ledger.add_read(0, 4);
        ledger.join(1); // to nothing
        ledger.open(1, 1);
        ledger.output(1, LineOutcome::Delivered);
        ledger.join(2); // after it was settled
        let lines = ledger.lines();
        assert_eq!((lines.filtered, lines.delivered), (1, 3));
        assert!(lines.add_up());
    }

    #[test]
    fn rewritten_lines_follow_what_they_are_joined_to() {
        let mut ledger = LineLedger::default();
        ledger.add_read(0, 5);
        (0..5).for_each(|line| ledger.open(line, 1));
        ledger.follow(0); // nothing: it holds nothing to deliver
        ledger.add_events(1, 2);
        ledger.follow(2); // while it is open
        ledger.output(1, LineOutcome::Delivered);
        ledger.output(1, LineOutcome::DeadLettered(Reason::TooOld));
        ledger.follow(3); // after it was settled
        ledger.add_events(4, 1);
        ledger.output(4, LineOutcome::Delivered);
        let lines = ledger.lines();
        let dead = lines.dead_lettered.get(&Reason::TooOld);
        assert_eq!((lines.filtered, dead, lines.delivered, lines.left), (1, Some(&3), 1, 0));
        assert!(lines.add_up() && ledger.is_settled());
    }

    #[test]
    fn a_forgotten_or_doubled_line_shows() {
        let mut ledger = LineLedger::default();
        ledger.add_read(0, 2);
        ledger.settle(1, LineOutcome::Filtered);
        assert!(!ledger.is_settled());
        ledger.settle(2, LineOutcome::Filtered);
        assert!(!ledger.lines().add_up(), "one line was settled twice");
    }
}
