//! Checks on output of guests: none of it is believed before. Each line must be able to
//! get exactly one outcome from it.

use std::ops::Range;

use model::Limits;

use crate::error::{GuestError, GuestLimit};
use crate::limits::{CallLimits, setting};
use crate::output::{Note, RawRewritten, RawTransformed, Rewritten, Transformed, Verdict};
use crate::text::bounded;

/// The rules that a call's output is checked by.
pub(crate) struct OutputCheck<'a> {
    /// Function of the contract, for errors.
    pub(crate) function: &'static str,
    /// Lines that the output may speak of: from the first that is not settled to the one
    /// after the last that was given.
    pub(crate) open: Range<u64>,
    /// Whether this is the last call, after which nothing may be held back.
    pub(crate) is_last: bool,
    /// Limits of the instance.
    pub(crate) limits: &'a Limits,
    /// Bytes of input that the output may be about: they bound its size.
    pub(crate) input_bytes: usize,
}

impl OutputCheck<'_> {
    /// Checks events.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn check_transformed(&self, out: RawTransformed) -> Result<Transformed, GuestError> {
        let lengths = out.events.iter().map(|event| event.message.len());
        let (bytes, longest) = (lengths.clone().sum(), lengths.max().unwrap_or(0));
        self.check_size(Size { items: out.events.len(), bytes, longest, notes: out.notes.len() })?;
        let pending_from = self.check_pending(out.pending_from)?;
        self.check_ascending(out.events.iter().map(|event| event.line), pending_from)?;
        let notes = self.check_notes(out.notes, out.events.iter().map(|event| event.line), pending_from)?;
        Ok(Transformed { events: out.events, notes, pending_from })
    }

    /// Checks rewritten lines.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(crate) fn check_rewritten(&self, out: RawRewritten) -> Result<Rewritten, GuestError> {
        let (items, longest) = (out.sources.len(), longest_line(&out.lines));
        self.check_size(Size { items, bytes: out.lines.len(), longest, notes: out.notes.len() })?;
        let pending_from = self.check_pending(out.pending_from)?;
        let lines = memchr::memchr_iter(b'\n', &out.lines).count();
        if lines != out.sources.len() || out.lines.last().is_some_and(|&byte| byte != b'\n') {
            return Err(self.broken(format!(
                "{lines} newline-terminated lines came with {} sources: each line needs a newline and a source",
                out.sources.len()
            )));
        }
        self.check_ascending(out.sources.iter().copied(), pending_from)?;
        let notes = self.check_notes(out.notes, out.sources.iter().copied(), pending_from)?;
        Ok(Rewritten { lines: out.lines, sources: out.sources, notes, pending_from })
    }

    /// The error of output that breaks the contract.
    fn broken(&self, what: String) -> GuestError {
        GuestError::Contract { function: self.function, what }
    }

    /// Checks from which line on the guest holds lines back, and returns it.
    fn check_pending(&self, pending: Option<u64>) -> Result<u64, GuestError> {
        match pending {
            None => Ok(self.open.end),
            Some(line) if self.is_last && line < self.open.end => {
                Err(self.broken(format!("lines from {line} on are held back after the last one")))
            }
            Some(line) if (self.open.start..=self.open.end).contains(&line) => Ok(line),
            Some(line) => Err(self.broken(format!(
                "pending-from is {line}, which is not between {} and {}",
                self.open.start, self.open.end
            ))),
        }
    }

    /// Checks the lines that outputs name: ascending, given, and not held back.
    fn check_ascending(&self, lines: impl Iterator<Item = u64>, pending: u64) -> Result<(), GuestError> {
        let mut last = self.open.start;
        for line in lines {
            if line < self.open.start || line >= pending {
                return Err(self.broken(format!(
                    "line {line} is reported, but only {} to {pending} (exclusive) are open",
                    self.open.start
                )));
            }
            if line < last {
                return Err(self.broken(format!("line {line} is reported after line {last}: sources must ascend")));
            }
            last = line;
        }
        Ok(())
    }

    /// Checks notes: ascending, apart from each other and from lines with output.
    fn check_notes(
        &self,
        notes: Vec<Note>,
        outputs: impl Iterator<Item = u64>,
        pending: u64,
    ) -> Result<Vec<Note>, GuestError> {
        let mut outputs = outputs.peekable();
        let mut next = self.open.start;
        let mut checked = Vec::with_capacity(notes.len());
        for note in notes {
            let (first, last) = (note.first, note.last);
            if first < next || last < first || last >= pending {
                return Err(self.broken(format!(
                    "a note over lines {first} to {last} is out of order, or outside of {} to {pending} (exclusive)",
                    self.open.start
                )));
            }
            while outputs.next_if(|&line| line < first).is_some() {}
            if let Some(line) = outputs.next_if(|&line| line <= last) {
                return Err(self.broken(format!("line {line} has both output and a note")));
            }
            next = last.saturating_add(1);
            let verdict = match note.verdict {
                Verdict::Joined => Verdict::Joined,
                Verdict::Malformed(text) => Verdict::Malformed(bounded(text)),
                Verdict::Rejected(text) => Verdict::Rejected(bounded(text)),
            };
            checked.push(Note { first, last, verdict });
        }
        Ok(checked)
    }

    /// Bounds what came out by what went in.
    fn check_size(&self, out: Size) -> Result<(), GuestError> {
        let (limits, input) = (self.limits, self.input_bytes);
        let (most_items, most_bytes) = (limits.most_output_items(input), limits.most_output_bytes(input));
        let Size { items, bytes, longest, notes } = out;
        let detail = if longest > limits.message_bytes {
            let (most, setting) = (limits.message_bytes, setting::MESSAGE);
            format!("one record has {longest} bytes, at most {most} may be ({setting})")
        } else if items > most_items || bytes > most_bytes {
            // Which of the limits is the one that counts for so much input.
            let setting = if items > most_items && most_items == limits.output_events {
                setting::OUTPUT_EVENTS
            } else if items <= most_items && most_bytes == limits.output_bytes {
                setting::OUTPUT_BYTES
            } else {
                setting::OUTPUT_RATIO
            };
            format!(
                "{items} records of {bytes} bytes came of {input} bytes, at most {most_items} and {most_bytes} may ({setting})"
            )
        } else if notes > most_items {
            format!(
                "{notes} notes came of {input} bytes, at most {most_items} may ({}); one note can be about many lines",
                setting::OUTPUT_EVENTS
            )
        } else {
            return Ok(());
        };
        Err(GuestError::Limit { function: self.function, limit: GuestLimit::Output, detail })
    }
}

/// Size of a call's output.
struct Size {
    items: usize,
    bytes: usize,
    /// Bytes of the longest item.
    longest: usize,
    notes: usize,
}

/// Bytes of the longest line, without its newline.
fn longest_line(lines: &[u8]) -> usize {
    let mut begin = 0;
    let ends = memchr::memchr_iter(b'\n', lines).chain([lines.len()]);
    ends.map(|end| end - std::mem::replace(&mut begin, end + 1).min(end)).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use model::Event;

    use super::*;

    /// A check of a call's output about the lines from 10 to 19, of 100 bytes.
    fn of<'a>(function: &'static str, limits: &'a Limits) -> OutputCheck<'a> {
        OutputCheck { function, open: 10..20, is_last: false, limits, input_bytes: 100 }
    }

    fn limits() -> Limits {
        Limits { memory_bytes: 1 << 20, fuel_per_mib: 1, held_back_bytes: 1 << 20, ..Limits::default() }
    }

    fn event(line: u64) -> Event {
        Event { line, timestamp: i64::MIN, message: "m".to_owned() }
    }

    fn note(first: u64, last: u64) -> Note {
        Note { first, last, verdict: Verdict::Joined }
    }

    fn check(
        events: &[u64],
        notes: &[(u64, u64)],
        pending_from: Option<u64>,
        last: bool,
    ) -> Result<Transformed, String> {
        let out = RawTransformed {
            events: events.iter().copied().map(event).collect(),
            notes: notes.iter().map(|&(a, b)| note(a, b)).collect(),
            pending_from,
        };
        OutputCheck { is_last: last, ..of("transform", &limits()) }
            .check_transformed(out)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn honest_output_is_believed() {
        let out = check(&[10, 10, 13], &[(11, 12), (14, 14)], Some(15), false).unwrap();
        assert_eq!((out.events.len(), out.notes.len(), out.pending_from), (3, 2, 15));
        assert_eq!(check(&[], &[], None, true).unwrap().pending_from, 20);
    }

    #[test]
    fn each_lie_is_named() {
        type Case<'a> = (&'a [u64], &'a [(u64, u64)], Option<u64>, bool, &'a str);
        let cases: [Case<'_>; 11] = [
            (&[9], &[], None, false, "line 9 is reported"),
            (&[20], &[], None, false, "line 20 is reported"),
            (&[u64::MAX], &[], None, false, "only 10 to 20"),
            (&[12, 11], &[], None, false, "sources must ascend"),
            (&[15], &[], Some(15), false, "line 15 is reported"),
            (&[], &[], Some(9), false, "pending-from is 9"),
            (&[], &[], Some(21), false, "pending-from is 21"),
            (&[], &[], Some(15), true, "held back after the last one"),
            (&[12], &[(11, 13)], None, false, "both output and a note"),
            (&[], &[(12, 13), (13, 14)], None, false, "out of order"),
            (&[], &[(12, u64::MAX)], None, false, "out of order, or outside"),
        ];
        for (events, notes, pending, last, expected) in cases {
            let error = check(events, notes, pending, last).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn output_is_bounded_by_input() {
        let flood = vec![10; 2_000];
        assert!(check(&flood, &[], None, false).unwrap_err().contains("2000 records"));
        let out = RawTransformed {
            events: vec![Event { line: 10, timestamp: 0, message: "x".repeat(100 * 16 + 64 * 1024 + 1) }],
            notes: vec![],
            pending_from: None,
        };
        let error = of("transform", &limits()).check_transformed(out).unwrap_err();
        assert_eq!(error.name(), "guest-output");
    }

    fn events_of(messages: &[usize], notes: usize, limits: &Limits) -> Result<Transformed, String> {
        let events = messages.iter().map(|&bytes| Event { message: "x".repeat(bytes), ..event(10) });
        let notes = (0..notes).map(|_| note(11, 11)).collect();
        let out = RawTransformed { events: events.collect(), notes, pending_from: None };
        of("transform", limits).check_transformed(out).map_err(|error| {
            assert_eq!((error.name(), error.is_guests_fault()), ("guest-output", true), "{error}");
            error.to_string()
        })
    }

    #[test]
    fn each_limit_of_output_is_named_with_its_number_and_setting() {
        let says = |error: String, parts: [&str; 2]| {
            assert!(parts.iter().all(|&part| error.contains(part)), "{error}");
        };
        let few = Limits { output_events: 3, ..limits() };
        assert!(events_of(&[1, 1, 1], 0, &few).is_ok());
        says(events_of(&[1; 4], 0, &few).unwrap_err(), ["at most 3 and", "PLUGIN_MAX_OUTPUT_EVENTS"]);
        says(events_of(&[], 4, &few).unwrap_err(), ["4 notes", "PLUGIN_MAX_OUTPUT_EVENTS"]);
        let small = Limits { output_bytes: 10, ..limits() };
        assert!(events_of(&[5, 5], 0, &small).is_ok());
        says(events_of(&[5, 6], 0, &small).unwrap_err(), ["and 10 may", "PLUGIN_MAX_OUTPUT_BYTES"]);
        says(events_of(&[1; 2_000], 0, &limits()).unwrap_err(), ["at most 1074", "PLUGIN_MAX_OUTPUT_RATIO"]);
        says(events_of(&[100_000], 0, &limits()).unwrap_err(), ["67136 may", "PLUGIN_MAX_OUTPUT_RATIO"]);
        let short = Limits { message_bytes: 7, ..limits() };
        assert!(events_of(&[7, 7], 0, &short).is_ok());
        says(events_of(&[7, 8], 0, &short).unwrap_err(), ["8 bytes, at most 7", "PLUGIN_MAX_MESSAGE_BYTES"]);
    }

    #[test]
    fn a_rewritten_line_is_no_longer_than_a_message() {
        let short = Limits { message_bytes: 7, ..limits() };
        let make = |lines: &str| {
            let sources = vec![10; lines.matches('\n').count()];
            let out = RawRewritten { lines: lines.as_bytes().to_vec(), sources, notes: vec![], pending_from: None };
            of("rewrite", &short).check_rewritten(out).map_err(|error| error.to_string())
        };
        assert!(make("1234567\n1\n1234567\n").is_ok());
        for long in ["12345678\n", "1\n12345678\n1\n", "1\n12345678"] {
            assert!(
                make(long).unwrap_err().contains(
                    "8 bytes, at most 7 may be (`max_message_bytes` in the item's limits, PLUGIN_MAX_MESSAGE_BYTES)"
                ),
                "{long}"
            );
        }
    }

    #[test]
    fn rewritten_lines_have_newlines_and_sources() {
        let make = |lines: &str, sources: &[u64]| {
            let out = RawRewritten {
                lines: lines.as_bytes().to_vec(),
                sources: sources.to_vec(),
                notes: vec![],
                pending_from: None,
            };
            of("rewrite", &limits()).check_rewritten(out).map_err(|error| error.to_string())
        };
        assert!(make("{}\n{}\n", &[10, 10]).is_ok());
        assert!(make("", &[]).is_ok());
        assert!(make("{}\n{}", &[10, 11]).unwrap_err().contains("newline"));
        assert!(make("{}\n{}\n", &[10]).unwrap_err().contains("1 sources"));
        assert!(make("{}\n{}\n", &[11, 10]).unwrap_err().contains("ascend"));
    }
}

#[cfg(test)]
#[path = "checked_tests.rs"]
mod random_tests;
