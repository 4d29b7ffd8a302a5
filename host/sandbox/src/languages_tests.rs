//! Real guests of other languages' toolchains, whose runtimes import WASI: Rust with all
//! of std (tests/guests/wasi), and Python (tests/guests/python). They work over records,
//! and try what no guest may.

use std::path::PathBuf;
use std::sync::LazyLock;

use model::{Limits, ObjectId, TimestampNumbers};
use serde_json::{Value, json};

use crate::testing::ENGINE;
use crate::{Component, Context, GuestError, Instance, Level, Precompiled, Surroundings};

const NOW: i64 = 1_795_428_000_123;
const RECORDS: &str = r#"{"message": "a", "password": "hunter2"}
{"message": "b", "level": "debug"}

{"message": "c"}
"#;

static RUST: LazyLock<Component> =
    LazyLock::new(|| ENGINE.load("wasi-guest", &fixture("wasi-guest.wasm"), Limits::default()).unwrap());

/// It has 18 MB, which take 20 CPU seconds to compile: `make python-guest` has done that.
static PYTHON: LazyLock<Component> = LazyLock::new(|| {
    let (component, code) = (fixture("python-guest.wasm"), fixture("python-guest.cwasm"));
    // SAFETY: `make python-guest` wrote it, with this project's own `precompile`, into the
    // target folder, which is whose this process is.
    #[expect(unsafe_code, reason = "see SAFETY")]
    let guest = unsafe { Precompiled::new(&component, &code) };
    ENGINE.load_precompiled("python-guest", guest, Limits::default()).unwrap().0
});

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest/fixtures")).join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}; run `make fixtures python-guest`", path.display()))
}

/// What became of an object's records, and the log's lines.
type Outcome = (Vec<Value>, Vec<(Level, String)>);

/// One attempt at an object.
fn attempt(guest: &Component, key: &str, mode: &str) -> Result<Outcome, GuestError> {
    let object = ObjectId { bucket: "logs".to_owned(), key: key.to_owned() };
    let context = Context {
        origin: &crate::testing::origin(),
        delivery: &crate::testing::delivery(),
        object: &object,
        settings: &[("mode".to_owned(), mode.to_owned())],
        now: NOW,
        last_modified: NOW,
        timestamp_numbers: TimestampNumbers::default(),
        max_line_bytes: 1024 * 1024,
    };
    let mut instance = Instance::start(guest, &Surroundings::of(&object, "s3", NOW))?;
    instance.begin_rewrite(&context)?;
    let out = instance.rewrite(0, RECORDS.as_bytes(), 0..4)?;
    assert_eq!(out.sources, [0, 3], "the record of level debug is dropped");
    assert!(instance.end_rewrite(4..4)?.lines.is_empty());
    let lines = String::from_utf8(out.lines).unwrap();
    let log = instance.take_log().kept.into_iter().map(|line| (line.level, line.text));
    Ok((lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect(), log.collect()))
}

/// What the guest saw of the world, at its first record.
#[track_caller]
fn seen(guest: &Component, key: &str, mode: &str) -> Value {
    attempt(guest, key, mode).unwrap().0.swap_remove(0)["seen"].take()
}

fn each(test: impl Fn(&str, &Component)) {
    test("Rust", &RUST);
    test("Python", &PYTHON);
}

#[test]
fn records_come_out_right_and_the_same_at_each_attempt() {
    each(|language, guest| {
        let (records, log) = attempt(guest, "k", "").unwrap();
        assert_eq!((&records[0]["message"], &records[0]["password"]), (&json!("a"), &json!("***")), "{language}");
        assert_eq!(records[1]["message"], "c", "{language}");
        let said = |level, number: u64| (level, format!("line {number}"));
        use Level::{Info, Warn};
        assert_eq!(log, [said(Info, 0), said(Warn, 0), said(Info, 3), said(Warn, 3)], "{language}");
        assert_eq!(attempt(guest, "k", "").unwrap(), (records, log), "{language}");
    });
}

#[test]
fn they_see_the_object_s_time_and_randomness_and_nothing_else() {
    each(|language, guest| {
        let (one, other) = (seen(guest, "k", ""), seen(guest, "other", ""));
        for seen in [&one, &other] {
            assert_eq!((&seen["now"], &seen["elapsed"]), (&json!(NOW), &json!(0)), "{language}");
            assert_eq!((&seen["environment"], &seen["arguments"]), (&json!(0), &json!(0)), "{language}");
        }
        assert_ne!(one["random"], other["random"], "{language}");
    });
    // The order of a set follows its hashes. (Python's are the build's.)
    assert_ne!(seen(&RUST, "k", "")["order"], seen(&RUST, "other", "")["order"]);
}

#[test]
fn nothing_is_read_and_nothing_is_waited_for() {
    let files = seen(&RUST, "k", "file");
    assert!(files.as_str().is_some_and(|error| !error.is_empty()), "{files}");
    assert_eq!(seen(&PYTHON, "k", "file"), "FileNotFoundError");
    each(|language, guest| {
        assert_eq!(seen(guest, "k", "input"), "", "{language}");
        // An hour, of which none goes by.
        assert_eq!(seen(guest, "k", "sleep")["now"], NOW, "{language}");
    });
}

#[test]
fn whoever_exits_has_failed() {
    each(|language, guest| {
        let error = attempt(guest, "k", "exit").unwrap_err();
        assert_eq!(error.name(), "guest-trap", "{language}: {error}");
        assert!(error.to_string().contains("it exited (with an error)"), "{language}: {error}");
    });
}

#[test]
fn sockets_and_name_look_ups_are_refused_by_name() {
    for (mode, interface) in [("connect", "wasi:sockets/tcp-create-socket"), ("resolve", "wasi:sockets/")] {
        let error = attempt(&PYTHON, "k", mode).unwrap_err();
        assert_eq!(error.name(), "guest-forbidden", "{mode}: {error}");
        assert!(error.to_string().contains(interface), "{mode}: {error}");
    }
}
