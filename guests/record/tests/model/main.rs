//! The transformer against a slow and obvious second implementation.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop where something is wrong"
)]

mod generate;
mod json;
mod object;

use object::{CLOCK, Outcome};
use proptest::prelude::*;
use record::{Note, Numbers, Transformed, Transformer, Verdict};

/// What the transformer makes of each line, fed by chunks of these numbers of
/// lines; checks all that it promises of its results on the way.
fn run(input: &[u8], max: usize, chunks: &[usize], numbers: Numbers) -> Vec<Outcome> {
    let lines: Vec<&[u8]> = input.split_inclusive(|&b| b == b'\n').collect();
    let mut found = Found::new(lines.len());
    let mut transformer = Transformer::new(CLOCK, max).reading(numbers);
    let mut sizes = chunks.iter().copied().chain(std::iter::repeat(1));
    let mut at = 0;
    while at < lines.len() {
        let size = sizes.next().unwrap().clamp(1, lines.len() - at);
        let text = lines[at..at + size].concat();
        at += size;
        found.take(transformer.chunk((at - size) as u64, &text), at);
    }
    let end = transformer.end();
    assert_eq!(end.pending_from, None);
    found.take(end, at);
    found.outcomes
}

struct Found {
    outcomes: Vec<Outcome>,
    last_event: usize,
    next_note: usize,
    pending_from: usize,
}

impl Found {
    fn new(lines: usize) -> Self {
        Self { outcomes: vec![Outcome::Nothing; lines], last_event: 0, next_note: 0, pending_from: 0 }
    }

    fn take(&mut self, transformed: Transformed<'_>, given: usize) {
        let settled_from = self.pending_from;
        for event in transformed.events {
            let line = event.line as usize;
            assert!(line >= self.last_event, "events ascend");
            assert!(line >= settled_from && line < given, "events come when they may");
            self.last_event = line;
            let event = (event.timestamp, event.message.into_owned());
            match &mut self.outcomes[line] {
                Outcome::Events(events) => events.push(event),
                outcome => {
                    assert_eq!(*outcome, Outcome::Nothing, "one outcome a line");
                    *outcome = Outcome::Events(vec![event]);
                }
            }
        }
        for Note { first, last, verdict } in transformed.notes {
            assert!(self.next_note as u64 <= first && first <= last, "notes ascend");
            assert!(first as usize >= settled_from && (last as usize) < given);
            self.next_note = last as usize + 1;
            for line in first as usize..=last as usize {
                assert_eq!(self.outcomes[line], Outcome::Nothing, "one outcome a line");
                self.outcomes[line] = match &verdict {
                    Verdict::Joined => Outcome::Joined,
                    Verdict::Malformed(reason) => {
                        assert!(reason.len() < 100 && reason.is_ascii(), "{reason}");
                        Outcome::Malformed
                    }
                };
            }
        }
        let pending_from = transformed.pending_from.map_or(given, |line| line as usize);
        assert!(pending_from >= self.pending_from && pending_from <= given);
        self.pending_from = pending_from;
    }
}

fn agree(input: &[u8], max: usize, chunks: &[usize]) {
    agree_on(input, max, chunks, Numbers::default());
}

fn agree_on(input: &[u8], max: usize, chunks: &[usize], numbers: Numbers) {
    let expected = object::object(input, max, numbers);
    let outcomes = run(input, max, chunks, numbers);
    if outcomes != expected {
        let lines = input.split_inclusive(|&b| b == b'\n');
        for ((line, got), expected) in lines.zip(&outcomes).zip(&expected) {
            let mark = if got == expected { ' ' } else { '!' };
            println!("{mark} {:?}\n    got {got:?}\n    not {expected:?}", String::from_utf8_lossy(line));
        }
        panic!("they differ, max {max}");
    }
}

fn tape() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![prop::collection::vec(any::<u8>(), 0..40), prop::collection::vec(any::<u8>(), 0..400),]
}

fn limit() -> impl Strategy<Value = usize> {
    prop_oneof![3 => Just(1 << 20), 1 => 0..200_usize]
}

fn sizes() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..4_usize, 1..100_usize], 0..20)
}

fn cases(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, max_shrink_iters: 100_000, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases(60_000))]

    #[test]
    fn documents_agree_with_the_model(tape in tape(), max in limit(), sizes in sizes()) {
        agree(&generate::object(&tape), max, &sizes);
    }
}

proptest! {
    #![proptest_config(cases(5_000))]

    #[test]
    fn bytes_agree_with_the_model(
        input in prop::collection::vec(any::<u8>(), 0..300),
        sizes in sizes(),
    ) {
        agree(&input, 64, &sizes);
    }

    #[test]
    fn json_like_bytes_agree_with_the_model(
        input in prop::collection::vec(prop::sample::select(b"{}[]\",:\n \\u1e-.tnaf\xc2\xa0".as_slice()), 0..60),
        max in limit(),
        sizes in sizes(),
    ) {
        agree(&input, max, &sizes);
        agree(&[b"[", input.as_slice()].concat(), max, &sizes);
        agree(&[b"{", input.as_slice()].concat(), max, &sizes);
    }

    #[test]
    fn blank_is_what_go_trims(line in prop::collection::vec(
        prop::sample::select(b" \t\n\r\x0b\x0c\xc2\x85\xa0\xe2\x80\xa8\xaf\x81\x9f\xe3\xe1\x9a!".as_slice()), 0..8)) {
        prop_assert_eq!(record::is_blank(&line), object::is_blank(&line));
    }

    #[test]
    fn times_agree_with_the_model(time in "(19|20|00)[0-9]{2}-[01]?[0-9]-[0-3][0-9]T[0-2]?[0-9]:[0-6][0-9]:[0-6][0-9]([.,][0-9]{0,12})?(Z|[+-][0-2][0-9]:[0-6][0-9])") {
        let line = format!("{{\"timestamp\":\"{time}\",\"message\":\"\"}}");
        agree(line.as_bytes(), 99, &[]);
    }

    #[test]
    fn byte_order_marks_agree_with_the_model(
        parts in prop::collection::vec(prop::sample::select(
            vec!["\u{feff}", "\n", " ", "\u{a0}", "{}", "{\"message\":\"a\"}", "[", "]", "{", "}", ",", "1"]), 0..12),
        sizes in sizes(),
    ) {
        agree(parts.concat().as_bytes(), 64, &sizes);
    }

    #[test]
    fn numbers_agree_with_the_model(number in "-?(0|[1-9][0-9]{0,25})([.][0-9]{1,25})?([eE][+-]?[0-9]{1,3})?") {
        let line = format!("{{\"timestamp\":{number},\"message\":[{number}]}}");
        agree_on(line.as_bytes(), 99, &[], Numbers::Magnitude);
        agree_on(line.as_bytes(), 99, &[], Numbers::Reference);
    }
}
