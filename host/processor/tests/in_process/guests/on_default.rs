//! `on_error: default`: where the tenant's component fails, the default guest goes on
//! alone.

use log_processor::pipeline::End;
use model::{Limits, OnError, Reason};
use sandbox::Component;

use super::harness::{Came, Case, WORLD, limits, record};

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// At the hostile guest's time, so that no window sorts them.
fn input() -> Vec<String> {
    NAMES.map(|name| record(name).replace("09:59:00", "10:00:00")).to_vec()
}

fn with(case: Case) -> Case {
    let lines = input();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    case.lines(&lines).on_error(OnError::Default)
}

/// Its messages are whole lines; the default guest's are the records' `message`.
fn hostile(mode: &str) -> Case {
    with(Case::hostile(mode))
}

/// The component can't start: it wants more memory than it may have.
fn starved(component: &Component) -> Component {
    component.with_limits(Limits { memory_bytes: 1, ..limits() })
}

/// Messages of the first `n` records by the tenant's component, the rest by the default guest.
fn expected(n: usize) -> Vec<String> {
    let (lines, names) = (input(), NAMES.map(str::to_owned));
    lines[..n].iter().chain(&names[n..]).cloned().collect()
}

#[track_caller]
fn was_replaced(came: &Came, failure: &'static str) {
    assert_eq!(came.is_complete().counts(), [6, 0, 0, 0, 0]);
    let run = came.component();
    assert!(run.replaced);
    assert_eq!(run.failures.by_name().collect::<Vec<_>>(), [(failure, 1)]);
    let [warning] = &came.delivered.warnings[..] else { panic!("{:?}", came.delivered.warnings) };
    assert!(warning.contains("on_error: default") && !warning.contains("lost my way"), "{warning}");
    assert!(came.sink.letters.is_empty());
}

#[test]
fn a_start_or_begin_that_fails_leaves_the_object_to_the_default_guest() {
    let came = with(Case::of(Some(&starved(&WORLD.hostile)))).run();
    assert_eq!(came.messages(), NAMES);
    was_replaced(&came, "guest-memory");
    let came = hostile("begin:panic").run();
    assert_eq!(came.messages(), NAMES);
    was_replaced(&came, "guest-trap");
    assert_eq!(came.component().records_in, 0);
    let came = with(Case::of(Some(&starved(&WORLD.rewriter)))).run();
    assert_eq!(came.messages(), NAMES);
    was_replaced(&came, "guest-memory");
    let retried = Case::of(Some(&starved(&WORLD.hostile))).on_error(OnError::Quarantine).wants();
    assert_eq!(retried.unwrap_err().name(), "guest-memory");
}

#[test]
fn a_filter_that_fails_is_the_default_guests_yes() {
    assert_eq!(hostile("wants:panic").wants(), Ok(true));
    assert_eq!(hostile("wants:loop").wants(), Ok(true));
    assert_eq!(hostile("wants:nothing").wants(), Ok(false));
    assert_eq!(hostile("wants:rejected").wants().unwrap_err().name(), "guest-rejected");
    assert_eq!(with(Case::of(Some(&starved(&WORLD.hostile)))).wants(), Ok(true));
}

#[test]
fn events_before_the_failure_stay_and_the_default_guest_goes_on() {
    let case = || hostile("honest").set("poison", "\"d\"");
    // A chunk a line.
    let came = case().chunks(1).run();
    assert_eq!(came.messages(), expected(3));
    was_replaced(&came, "guest-trap");
    assert_eq!((came.component().records_in, came.component().records_out), (4, 3));
    let sources: Vec<u64> = came.sink.events.iter().map(|event| event.line).collect();
    assert_eq!(sources, [0, 1, 2, 3, 4, 5]);
    let came = case().run();
    assert_eq!(came.messages(), expected(0));
    was_replaced(&came, "guest-trap");
    let came = case().set("fault", "internal").run();
    was_replaced(&came, "guest-internal");
    // On any event an attempt may go on.
    for from in 0..=6 {
        let came = case().chunks(1).resume_from(from).run();
        assert_eq!(came.is_complete().messages(), expected(3)[from as usize..]);
    }
}

#[test]
fn what_is_held_back_is_given_to_the_default_guest() {
    // It holds its last record back, and one more after some calls.
    let came = hostile("records").set("hold", "01").set("poison", "\"d\"").chunks(1).run();
    let by_tenant = came.component().records_out as usize;
    assert!(by_tenant < 3);
    assert_eq!(came.messages(), expected(by_tenant));
    was_replaced(&came, "guest-trap");
    let came = hostile("hold-everything").set("late", "1").set("poison", "\"d\"").chunks(1).run();
    assert_eq!(came.messages(), expected(0));
    was_replaced(&came, "guest-trap");
    let came = hostile("end:panic").run();
    assert_eq!(came.messages(), expected(6), "nothing was held back");
    was_replaced(&came, "guest-trap");
}

#[test]
fn lines_after_a_rewriter_stay_as_they_are() {
    let rewriter = |mode: &str| with(Case::rewriter(mode)).set("word", "message").set("poison", "\"d\"");
    let redacted: Vec<String> = input().iter().map(|line| line.replace("message", "***")).collect();
    let (redacted, plain) = (redacted[..3].join("\n") + "\n", input()[3..].join("\n") + "\n");
    let upload = rewriter("redact").chunks(1).run_upload();
    was_replaced(&upload, "guest-trap");
    assert_eq!(String::from_utf8(upload.written.clone().unwrap()).unwrap(), redacted + &plain);
    // With all lines held back, and with none read.
    for case in [rewriter("hold").chunks(1), rewriter("redact"), with(Case::of(Some(&starved(&WORLD.rewriter))))] {
        let upload = case.run_upload();
        was_replaced(&upload, if upload.component().records_in == 0 { "guest-memory" } else { "guest-trap" });
        assert_eq!(String::from_utf8(upload.written.clone().unwrap()).unwrap(), input().join("\n") + "\n");
    }
    let came = rewriter("hold").chunks(1).run();
    assert_eq!(came.messages(), NAMES);
    was_replaced(&came, "guest-trap");
    // What it dropped before stays dropped.
    let came = rewriter("drop").chunks(1).run();
    assert_eq!(came.is_complete().messages(), NAMES[3..]);
    assert_eq!((came.counts(), came.component().dropped), ([3, 3, 0, 0, 0], 3));
}

#[test]
fn the_default_guest_knows_the_lines_before_it_took_over_from_a_rewriter() {
    // One record over several lines; the rewriter fails in its midst.
    let record = ["{", r#""timestamp":"2026-11-23T09:59:00Z","#, r#""message":"bad""#, "}"];
    for chunk_bytes in [1, 1 << 16] {
        let case = Case::rewriter("passthrough").set("poison", "bad").on_error(OnError::Default);
        let came = case.lines(&record).chunks(chunk_bytes).run();
        assert_eq!(came.is_complete().messages(), ["bad"]);
        assert_eq!(came.counts(), [4, 0, 0, 0, 0]);
    }
}

#[test]
fn one_instance_that_rewrites_and_transforms_is_replaced_in_both() {
    for part in ["poison-rewrite", "poison-transform"] {
        for (rewrite, transform) in [("0", "0"), ("2", "0"), ("0", "2"), ("1", "1"), ("9", "9")] {
            for chunk_bytes in [1, 1 << 16] {
                let case = with(Case::of(Some(&WORLD.both))).set(part, "\"d\"");
                let came = case.set("hold-rewrite", rewrite).set("hold-transform", transform).chunks(chunk_bytes).run();
                let by_tenant = came.component().records_out as usize;
                assert_eq!(came.messages(), expected(by_tenant), "{part} {rewrite} {transform} {chunk_bytes}");
                was_replaced(&came, "guest-trap");
            }
        }
    }
}

#[test]
fn a_rejection_is_an_answer() {
    let came = hostile("transform:rejected").run();
    assert_eq!(came.delivered.end, End::Rejected(Reason::GuestRejected));
    assert!(!came.component().replaced && came.component().failures.is_empty());
}
