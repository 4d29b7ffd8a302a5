//! Real guests of other languages' toolchains, whose runtimes import WASI: Rust with all
//! of std (tests/guests/wasi), Python (tests/guests/python), and JavaScript
//! (tests/guests/javascript). They work over records, and try what no guest may.

use std::path::PathBuf;
use std::sync::LazyLock;

use model::{Limits, ObjectId, TimestampNumbers};
use serde_json::{Value, json};

use crate::testing::ENGINE;
use crate::{Component, Context, GuestError, Instance, Level, LogLine, Precompiled, Rewritten, Surroundings, Verdict};

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

static JAVASCRIPT: LazyLock<Component> =
    LazyLock::new(|| ENGINE.load("javascript-guest", &fixture("javascript-guest.wasm"), Limits::default()).unwrap());

fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest/fixtures")).join(name);
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; run `make fixtures python-guest javascript-guest`", path.display())
    })
}

/// What became of an object's records, and the log's lines.
type Outcome = (Vec<Value>, Vec<(Level, String)>);

/// Tells a fresh instance of an object: calls `tell` with it and these settings.
fn told<T>(
    guest: &Component,
    key: &str,
    settings: &[(&str, &str)],
    tell: impl FnOnce(&mut Instance, &Context<'_>) -> Result<T, GuestError>,
) -> Result<(Instance, T), GuestError> {
    let object = ObjectId { bucket: "logs".to_owned(), key: key.to_owned() };
    let context = Context {
        origin: &crate::testing::origin(),
        delivery: &crate::testing::delivery(),
        object: &object,
        settings: &pairs(settings),
        now: NOW,
        last_modified: NOW,
        timestamp_numbers: TimestampNumbers::default(),
        max_line_bytes: 1024 * 1024,
    };
    let mut instance = Instance::start(guest, &Surroundings::of(&object, "s3", NOW))?;
    let answer = tell(&mut instance, &context)?;
    Ok((instance, answer))
}

fn pairs(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

/// An instance that has begun to rewrite an object.
fn begun(guest: &Component, key: &str, settings: &[(&str, &str)]) -> Result<Instance, GuestError> {
    Ok(told(guest, key, settings, |instance, context| instance.begin_rewrite(context))?.0)
}

/// One attempt at an object.
fn attempt(guest: &Component, key: &str, mode: &str) -> Result<Outcome, GuestError> {
    let mut instance = begun(guest, key, &[("mode", mode)])?;
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
    test("JavaScript", &JAVASCRIPT);
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
    // The order of a set follows its hashes. (Python's are the build's, as JavaScript's
    // Math.random is.)
    assert_ne!(seen(&RUST, "k", "")["order"], seen(&RUST, "other", "")["order"]);
}

#[test]
fn nothing_is_read_and_nothing_is_waited_for() {
    let files = seen(&RUST, "k", "file");
    assert!(files.as_str().is_some_and(|error| !error.is_empty()), "{files}");
    assert_eq!(seen(&PYTHON, "k", "file"), "FileNotFoundError");
    // It has no way to open a file but below a folder that it was given.
    assert_eq!(seen(&JAVASCRIPT, "k", "file"), json!([]));
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
    let error = attempt(&JAVASCRIPT, "k", "connect").unwrap_err();
    assert_eq!(error.name(), "guest-forbidden", "{error}");
    assert!(error.to_string().contains("wasi:sockets/instance-network@0.2."), "{error}");
}

/// What JavaScript makes of lines, as a tenant's plugin would be asked.
fn javascript(settings: &[(&str, &str)], lines: &str) -> Rewritten {
    let plain: Vec<_> = [("mode", "plain")].into_iter().chain(settings.iter().copied()).collect();
    let mut instance = begun(&JAVASCRIPT, "k", &plain).unwrap();
    let count = u64::try_from(lines.lines().count()).unwrap();
    instance.rewrite(0, lines.as_bytes(), 0..count).unwrap()
}

#[test]
fn javascript_redacts_by_its_settings() {
    let lines = concat!(
        r#"{"message":"from ann@example.com to ünï@x.org, \ud83d\ude00 größer 😀"}"#,
        "\n",
        r#"{"message":"dropped","level":"info"}"#,
        "\nno JSON, but ann@example.com\n\n",
        r#"{"n":1.5,"message":7}"#,
        "\n"
    );
    let settings = [("replacement", "✂"), ("drop", "info")];
    let out = javascript(&settings, lines);
    let expected = "{\"message\":\"from ✂ to ünï@x.org, 😀 größer 😀\"}\n{\"n\":1.5,\"message\":7}\n";
    assert_eq!(String::from_utf8(out.lines).unwrap(), expected);
    assert_eq!(out.sources, [0, 4]);
    let note = out.notes.iter().map(|note| (note.first, note.last, &note.verdict)).collect::<Vec<_>>();
    assert_eq!(note, [(2, 2, &Verdict::Malformed("no JSON".to_owned()))]);
    // By default other records are dropped, and redacted with other words.
    let out = javascript(&[], "{\"message\":\"ann@example.com\",\"level\":\"info\"}\n{\"level\":\"debug\"}");
    assert_eq!(out.lines, b"{\"message\":\"<e-mail>\",\"level\":\"info\"}\n");
}

#[test]
fn javascript_decides_what_is_wanted_and_which_settings_are_right() {
    let wants = |unwanted| told(&JAVASCRIPT, "k", &[("unwanted-applications", unwanted)], Instance::wants).unwrap().1;
    assert!(wants("") && wants("y,z"));
    assert!(!wants("y,x"), "the application is x");
    let mut instance = Instance::start(&JAVASCRIPT, &Surroundings::none()).unwrap();
    let mut check = |settings| instance.check_settings(&pairs(settings)).unwrap();
    assert_eq!(check(&[("drop", "info"), ("mode", "")]), Ok(()));
    assert_eq!(check(&[("dorp", "info")]), Err("unknown settings: dorp".to_owned()));
    let error = begun(&JAVASCRIPT, "k", &[("mode", "reject")]).err().unwrap();
    assert_eq!(error, GuestError::Rejected { function: "begin", text: "none of it".to_owned() });
}

#[test]
fn what_javascript_throws_is_a_trap_and_its_words_are_in_the_log() {
    let mut instance = begun(&JAVASCRIPT, "k", &[("mode", "throw")]).unwrap();
    let error = instance.rewrite(0, RECORDS.as_bytes(), 0..4).unwrap_err();
    assert_eq!(error.name(), "guest-trap", "{error}");
    assert!(!error.to_string().contains("it broke"), "they may quote a record: {error}");
    let log = instance.take_log().kept;
    let place = |line: &LogLine| line.text.contains("it broke") && line.text.contains("at seen (/world.js:");
    assert!(log.iter().any(|line| line.level == Level::Warn && place(line)), "{log:?}");
}

#[test]
fn javascript_hits_its_limits_cleanly() {
    let limits = Limits { fuel_per_mib: 400_000_000, ..Limits::default() };
    for (mode, name, says) in [
        ("loop", "guest-fuel", "fuel limit in rewrite: 100000000 units"),
        ("memory", "guest-memory", "memory limit in rewrite: more than 67108864 bytes"),
    ] {
        let error = attempt(&JAVASCRIPT.with_limits(limits.clone()), "k", mode).unwrap_err();
        assert_eq!(error.name(), name, "{mode}: {error}");
        assert!(error.to_string().contains(says), "{mode}: {error}");
    }
    // Its heap is a part of the memory that counts.
    let small = JAVASCRIPT.with_limits(Limits { memory_bytes: 1024 * 1024, ..Limits::default() });
    assert_eq!(attempt(&small, "k", "").unwrap_err().name(), "guest-memory");
}
