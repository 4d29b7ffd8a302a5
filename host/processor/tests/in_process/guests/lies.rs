//! Output that breaks the contract fails the delivery, and nothing of it goes out.

use log_processor::delivery::dead_letter::written_bytes;

use super::harness::{Came, Case, WORLD, limits};

/// Six lines in chunks of two, the fourth blank.
fn told(mode: &str) -> Case {
    Case::hostile(mode).input("one\ntwo\nfour\n\nfive\nsix\n").chunks(9)
}

#[test]
fn each_lie_is_named_and_nothing_of_it_is_delivered() {
    let lies = [
        ("event-settled", "line 1 is reported"),
        ("event-ahead", "line 2 is reported"),
        ("event-max", "line 18446744073709551615 is reported"),
        ("event-descending", "sources must ascend"),
        ("event-blank", "line 3 has events, but it is blank"),
        ("event-blank-late", "line 3 has events, but it is blank"),
        ("event-held", "line 1 is reported"),
        ("note-settled", "lines 1 to 2"),
        ("note-ahead", "lines 0 to 2"),
        ("note-max", "18446744073709551615"),
        ("note-reversed", "lines 1 to 0"),
        ("note-overlap", "lines 1 to 1"),
        ("note-descending", "lines 0 to 0"),
        ("note-over-event", "line 1 has both output and a note"),
        ("pending-ahead", "pending-from is 3"),
        ("pending-settled", "pending-from is 0"),
        ("pending-max", "pending-from is 18446744073709551615"),
        ("not-utf8", "utf-8"),
    ];
    for (mode, says) in lies {
        let came = told(mode).run();
        came.fails("guest-contract", &[says, "in transform"]);
        assert!(came.messages().is_empty() && came.sink.letters.is_empty(), "{mode}");
        assert_eq!(came.sink.checkpoint, 0, "{mode}");
        let lines = &came.delivered.lines;
        assert_eq!(lines.seen, lines.blank + lines.left, "{mode}");
        let came = told("honest").run();
        assert_eq!(came.is_complete().messages(), ["one", "two", "four\n", "five", "six"]);
    }
}

#[test]
fn a_flood_is_stopped_before_it_is_copied_or_delivered() {
    let floods = [
        ("flood-count", "100000 records"),
        ("flood-bytes", "PLUGIN_MAX_OUTPUT_RATIO"),
        ("flood-message", "PLUGIN_MAX_OUTPUT_RATIO"),
        ("flood-overlap", "more was returned than the host may copy"),
        ("flood-notes", "PLUGIN_MAX_OUTPUT_RATIO"),
    ];
    for (mode, says) in floods {
        let came = told(mode).run();
        came.fails("guest-output", &[says, "in transform"]);
        assert!(came.messages().is_empty() && came.sink.letters.is_empty(), "{mode}");
    }
}

#[test]
fn what_the_operator_sees_names_the_limit_its_number_and_its_setting() {
    let hostile = crate::shared::read("fixtures/hostile-guest.wasm");
    let came = |mode: &str, limits: model::Limits| {
        let guest = WORLD.engine.load("limited", &hostile, limits).unwrap();
        Case::of(Some(&guest)).set("mode", mode).lines(&["one", "two", "three"]).run()
    };
    let says = |mode: &str, limits, says: &[&str]| {
        let came = came(mode, limits);
        came.fails("guest-output", says);
        assert!(came.messages().is_empty() && came.sink.letters.is_empty(), "{mode}");
    };
    let short = model::Limits { message_bytes: 4, ..limits() };
    says(
        "honest",
        short,
        &[
            "5 bytes",
            "at most 4 may be (`max_message_bytes` in the item's limits, PLUGIN_MAX_MESSAGE_BYTES)",
            "in transform",
        ],
    );
    let few = model::Limits { output_events: 5, ..limits() };
    assert_eq!(came("honest", few.clone()).is_complete().messages(), ["one", "two", "three"]);
    says("twice", few, &["6 records", "at most 5", "PLUGIN_MAX_OUTPUT_EVENTS"]);
    let small = model::Limits { output_bytes: 10, ..limits() };
    says("honest", small, &["11 bytes", "10 may", "PLUGIN_MAX_OUTPUT_BYTES"]);
}

#[test]
fn lines_may_be_held_back_but_not_without_end() {
    let few = "x\n".repeat(30_000); // 60,000 bytes; 65,536 may be held back
    let came = Case::hostile("hold-everything").input(few).chunks(4096).run();
    assert_eq!(came.is_complete().sink.events.len(), 30_000);
    let many = "x\n".repeat(40_000);
    let came = Case::hostile("hold-everything").input(many).chunks(4096).run();
    came.fails("guest-held-back", &["at most 65536 may be", "settle lines sooner"]);
    assert!(came.messages().is_empty());
    let lines = &came.delivered.lines;
    assert_eq!((lines.left, lines.seen % 2048), (lines.seen, 0));
    Case::hostile("pending-at-end").run().fails("guest-contract", &["held back after the last one", "in end"]);
}

#[test]
fn a_verdict_over_many_lines_takes_little_memory() {
    // 128 KiB of input, a text of 500 bytes for each of its lines.
    let case = Case::hostile("note-all").input("x\n".repeat(65_536)).chunks(256 << 10);
    let came = case.clone().stored(1 << 40).run();
    assert_eq!(came.sink.letters.len(), 65_536);
    assert!(came.sink.most_letters <= 4_096, "{} letters at once", came.sink.most_letters);
    are_bounded(&case.run());
}

#[test]
fn events_that_are_refused_take_little_memory() {
    let case = Case::hostile("timestamp-min").input("x\n".repeat(65_536)).chunks(256 << 10);
    let came = case.clone().stored(1 << 40).run();
    assert_eq!(came.is_complete().sink.letters.len(), 65_536);
    assert!(came.sink.most_letters <= 4_096, "{} letters at once", came.sink.most_letters);
    are_bounded(case.run().is_complete());
}

/// Where an object is small, its letters are few; each line is in one all the same.
fn are_bounded(came: &Came) {
    let letters = &came.sink.letters;
    let bytes: u64 = letters.iter().map(written_bytes).sum();
    assert!((1 << 20..4 << 20).contains(&bytes), "{bytes} bytes of letters for 128 KiB");
    assert_eq!(letters.iter().map(|letter| letter.count.unwrap_or(1)).sum::<u64>(), 65_536);
    assert_eq!(letters.iter().filter(|letter| letter.count.is_some()).count(), 1);
}

#[test]
fn extreme_timestamps_are_dead_letters() {
    for (mode, reason) in [
        ("timestamp-min", "negative-timestamp"),
        ("timestamp-negative", "negative-timestamp"),
        ("timestamp-max", "too-new"),
    ] {
        let came = Case::hostile(mode).run();
        assert_eq!(came.is_complete().counts(), [0, 0, 0, 3, 0], "{mode}");
        assert!(came.messages().is_empty());
        assert!(came.sink.letters.iter().all(|letter| letter.reason.name() == reason), "{mode}");
        assert_eq!(came.sink.letters[2].data, b"three");
    }
}

#[test]
fn a_line_may_have_several_events_and_an_empty_one() {
    let came = Case::hostile("twice").run();
    assert_eq!(came.is_complete().messages(), ["one", "one", "two", "two", "three", "three"]);
    assert_eq!(came.counts(), [3, 0, 0, 0, 0]);
    let came = Case::hostile("empty").run();
    assert_eq!(came.is_complete().counts(), [0, 3, 0, 0, 0]);
    assert_eq!(came.delivered.lines.empty, 3);
}

#[test]
fn the_limits_are_those_of_the_component() {
    let loose = model::Limits { output_ratio: 2_000_000, ..limits() };
    let bytes = crate::shared::read("fixtures/hostile-guest.wasm");
    let loose = WORLD.engine.load("loose", &bytes, loose).unwrap();
    let came = Case::of(Some(&loose)).set("mode", "flood-message").lines(&["one"]).run();
    assert_eq!(came.is_complete().sink.events.iter().map(|event| event.message.len()).sum::<usize>(), 5 << 20);
}
