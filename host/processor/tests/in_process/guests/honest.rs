//! Lines held back across chunks, joined, dropped and refused: wherever the
//! chunks are cut, the same events go out, and each line has one outcome.

use proptest::prelude::*;

use super::harness::{Came, Case, WORLD};
use crate::shared::read;

fn records(input: &str, chunk_bytes: usize, hold: &str) -> Came {
    let case = Case::hostile("records").set("hold", hold).input(input).chunks(chunk_bytes);
    let came = case.run();
    came.is_complete_or_malformed();
    came
}

/// Line and message of each event, and the counts, as plainly as can be.
fn expected(input: &str) -> (Vec<(u64, String)>, [u64; 5]) {
    let lines: Vec<&str> = input.lines().collect();
    let (mut events, mut counts) = (Vec::new(), [0; 5]);
    let mut at = 0;
    while at < lines.len() {
        let more = lines[at + 1..].iter().take_while(|line| line.is_empty() || line.starts_with(' ')).count();
        let record = &lines[at..=at + more];
        let outcome = match record[0] {
            line if line.contains("malformed") => 2,
            line if line.contains("reject") => 3,
            line if line.contains("drop") || line.trim().is_empty() => 1,
            _ => {
                events.push((at as u64, record.join("\n")));
                0
            }
        };
        counts[outcome] += record.iter().filter(|line| !line.trim().is_empty()).count() as u64;
        at += more + 1;
    }
    (events, counts)
}

fn line() -> impl Strategy<Value = String> {
    let kind = prop_oneof![
        4 => Just("plain"), 4 => Just(" more"), 1 => Just(""), 1 => Just(" "), 1 => Just("drop"),
        1 => Just("reject"), 1 => Just("malformed"),
    ];
    (kind, "[a-zé]{0,12}")
        .prop_map(|(kind, tail)| if kind.trim().is_empty() { kind.to_owned() } else { format!("{kind} {tail}") })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn chunks_make_no_difference(
        lines in prop::collection::vec(line(), 0..60),
        newline in any::<bool>(),
        chunk_bytes in prop_oneof![Just(1_usize), 1_usize..200],
        hold in "[0-4]{0,5}",
    ) {
        let mut input = lines.join("\n");
        if newline && !input.is_empty() {
            input.push('\n');
        }
        let came = records(&input, chunk_bytes, &hold);
        let (events, counts) = expected(&input);
        let came_events: Vec<_> = came.sink.events.iter().map(|event| (event.line, event.message.clone())).collect();
        prop_assert_eq!(came_events, events);
        prop_assert_eq!(came.counts(), counts);
        // Each dead letter is about one line, and holds it.
        for letter in &came.sink.letters {
            let (first, last) = letter.lines.unwrap();
            prop_assert_eq!(first, last);
            prop_assert_eq!(Some(&*String::from_utf8_lossy(&letter.data)), input.lines().nth(first as usize));
            let at = letter.offset.unwrap() as usize;
            prop_assert_eq!(&input.as_bytes()[at..at + letter.data.len()], &letter.data[..]);
        }
    }

    #[test]
    fn a_resumed_delivery_puts_the_rest(from in 0_u64..12, chunk_bytes in 1_usize..60) {
        let input = "one\n more\ntwo\ndrop\nthree\nreject\nfour\n five\nsix\n";
        let whole = records(input, chunk_bytes, "2");
        let rest = Case::hostile("records").set("hold", "1").input(input).chunks(chunk_bytes).resume_from(from).run();
        let expected = whole.messages().into_iter().skip(from as usize).collect::<Vec<_>>();
        prop_assert_eq!(rest.messages(), expected);
        prop_assert_eq!(rest.counts(), whole.counts());
        prop_assert_eq!(rest.sink.checkpoint, 5);
    }
}

/// A rewriter that changes nothing makes no difference to anything.
#[test]
fn passing_through_a_rewriter_changes_nothing() {
    for file in ["records", "random", "better"] {
        let path = format!("{}/../../tests/vectors/{file}.ndjson", env!("CARGO_MANIFEST_DIR"));
        for vector in std::fs::read_to_string(path).unwrap().lines() {
            let vector: serde_json::Value = serde_json::from_str(vector).unwrap();
            let Some(input) = vector["input"].as_str() else { continue };
            for chunk_bytes in [1, 1 << 16] {
                let direct = Case::of(None).input(input).chunks(chunk_bytes).run();
                let through = Case::rewriter("passthrough").input(input).chunks(chunk_bytes).run();
                let name = &vector["name"];
                assert_eq!(through.delivered.end, direct.delivered.end, "{file} {name}: {input:?}");
                assert_eq!(through.sink.events, direct.sink.events, "{file} {name}: {input:?}");
                assert_eq!(through.delivered.lines, direct.delivered.lines, "{file} {name} {chunk_bytes}: {input:?}");
            }
        }
    }
}

/// Short lines are many for their bytes; one event each is no flood.
#[test]
fn one_event_a_line_is_never_too_much() {
    let input = "x\n".repeat(50_000);
    let came = Case::hostile("honest").input(input.clone()).chunks(256 << 10).run();
    assert_eq!(came.is_complete().sink.events.len(), 50_000);
    let came = Case::rewriter("passthrough").input("1\n".repeat(50_000)).chunks(256 << 10).run();
    assert_eq!(came.is_complete().counts(), [0, 50_000, 0, 0, 0]);
}

/// The hostile guest's component is deterministic: so is all that it leads to.
#[test]
fn two_runs_are_the_same() {
    let run = || {
        let came = Case::hostile("records").set("hold", "31").lines(&["one", " a", "reject", "two", "drop"]).run();
        (came.sink.events, came.sink.letters, came.delivered)
    };
    assert_eq!(run(), run());
    assert_eq!(
        WORLD.engine.load("again", &read("fixtures/hostile-guest.wasm"), super::harness::limits()).unwrap().digest(),
        WORLD.hostile.digest()
    );
}

impl Came {
    fn is_complete_or_malformed(&self) {
        let malformed = log_processor::pipeline::End::Rejected(model::Reason::Malformed);
        if self.delivered.end != malformed {
            self.is_complete();
        }
    }
}
