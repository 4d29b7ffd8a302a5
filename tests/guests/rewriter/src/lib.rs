//! Exports `record-rewrite` and nothing else. Its setting `mode` says how it
//! rewrites, well or badly; `word` is what some modes look for. Beside any mode, it
//! traps when it is given a line that has the word `poison`, or where `late` is set, in
//! `end`, when it holds such a line back.

// Generated code; and a guest that panics is stopped by the host.
#[allow(missing_docs, unsafe_code, unreachable_pub, clippy::all, clippy::restriction, clippy::pedantic)]
mod bindings {
    wit_bindgen::generate!({ path: "../../../wit/0.1.0", world: "rewriter" });

    use super::Rewriter;

    export!(Rewriter with_types_in self);
}

use std::cell::RefCell;

use bindings::exports::log_router::plugin::record_rewrite::{Guest, Rewritten};
use bindings::log_router::plugin::host_log::{Level, log};
use bindings::log_router::plugin::types::{Context, Failure, Note, Verdict};

struct Rewriter;

type Line = (u64, Vec<u8>);

#[derive(Default)]
struct Work {
    mode: String,
    word: String,
    held: Vec<Line>,
    next: u64,
    calls: u64,
    poison: String,
    late: bool,
}

thread_local! {
    static WORK: RefCell<Work> = RefCell::default();
}

impl Guest for Rewriter {
    fn begin(context: Context, _now: i64) -> Result<(), Failure> {
        let setting = |name: &str| {
            let named = context.settings.iter().find(|(key, _)| key == name);
            named.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let work = Work { mode: setting("mode"), word: setting("word"), ..Work::default() };
        let work = Work { poison: setting("poison"), late: !setting("late").is_empty(), ..work };
        if work.mode == "begin-rejected" {
            return Err(Failure::Rejected("not for me".to_owned()));
        }
        log(Level::Info, "begun");
        WORK.set(work);
        Ok(())
    }

    fn rewrite(first_line: u64, lines: Vec<u8>) -> Result<Rewritten, Failure> {
        WORK.with_borrow_mut(|work| {
            work.calls += 1;
            if !work.late {
                work.trap_over(&lines);
            }
            if work.mode == "reject-second" && work.calls == 2 {
                return Err(Failure::Rejected("no more of it".to_owned()));
            }
            let split = lines.split_inclusive(|&byte| byte == b'\n');
            let split = split.map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec());
            work.held.extend((first_line..).zip(split));
            work.next = work.held.last().map_or(first_line, |(number, _)| number + 1);
            // Blank lines are nobody's.
            work.held.retain(|(_, text)| !text.trim_ascii().is_empty());
            Ok(work.settle(false))
        })
    }

    fn end() -> Result<Rewritten, Failure> {
        WORK.with_borrow_mut(|work| {
            work.held.iter().for_each(|(_, text)| work.trap_over(text));
            Ok(work.settle(true))
        })
    }
}

impl Work {
    #[expect(clippy::panic, reason = "that is what the host is tested with")]
    fn trap_over(&self, text: &[u8]) {
        if !self.poison.is_empty() && find(text, self.poison.as_bytes()).is_some() {
            panic!("poison");
        }
    }

    fn settle(&mut self, all: bool) -> Rewritten {
        if self.mode == "random" {
            return self.random(all);
        }
        let keep = match self.mode.as_str() {
            _ if all => 0,
            "hold" | "hold-drop" => self.held.len(),
            "merge" => self.held.len() % 2,
            _ => 0,
        };
        let settled: Vec<Line> = self.held.drain(..self.held.len() - keep).collect();
        let mut out = Rewritten { lines: vec![], sources: vec![], notes: vec![], pending_from: None };
        out.pending_from = self.held.first().map(|(number, _)| *number);
        if self.mode == "merge" {
            settled.chunks(2).for_each(|pair| merge(pair, &mut out));
        } else {
            settled.iter().for_each(|line| self.line(line, &mut out));
        }
        self.lie(&settled, &mut out);
        out
    }

    /// An answer at random, by `word` as a seed: most are right, some wrong.
    fn random(&mut self, all: bool) -> Rewritten {
        let seed = self.word.bytes().fold(self.calls + 1, |sum, byte| (sum << 5) ^ (sum >> 2) ^ u64::from(byte));
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut below = |limit: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 16) % limit.max(1)
        };
        let held = self.held.len() as u64;
        let settled = if all { held } else { below(held + 1) };
        let settled: Vec<Line> = self.held.drain(..usize::try_from(settled).unwrap_or(0)).collect();
        let mut out = Rewritten { lines: vec![], sources: vec![], notes: vec![], pending_from: None };
        out.pending_from = self.held.first().map(|(number, _)| *number);
        for (number, text) in &settled {
            match below(8) {
                0 => out.notes.push(note(*number, Verdict::Joined)),
                1 => out.notes.push(note(*number, Verdict::Malformed("m".to_owned()))),
                2 => out.notes.push(note(*number, Verdict::Rejected("r".to_owned()))),
                3 => {}
                4 => (0..below(4)).for_each(|_| put(&mut out, *number, b"{\"message\": \"new\"}")),
                5 => put(&mut out, *number, b"[{}, {\"message\": \"x\"}, 1]"),
                _ => put(&mut out, *number, text),
            }
        }
        match below(24) {
            0 => put(&mut out, below(self.next + 2), b"{}"),
            1 => out.pending_from = Some(below(self.next + 2)),
            2 => out.pending_from = None,
            3 => out.notes.push(note(below(self.next + 2), Verdict::Joined)),
            4 => out.sources.reverse(),
            5 => out.lines.push(b'x'),
            _ => {}
        }
        out
    }

    fn line(&self, (number, text): &Line, out: &mut Rewritten) {
        let has_word = !self.word.is_empty() && find(text, self.word.as_bytes()).is_some();
        match self.mode.as_str() {
            "drop" | "hold-drop" if has_word => {}
            "redact" => put(out, *number, &redacted(text, self.word.as_bytes())),
            "duplicate" => {
                put(out, *number, text);
                put(out, *number, text);
            }
            "reject" if has_word => out.notes.push(note(*number, Verdict::Rejected("it has the word".to_owned()))),
            "malformed" if has_word => out.notes.push(note(*number, Verdict::Malformed("it has the word".to_owned()))),
            // One line in, an array of two records out, which the transformer
            // takes apart: one source, several events.
            "array" => put(out, *number, &[b"[", text.as_slice(), b",", text, b"]"].concat()),
            _ => put(out, *number, text),
        }
    }

    fn lie(&self, settled: &[Line], out: &mut Rewritten) {
        let Some((first, text)) = settled.first() else { return };
        match self.mode.as_str() {
            "invalid-json" => put(out, self.next - 1, b"{\"message\": "),
            "blank-line" => put(out, self.next - 1, b""),
            "no-newline" => {
                out.lines.pop();
            }
            "newline-inside" => {
                out.lines.extend_from_slice(b"{}\n{}\n");
                out.sources.push(self.next - 1);
            }
            "sources-short" => {
                out.sources.pop();
            }
            "sources-descending" => put(out, *first, text),
            "source-ahead" => put(out, self.next, text),
            "source-max" => put(out, u64::MAX, text),
            "source-blank" => {
                (out.lines, out.sources) = (Vec::new(), Vec::new());
                put(out, first - 1, text);
            }
            "note-over-output" => out.notes.push(note(*first, Verdict::Joined)),
            "pending-ahead" => out.pending_from = Some(self.next + 1),
            "flood" => (0..100_000).for_each(|_| put(out, self.next - 1, b"{}")),
            _ => {}
        }
    }
}

/// Two lines become one array, which is reported under the first.
fn merge(pair: &[Line], out: &mut Rewritten) {
    match pair {
        [(first, one), (second, two)] => {
            put(out, *first, &[b"[", one.as_slice(), b",", two, b"]"].concat());
            out.notes.push(note(*second, Verdict::Joined));
        }
        [(only, text)] => put(out, *only, text),
        _ => {}
    }
}

fn put(out: &mut Rewritten, source: u64, line: &[u8]) {
    out.lines.extend_from_slice(line);
    out.lines.push(b'\n');
    out.sources.push(source);
}

fn note(line: u64, verdict: Verdict) -> Note {
    Note { first: line, last: line, verdict }
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    text.windows(word.len().max(1)).position(|window| window == word)
}

fn redacted(text: &[u8], word: &[u8]) -> Vec<u8> {
    let (mut out, mut rest) = (Vec::new(), text);
    while let Some(at) = find(rest, word) {
        let (before, after) = rest.split_at(at);
        out.extend_from_slice(before);
        out.extend_from_slice(b"***");
        rest = after.get(word.len()..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
    out
}
