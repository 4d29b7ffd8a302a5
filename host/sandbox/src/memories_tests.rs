//! A component may have several memories, of which one holds bytes.

use model::Limits;

use crate::testing::{ENGINE, answer, filter};
use crate::{Engine, LoadError, Surroundings};

/// What becomes of a component that exports an interface's name, and of these parts: it
/// starts, and is then refused for the functions that the interface lacks.
fn start(parts: &str) -> LoadError {
    let export = r#"(instance $empty) (export "log-router:plugin/log-filter@0.1.0" (instance $empty))"#;
    let bytes = wat::parse_str(format!("(component {parts} {export})")).unwrap();
    ENGINE.load("test", &bytes, Limits::default()).map(|_| ()).unwrap_err()
}

#[track_caller]
fn starts(parts: &str) {
    let error = start(parts);
    assert!(matches!(error, LoadError::Type { function: "wants", .. }), "{error}");
}

/// `count`: the number of memories in the error.
#[track_caller]
fn refused(parts: &str, count: u32) {
    let error = start(parts);
    assert!(matches!(error, LoadError::Memories(memories) if memories == count), "{error}");
    assert!(error.to_string().contains(&format!("has {count} memories, and one is the limit")), "{error}");
}

#[test]
fn empty_memories_are_taken_beside_one_that_is_not() {
    let empty = |count: usize| "(memory 0)".repeat(count);
    for engine in [Engine::new(1, 64 << 20).unwrap(), Engine::without_pool().unwrap()] {
        for count in 0..3 {
            let component = engine.load("test", &filter("", &empty(count)), Limits::default()).unwrap();
            // Again: the pool's places are given back.
            for _ in 0..3 {
                assert_eq!(answer(&component, &Surroundings::none()), Ok(true), "{count}");
            }
        }
        let error = engine.load("test", &filter("", &empty(3)), Limits::default()).map(|_| ()).unwrap_err();
        assert!(matches!(error, LoadError::Memories(4)), "{error}");
    }
    starts(&format!("(core module $m {}) (core instance (instantiate $m))", empty(3)));
    refused(&format!("(core module $m {}) (core instance (instantiate $m))", empty(4)), 4);
}

#[test]
fn two_that_hold_bytes_from_the_beginning_on_are_refused_in_any_order() {
    let modules = "(core module $none (memory 0)) (core module $some (memory 1))";
    let parts = |names: &[&str]| {
        let made: String = names.iter().map(|name| format!("(core instance (instantiate ${name}))")).collect();
        format!("{modules} {made}")
    };
    starts(&parts(&["some", "none"]));
    starts(&parts(&["none", "some", "none"]));
    refused(&parts(&["some", "some"]), 2);
    refused(&parts(&["some", "none", "some"]), 3);
    refused(&parts(&["none", "some", "some"]), 3);
    refused("(core module $m (memory 1) (memory 1)) (core instance (instantiate $m))", 2);
    // Each component of those that are put together has one.
    let inner = "(component $c (core module $m (memory 1)) (core instance (instantiate $m)))";
    refused(&format!("{inner} (instance (instantiate $c)) (instance (instantiate $c))"), 2);
}

#[test]
fn a_memory_that_grows_at_the_start_counts() {
    let grows = |which: &[&str]| {
        let calls: String = which.iter().map(|name| format!("(drop (memory.grow ${name} (i32.const 1)))")).collect();
        format!(
            "(core module $m (memory $a 0) (memory $b 0) (func $start {calls}) (start $start))
                (core instance (instantiate $m))"
        )
    };
    starts(&grows(&["a", "a"]));
    starts(&grows(&["b", "b"]));
    refused(&grows(&["a", "b"]), 2);
    refused(&grows(&["b", "a"]), 2);
}

#[test]
fn a_second_memory_that_grows_later_ends_the_call() {
    for engine in [Engine::new(1, 64 << 20).unwrap(), Engine::without_pool().unwrap()] {
        let answers = |pages: u32| {
            let body = format!("(drop (memory.grow $second (i32.const {pages})))");
            let component = engine.load("test", &filter(&body, "(memory $second 0)"), Limits::default()).unwrap();
            answer(&component, &Surroundings::none())
        };
        let error = answers(1).unwrap_err();
        assert_eq!(error.name(), "guest-memory", "{error}");
        assert!(error.to_string().contains("in wants: a second memory grew from 0"), "{error}");
        // More than the limit is the same mistake; none at all is no mistake.
        assert_eq!(answers(65_535), Err(error));
        assert_eq!(answers(0), Ok(true));
    }
}

#[test]
fn a_first_memory_that_was_denied_bytes_does_not_count() {
    let text = "(core module $m (memory $a 0) (memory $b 0) (func $start
            (drop (memory.grow $a (i32.const 65535))) (drop (memory.grow $b (i32.const 1)))) (start $start))
        (core instance (instantiate $m))";
    starts(text);
}

/// Two components, of which one passes the other, whose memory is empty, texts of so many
/// bytes. `loops`: without end.
fn passing(bytes: u32, encoding: &str, loops: bool) -> String {
    let again = if loops { "(br 0)" } else { "" };
    format!(
        r#"(component $taker
            (core module $m (memory (export "memory") 0)
                (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 0))
                (func (export "take") (param i32 i32)))
            (core instance $i (instantiate $m))
            (func (export "take") (param "text" string) (canon lift (core func $i "take")
                (memory $i "memory") (realloc (func $i "realloc")) string-encoding={encoding})))
        (instance $taker (instantiate $taker))
        (component $giver
            (import "take" (func $take (param "text" string)))
            (core module $m (memory (export "memory") 100))
            (core instance $i (instantiate $m))
            (core func $lowered (canon lower (func $take) (memory $i "memory")))
            (core module $calls (import "" "take" (func $take (param i32 i32)))
                (func $start (loop (call $take (i32.const 0) (i32.const {bytes})) {again}))
                (start $start))
            (core instance (instantiate $calls (with "" (instance (export "take" (func $lowered)))))))
        (instance (instantiate $giver (with "take" (func $taker "take"))))"#
    )
}

#[test]
fn nothing_is_copied_into_an_empty_memory() {
    for encoding in ["utf8", "utf16", "latin1+utf16"] {
        starts(&passing(0, encoding, false));
        for bytes in [1, 1_000_000] {
            let error = start(&passing(bytes, encoding, false));
            assert!(matches!(&error, LoadError::Start(error) if error.name() == "guest-trap"), "{encoding}: {error}");
        }
        let error = start(&passing(0, encoding, true));
        assert!(matches!(&error, LoadError::Start(error) if error.name() == "guest-fuel"), "{encoding}: {error}");
    }
}
