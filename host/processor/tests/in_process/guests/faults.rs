//! A guest that stops, loops, or takes too much fails its delivery, and only it.

use std::time::{Duration, Instant};

use log_processor::pipeline::End;
use model::Reason;
use sandbox::{GuestError, Instance, Level, Surroundings};

use super::harness::{Case, WORLD};

/// Each fault: its name for the operator, and what the text says.
const FAULTS: [(&str, &str, &str); 8] = [
    ("loop", "guest-fuel", "an endless loop"),
    ("unreachable", "guest-trap", "unreachable"),
    ("panic", "guest-trap", "unreachable"),
    ("recursion", "guest-trap", "call stack exhausted"),
    ("memory", "guest-memory", "16777216 bytes"),
    ("log-lines", "guest-fuel", "fuel limit"),
    ("log-bytes", "guest-fuel", "fuel limit"),
    ("internal", "guest-internal", "lost my way"),
];

/// A healthy object on the same engine is complete.
fn others_go_on() {
    let came = Case::hostile("honest").run();
    assert_eq!(came.is_complete().messages(), ["one", "two", "three"]);
}

#[test]
fn a_fault_in_begin_transform_or_end_fails_the_delivery() {
    for function in ["begin", "transform", "end"] {
        for (fault, name, says) in FAULTS {
            let started = Instant::now();
            let came = Case::hostile(&format!("{function}:{fault}")).run();
            came.fails(name, &[says, &format!("in {function}")]);
            assert!(started.elapsed() < Duration::from_secs(240), "{function}:{fault} took {:?}", started.elapsed());
            assert!(came.messages().is_empty() && came.sink.letters.is_empty(), "{function}:{fault}");
            let left = if function == "begin" { 0 } else { came.delivered.lines.seen };
            assert_eq!(came.delivered.lines.left + came.sink.events.len() as u64, left, "{function}:{fault}");
        }
        others_go_on();
    }
}

#[test]
fn the_guest_s_own_words_are_for_those_who_may_see_them() {
    let came = Case::hostile("transform:internal").without_words().run();
    came.fails("guest-internal", &["the guest failed in transform, as it said itself"]);
    assert!(!format!("{:?}", came.delivered).contains("lost my way"), "{:?}", came.delivered);
}

#[test]
fn a_fault_in_wants_is_an_error_and_never_a_yes() {
    for (fault, name, says) in FAULTS {
        let error = Case::hostile(&format!("wants:{fault}")).wants().unwrap_err();
        assert_eq!(error.name(), name, "{error}");
        assert!(error.to_string().contains(says), "{error}");
        assert!(error.to_string().contains("in wants"), "{error}");
    }
    assert!(matches!(Case::hostile("wants:rejected").wants(), Err(GuestError::Rejected { .. })));
    assert_eq!(Case::hostile("wants:nothing").wants(), Ok(false));
    assert_eq!(Case::hostile("honest").wants(), Ok(true));
}

#[test]
fn a_fault_in_check_is_an_error() {
    let check = |mode: &str| {
        let settings = [("mode".to_owned(), mode.to_owned())];
        Instance::start(&WORLD.hostile, &Surroundings::none())
            .and_then(|mut instance| instance.check_settings(&settings))
    };
    assert_eq!(check("honest"), Ok(Ok(())));
    assert_eq!(check("check:refuse"), Ok(Err("mode is not to my liking".to_owned())));
    assert_eq!(check("check:loop").unwrap_err().name(), "guest-fuel");
    assert_eq!(check("check:panic").unwrap_err().name(), "guest-trap");
}

#[test]
fn what_a_setting_can_not_raise_is_not_blamed_on_it() {
    let (_, error) = Case::hostile("transform:loop").run().failure();
    assert!(error.contains("PLUGIN_FUEL_PER_MIB"), "{error}");
    let (_, error) = Case::hostile("begin:loop").run().failure();
    assert!(!error.contains("PLUGIN_FUEL_PER_MIB"), "{error}");
}

#[test]
fn what_came_before_a_fault_is_left_for_the_next_attempt_too() {
    // Chunks of one line; the second call faults.
    let came = Case::hostile("transform:panic-second").chunks(4).run();
    came.fails("guest-trap", &[]);
    assert!(came.messages().is_empty(), "no window was full: nothing is put before the object is through");
    assert_eq!(came.sink.checkpoint, 0);
    assert_eq!(came.delivered.lines.left, came.delivered.lines.seen);
}

#[test]
fn an_object_that_is_rejected_is_dead_lettered() {
    for (mode, seen) in [("begin:rejected", 0), ("transform:rejected", 3), ("end:rejected", 3)] {
        let came = Case::hostile(mode).run();
        assert_eq!(came.delivered.end, End::Rejected(Reason::GuestRejected), "{mode}");
        let whole: Vec<_> = came.sink.letters.iter().filter(|letter| letter.lines.is_none()).collect();
        assert_eq!(whole.len(), 1, "{mode}");
        assert!(whole[0].detail.contains("not for me"), "{}", whole[0].detail);
        let delivered = came.delivered.lines.delivered;
        assert_eq!(came.counts(), [delivered, 0, 0, seen - delivered, 0], "{mode}");
        assert_eq!(delivered, came.sink.events.len() as u64);
    }
}

#[test]
fn what_came_before_a_rejection_stands() {
    let came = Case::hostile("transform:rejected-second").input("one\n".repeat(2_000)).chunks(4096).run();
    assert_eq!(came.delivered.end, End::Rejected(Reason::GuestRejected));
    let delivered = came.sink.events.len() as u64;
    assert_eq!(delivered, 1024, "the first chunk");
    let rest = came.delivered.lines.seen - delivered;
    assert_eq!(came.counts(), [delivered, 0, 0, rest, 0]);
}

#[test]
fn a_guests_words_are_bounded() {
    let came = Case::hostile("transform:rejected-long").run();
    assert!(came.sink.letters[0].detail.len() < 1_000);
    let came = Case::hostile("honest").lines(&["shout", "one"]).run();
    assert!(came.is_complete().sink.letters[0].detail.len() < 1_000);
    assert_eq!(came.counts(), [1, 0, 1, 0, 0]);
}

#[test]
fn memory_that_is_denied_is_no_fault_by_itself() {
    let came = Case::hostile("begin:memory-quiet").run();
    assert_eq!(came.is_complete().messages(), ["one", "two", "three"]);
}

#[test]
fn a_log_is_counted_and_bounded() {
    let came = Case::hostile("transform:log-some").run();
    let log = &came.is_complete().delivered.guest_log;
    assert_eq!((log.lines, log.kept.len()), (1_000, 10));
    assert_eq!((log.kept[9].level, log.kept[9].text.as_str()), (Level::Warn, "9"));
    let few = model::Limits { log_lines: 100, log_bytes: 6, ..super::harness::limits() };
    let guest = WORLD.hostile.with_limits(few);
    let came = Case::of(Some(&guest)).set("mode", "transform:log-some").lines(&["one"]).run();
    let log = &came.is_complete().delivered.guest_log;
    assert_eq!((log.lines, log.kept.len()), (1_000, 6));
    let came = Case::hostile("transform:log-long").run();
    let kept = &came.is_complete().delivered.guest_log.kept;
    assert_eq!(kept[0].level, Level::Error);
    assert!(kept[0].text.len() < 600 && kept[0].text.ends_with("€…"), "{}", kept[0].text);
}

#[test]
fn nothing_of_one_object_is_seen_by_the_next() {
    for _ in 0..40 {
        let came = Case::hostile("count-objects").run();
        assert_eq!(came.is_complete().messages(), ["1", "1", "1"]);
    }
}

#[test]
fn hostile_and_healthy_objects_at_once() {
    std::thread::scope(|scope| {
        for mode in ["transform:loop", "transform:memory", "transform:recursion", "flood-overlap"] {
            scope.spawn(move || (0..4).for_each(|_| drop(Case::hostile(mode).run().failure())));
        }
        for _ in 0..2 {
            scope.spawn(|| (0..20).for_each(|_| others_go_on()));
        }
    });
}
