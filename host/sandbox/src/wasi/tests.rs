//! Each interface of the empty WASI, asked by a guest.

use super::interface;
use crate::log::GuestLog;
use crate::testing::{Parts, answer, ask, load, wants};
use crate::{Component, GuestError, Instance, Level, LoadError, Surroundings};
use model::{Limits, ObjectId};

/// The interfaces that are asked here, as WASI has them, but for their version.
const WASI: &str = "
    package wasi:io@V { 
        interface error { resource error; }
        interface poll {
            resource pollable { ready: func() -> bool; block: func(); }
            poll: func(in: list<borrow<pollable>>) -> list<u32>;
        }
        interface streams {
            use error.{error};
            use poll.{pollable};
            variant stream-error { last-operation-failed(error), closed }
            resource input-stream {
                blocking-read: func(len: u64) -> result<list<u8>, stream-error>;
            }
            resource output-stream {
                write: func(contents: list<u8>) -> result<_, stream-error>;
                write-zeroes: func(len: u64) -> result<_, stream-error>;
                subscribe: func() -> pollable;
            }
        }
    }
    package wasi:cli@V {
        interface environment {
            get-environment: func() -> list<tuple<string, string>>;
            get-arguments: func() -> list<string>;
            initial-cwd: func() -> option<string>;
        }
        interface exit { exit: func(status: result); }
        interface stdin { use wasi:io/streams@V.{input-stream}; get-stdin: func() -> input-stream; }
        interface stdout { use wasi:io/streams@V.{output-stream}; get-stdout: func() -> output-stream; }
        interface stderr { use wasi:io/streams@V.{output-stream}; get-stderr: func() -> output-stream; }
        interface terminal-output { resource terminal-output; }
        interface terminal-stdout {
            use terminal-output.{terminal-output};
            get-terminal-stdout: func() -> option<terminal-output>;
        }
    }
    package wasi:clocks@V {
        interface wall-clock {
            record datetime { seconds: u64, nanoseconds: u32 }
            now: func() -> datetime;
        }
        interface monotonic-clock { now: func() -> u64; }
    }
    package wasi:random@V {
        interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
        interface insecure {
            get-insecure-random-bytes: func(len: u64) -> list<u8>;
            get-insecure-random-u64: func() -> u64;
        }
        interface insecure-seed { insecure-seed: func() -> tuple<u64, u64>; }
    }
    package wasi:filesystem@V {
        interface types {
            use wasi:io/streams@V.{output-stream};
            resource descriptor { append: func() -> result<output-stream>; }
        }
        interface preopens {
            use types.{descriptor};
            get-directories: func() -> list<tuple<descriptor, string>>;
        }
    }
    package wasi:sockets@V {
        interface tcp { resource tcp-socket { is-listening: func() -> bool; } }
        interface tcp-create-socket {
            use tcp.{tcp-socket};
            create-tcp-socket: func(family: u8) -> result<tcp-socket, u8>;
        }
    }
";

/// Says numbers in its log: four bits a letter, the lowest first.
const SAY: &str = r#"
    (func $say (param $number i64) (local $at i32)
        (loop
            (i32.store8 (i32.add (i32.const 512) (local.get $at))
                (i32.add (i32.const 97) (i32.and (i32.wrap_i64 (local.get $number)) (i32.const 15))))
            (local.set $number (i64.shr_u (local.get $number) (i64.const 4)))
            (local.set $at (i32.add (local.get $at) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $at) (i32.const 16))))
        (call $log (i32.const 1) (i32.const 512) (i32.const 16)))"#;

fn said(line: &str) -> u64 {
    line.bytes().rev().fold(0, |number, letter| number << 4 | u64::from(letter - b'a'))
}

/// A guest that imports these functions, `(interface, function, type)`, as `$0`, `$1`
/// and so on, and runs this before it answers.
fn guest_of(version: &str, imports: &[(&str, &str, &str)], body: &str) -> Result<Component, LoadError> {
    let (mut world, mut core) = (String::new(), String::new());
    for (number, (interface, name, kind)) in imports.iter().enumerate() {
        let interface = format!("wasi:{interface}@{version}");
        if !world.contains(&interface) {
            world += &format!("import {interface};\n");
        }
        core += &format!("(import \"{interface}\" \"{name}\" (func ${number} {kind}))\n");
    }
    world += "import log-router:plugin/host-log@0.1.0; export log-router:plugin/log-filter@0.1.0;";
    core += r#"(import "log-router:plugin/host-log@0.1.0" "log" (func $log (param i32 i32 i32)))"#;
    let packages = WASI.replace("@V", &format!("@{version}"));
    let text = wants(body) + SAY + r#"(data (i32.const 700) "one\ntwo")"#;
    let limits = Limits { start_fuel: 100_000_000, ..Limits::default() };
    load(&Parts { world: &world, packages: &packages, imports: &core, core: &text, ..Parts::default() }.build(), limits)
}

fn guest(imports: &[(&str, &str, &str)], body: &str) -> Component {
    guest_of("0.2.3", imports, body).unwrap()
}

/// What it logs, of this object, at this time.
fn logs(guest: &Component, key: &str, now: i64) -> GuestLog {
    let object = ObjectId { bucket: "b".to_owned(), key: key.to_owned() };
    let mut instance = Instance::start(guest, &Surroundings::of(&object, "cloudwatch", now)).unwrap();
    assert_eq!(ask(&mut instance), Ok(true));
    instance.take_log()
}

fn numbers(guest: &Component, key: &str, now: i64) -> Vec<u64> {
    logs(guest, key, now).kept.iter().map(|line| said(&line.text)).collect()
}

#[track_caller]
fn stopped(guest: &Component) -> GuestError {
    answer(guest, &Surroundings::none()).unwrap_err()
}

#[test]
fn every_clock_says_the_objects_time() {
    let imports = [("clocks/wall-clock", "now", "(param i32)"), ("clocks/monotonic-clock", "now", "(result i64)")];
    let wall =
        "(call $0 (i32.const 600)) (call $say (i64.load (i32.const 600))) (call $say (i64.load32_u (i32.const 608)))";
    let guest = guest(&imports, &format!("{wall} (call $say (call $1)) (call $say (call $1))"));
    let now = 1_795_428_000_123;
    let nanoseconds = 1_795_428_000_123_000_000;
    assert_eq!(numbers(&guest, "k", now), [1_795_428_000, 123_000_000, nanoseconds, nanoseconds]);
    assert_eq!(numbers(&guest, "k", -1), [0, 0, 0, 0]);
}

#[test]
fn randomness_is_the_objects_and_repeats() {
    let imports = [
        ("random/random", "get-random-u64", "(result i64)"),
        ("random/insecure-seed", "insecure-seed", "(param i32)"),
        ("random/random", "get-random-bytes", "(param i64 i32)"),
    ];
    let body = "(call $say (call $0)) (call $say (call $0))
        (call $1 (i32.const 600)) (call $say (i64.load (i32.const 600))) (call $say (i64.load (i32.const 608)))
        (call $2 (i64.const 40) (i32.const 600))
        (call $say (i64.load32_u (i32.const 604)))
        (call $say (i64.load offset=32 (i32.load (i32.const 600))))";
    let guest = guest(&imports, body);
    let first = numbers(&guest, "k", 1);
    assert_eq!(first[4], 40, "as many bytes as it asked for");
    assert_eq!(numbers(&guest, "k", 1), first);
    assert_eq!(numbers(&guest, "k", 2), first, "a later attempt");
    let other = numbers(&guest, "other", 1);
    let mut all: Vec<u64> = first.iter().chain(&other).copied().filter(|&number| number != 40).collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 10, "{first:?} {other:?}");
}

/// A delivery that stopped halfway goes on under the next version of this program.
#[test]
fn an_object_s_randomness_never_changes() {
    let imports = [
        ("random/random", "get-random-u64", "(result i64)"),
        ("random/insecure", "get-insecure-random-u64", "(result i64)"),
        ("random/insecure-seed", "insecure-seed", "(param i32)"),
        ("random/insecure", "get-insecure-random-bytes", "(param i64 i32)"),
    ];
    let body = "(call $say (call $0)) (call $say (call $1))
        (call $2 (i32.const 600)) (call $say (i64.load (i32.const 600))) (call $say (i64.load (i32.const 608)))
        (call $3 (i64.const 40) (i32.const 600)) (call $say (i64.load offset=32 (i32.load (i32.const 600))))";
    let seen = [
        9_608_681_707_623_678_520,
        5_022_179_557_858_907_371,
        17_503_830_034_699_062_396,
        7_712_758_991_064_389_743,
        6_512_893_958_257_930_044,
    ];
    assert_eq!(numbers(&guest(&imports, body), "k", 0), seen);
}

#[test]
fn randomness_is_bounded_and_paid() {
    let import = [("random/random", "get-random-bytes", "(param i64 i32)")];
    let error = stopped(&guest(&import, "(call $0 (i64.const 65537) (i32.const 600))"));
    assert!(
        matches!(&error, GuestError::Trap { what, .. } if what.contains("65537") && what.contains("65536")),
        "{error}"
    );
    // Into the same place each time: no memory is used up.
    let endless = "(loop (global.set $next (i32.const 65536)) (call $0 (i64.const 65536) (i32.const 600)) (br 0))";
    assert_eq!(stopped(&guest(&import, endless)).name(), "guest-fuel");
}

#[test]
fn there_is_no_environment_and_no_folder() {
    let imports = [
        ("cli/environment", "get-environment", "(param i32)"),
        ("cli/environment", "get-arguments", "(param i32)"),
        ("filesystem/preopens", "get-directories", "(param i32)"),
        ("cli/environment", "initial-cwd", "(param i32)"),
        ("cli/terminal-stdout", "get-terminal-stdout", "(param i32)"),
    ];
    let ask = |number: usize, offset: usize| {
        format!(
            "(i64.store (i32.const 600) (i64.const -1)) (call ${number} (i32.const 600)) (call $say (i64.load8_u offset={offset} (i32.const 600)))"
        )
    };
    // A list's length comes after its place; an option begins with whether it is one.
    let body = [ask(0, 4), ask(1, 4), ask(2, 4), ask(3, 0), ask(4, 0)].concat();
    assert_eq!(numbers(&guest(&imports, &body), "k", 0), [0; 5]);
}

#[test]
fn standard_output_and_error_go_to_the_log() {
    let write = "[method]output-stream.write";
    let imports = [
        ("cli/stdout", "get-stdout", "(result i32)"),
        ("cli/stderr", "get-stderr", "(result i32)"),
        ("io/streams", write, "(param i32 i32 i32 i32)"),
    ];
    let write = |stream: &str| format!("(call $2 (call ${stream}) (i32.const 700) (i32.const 7) (i32.const 600))");
    let log = logs(&guest(&imports, &(write("0") + &write("1") + &write("0"))), "k", 0);
    let lines: Vec<_> = log.kept.iter().map(|line| (line.level, line.text.as_str())).collect();
    use Level::{Info, Warn};
    assert_eq!(lines, [(Info, "one"), (Warn, "one"), (Info, "twoone"), (Info, "two"), (Warn, "two")]);
    assert_eq!(log.lines, 5);
    // It is paid for.
    let endless =
        format!("(loop {} (br 0))", "(call $2 (local.get $out) (i32.const 700) (i32.const 7) (i32.const 600))");
    let endless = guest(&imports, &format!("(local $out i32) (local.set $out (call $0)) {endless}"));
    assert_eq!(stopped(&endless).name(), "guest-fuel");
}

#[test]
fn standard_input_has_ended() {
    let imports = [
        ("cli/stdin", "get-stdin", "(result i32)"),
        ("io/streams", "[method]input-stream.blocking-read", "(param i32 i64 i32)"),
    ];
    let read = "(call $1 (call $0) (i64.const 10) (i32.const 600))
        (call $say (i64.load8_u (i32.const 600))) (call $say (i64.load8_u (i32.const 604)))";
    // An error, and the second of its two cases: closed.
    assert_eq!(numbers(&guest(&imports, read), "k", 0), [1, 1]);
}

#[test]
fn nothing_is_waited_for() {
    let imports = [
        ("cli/stdout", "get-stdout", "(result i32)"),
        ("io/streams", "[method]output-stream.subscribe", "(param i32) (result i32)"),
        ("io/poll", "[method]pollable.block", "(param i32)"),
        ("io/poll", "[method]pollable.ready", "(param i32) (result i32)"),
        ("io/poll", "poll", "(param i32 i32 i32)"),
    ];
    let body = "(local $poll i32) (local.set $poll (call $1 (call $0)))
        (call $2 (local.get $poll)) (call $say (i64.extend_i32_u (call $3 (local.get $poll))))
        (i32.store (i32.const 640) (local.get $poll)) (i32.store (i32.const 644) (call $1 (call $0)))
        (call $4 (i32.const 640) (i32.const 2) (i32.const 600))
        (call $say (i64.load32_u (i32.const 604))) (call $say (i64.load (i32.load (i32.const 600))))";
    assert_eq!(numbers(&guest(&imports, body), "k", 0), [1, 2, 1 << 32]);
}

#[test]
fn handles_are_bounded() {
    let imports = [("cli/stdout", "get-stdout", "(result i32)")];
    let error = stopped(&guest(&imports, "(loop (drop (call $0)) (br 0))"));
    assert!(matches!(&error, GuestError::Trap { what, .. } if what.contains("handle limit")), "{error}");
}

#[test]
fn whoever_exits_is_stopped() {
    let imports = [("cli/exit", "exit", "(param i32)")];
    let error = stopped(&guest(&imports, "(call $0 (i32.const 0))"));
    assert_eq!(error.to_string(), "the guest trapped in wants: it exited (without an error)");
    let error = stopped(&guest(&imports, "(call $0 (i32.const 1))"));
    assert_eq!(error.to_string(), "the guest trapped in wants: it exited (with an error)");
}

#[test]
fn what_is_not_there_stops_the_guest_by_name() {
    let imports = [
        ("sockets/tcp-create-socket", "create-tcp-socket", "(param i32 i32)"),
        ("sockets/tcp", "[method]tcp-socket.is-listening", "(param i32) (result i32)"),
        ("filesystem/types", "[method]descriptor.append", "(param i32 i32)"),
        ("io/streams", "[method]output-stream.write-zeroes", "(param i32 i64 i32)"),
        ("cli/stdout", "get-stdout", "(result i32)"),
    ];
    let socket = stopped(&guest(&imports, "(call $0 (i32.const 0) (i32.const 600))"));
    assert_eq!(socket.name(), "guest-forbidden");
    assert!(socket.is_guests_fault());
    assert_eq!(
        socket.to_string(),
        "the guest called wasi:sockets/tcp-create-socket@0.2.3 create-tcp-socket in wants, and guests are given nothing of the kind"
    );
    let zeroes = stopped(&guest(&imports, "(call $3 (call $4) (i64.const 1) (i32.const 600))"));
    assert!(zeroes.to_string().contains("wasi:io/streams@0.2.3 [method]output-stream.write-zeroes"), "{zeroes}");
    // What is only imported stops nobody.
    assert_eq!(answer(&guest(&imports, ""), &Surroundings::none()), Ok(true));
}

#[test]
fn any_version_0_2_is_linked_and_others_are_refused_by_name() {
    let import = [("cli/stdout", "get-stdout", "(result i32)")];
    for version in ["0.2.0", "0.2.12", "0.2.99"] {
        let guest = guest_of(version, &import, "(drop (call $0))").unwrap();
        assert_eq!(answer(&guest, &Surroundings::none()), Ok(true), "{version}");
    }
    for version in ["0.1.0", "0.3.0", "0.2.0-rc-2023-11-10"] {
        let error = guest_of(version, &import, "(drop (call $0))").map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(&format!("@{version}`")), "{error}");
    }
}

#[test]
fn a_stream_is_the_same_under_every_version() {
    let text = r#"(component
        (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
        (import "wasi:io/streams@0.2.0" (instance $old (export "output-stream" (type (sub resource)))))
        (import "wasi:io/streams@0.2.6" (instance $new (export "output-stream" (type (sub resource)))))
        (core module $m
            (func (export "wants") (param i32) (result i32) (i32.const 8)))
    )"#;
    let error = load(&wat::parse_str(text).unwrap(), Limits::default()).map(|_| ()).unwrap_err();
    // It has nothing to export; but all that it imports is there.
    assert!(matches!(error, LoadError::NoExport(_)), "{error}");
}

#[test]
fn only_released_interfaces_of_wasi_0_2_are_linked() {
    for (import, name) in [
        ("wasi:cli/environment@0.2.0", "wasi:cli/environment"),
        ("wasi:io/streams@0.2.12", "wasi:io/streams"),
        ("wasi:sockets/tcp@0.2.99", "wasi:sockets/tcp"),
        ("wasi:random/new-one@0.2.3", "wasi:random/new-one"),
    ] {
        assert_eq!(interface(import), Some(name));
    }
    for import in [
        "wasi:http/types@0.2.0",
        "wasi:nn/tensor@0.2.0",
        "wasi:cli/environment",
        "wasi:cli/environment@0.3.0",
        "wasi:cli/environment@0.2.0-rc-2023-11-10",
        "wasi:cli/environment@0.2.",
        "wasi:cli@0.2.0",
        "wasi:clis/environment@0.2.0",
        "acme:cli/environment@0.2.0",
        "environment@0.2.0",
    ] {
        assert_eq!(interface(import), None, "{import}");
    }
}
