//! The memory that the default guest takes for the worst lines, in MiB for lines of 16 MiB: what
//! `Limits::for_default_guest` counts on. `--nocapture` prints it. The same input takes the same
//! memory, whatever the machine.

use model::Limits;
use sandbox::{Context, Instance, Surroundings, Transformed, Used};

use crate::conformance::{context, default_guest_with, delivery, origin};

/// The default MAX_LINE_BYTES.
const LINE: usize = 16 << 20;

/// Runs the guest over calls of one or more lines each; returns what it used, and how many events
/// and notes it returned.
fn run(limits: Limits, calls: &[Vec<u8>]) -> (Used, usize, usize) {
    let guest = default_guest_with(limits);
    let (origin, delivery) = (origin(), delivery());
    let object = model::ObjectId { bucket: "logs".into(), key: "c/n/a/p/f".into() };
    let context = Context { max_line_bytes: LINE, ..context(&origin, &delivery, &object) };
    let mut instance = Instance::start(&guest, &Surroundings::none()).unwrap();
    instance.begin_transform(&context).unwrap();
    let (mut from, mut to) = (0, 0);
    let (mut events, mut notes) = (0, 0);
    let mut take = |out: &Transformed| {
        events += out.events.len();
        notes += out.notes.len();
        out.pending_from
    };
    for call in calls {
        let first = to;
        to += call.split_inclusive(|&byte| byte == b'\n').count() as u64;
        from = take(&instance.transform(first, call, from..to).unwrap());
    }
    take(&instance.end_transform(from..to).unwrap());
    (instance.used(), events, notes)
}

/// `piece` as often as it fits between the two others.
fn line(start: &str, piece: &str, end: &str) -> Vec<u8> {
    let copies = (LINE - start.len() - end.len()) / piece.len();
    [start.as_bytes(), piece.repeat(copies).as_bytes(), end.as_bytes()].concat()
}

fn records(piece: &str, count: usize, rest: &str) -> Vec<u8> {
    let records = format!("[{}", piece.repeat(count.min((LINE - 1000) / piece.len())));
    let left = LINE - records.len() - rest.len() - 20;
    format!("{records}{{\"a\":\"{}\"}}]\n", rest.repeat(left / rest.len())).into_bytes()
}

/// Members whose keys are in no order.
fn keys(value: &str) -> Vec<u8> {
    let mut line = String::from("{");
    let mut key = 0_u32;
    while line.len() < LINE - 40 {
        line += &format!("\"{:x}\":{value},", key.wrapping_mul(0x9e37_79b1));
        key += 1;
    }
    line += "\"z\":1}\n";
    line.into_bytes()
}

fn in_calls(text: &[u8]) -> Vec<Vec<u8>> {
    let mut calls = Vec::new();
    let mut call = Vec::new();
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        call.extend_from_slice(line);
        if call.len() >= 256 << 10 {
            calls.push(std::mem::take(&mut call));
        }
    }
    calls.push(call);
    calls
}

/// A case's name, the calls, the most memory in MiB, and how many events come of it.
type Case = (&'static str, Vec<Vec<u8>>, u64, usize);

/// One line each.
fn single_lines() -> Vec<Case> {
    let most = (2 << 20) - 1;
    let no_utf8 = |line: Vec<u8>| line.iter().map(|&byte| if byte == 0 { 0xe2 } else { byte }).collect();
    let nested = line("{\"a\":[", "{\"\":[[[[[[[[[[[[]]]]]]]]]]]]},", "0]}\n");
    vec![
        ("one plain message", vec![line("{\"message\":\"", "x", "\"}\n")], 18, 1),
        ("one escaped message", vec![line("{\"message\":\"", "\\n", "\"}\n")], 34, 1),
        ("a message that is no UTF-8", vec![no_utf8(line("{\"message\":\"", "\0", "\"}\n"))], 82, 1),
        ("one record escaped six-fold", vec![line("{\"a\":\"", "<", "\"}\n")], 114, 1),
        ("many records", vec![records("{\"a\":1},", most, "x")], 80, 2_097_028),
        ("many records and escapes", vec![records("{},", most, "<")], 130, 2 << 20),
        ("more records than a line may have", vec![line("[", "{},", "{}]\n")], 70, 0),
        ("records without an array", vec![line("", "{}", "\n")], 18, 0),
        ("records with an escaped message", vec![line("[", "{\"message\":\"\\n\"},", "{}]\n")], 42, 986_895),
        ("numbers", vec![line("{\"a\":[", "1e20,", "1]}\n")], 96, 1),
        ("nested arrays", vec![nested], 50, 1),
        ("nested objects", vec![line("{\"a\":[", "{\"\":0},", "0]}\n")], 102, 1),
        ("members in no order", vec![keys("0")], 52, 1),
        ("members that are objects", vec![keys("{\"\":0}")], 72, 1),
        ("the same key again and again", vec![line("{", "\"\":0,", "\"\":1}\n")], 76, 1),
    ]
}

/// Values over lines, which the guest holds back.
fn values_over_lines() -> Vec<Case> {
    let most = (2 << 20) - 1;
    let text = "\"<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<<\",\n";
    let first = [records("{},", most, "<").get(..LINE - 40).unwrap(), b"\",\n"].concat();
    let half = [&line("[{\"a\":\"", "<", "")[..LINE - 100], b"\",\n"].concat();
    let other = [&b"\"b\":1},"[..], &records("{},", most, "<")[1..LINE - 100], b"\"}]\n"].concat();
    vec![
        ("an array that isn't closed on its line", vec![first, b"\"b\":0}]\n".to_vec()], 190, 2 << 20),
        ("an object over lines", in_calls(&line("{\"a\":[\n", text, "0]}\n")), 134, 1),
        ("an element over lines", in_calls(&line("[{\"a\":[\n", text, "0]}]\n")), 134, 1),
        // No more events than one line may have, and reasons that are alike.
        ("records held back for nothing", in_calls(&line("{\"a\":[\n", "{}\n,\n", "{}")), 146, 2 << 20),
        ("bad lines held back", in_calls(&line("{\"a\":[\n", "1,\n11,\n", "1")), 34, 0),
        ("an element over two lines, and more on the second", vec![half, other], 276, (2 << 20) + 1),
    ]
}

/// The guest's memory stays below what was measured and a little more, and so within its limits.
fn check(cases: Vec<Case>, most_of_all: usize) {
    for (name, calls, most, expected) in cases {
        let length: usize = calls.iter().map(Vec::len).sum();
        let (used, events, notes) = run(Limits::DEFAULT.for_default_guest(LINE), &calls);
        let (peak, per_byte) = (used.peak_memory, used.peak_memory as f64 / length as f64);
        println!("{name:50} {length:9} {:4} MiB {per_byte:5.2} a byte, {events} events, {notes} notes", peak >> 20);
        assert_eq!(events, expected, "{name}");
        assert!(peak <= most << 20, "{name}: {} MiB", peak >> 20);
        assert!(peak as usize <= most_of_all, "{name}");
    }
}

#[test]
fn a_line_takes_little_memory() {
    check(single_lines(), Limits::DEFAULT.memory_bytes + Limits::GUEST_BYTES_PER_LINE_BYTE * LINE);
}

#[test]
fn values_over_lines_take_little_memory() {
    check(values_over_lines(), Limits::DEFAULT.for_default_guest(LINE).memory_bytes);
}
