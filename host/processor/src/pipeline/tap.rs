//! What each line became on one side: a hash of its output, or why it has none.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::job::Job;
use model::{Event, Reason, hex};

/// Bytes of a line's output that are shown, where the operator allows.
const SHOWN_BYTES: usize = 256;

/// Lines whose output is kept to be shown; of more only the hash is.
const MAX_SHOWN: usize = 10_000;

/// Bytes of a hash that are kept; 16 digits of it are shown.
type LineHash = [u8; 16];

/// What a line became.
#[derive(Debug, Default)]
pub(super) struct LineOutput {
    /// Of its events (time in milliseconds, a space, message) or lines (without
    /// newline): SHA-256 of the first; with each further one, of the 16 bytes so far
    /// and it.
    hash: Option<LineHash>,
    /// Why it, or a part of it, has none, where that was said.
    reason: Option<Reason>,
    shown: Option<Box<str>>,
}

impl LineOutput {
    /// Whether there is any.
    pub(super) fn is_there(&self) -> bool {
        self.hash.is_some()
    }

    pub(super) fn equals(&self, other: &Self) -> bool {
        (self.hash, self.reason) == (other.hash, other.reason)
    }

    /// For a person.
    pub(super) fn in_words(self) -> Option<String> {
        let hash = self.hash.map(|hash| hex(&hash).chars().take(16).collect());
        self.shown.map(String::from).or(hash).or_else(|| self.reason.map(|reason| reason.name().to_owned()))
    }

    fn add(&mut self, time: &str, text: &[u8]) {
        let mut hash = Sha256::new();
        if let Some(before) = self.hash {
            hash.update(before);
        }
        hash.update(time);
        hash.update(text);
        self.hash = hash.finalize().first_chunk().copied();
    }

    fn show(&mut self, time: &str, text: &[u8]) {
        let mut shown = self.shown.take().map(|before| String::from(before) + "\n").unwrap_or_default();
        shown.push_str(time);
        shown.push_str(&String::from_utf8_lossy(text.get(..SHOWN_BYTES).unwrap_or(text)));
        shown.truncate(shown.floor_char_boundary(SHOWN_BYTES));
        self.shown = Some(shown.into());
    }
}

/// Takes note of what comes out on one side.
#[derive(Debug, Default)]
pub(super) struct Tap {
    lines: BTreeMap<u64, LineOutput>,
    /// Outputs are kept to be shown.
    shows: bool,
    /// Lines from here on that nothing else became of were rejected with the object.
    rejected_from: Option<u64>,
}

impl Tap {
    pub(super) fn new(job: &Job) -> Self {
        Self { shows: job.shadow_contents, ..Self::default() }
    }

    /// An event of a line.
    pub(super) fn event(&mut self, event: &Event) {
        self.output(event.line, &format!("{} ", event.timestamp), event.message.as_bytes());
    }

    /// Lines, each of its source.
    pub(super) fn lines(&mut self, lines: &[u8], sources: impl Iterator<Item = u64>) {
        for (line, source) in lines.split_inclusive(|&byte| byte == b'\n').zip(sources) {
            self.line(source, line.strip_suffix(b"\n").unwrap_or(line));
        }
    }

    /// A line, of its source.
    pub(super) fn line(&mut self, source: u64, line: &[u8]) {
        self.output(source, "", line);
    }

    fn output(&mut self, line: u64, time: &str, text: &[u8]) {
        let shows = self.shows && self.lines.len() < MAX_SHOWN;
        let known = self.lines.entry(line).or_default();
        known.add(time, text);
        if shows {
            known.show(time, text);
        }
    }

    /// A line, or a part of it, has no output.
    pub(super) fn refused(&mut self, line: u64, reason: Reason) {
        self.lines.entry(line).or_default().reason = Some(reason);
    }

    /// The object was rejected, with the lines from here on that are not settled.
    pub(super) fn reject_from(&mut self, line: u64) {
        self.rejected_from = Some(line);
    }

    /// Takes out what a line became; lines are asked for in their order.
    pub(super) fn take(&mut self, line: u64) -> LineOutput {
        let rejected = self.rejected_from.is_some_and(|from| from <= line).then_some(Reason::GuestRejected);
        self.lines.remove(&line).unwrap_or(LineOutput { reason: rejected, ..LineOutput::default() })
    }

    /// Lines that it knows of.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tap(shows: bool) -> Tap {
        Tap { shows, ..Tap::default() }
    }

    fn event(line: u64, timestamp: i64, message: &str) -> Event {
        Event { line, timestamp, message: message.to_owned() }
    }

    #[test]
    fn the_hash_of_a_line_is_one_that_a_person_can_make() {
        let mut tap = tap(false);
        tap.event(&event(3, 1000, "hello"));
        // printf '1000 hello' | sha256sum
        assert_eq!(tap.take(3).in_words().as_deref(), Some("a96ef92ebe340d9f"));
        tap.lines(b"hello\n", std::iter::once(3));
        // printf 'hello' | sha256sum
        assert_eq!(tap.take(3).in_words().as_deref(), Some("2cf24dba5fb0a30e"));
    }

    #[test]
    fn whatever_differs_shows() {
        let of = |events: &[(i64, &str)], reason: Option<Reason>| {
            let mut tap = tap(false);
            events.iter().for_each(|(timestamp, message)| tap.event(&event(0, *timestamp, message)));
            reason.into_iter().for_each(|reason| tap.refused(0, reason));
            tap.take(0)
        };
        let all = [
            of(&[], None),
            of(&[], Some(Reason::Malformed)),
            of(&[], Some(Reason::GuestRejected)),
            of(&[(1, "")], None),
            of(&[(1, "a")], None),
            of(&[(1, "a")], Some(Reason::Malformed)),
            of(&[(2, "a")], None),
            of(&[(1, "a"), (1, "b")], None),
            of(&[(1, "b"), (1, "a")], None),
            of(&[(1, "a"), (1, "b"), (1, "b")], None),
            of(&[(1, "a1 b")], None),
        ];
        for (a, one) in all.iter().enumerate() {
            for (b, other) in all.iter().enumerate() {
                assert_eq!(one.equals(other), a == b, "{one:?} {other:?}");
            }
        }
    }

    #[test]
    fn contents_are_shown_only_where_they_may_be_and_cut() {
        let long = "€".repeat(200);
        let shown = |shows| {
            let mut tap = tap(shows);
            tap.lines(format!("a\nb\n{long}\n").as_bytes(), [0, 0, 1].into_iter());
            [tap.take(0), tap.take(1)].map(|output| output.in_words().unwrap())
        };
        assert!(shown(false).iter().all(|hash| hash.len() == 16 && hash.bytes().all(|c| c.is_ascii_hexdigit())));
        let [short, cut] = shown(true);
        assert_eq!(short, "a\nb");
        assert!(cut.len() <= SHOWN_BYTES && long.starts_with(cut.trim_end_matches('\u{fffd}')), "{cut}");
    }

    #[test]
    fn contents_of_many_lines_are_not_kept() {
        let mut tap = tap(true);
        (0..=MAX_SHOWN as u64).for_each(|line| tap.line(line, b"secret"));
        assert_eq!(tap.take(0).in_words().as_deref(), Some("secret"));
        assert_eq!(tap.take(MAX_SHOWN as u64).in_words().unwrap().len(), 16);
    }
}
