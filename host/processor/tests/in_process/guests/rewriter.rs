//! A component that only rewrites: the default guest makes events of what comes out.

use log_processor::pipeline::End;
use model::{GuestErrorKind, Reason};
use proptest::prelude::*;

use super::harness::{Case, WORLD, record};

const MODES: [&str; 10] =
    ["passthrough", "drop", "redact", "duplicate", "merge", "hold", "hold-drop", "array", "reject", "malformed"];

fn case(mode: &str) -> Case {
    let lines = [record("one"), record("secret two"), record("three"), "nonsense".to_owned(), record("five")];
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    Case::rewriter(mode).set("word", "secret").lines(&lines)
}

#[test]
fn each_mode_does_what_it_says_wherever_chunks_are_cut() {
    let all = ["one", "secret two", "three", "five"];
    let doubled = ["one", "one", "secret two", "secret two", "three", "three", "five", "five"];
    // Messages; delivered, filtered, malformed, dead-lettered, left.
    let cases: [(&str, &[&str], [u64; 5]); 10] = [
        ("passthrough", &all, [4, 0, 1, 0, 0]),
        ("hold", &all, [4, 0, 1, 0, 0]),
        ("drop", &["one", "three", "five"], [3, 1, 1, 0, 0]),
        ("hold-drop", &["one", "three", "five"], [3, 1, 1, 0, 0]),
        ("redact", &["one", "*** two", "three", "five"], [4, 0, 1, 0, 0]),
        ("reject", &["one", "three", "five"], [3, 0, 1, 1, 0]),
        ("malformed", &["one", "three", "five"], [3, 0, 2, 0, 0]),
        ("duplicate", &doubled, [4, 0, 1, 0, 0]),
        ("array", &doubled, [0; 5]),
        ("merge", &all, [0; 5]),
    ];
    for (mode, messages, counts) in cases {
        for chunk_bytes in [1, 70, 1 << 16] {
            let came = case(mode).chunks(chunk_bytes).run();
            if counts == [0; 5] {
                // The line that is no JSON is made part of an array: a lie.
                came.fails("guest-contract", &["is no JSON", "in "]);
                continue;
            }
            assert_eq!(came.is_complete().messages(), messages, "{mode} {chunk_bytes}");
            assert_eq!(came.counts(), counts, "{mode} {chunk_bytes}");
        }
    }
}

#[test]
fn events_and_dead_letters_name_the_objects_own_line() {
    let old = r#"{"timestamp":"2020-01-01T00:00:00Z","message":"old"}"#;
    let lines = [&record("secret"), &record("two"), "", old, "nonsense", &record("six")];
    for (mode, word) in [("drop", "secret"), ("hold-drop", "secret"), ("duplicate", "")] {
        for chunk_bytes in [1, 1 << 16] {
            let came = Case::rewriter(mode).set("word", word).lines(&lines).chunks(chunk_bytes).run();
            came.is_complete();
            let mut events: Vec<u64> = came.sink.events.iter().map(|event| event.line).collect();
            events.dedup();
            let first = u64::from(mode != "duplicate");
            assert_eq!(events, (0..6).filter(|line| [0, 1, 5].contains(line) && *line >= first).collect::<Vec<_>>());
            let mut letters: Vec<_> = came.sink.letters.iter().map(|l| (l.lines.unwrap().0, l.reason)).collect();
            letters.dedup();
            letters.sort_unstable();
            assert_eq!(letters, [(3, Reason::TooOld), (4, Reason::Malformed)], "{mode}");
            assert_eq!(came.delivered.lines.dead_lettered[&Reason::TooOld], 1);
        }
    }
}

#[test]
fn merged_lines_share_an_outcome() {
    let old = r#"{"timestamp":"2020-01-01T00:00:00Z","message":"old"}"#;
    for chunk_bytes in [1, 1 << 16] {
        let came = Case::rewriter("merge").lines(&[&record("a"), &record("b"), old, &record("c"), &record("d")]);
        let came = came.chunks(chunk_bytes).run();
        assert_eq!(came.is_complete().messages(), ["a", "b", "c", "d"]);
        // Of the second pair one event is refused: so its lines are.
        assert_eq!(came.counts(), [3, 0, 0, 2, 0]);
    }
}

#[test]
fn each_lie_is_named_and_nothing_of_it_is_delivered() {
    let lies = [
        ("invalid-json", "guest-contract", "the output line of source 2 is no JSON"),
        ("blank-line", "guest-contract", "the output line of source 2 is no JSON"),
        ("no-newline", "guest-contract", "each line needs a newline and a source"),
        ("newline-inside", "guest-contract", "5 newline-terminated lines came with 4 sources"),
        ("sources-short", "guest-contract", "3 newline-terminated lines came with 2 sources"),
        ("sources-descending", "guest-contract", "sources must ascend"),
        ("source-ahead", "guest-contract", "line 3 is reported"),
        ("source-max", "guest-contract", "line 18446744073709551615 is reported"),
        ("note-over-output", "guest-contract", "line 0 has both output and a note"),
        ("pending-ahead", "guest-contract", "pending-from is 4"),
        ("flood", "guest-output", "100003 records"),
    ];
    for (mode, name, says) in lies {
        for upload in [false, true] {
            let case = Case::rewriter(mode);
            let came = if upload { case.run_upload() } else { case.run() };
            came.fails(name, &[says, "in rewrite"]);
            assert!(came.messages().is_empty() && came.sink.letters.is_empty() && came.written.is_none(), "{mode}");
            assert_eq!(came.counts(), [0, 0, 0, 0, 3], "{mode}");
        }
    }
    let came = Case::rewriter("source-blank").lines(&["", &record("a")]).run();
    came.fails("guest-contract", &["source 0, which is blank or was not given"]);
}

#[test]
fn a_rewriter_may_reject_the_object_or_the_rest_of_it() {
    let came = Case::rewriter("begin-rejected").run();
    assert_eq!(came.delivered.end, End::Rejected(Reason::GuestRejected));
    assert!(came.messages().is_empty());
    let came = Case::rewriter("reject-second").chunks(1).run();
    assert_eq!(came.delivered.end, End::Rejected(Reason::GuestRejected));
    assert_eq!(came.messages(), ["a"]);
    assert_eq!(came.counts(), [1, 0, 0, 1, 0]);
}

#[test]
fn an_upload_holds_what_the_rewriter_left() {
    let came = case("redact").run_upload();
    let written = String::from_utf8(came.is_complete().written.clone().unwrap()).unwrap();
    assert_eq!(written.lines().count(), 5);
    assert!(written.contains("*** two") && !written.contains("secret"));
    // In an object every line that is left is delivered, JSON or not.
    assert_eq!(came.counts(), [5, 0, 0, 0, 0]);
    let came = case("drop").run_upload();
    assert_eq!(came.is_complete().counts(), [4, 1, 0, 0, 0]);
    let came = case("reject").run_upload();
    assert_eq!(came.is_complete().counts(), [4, 0, 0, 1, 0]);
    assert_eq!(came.sink.letters[0].lines, Some((1, 1)));
    let came = case("drop").set("word", "").input("").run_upload();
    assert_eq!(came.is_complete().written.as_deref(), Some(&b""[..]));
}

#[test]
fn of_an_upload_that_is_rejected_midway_the_lines_before_are_delivered() {
    let came = Case::rewriter("reject-second").chunks(1).run_upload();
    assert_eq!(came.delivered.end, End::Rejected(Reason::GuestRejected));
    let written = came.written.clone().unwrap();
    assert_eq!(String::from_utf8(written).unwrap(), record("a") + "\n");
    assert_eq!(came.counts(), [1, 0, 0, 1, 0], "what is in the object is delivered");
}

#[test]
fn a_rewriters_log_is_kept_beside_the_default_guests() {
    let came = case("passthrough").run();
    assert_eq!(came.delivered.guest_log.lines, 1);
    assert_eq!(came.delivered.guest_log.kept[0].text, "begun");
    assert!(WORLD.rewriter.exports().record_rewrite.is_some() && WORLD.rewriter.exports().log_filter.is_none());
}

/// As without a rewriter: a record over several lines has one outcome.
#[test]
fn lines_of_a_record_that_is_refused_are_refused_with_it() {
    let old = "{\n\"timestamp\": \"2020-01-01T00:00:00Z\",\n\"message\": \"old\"\n}\n";
    for chunk_bytes in [1, 1 << 16] {
        let direct = Case::of(None).input(old).chunks(chunk_bytes).run();
        let through = Case::rewriter("passthrough").input(old).chunks(chunk_bytes).run();
        assert_eq!(direct.counts(), [0, 0, 0, 4, 0]);
        assert_eq!(through.counts(), direct.counts());
    }
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "[a-z ]{0,9}".prop_map(|message| record(&message)),
        1 => Just("null".to_owned()), 1 => Just("{}".to_owned()), 1 => Just(String::new()),
        1 => Just("[".to_owned()), 1 => Just("]".to_owned()), 1 => Just(",".to_owned()), 1 => Just("{".to_owned()),
        1 => Just("}".to_owned()), 1 => Just("\"message\": \"x\"".to_owned()), 1 => Just("[1,{}]".to_owned()),
        1 => Just(r#"{"timestamp":"2020-01-01T00:00:00Z","message":"x"}"#.to_owned()),
        1 => Just(r#"{"timestamp":"2026-11-23T09:59:00Z","message":""}"#.to_owned()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the lines are: the lines add up (the harness asks), no bug of
    /// the host shows, and where chunks are cut matters to nobody.
    #[test]
    fn lines_add_up(
        lines in prop::collection::vec(line(), 0..40),
        mode in prop::sample::select(&MODES),
        chunk_bytes in prop_oneof![Just(1_usize), 1_usize..400],
    ) {
        let case = |chunk_bytes| {
            let case = Case::rewriter(mode).set("word", "a");
            case.input(lines.join("\n")).chunks(chunk_bytes)
        };
        let one = case(1 << 16).run();
        let cut = case(chunk_bytes).run();
        prop_assert_eq!(std::mem::discriminant(&one.delivered.end), std::mem::discriminant(&cut.delivered.end));
        if let End::Failed(failure) = &cut.delivered.end {
            // A line that is no JSON, changed: a lie of the rewriter.
            let contract = failure.kind == GuestErrorKind::Contract.into();
            prop_assert!(contract && ["merge", "array", "redact"].contains(&mode), "{}", failure);
        } else {
            prop_assert_eq!(one.messages(), cut.messages());
            prop_assert_eq!(one.counts(), cut.counts());
        }
        let upload = case(chunk_bytes).run_upload();
        if upload.delivered.end == End::Complete {
            prop_assert_eq!(upload.written, case(1 << 16).run_upload().written);
        }
    }
}
