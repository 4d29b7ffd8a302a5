//! Shadows: each line is compared, nothing of them is delivered, and nobody is harmed.

mod random;
mod stopped;

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use log_processor::pipeline::{
    Delivered, Difference, End, Guests, LoadedPlugin, Plan, ShadowRun, Stop, compare_copy, deliver_events,
    deliver_object,
};
use model::{Destination, Limits, OnError, Reason};
use sandbox::Component;

use super::harness::{Came, Case, Sink, WORLD, block_on, cloudwatch, counted, limits, record};
use assemble::filter;

const CHUNKS: [usize; 3] = [1, 70, 1 << 16];

/// Delivered as if there were no shadow; what came of that.
#[track_caller]
fn harmless(case: &Case, run: impl Fn(&Case) -> Came) -> Came {
    let (mut came, alone) = (run(case), run(&case.alone()));
    assert_eq!(came.sink.events, alone.sink.events);
    assert_eq!(came.sink.letters, alone.sink.letters);
    assert_eq!(came.sink.checkpoint, alone.sink.checkpoint);
    assert_eq!(came.written, alone.written);
    let shadow = came.delivered.shadow.take();
    assert_eq!(came.delivered, alone.delivered);
    Came { delivered: Delivered { shadow, ..came.delivered }, ..came }
}

#[track_caller]
fn compared(case: &Case) -> ShadowRun {
    harmless(case, Case::run).is_complete().delivered.shadow.clone().unwrap()
}

/// Same, changed, dropped, added, failed.
fn counts(run: &ShadowRun) -> [u64; 5] {
    [run.same, run.changed, run.dropped, run.added, run.failed]
}

/// Five records, the second with the word; the fourth is none.
fn lines() -> [String; 5] {
    [record("one"), record("secret two"), record("three"), "nonsense".to_owned(), record("five")]
}

/// This mode of the rewriter is active; none: the default guest alone.
fn active(mode: &str) -> Case {
    let case = if mode.is_empty() { Case::of(None) } else { Case::rewriter(mode).set("word", "secret") };
    case.lines(&lines().each_ref().map(String::as_str))
}

fn beside(case: Case, mode: &str) -> Case {
    case.shadow(&WORLD.rewriter, &[("mode", mode), ("word", "secret")])
}

fn hostile(case: Case, mode: &str, hold: &str) -> Case {
    case.shadow(&WORLD.hostile, &[("mode", mode), ("hold", hold)])
}

#[test]
fn each_line_is_compared_wherever_chunks_are_cut_and_whoever_holds_back() {
    let cases = [
        ("", "passthrough", [5, 0, 0, 0, 0]),
        ("", "hold", [5, 0, 0, 0, 0]),
        ("", "redact", [4, 1, 0, 0, 0]),
        ("", "drop", [4, 0, 1, 0, 0]),
        ("", "hold-drop", [4, 0, 1, 0, 0]),
        ("", "reject", [4, 0, 1, 0, 0]),
        ("", "malformed", [4, 0, 1, 0, 0]),
        // What is malformed is so twice.
        ("", "duplicate", [1, 4, 0, 0, 0]),
        ("drop", "passthrough", [4, 0, 0, 1, 0]),
        ("hold-drop", "passthrough", [4, 0, 0, 1, 0]),
        ("hold-drop", "hold", [4, 0, 0, 1, 0]),
        ("hold", "hold-drop", [4, 0, 1, 0, 0]),
        ("drop", "hold-drop", [5, 0, 0, 0, 0]),
        ("reject", "reject", [5, 0, 0, 0, 0]),
        // No output of either, for another reason.
        ("reject", "malformed", [4, 1, 0, 0, 0]),
        ("drop", "reject", [4, 1, 0, 0, 0]),
        ("redact", "duplicate", [1, 4, 0, 0, 0]),
    ];
    for (mode, shadow, expected) in cases {
        for chunk_bytes in CHUNKS {
            let run = compared(&beside(active(mode), shadow).chunks(chunk_bytes));
            assert_eq!(counts(&run), expected, "{mode} {shadow} {chunk_bytes} {run:?}");
            assert_eq!((run.failures.sum(), run.error.as_ref(), run.unwanted), (0, None, false));
            assert_eq!(run.samples.len() as u64, run.changed + run.dropped + run.added);
            assert_eq!(run.digest, WORLD.rewriter.digest());
        }
    }
}

#[test]
fn a_sample_names_line_and_kind_and_shows_hashes_not_contents() {
    let samples = |mode, shadow| compared(&beside(active(mode), shadow)).samples;
    let [redacted] = &samples("", "redact")[..] else { panic!() };
    assert_eq!((redacted.line, redacted.kind), (1, "changed"));
    let hashes = [&redacted.active, &redacted.shadow].map(|hash| hash.clone().unwrap());
    assert!(hashes.iter().all(|hash| hash.len() == 16 && hash.bytes().all(|c| c.is_ascii_hexdigit())), "{hashes:?}");
    assert_ne!(hashes[0], hashes[1]);
    let [dropped] = &samples("", "drop")[..] else { panic!() };
    let expected = Difference { line: 1, kind: "dropped", active: Some(hashes[0].clone()), shadow: None };
    assert_eq!(*dropped, expected);
    let [added] = &samples("drop", "redact")[..] else { panic!() };
    assert_eq!(*added, Difference { line: 1, kind: "added", active: None, shadow: Some(hashes[1].clone()) });
    let [refused] = &samples("drop", "reject")[..] else { panic!() };
    let reason = Some("guest-rejected".to_owned());
    assert_eq!(*refused, Difference { line: 1, kind: "changed", active: None, shadow: reason });
}

#[test]
fn contents_are_shown_where_the_operator_allows() {
    let run = compared(&beside(active(""), "redact").shadow_contents());
    let [Difference { active: Some(active), shadow: Some(shadow), .. }] = &run.samples[..] else { panic!("{run:?}") };
    assert!(active.ends_with(" secret two") && shadow.ends_with(" *** two"), "{active} {shadow}");
    let long = record(&("secret".to_owned() + &"x".repeat(1000)));
    let run = compared(&beside(Case::of(None).lines(&[&long]), "redact").shadow_contents());
    assert!(run.samples[0].active.as_ref().unwrap().len() <= 256);
}

#[test]
fn the_first_differences_are_kept() {
    let lines: Vec<String> = (0..100).map(|n| record(&format!("secret {n}"))).collect();
    let case = Case::of(None).input(lines.join("\n"));
    for chunk_bytes in CHUNKS {
        let run = compared(&beside(case.clone(), "drop").chunks(chunk_bytes));
        assert_eq!(counts(&run), [0, 0, 100, 0, 0]);
        assert_eq!(run.samples.iter().map(|sample| sample.line).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    }
}

#[test]
fn a_transformer_beside_another() {
    // To the one three lines are no records, to the other all are, and two of them one.
    let lines = ["one", " more", &record("two"), "", "drop", &record("malformed")];
    for chunk_bytes in CHUNKS {
        for hold in ["0", "2", "031"] {
            let default = Case::of(None).lines(&lines).chunks(chunk_bytes);
            let run = compared(&hostile(default.clone(), "records", hold));
            // Lines 1 and 4: malformed, and joined or dropped without a word.
            assert_eq!(counts(&run), [0, 3, 1, 1, 0], "{run:?}");
            let hostile_active = Case::hostile("records").set("hold", hold).lines(&lines).chunks(chunk_bytes);
            let run = compared(&beside(hostile_active.clone(), "hold"));
            assert_eq!(counts(&run), [0, 3, 1, 1, 0], "{run:?}");
            let run = compared(&hostile(hostile_active, "records", "1"));
            assert_eq!(counts(&run), [5, 0, 0, 0, 0], "{run:?}");
        }
    }
}

#[test]
fn a_shadow_that_fails_is_counted_from_that_line_on() {
    let long = "x".repeat(30);
    let texts = ["a", "b", &long, "d", "", "f"];
    let hold_everything = WORLD.hostile.with_limits(Limits { held_back_bytes: 32, ..limits() });
    // Chunks of one line each.
    let cases = [
        ("wants:panic", [0, 5], "guest-trap"),
        ("wants:loop", [0, 5], "guest-fuel"),
        ("begin:internal", [0, 5], "guest-internal"),
        ("begin:memory", [0, 5], "guest-memory"),
        ("transform:unreachable", [0, 5], "guest-trap"),
        ("transform:loop", [0, 5], "guest-fuel"),
        ("transform:panic-second", [1, 4], "guest-trap"),
        ("transform:recursion-second", [1, 4], "guest-trap"),
        ("event-settled", [1, 4], "guest-contract"),
        ("end:panic", [5, 0], ""),
        ("hold-everything", [0, 5], "guest-held-back"),
        ("pending-at-end", [0, 5], "guest-contract"),
        ("flood-count", [0, 5], "guest-output"),
    ];
    for (mode, [same, failed], name) in cases {
        let active = Case::hostile("honest").lines(&texts).chunks(1);
        let component = if mode == "hold-everything" { &hold_everything } else { &WORLD.hostile };
        let run = compared(&active.shadow(component, &[("mode", mode)]));
        assert_eq!(counts(&run), [same, 0, 0, 0, failed], "{mode} {run:?}");
        let name = if name.is_empty() { "guest-trap" } else { name };
        assert_eq!(run.failures.by_name().collect::<Vec<_>>(), [(name, 1)], "{mode}");
        assert!(run.error.is_some(), "{mode}");
    }
}

#[test]
fn a_shadow_that_fails_while_either_holds_back() {
    let texts = ["a", "b", "c", "d", "e"];
    let hold = |hold| Case::hostile("records").set("hold", hold).lines(&texts).chunks(1);
    // What the active one holds back is compared when it is settled.
    assert_eq!(counts(&compared(&hostile(hold("3"), "transform:panic-second", ""))), [1, 0, 0, 0, 4]);
    // What the shadow holds back is lost with it.
    assert_eq!(counts(&compared(&hostile(hold("0"), "end:panic", ""))), [5, 0, 0, 0, 0]);
    let run = compared(&beside(Case::rewriter("passthrough").lines(&[&record("a"), "{", "}", &record("b")]), "hold"));
    assert_eq!(counts(&run), [4, 0, 0, 0, 0]);
}

#[test]
fn a_shadow_that_can_not_start() {
    let filter = WORLD.engine.load("filter", &filter("", ""), limits()).unwrap();
    let run = compared(&active("").shadow(&filter, &[]));
    assert_eq!(counts(&run), [5, 0, 0, 0, 0], "it only filters, and wants all");
    let tiny = filter.with_limits(Limits { memory_bytes: 1000, ..limits() });
    let run = compared(&active("").shadow(&tiny, &[]));
    assert_eq!(counts(&run), [0, 0, 0, 0, 5]);
    assert_eq!(run.failures.by_name().map(|(name, _)| name).collect::<Vec<_>>(), ["guest-memory"]);
    assert!(run.error.unwrap().contains("PLUGIN_MEMORY_BYTES"));
}

#[test]
fn a_guests_own_words_are_shown_only_where_contents_are() {
    let case = hostile(active(""), "begin:internal", "");
    let hidden = compared(&case.clone()).error.unwrap();
    assert!(!hidden.contains("lost my way") && hidden.contains("begin") && hidden.contains("PLUGIN_SHADOW_CONTENTS"));
    assert!(compared(&case.shadow_contents()).error.unwrap().contains("lost my way"));
}

#[test]
fn a_shadow_that_would_not_have_the_object() {
    for chunk_bytes in CHUNKS {
        let run = compared(&hostile(active("").chunks(chunk_bytes), "wants:nothing", ""));
        assert_eq!((counts(&run), run.unwanted), ([1, 0, 4, 0, 0], true), "the one that is no record is the same");
    }
}

#[test]
fn a_rejection_is_an_answer_and_no_failure() {
    for mode in ["wants:rejected", "begin:rejected", "transform:rejected"] {
        let run = compared(&hostile(active(""), mode, ""));
        // Of the line that is no record it has another opinion.
        assert_eq!((counts(&run), run.failures.sum()), ([0, 1, 4, 0, 0], 0), "{mode}");
        assert_eq!(run.samples[0].shadow.as_deref(), Some("guest-rejected"));
    }
    let run = compared(&beside(Case::of(None).lines(&[&record("a"), &record("b")]).chunks(1), "reject-second"));
    assert_eq!(counts(&run), [1, 0, 1, 0, 0]);
}

#[test]
fn where_the_active_one_rejects_the_rest_the_shadow_is_asked_about_what_was_read() {
    let lines = [record("a"), record("b"), record("c")];
    let lines = lines.each_ref().map(String::as_str);
    let case = Case::rewriter("reject-second").lines(&lines).chunks(1);
    for (mode, expected) in [("passthrough", [1, 0, 0, 1, 0]), ("reject-second", [2, 0, 0, 0, 0])] {
        for upload in [false, true] {
            let run = if upload { Case::run_upload } else { Case::run };
            let came = harmless(&beside(case.clone(), mode), run);
            assert_eq!(came.delivered.end, End::Rejected(Reason::GuestRejected));
            assert_eq!(counts(&came.delivered.shadow.unwrap()), expected, "{mode} {upload}");
        }
    }
}

#[test]
fn what_no_guest_is_given_is_the_same_on_both_sides() {
    let long = record(&"x".repeat(2 << 20));
    let case = Case::of(None).lines(&[&record("a"), &long, "", &record("b")]);
    for chunk_bytes in CHUNKS {
        let case = case.clone().chunks(chunk_bytes);
        assert_eq!(counts(&compared(&beside(case.clone(), "passthrough"))), [3, 0, 0, 0, 0]);
        assert_eq!(counts(&beside(case, "hold").run_copy().unwrap()), [2, 0, 1, 0, 0], "a copy has it");
    }
    let case = Case::hostile("honest").lines(&["a", &long, "b"]).chunks(1);
    let run = compared(&hostile(case, "transform:panic-second", ""));
    assert_eq!(counts(&run), [2, 0, 0, 0, 1]);
}

#[test]
fn an_active_one_that_fails_leaves_no_comparison() {
    for mode in ["transform:panic-second", "end:panic"] {
        let case = hostile(Case::hostile(mode).chunks(1), "honest", "");
        let came = harmless(&case, Case::run);
        assert!(came.delivered.shadow.is_none(), "all lines are compared again at the next attempt");
        came.fails("guest-trap", &[]);
    }
}

#[test]
fn what_on_error_makes_of_the_active_one_is_compared_as_it_is_delivered() {
    let lines = [record("one"), record("two"), record("three")];
    let lines = lines.each_ref().map(String::as_str);
    for chunk_bytes in CHUNKS {
        let case = Case::hostile("honest").set("poison", "two").on_error(OnError::Quarantine).lines(&lines);
        let run = compared(&hostile(case.chunks(chunk_bytes), "honest", ""));
        assert_eq!(counts(&run), [2, 0, 0, 1, 0], "{run:?}");
        assert_eq!((run.samples[0].line, run.samples[0].active.as_deref()), (1, Some("poison")));
    }
    // The default guest takes over.
    let case = Case::hostile("transform:panic-second").on_error(OnError::Default).lines(&lines).chunks(1);
    assert_eq!(counts(&compared(&hostile(case.clone(), "honest", ""))), [1, 2, 0, 0, 0]);
    assert_eq!(counts(&compared(&beside(case, "passthrough"))), [2, 1, 0, 0, 0]);
    let case = Case::rewriter("redact").set("word", "t").set("poison", "two").on_error(OnError::Default);
    let case = beside(case.lines(&lines).chunks(1), "passthrough");
    for upload in [false, true] {
        let came = harmless(&case, if upload { Case::run_upload } else { Case::run });
        assert_eq!(counts(&came.delivered.shadow.unwrap()), [2, 1, 0, 0, 0], "{upload}");
    }
}

#[test]
fn an_upload_is_compared_line_by_line() {
    let cases = [
        ("passthrough", "passthrough", [5, 0, 0, 0, 0]),
        ("redact", "hold", [4, 1, 0, 0, 0]),
        ("redact", "hold-drop", [4, 0, 1, 0, 0]),
        ("hold-drop", "redact", [4, 0, 0, 1, 0]),
        ("drop", "duplicate", [0, 4, 0, 1, 0]),
    ];
    for (mode, shadow, expected) in cases {
        for chunk_bytes in CHUNKS {
            let came = harmless(&beside(active(mode), shadow).chunks(chunk_bytes), Case::run_upload);
            assert_eq!(counts(&came.delivered.shadow.unwrap()), expected, "{mode} {shadow}");
        }
    }
    // One that rewrites nothing would copy.
    for chunk_bytes in CHUNKS {
        let came = harmless(&hostile(active("drop"), "transform:panic", "").chunks(chunk_bytes), Case::run_upload);
        assert_eq!(counts(&came.delivered.shadow.unwrap()), [4, 0, 0, 1, 0]);
    }
}

#[test]
fn a_copy_is_compared_too() {
    let cases = [
        ("passthrough", [5, 0, 0, 0, 0]),
        ("hold-drop", [4, 0, 1, 0, 0]),
        ("redact", [4, 1, 0, 0, 0]),
        ("reject-second", [1, 0, 4, 0, 0]),
    ];
    for (mode, expected) in cases {
        let case = beside(active(""), mode).chunks(1);
        assert!(case.plan().shadow_touches_copies());
        // Whether the last line ends with a newline is no difference.
        for case in [case.clone(), case.input(lines().join("\n"))] {
            assert_eq!(counts(&case.run_copy().unwrap()), expected, "{mode}");
        }
    }
    let run = hostile(active(""), "wants:nothing", "").run_copy().unwrap();
    assert_eq!((counts(&run), run.unwanted), ([0, 0, 5, 0, 0], true));
    let run = hostile(active(""), "wants:panic", "").run_copy().unwrap();
    assert_eq!(counts(&run), [0, 0, 0, 0, 5]);
    assert!(active("").run_copy().is_none() && !active("").plan().shadow_touches_copies());
}

#[test]
fn a_resumed_attempt_compares_every_line() {
    for resume_from in [0, 1, 3, 4] {
        let case = beside(active(""), "drop").chunks(1).resume_from(resume_from);
        assert_eq!(counts(&compared(&case)), [4, 0, 1, 0, 0], "{resume_from}");
    }
}

#[test]
fn events_that_are_refused_later_are_output() {
    let old = r#"{"timestamp":"2020-01-01T00:00:00Z","message":"old secret"}"#;
    let case = Case::of(None).lines(&[old, &record("")]);
    assert_eq!(counts(&compared(&beside(case.clone(), "passthrough"))), [2, 0, 0, 0, 0]);
    assert_eq!(counts(&compared(&beside(case.clone(), "redact"))), [1, 1, 0, 0, 0]);
    assert_eq!(counts(&compared(&beside(case, "drop"))), [1, 0, 1, 0, 0]);
}

/// A shadow that may hold back much, of lines of a byte.
fn holds_back(component: &Component, mode: &str) -> ShadowRun {
    let limits = Limits { held_back_bytes: 8 << 20, memory_bytes: 256 << 20, ..limits() };
    let case = Case::hostile("honest").input("x\n".repeat(300_000));
    compared(&case.shadow(&component.with_limits(limits), &[("mode", mode)]))
}

#[test]
fn lines_that_wait_for_the_shadow_are_bounded() {
    let run = holds_back(&WORLD.rewriter, "hold");
    assert_eq!((run.same, run.failed), (0, 300_000));
    assert_eq!(run.failures.by_name().map(|(name, _)| name).collect::<Vec<_>>(), ["guest-held-back"]);
    let error = run.error.unwrap();
    assert!(error.contains("at most 262144 may"), "{error}");
    // The default guest behind it has them for no records.
    assert_eq!(counts(&holds_back(&WORLD.rewriter, "passthrough")), [0, 0, 300_000, 0, 0]);
}

#[test]
fn what_it_used_is_told_and_is_not_the_active_ones() {
    let sink = Sink::default();
    let case = hostile(active(""), "transform:loop", "");
    let run = |case: &Case| {
        let (plan, job) = (case.plan(), case.job(cloudwatch()));
        let guests = Guests::start(&plan, &job).unwrap();
        block_on(deliver_events(job, guests, io::Cursor::new(lines().join("\n")), Stop::default(), &sink))
    };
    // Fuel for a chunk takes longer than five lines; unless another program had its turn
    // among these, which it has not every time.
    let apart = (0..20).any(|_| {
        let came = run(&case);
        let used = came.shadow.unwrap().used;
        assert!(used.calls >= 3, "{used:?}");
        assert!(used.start > Duration::ZERO, "{used:?}");
        came.guest_time < used.cpu
    });
    assert!(apart, "the shadow's time counts as the active one's");
}
