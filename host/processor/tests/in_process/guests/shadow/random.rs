//! Any component beside any other, over any lines: the comparison adds up.

use proptest::prelude::*;

use super::*;

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z ]{0,9}".prop_map(|message| record(&message)),
        1 => Just("nonsense".to_owned()), 1 => Just(String::new()), 1 => Just(" \t".to_owned()),
        1 => Just("[".to_owned()), 1 => Just("]".to_owned()), 1 => Just("{".to_owned()), 1 => Just("}".to_owned()),
        1 => Just("[1,{}]".to_owned()), 1 => Just(" joined".to_owned()), 1 => Just("drop".to_owned()),
        1 => Just(r#"{"timestamp":"2020-01-01T00:00:00Z","message":"x"}"#.to_owned()),
    ]
}

/// A component and what it is told.
fn guest() -> impl Strategy<Value = (bool, &'static str, String)> {
    let rewriter = ["random", "passthrough", "drop", "hold", "hold-drop", "duplicate", "reject", "malformed", "redact"];
    let hostile = ["random", "records", "twice", "empty", "hold-everything", "transform:panic-second", "end:panic"];
    prop_oneof![
        (Just(true), prop::sample::select(rewriter.to_vec()), "[a-z]{1,3}"),
        (Just(false), prop::sample::select(hostile.to_vec()), "[0-4]{1,3}"),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever either of the two does: each line is counted once (the harness asks),
    /// what is delivered is what would be, and who is compared with himself is the same.
    #[test]
    fn sums_add_up(
        lines in prop::collection::vec(line(), 0..40),
        (active, shadow) in (guest(), guest()),
        itself in any::<bool>(),
        chunk_bytes in prop_oneof![Just(1_usize), 1_usize..400, Just(1 << 16)],
    ) {
        let (rewrites, mode, word) = active;
        let case = if rewrites { Case::rewriter(mode).set("word", &word) } else { Case::hostile(mode).set("hold", &word) };
        let case = case.input(lines.join("\n")).chunks(chunk_bytes);
        let beside = if itself { (rewrites, mode, word.clone()) } else { shadow };
        let component = if beside.0 { &WORLD.rewriter } else { &WORLD.hostile };
        let name = if beside.0 { "word" } else { "hold" };
        let case = case.shadow(component, &[("mode", beside.1), (name, &beside.2)]);
        let came = harmless(&case, Case::run);
        let ended = matches!(came.delivered.end, End::Complete | End::Rejected(_));
        prop_assert_eq!(came.delivered.shadow.is_some(), ended);
        if let (true, Some(run)) = (itself, &came.delivered.shadow) {
            prop_assert_eq!(run.same, counted(run), "{:?}", run);
        }
        if rewrites {
            let came = harmless(&case, Case::run_upload);
            if let (true, Some(run)) = (itself, &came.delivered.shadow) {
                prop_assert_eq!(run.same, counted(run), "{:?}", run);
            }
        }
        if let Some(run) = case.run_copy() {
            let records = lines.iter().filter(|line| !line.trim().is_empty()).count() as u64;
            prop_assert_eq!(counted(&run), records, "{:?}", run);
        }
    }
}
