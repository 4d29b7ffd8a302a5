//! Time and depth: what is linear must stay so, and nothing overflows the
//! stack. A quadratic step would take minutes on these, not seconds: of this thread's
//! own time, whatever else the machine does.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::print_stdout,
    reason = "a test may stop where something is wrong"
)]

use std::time::{Duration, Instant};

use record::{Clock, Transformer, Verdict};

const CLOCK: Clock = Clock { now: 1, last_modified: 2 };
/// The default MAX_LINE_BYTES; less where the code isn't optimized.
const SIZE: usize = if cfg!(debug_assertions) { 2 << 20 } else { 16 << 20 };
/// Far more than is needed, even unoptimized.
const ENOUGH: Duration = Duration::from_secs(20);

/// Time at work of this thread, where the system tells it (Linux); else since `start`.
fn worked(start: Instant) -> Duration {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|told| told.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| start.elapsed(), Duration::from_nanos)
}

/// Runs the input, whole or line by line; returns the messages and how many
/// lines were malformed.
fn run(input: &[u8], by_line: bool) -> (Vec<String>, u64) {
    let start = Instant::now();
    let before = worked(start);
    let mut transformer = Transformer::new(CLOCK, SIZE);
    let mut messages = Vec::new();
    let mut malformed = 0;
    let mut take = |found: record::Transformed<'_>| {
        messages.extend(found.events.into_iter().map(|event| event.message.into_owned()));
        for note in found.notes {
            if let Verdict::Malformed(reason) = note.verdict {
                assert!(reason.len() < 100, "{reason}");
                malformed += note.last - note.first + 1;
            }
        }
    };
    if by_line {
        for (number, line) in input.split_inclusive(|&byte| byte == b'\n').enumerate() {
            take(transformer.chunk(number as u64, line));
        }
    } else {
        take(transformer.chunk(0, input));
    }
    take(transformer.end());
    let taken = worked(start).saturating_sub(before);
    assert!(taken < ENOUGH, "{taken:?}");
    (messages, malformed)
}

fn nested(depth: usize) -> String {
    format!("{}{}", "[".repeat(depth), "]".repeat(depth))
}

#[test]
fn ten_thousand_deep_is_legal_and_no_deeper() {
    // On a stack as small as a guest's.
    let test = || {
        for (line, inside) in [
            ("{\"message\":@}\n", 1),
            ("[{\"message\":@}]\n", 2),
            // Across lines the outer bracket counts too.
            ("[\n{\"message\":@}\n]\n", 2),
            ("[{\n\"message\":@}\n]\n", 2),
            ("{\n\"message\":@}\n", 1),
        ] {
            let deepest = nested(10_000 - inside);
            let (messages, malformed) = run(line.replace('@', &deepest).as_bytes(), false);
            assert_eq!((messages, malformed), (vec![deepest], 0), "{line:?}");
            // One deeper is an object of its own at most, where it is all on
            // one line of the array.
            let too_deep = nested(10_001 - inside);
            let (messages, malformed) = run(line.replace('@', &too_deep).as_bytes(), true);
            let alone = line.starts_with("[\n");
            assert_eq!(messages.len(), usize::from(alone), "{line:?}");
            assert!(malformed > 0, "{line:?}");
        }
    };
    std::thread::Builder::new().stack_size(256 << 10).spawn(test).unwrap().join().unwrap();
}

#[test]
fn long_lines_of_little() {
    for piece in ["[", "{", "1,", "\"\\u0000\"", "[1,", "{\"a\":", "{\"a\":1},", "\"", "\\", "9", "\u{a0}", " "] {
        let long = piece.repeat(SIZE / piece.len());
        for line in [format!("[{long}"), format!("{{\"message\":{long}"), format!("x\n{long}")] {
            run(line.as_bytes(), false);
        }
    }
    let number = format!("{{\"message\":{}.5}}", "9".repeat(SIZE));
    assert_eq!(run(number.as_bytes(), false).1, 1);
    let number = format!("{{\"message\":0.{}}}", "7".repeat(SIZE));
    assert_eq!(run(number.as_bytes(), false).0, ["0.7777777777777778"]);
}

#[test]
fn long_strings_of_escapes() {
    let text = "\\u0000".repeat(SIZE / 6);
    let (messages, _) = run(format!("{{\"message\":\"{text}\"}}").as_bytes(), false);
    assert_eq!(messages[0].len(), SIZE / 6);
    let (messages, _) = run(format!("{{\"message\":[\"{text}\"]}}").as_bytes(), false);
    assert_eq!(messages[0].len(), SIZE / 6 * 6 + 4);
    let (messages, _) = run(format!("{{\"message\":\"{}\"}}", "\\\"".repeat(SIZE / 2)).as_bytes(), false);
    assert_eq!(messages[0].len(), SIZE / 2);
    let mut invalid = b"{\"message\":\"".to_vec();
    invalid.resize(SIZE, 0xe2);
    invalid.extend_from_slice(b"\"}");
    assert_eq!(run(&invalid, false).0[0].len(), (SIZE - 12) * 3);
}

#[test]
fn many_keys_and_deep_nesting() {
    // Many keys, in an order that no sort likes best.
    let keys: Vec<String> = (0..600_000_u64)
        .map(|key| format!("\"{:08x}\":{{\"b\":1,\"a\":[]}}", key.wrapping_mul(0x9e37_79b1) & 0xffff_ffff))
        .collect();
    let (messages, _) = run(format!("{{{}}}", keys.join(",")).as_bytes(), false);
    assert!(messages[0].starts_with("{\"00000000\":{\"a\":[],\"b\":1},\"0000"));

    // Each level has keys on both sides of the next level.
    let open = "{\"z\":0,\"m\":".repeat(9_990);
    let tail = ",\"a\":[{},{\"k\":{}}]}".repeat(9_990);
    let (messages, _) = run(format!("{{\"message\":{open}1{tail}}}").as_bytes(), false);
    assert!(messages[0].starts_with("{\"a\":[{},{\"k\":{}}],\"m\":{\"a\""));

    // Keys that must be decoded to be compared, and are long and alike.
    let alike = "\\u0061".repeat(1000);
    let keys: Vec<String> = (0..2_000).rev().map(|key| format!("\"{alike}{key:04}\":0")).collect();
    let (messages, _) = run(format!("{{{}}}", keys.join(",")).as_bytes(), false);
    assert!(messages[0].ends_with("a1999\":0}"));

    let empty = format!("[{}{{}}]", "{},".repeat(SIZE / 3));
    assert_eq!(run(format!("{{\"message\":{empty}}}").as_bytes(), false).0, [empty]);
    let same = format!("{{{}\"\":1}}", "\"\":0,".repeat(SIZE / 5));
    assert_eq!(run(same.as_bytes(), false).0, ["{\"\":1}"]);
}

#[test]
fn many_lines() {
    for (first, line) in [
        ("[", "{\"a\":\"b\"},\n"),
        ("[", "\n"),
        ("[[", "1,\n"),
        ("[{\"a\":[", "1,\n"),
        ("{\"a\":[", "1,\n"),
        ("{\"a\":[", "\n"),
        ("{\"a\":1}", "\n"),
        ("{\"a\":1\n}", "\n"),
        ("", "{\n"),
        ("", "x\n"),
    ] {
        let lines = line.repeat((SIZE / 4) / line.len());
        for end in ["", "]}]", "1]", "]}", "bad"] {
            run(format!("{first}\n{lines}{end}").as_bytes(), true);
        }
    }
}
