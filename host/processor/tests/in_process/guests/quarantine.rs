//! `on_error: quarantine`: the records that a component fails on are found and
//! dead-lettered, and all others delivered.

mod attempts;

use std::collections::BTreeSet;
use std::time::Duration;

use log_processor::delivery::batch::Batch;
use log_processor::delivery::event_sink::{EventSink, RejectedEvent};
use log_processor::pipeline::{End, Guests, Stop};
use model::{
    DeadLetter, Delivery, Failure, FailureKind, GuestErrorKind, Limits, OnError, Origin, Reason, TimestampNumbers,
};
use proptest::prelude::*;
use sandbox::{Engine, Instance, Surroundings};

use super::harness::{Came, Case, WORLD, block_on, cloudwatch, limits, record};
use crate::shared::read;

const TRAP: FailureKind = FailureKind::Guest(GuestErrorKind::Trap);

/// The hostile guest, which traps over lines that say `bad`.
fn hostile(mode: &str) -> Case {
    Case::hostile(mode).set("poison", "bad").on_error(OnError::Quarantine)
}

fn rewriter(mode: &str) -> Case {
    Case::rewriter(mode).set("poison", "bad").on_error(OnError::Quarantine)
}

fn both() -> Case {
    Case::of(Some(&WORLD.both)).on_error(OnError::Quarantine)
}

/// `n` lines, of which these are poison.
fn lines(n: usize, poison: &[usize]) -> Vec<String> {
    (0..n).map(|i| if poison.contains(&i) { format!("bad {i}") } else { format!("line {i}") }).collect()
}

fn strs(lines: &[String]) -> Vec<&str> {
    lines.iter().map(String::as_str).collect()
}

/// The poison is dead-lettered, all else delivered, in order, once.
#[track_caller]
fn only_the_poison_is_missing(came: &Came, all: &[String]) {
    let healthy: Vec<&str> = all.iter().map(String::as_str).filter(|line| !line.contains("bad")).collect();
    let poison: Vec<u64> = (0..).zip(all).filter(|(_, line)| line.contains("bad")).map(|(number, _)| number).collect();
    assert_eq!(came.is_complete().messages(), healthy);
    assert_eq!(came.dead(Reason::Poison), poison);
    assert_eq!(came.counts(), [healthy.len() as u64, 0, 0, poison.len() as u64, 0]);
    let run = came.component();
    assert_eq!((run.poison, run.records_in), (poison.len() as u64, all.len() as u64));
    assert_eq!((run.records_out, run.dropped), (healthy.len() as u64, 0));
    assert_eq!(run.input_bytes, all.iter().map(|line| line.len() as u64 + 1).sum::<u64>());
}

#[test]
fn one_poison_record_wherever_it_is() {
    for chunk_bytes in [1, 20, 1 << 16] {
        for at in 0..9 {
            let all = lines(9, &[at]);
            let came = hostile("honest").lines(&strs(&all)).chunks(chunk_bytes).run();
            only_the_poison_is_missing(&came, &all);
            let letter = &came.sink.letters[0];
            assert_eq!((letter.lines, letter.offset), (Some((at as u64, at as u64)), Some(at as u64 * 7)));
            assert_eq!(letter.data, all[at].as_bytes());
            let detail = &letter.detail;
            assert!(detail.contains(WORLD.hostile.digest()) && detail.contains("guest-trap"), "{detail}");
            assert!(detail.contains("in transform") && !detail.contains("bad"), "{detail}");
            assert!(!came.component().replaced && came.delivered.warnings.is_empty());
        }
        let only = lines(1, &[0]);
        only_the_poison_is_missing(&hostile("honest").lines(&strs(&only)).chunks(chunk_bytes).run(), &only);
    }
}

#[test]
fn several_side_by_side_and_across_chunks() {
    for poison in [&[0, 1][..], &[0, 8], &[3, 4, 5], &[7, 8], &[0, 2, 4, 6, 8], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
        for chunk_bytes in [1, 8, 20, 36, 1 << 16] {
            let all = lines(9, poison);
            only_the_poison_is_missing(&hostile("honest").lines(&strs(&all)).chunks(chunk_bytes).run(), &all);
            let held = hostile("records").set("hold", "021").lines(&strs(&all)).chunks(chunk_bytes).run();
            only_the_poison_is_missing(&held, &all);
        }
    }
}

#[test]
fn the_search_is_short() {
    for at in [0, 1, 501, 511, 512, 998, 999] {
        let all = lines(1_000, &[at]);
        let came = hostile("honest").lines(&strs(&all)).run();
        only_the_poison_is_missing(&came, &all);
        let run = came.component();
        // Ten to find it, and one or two alone: by an instance that knew the line before it, by a new one.
        assert!(run.failures.get(TRAP) <= 12, "{:?}", run.failures);
        // Each failure, its new instance's `begin`, and as many that don't fail; begin and end.
        assert!(run.used.calls <= 3 * 12 + 2, "{:?}", run.used);
        // With all before it held back: these are settled first.
        let came = hostile("hold-everything").lines(&strs(&all)).run();
        only_the_poison_is_missing(&came, &all);
        assert!(came.component().failures.get(TRAP) <= 12, "{:?}", came.component().failures);
    }
}

#[test]
fn blank_lines_and_lines_too_long_between() {
    let long = "x".repeat((1 << 20) + 1);
    let all = ["", "one", "", "bad", " ", &long, "bad", "", "two", &long, "", "three", ""];
    for chunk_bytes in [1, 1 << 16] {
        for mode in ["honest", "records"] {
            let came = hostile(mode).lines(&all).chunks(chunk_bytes).run();
            let messages: Vec<&str> = came.is_complete().messages().iter().map(|message| message.trim()).collect();
            assert_eq!(messages, ["one", "two", "three"], "{mode} {chunk_bytes}");
            assert_eq!(came.dead(Reason::Poison), [3, 6]);
            assert_eq!(came.dead(Reason::LineTooLong), [5, 9]);
            assert_eq!(came.counts(), [3, 0, 0, 4, 0]);
            assert_eq!(came.delivered.lines.blank, 6);
        }
    }
}

#[test]
fn what_is_held_back_before_the_poison_is_settled_by_an_instance_of_its_own() {
    // A line that begins with a space belongs to the record before it.
    let all = ["a", " a1", "bad", " b1", "c", " c1", " bad", " c2", "d"];
    for chunk_bytes in [1, 4, 9, 1 << 16] {
        let came = hostile("records").lines(&all).chunks(chunk_bytes).run();
        assert_eq!(came.is_complete().messages(), ["a\n a1", " b1", "c\n c1", " c2", "d"], "{chunk_bytes}");
        assert_eq!(came.dead(Reason::Poison), [2, 6]);
        assert_eq!(came.counts(), [7, 0, 0, 2, 0]);
    }
}

#[test]
fn a_record_that_fails_only_beside_another_is_no_poison() {
    let case = || hostile("records").set("near", "one").lines(&["zero", "one", "bad", "three"]);
    let came = case().chunks(1).run();
    assert_eq!(came.is_complete().messages(), ["zero", "one", "bad", "three"]);
    assert_eq!((came.component().poison, came.component().failures.get(TRAP)), (0, 1));
    assert_eq!(case().run().is_complete().counts(), [4, 0, 0, 0, 0]);
}

#[test]
fn what_fails_in_end_is_searched_among_what_is_held_back() {
    for chunk_bytes in [1, 1 << 16] {
        for poison in [&[0][..], &[8], &[3, 4], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
            let all = lines(9, poison);
            let came = hostile("hold-everything").set("late", "1").lines(&strs(&all)).chunks(chunk_bytes).run();
            only_the_poison_is_missing(&came, &all);
            assert!(came.sink.letters[0].detail.contains("in end"));
        }
    }
    // Nothing is held back: nothing is lost with its last words.
    let came = hostile("end:panic").run();
    assert_eq!(came.is_complete().messages(), ["one", "two", "three"]);
    assert_eq!((came.component().failures.get(TRAP), came.component().poison), (1, 0));
}

fn records(n: usize, poison: &[usize]) -> Vec<String> {
    lines(n, poison).iter().map(|line| record(line)).collect()
}

#[test]
fn a_rewriter_before_the_default_guest_and_before_s3() {
    for mode in ["passthrough", "hold"] {
        for poison in [&[0][..], &[4], &[3, 4, 8]] {
            for chunk_bytes in [1, 150, 1 << 16] {
                let all = records(9, poison);
                for late in ["", "1"] {
                    if mode == "passthrough" && late == "1" {
                        continue;
                    }
                    let case = || rewriter(mode).set("late", late).lines(&strs(&all)).chunks(chunk_bytes);
                    let came = case().run();
                    let healthy = 9 - poison.len();
                    let expected: Vec<_> = lines(9, poison).into_iter().filter(|line| !line.contains("bad")).collect();
                    assert_eq!(came.is_complete().messages(), expected, "{mode} {poison:?} {chunk_bytes}");
                    assert_eq!(came.counts(), [healthy as u64, 0, 0, poison.len() as u64, 0]);
                    assert_eq!(came.dead(Reason::Poison), poison.iter().map(|&at| at as u64).collect::<Vec<_>>());
                    let run = came.component();
                    assert_eq!((run.records_in, run.records_out, run.dropped), (9, healthy as u64, 0));
                    let upload = case().run_upload();
                    let left: String =
                        all.iter().filter(|line| !line.contains("bad")).map(|line| format!("{line}\n")).collect();
                    assert_eq!(String::from_utf8(upload.is_complete().written.clone().unwrap()).unwrap(), left);
                    assert_eq!(upload.counts(), came.counts());
                }
            }
        }
    }
}

#[test]
fn what_is_no_json_any_more_is_poison_too() {
    let lines = [record("a"), "nonsense".to_owned(), record("b")];
    for chunk_bytes in [1, 1 << 16] {
        let came = rewriter("array").lines(&strs(&lines)).chunks(chunk_bytes).run();
        assert_eq!(came.is_complete().messages(), ["a", "a", "b", "b"]);
        assert_eq!(came.dead(Reason::Poison), [1]);
        assert!(came.sink.letters[0].detail.contains("guest-contract"), "{}", came.sink.letters[0].detail);
    }
}

#[test]
fn one_instance_that_rewrites_and_transforms() {
    let all = ["one", "bad", "two", "worse", "three", "bad", "four"];
    for (hold_rewrite, hold_transform) in [("0", "0"), ("1", "0"), ("0", "2"), ("2", "1"), ("9", "9")] {
        for chunk_bytes in [1, 10, 1 << 16] {
            let case = || {
                let case = both().set("poison-rewrite", "bad").set("poison-transform", "worse");
                let case = case.set("hold-rewrite", hold_rewrite).set("hold-transform", hold_transform);
                // The rewriter's lines need not be JSON: they are as they were.
                case.lines(&all).chunks(chunk_bytes)
            };
            let came = case().run();
            assert_eq!(came.is_complete().messages(), ["one", "two", "three", "four"]);
            assert_eq!(came.counts(), [4, 0, 0, 3, 0]);
            assert_eq!(came.dead(Reason::Poison), [1, 3, 5]);
            let offset = |line| came.sink.letters.iter().find(|l| l.lines == Some((line, line))).unwrap().offset;
            assert_eq!((offset(1), offset(3), offset(5)), (Some(4), Some(12), Some(24)));
            let run = came.component();
            assert_eq!((run.records_in, run.records_out, run.dropped, run.poison), (7, 4, 0, 3));
            let upload = case().run_upload();
            assert_eq!(upload.is_complete().counts(), [5, 0, 0, 2, 0]);
            assert_eq!(upload.written.as_deref(), Some(&b"one\ntwo\nworse\nthree\nfour\n"[..]));
        }
    }
}

#[test]
fn what_fails_on_too_much_is_given_up() {
    let poison: Vec<usize> = (0..500).collect();
    let all = lines(500, &poison);
    for chunk_bytes in [1, 300, 1 << 16] {
        let came = hostile("honest").lines(&strs(&all)).chunks(chunk_bytes).run();
        came.fails("guest-trap", &["quarantine gave up", "64 records", "in transform"]);
        assert_eq!(came.delivered.lines.delivered, 0);
        assert_eq!(came.delivered.lines.left + 64, came.delivered.lines.seen, "none is lost");
        assert_eq!(came.component().poison, 64);
    }
    // Far apart.
    let poison: Vec<usize> = (0..50).map(|i| i * 1_000).collect();
    let all = lines(50_000, &poison);
    let came = hostile("honest").lines(&strs(&all)).run();
    came.fails("guest-trap", &["quarantine gave up: 257 calls"]);
    assert_eq!(came.component().failures.get(TRAP), 257);
    assert_eq!(came.sink.checkpoint, came.sink.events.len() as u64);
    // As much as is allowed.
    let poison: Vec<usize> = (10..74).collect();
    let all = lines(1_000, &poison);
    only_the_poison_is_missing(&hostile("honest").lines(&strs(&all)).run(), &all);
}

#[test]
fn a_record_is_poison_only_where_it_fails_as_the_first_of_an_instance() {
    // The second call of each instance fails, whatever it is given.
    for chunk_bytes in [1, 20, 1 << 16] {
        let all = lines(9, &[]);
        let came = hostile("transform:panic-second").lines(&strs(&all)).chunks(chunk_bytes).run();
        only_the_poison_is_missing(&came, &all);
    }
}

#[test]
fn the_work_of_a_search_is_bounded_too() {
    // Each failing call uses up all its fuel: that of a quarter of a MiB.
    let limits = Limits { fuel_per_mib: 100_000_000, start_fuel: 1_000_000, ..limits() };
    let case = |poison: &[usize]| {
        let all = lines(1_000, poison);
        let came = Case::of(Some(&WORLD.hostile.with_limits(limits.clone())))
            .set("mode", "honest")
            .set("poison", "bad")
            .set("fault", "loop")
            .on_error(OnError::Quarantine)
            .lines(&strs(&all))
            .run();
        (came, all)
    };
    let (came, all) = case(&[100, 700]);
    only_the_poison_is_missing(&came, &all);
    let many: Vec<usize> = (0..10).map(|i| i * 100).collect();
    let (came, _) = case(&many);
    came.fails("guest-fuel", &["quarantine gave up", "units of fuel", "8 MiB of lines and 64 starts"]);
    let failures = came.component().failures.get(GuestErrorKind::Fuel.into());
    // 8 MiB have the fuel of 32 such calls, and the starts that of two or three.
    assert!((32..=36).contains(&failures), "{failures}");
    assert!(came.component().used.fuel < 1_000_000_000, "{:?}", came.component().used);
    assert_eq!(came.sink.checkpoint, came.sink.events.len() as u64);
    // The same at the next attempt.
    let (again, _) = case(&many);
    assert_eq!(again.component().used.fuel, came.component().used.fuel);
}

#[test]
fn time_is_nobody_s_fault_and_never_searched_for() {
    let limits = Limits { call_time: Duration::from_nanos(1), ..limits() };
    for on_error in [OnError::Retry, OnError::Quarantine, OnError::Default] {
        let came = Case::of(Some(&WORLD.hostile.with_limits(limits.clone())))
            .set("mode", "transform:loop")
            .on_error(on_error)
            .lines(&["one", "two"])
            .run();
        came.fails("guest-timeout", &["PLUGIN_TIMEOUT"]);
        let run = came.component();
        assert!(run.failures.is_empty() && run.poison == 0 && !run.replaced, "{on_error:?} {run:?}");
        // begin and transform of one instance.
        assert_eq!((run.used.calls, came.counts()), (2, [0, 0, 0, 0, 2]));
    }
}

#[test]
fn the_host_s_troubles_are_nobody_s_fault() {
    let engine = Engine::new(1, 64 << 20).unwrap();
    let component = engine.load("hostile", &read("fixtures/hostile-guest.wasm"), limits()).unwrap();
    let only = Instance::start(&component, &Surroundings::none()).unwrap();
    let start = |on_error| {
        let case = Case::of(Some(&component)).on_error(on_error);
        Guests::start(&case.plan(), &case.job(cloudwatch())).map(drop)
    };
    for on_error in [OnError::Retry, OnError::Quarantine, OnError::Default] {
        let error = start(on_error).unwrap_err();
        assert_eq!((error.name(), error.is_guests_fault()), ("host", false), "{on_error:?} {error}");
    }
    drop(only);
    assert_eq!(start(OnError::Default), Ok(()));
}

#[test]
fn what_fails_before_the_first_line_or_on_none_is_tried_again() {
    hostile("begin:panic").run().fails("guest-trap", &["in begin"]);
    assert_eq!(hostile("wants:panic").wants().unwrap_err().name(), "guest-trap");
    let came = Case::hostile("honest").set("poison", "two").run();
    came.fails("guest-trap", &["in transform"]);
    assert_eq!((came.component().failures.get(TRAP), came.component().poison), (1, 0));
}

#[test]
fn each_kind_of_failure_is_searched_for_and_named() {
    let cases = [
        ("loop", "guest-fuel"),
        ("memory", "guest-memory"),
        ("recursion", "guest-trap"),
        ("internal", "guest-internal"),
    ];
    for (fault, name) in cases {
        let came = hostile("honest").set("fault", fault).lines(&["one", "bad", "two"]).run();
        assert_eq!(came.is_complete().messages(), ["one", "two"], "{fault}");
        let detail = &came.sink.letters[0].detail;
        assert!(detail.contains(name) && !detail.contains("lost my way"), "{detail}");
        assert_eq!(came.component().failures.by_name().map(|(name, _)| name).collect::<Vec<_>>(), [name]);
    }
}

#[test]
fn a_rejection_is_an_answer_and_not_searched() {
    let came = hostile("honest").set("fault", "rejected").lines(&["one", "bad", "two"]).run();
    assert_eq!(came.delivered.end, End::Rejected(Reason::GuestRejected));
    assert_eq!((came.counts(), came.component().failures.sum()), ([0, 0, 0, 3, 0], 0));
    // It comes within a search: what came before it stands.
    let all = ["a", "b", "bad", "d", "e", "f", "g", "h"].map(record);
    let case = || rewriter("reject-second").lines(&strs(&all));
    let came = case().run();
    assert_eq!(came.delivered.end, End::Rejected(Reason::GuestRejected));
    assert_eq!((came.messages(), came.counts()), (vec!["a", "b", "d"], [3, 0, 0, 5, 0]));
    let came = case().run_upload();
    let written = String::from_utf8(came.written.clone().unwrap()).unwrap();
    assert_eq!((written.lines().count(), came.counts()), (3, [3, 0, 0, 5, 0]));
}
