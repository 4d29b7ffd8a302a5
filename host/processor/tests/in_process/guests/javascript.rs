//! A plugin in JavaScript (tests/guests/javascript), through the whole pipeline.

use std::sync::LazyLock;

use model::{OnError, Reason};
use sandbox::Component;

use super::harness::{Case, WORLD, limits, record};
use crate::shared::read;

static JAVASCRIPT: LazyLock<Component> =
    LazyLock::new(|| WORLD.engine.load("javascript-guest", &read("fixtures/javascript-guest.wasm"), limits()).unwrap());

/// `debug` is dropped, and of `null` the plugin reads a member, which throws.
fn case(lines: &[&str]) -> Case {
    Case::of(Some(&JAVASCRIPT)).set("mode", "plain").lines(lines)
}

const DEBUG: &str = r#"{"level":"debug","message":"chatter"}"#;

#[test]
fn it_redacts_and_filters_wherever_chunks_are_cut() {
    let lines = [&record("to ann@example.com: grüße 😀"), DEBUG, "", "nonsense", &record("two")];
    for chunk_bytes in [1, 70, 1 << 16] {
        let came = case(&lines).chunks(chunk_bytes).run();
        assert_eq!(came.is_complete().messages(), ["to <e-mail>: grüße 😀", "two"], "{chunk_bytes}");
        assert_eq!(came.counts(), [2, 1, 1, 0, 0], "{chunk_bytes}");
    }
    let written = case(&lines).run_upload().written.unwrap();
    assert!(!written.is_empty());
}

#[test]
fn it_says_which_objects_are_wanted() {
    let wants = |applications| case(&[]).set("unwanted-applications", applications).wants();
    assert_eq!(wants("other"), Ok(true));
    assert_eq!(wants("other,api"), Ok(false));
}

#[test]
fn a_line_that_it_throws_at_is_quarantined_and_the_rest_goes_on() {
    let lines = [&record("one"), "null", DEBUG, &record("two@example.com")];
    case(&lines).run().fails("guest-trap", &["in rewrite"]);
    for chunk_bytes in [1, 1 << 16] {
        let came = case(&lines).chunks(chunk_bytes).on_error(OnError::Quarantine).run();
        assert_eq!(came.is_complete().messages(), ["one", "<e-mail>"], "{chunk_bytes}");
        assert_eq!(came.dead(Reason::Poison), [1], "{chunk_bytes}");
        assert_eq!(came.counts(), [2, 1, 0, 1, 0], "{chunk_bytes}");
    }
}
