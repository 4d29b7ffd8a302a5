//! The vectors: what the reference makes of an object, this project makes of
//! it, through the component and through the binary. Three differ on purpose
//! (tests/vectors/README.md).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

mod common;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::{BUCKET, Lab, NOW};
use log_processor::object::{Chunk, Decompressor, LineReader, Piece, ReadLimits};
use model::{Delivery, Destination, Limits, ObjectId, Origin, TimestampNumbers};
use sandbox::{Component, Context, Engine, Instance, Precompiled, Surroundings, Verdict};
use serde_json::Value;

const MAX_LINE_BYTES: usize = 1 << 20;

struct Vector {
    name: String,
    file: String,
    input: Vec<u8>,
    events: Vec<Value>,
    error: bool,
}

fn vectors() -> Vec<Vector> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors");
    let mut vectors = Vec::new();
    for file in ["records", "random", "better"] {
        let text = std::fs::read_to_string(format!("{folder}/{file}.ndjson")).unwrap();
        vectors.extend(text.lines().map(|line| {
            let value: Value = serde_json::from_str(line).unwrap();
            let input = match value.get("input_base64") {
                Some(base64) => STANDARD.decode(base64.as_str().unwrap()).unwrap(),
                None => value["input"].as_str().unwrap().as_bytes().to_vec(),
            };
            let text = |name: &str| value[name].as_str().unwrap().to_owned();
            differently(Vector {
                name: text("name"),
                file: text("file"),
                input,
                events: value["events"].as_array().unwrap().clone(),
                error: value["error"] == true,
            })
        }));
    }
    assert!(vectors.len() > 400, "{} vectors", vectors.len());
    vectors
}

/// Where this project differs from the reference on purpose.
fn differently(mut vector: Vector) -> Vector {
    match vector.name.as_str() {
        // What can be read is delivered, whatever the name says.
        "gz-truncated" | "gz-not-gzip" => {
            assert!(vector.error);
            vector.error = false;
            let text = pieces(&vector.input).0.concat();
            vector.events = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()).map(simple).collect();
            assert!(!vector.events.is_empty());
        }
        "bigint" => vector.events[0]["message"] = "{\"id\":9007199254740993}".into(),
        _ => {}
    }
    vector
}

/// A record with a text and a time that all of these lines share.
fn simple(line: &[u8]) -> Value {
    let record: Value = serde_json::from_slice(line).unwrap();
    assert_eq!(record["timestamp"], "2026-11-23T09:59:00Z");
    serde_json::json!({"message": record["message"], "timestamp": NOW - 60_000})
}

/// The lines of an object, and whether all of it could be read.
fn pieces(input: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let limits = ReadLimits { chunk_bytes: 1, max_line_bytes: MAX_LINE_BYTES, max_object_bytes: 0 };
    let mut reader = LineReader::new(Decompressor::new(input), limits);
    let mut lines = Vec::new();
    loop {
        match reader.next_piece().unwrap() {
            Some(Piece::Chunk(Chunk { bytes, ends, .. })) => {
                assert_eq!(ends.len(), 1);
                lines.push(bytes);
            }
            Some(Piece::Rest(_)) => return (lines, false),
            Some(Piece::TooLong { .. }) => panic!("a vector with a line that is too long"),
            None => return (lines, true),
        }
    }
}

fn time(event: &Value, last_modified: i64) -> i64 {
    match &event["timestamp"] {
        Value::String(name) if name == "now" => NOW,
        Value::String(name) if name == "last-modified" => last_modified,
        number => number.as_i64().unwrap_or_else(|| panic!("{event}")),
    }
}

fn expected(vector: &Vector, last_modified: i64) -> Vec<(i64, String)> {
    let one = |event: &Value| (time(event, last_modified), event["message"].as_str().unwrap().to_owned());
    vector.events.iter().map(one).collect()
}

fn default_guest() -> Component {
    let file =
        |form| std::fs::read(format!("{}/../../target/guest/default.{form}", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (component, code) = (file("wasm"), file("cwasm"));
    let limits = Limits {
        memory_bytes: 64 << 20,
        fuel_per_mib: 20_000_000_000,
        output_ratio: 16,
        held_back_bytes: 2 * MAX_LINE_BYTES,
        log_lines: 0,
        ..Limits::default()
    };
    let limits = limits.for_default_guest(MAX_LINE_BYTES);
    let engine = Engine::new(1, limits.memory_bytes).unwrap();
    // SAFETY: `make guest` compiled it, in this project's own target folder.
    #[expect(unsafe_code, reason = "machine code of the build")]
    let guest = unsafe { Precompiled::new(&component, &code) };
    engine.load_precompiled("default", guest, limits).unwrap().0
}

fn origin() -> Origin {
    Origin {
        cluster_id: "c".into(),
        namespace: "n".into(),
        tenant_id: "n".into(),
        application: "a".into(),
        pod_name: "p".into(),
        environment: "production".into(),
    }
}

fn delivery() -> Delivery {
    Delivery {
        tenant_id: "n".into(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: "us-east-1".into(),
        destination: Destination::CloudWatch {
            role_arn: "arn:aws:iam::111122223333:role/Logs".into(),
            account: "111122223333".into(),
            log_group: "/n".into(),
        },
        plugins: model::Plugins::default(),
    }
}

/// What the component makes of lines, in calls of so many lines each: events,
/// and how many lines it calls malformed.
fn transform(
    guest: &Component,
    lines: &[Vec<u8>],
    a_call: usize,
    last_modified: i64,
    numbers: TimestampNumbers,
) -> (Vec<(i64, String)>, u64) {
    let (origin, delivery) = (origin(), delivery());
    let object = ObjectId { bucket: BUCKET.into(), key: "c/n/a/p/f".into() };
    let context = Context {
        origin: &origin,
        delivery: &delivery,
        object: &object,
        settings: &[],
        now: NOW,
        last_modified,
        max_line_bytes: MAX_LINE_BYTES,
        timestamp_numbers: numbers,
    };
    let mut instance = Instance::start(guest, &Surroundings::none()).unwrap();
    instance.begin_transform(&context).unwrap();
    let (mut from, mut to, mut events, mut malformed) = (0, 0, Vec::new(), 0);
    let mut calls = lines.chunks(a_call);
    loop {
        let call = calls.next();
        let out = match call {
            Some(lines) => {
                let first = to;
                to += lines.len() as u64;
                instance.transform(first, &lines.concat(), (from, to)).unwrap()
            }
            None => instance.end_transform((from, to)).unwrap(),
        };
        from = out.pending_from;
        events.extend(out.events.into_iter().map(|event| (event.timestamp, event.message)));
        for note in out.notes {
            malformed += u64::from(matches!(note.verdict, Verdict::Malformed(_))) * (note.last - note.first + 1);
        }
        if call.is_none() {
            assert_eq!(from, to, "lines are left");
            return (events, malformed);
        }
    }
}

#[test]
fn the_component_does_as_the_reference_at_every_chunk_size() {
    let guest = default_guest();
    let last_modified = NOW - 777;
    for vector in vectors() {
        let (lines, _) = pieces(&vector.input);
        let expected = expected(&vector, last_modified);
        for a_call in 1..=lines.len().max(1) {
            let (events, malformed) = transform(&guest, &lines, a_call, last_modified, TimestampNumbers::Magnitude);
            assert_eq!(events, expected, "{}, {a_call} lines a call", vector.name);
            assert!(!vector.error || malformed > 0, "{}: an error in the reference", vector.name);
        }
    }
}

#[test]
fn numbers_are_read_by_magnitude_or_as_the_reference_reads_them() {
    let guest = default_guest();
    let lines: Vec<_> = [1_795_428_000_i64, 1_795_428_000_000, 1_795_428_000_000_000, 1_795_428_000_000_000_000]
        .map(|at| format!("{{\"timestamp\":{at},\"message\":\"m\"}}\n").into_bytes())
        .into();
    let times = |numbers| transform(&guest, &lines, 4, 0, numbers).0.into_iter().map(|(at, _)| at).collect::<Vec<_>>();
    assert_eq!(times(TimestampNumbers::Magnitude), [NOW; 4]);
    assert_eq!(times(TimestampNumbers::Reference), [NOW, NOW, NOW * 1_000, NOW * 1_000_000]);
}

#[test]
fn the_binary_does_as_the_reference() {
    let lab = Lab::new();
    let vectors = vectors();
    let key = |index: usize, vector: &Vector| format!("c/n/a/pod-{index}/{}", vector.file);
    for (index, vector) in vectors.iter().enumerate() {
        lab.object(&key(index, vector), &vector.input);
    }
    let run = lab.done();
    assert_eq!(run.total("objects"), vectors.len() as u64);
    for (index, vector) in vectors.iter().enumerate() {
        let (name, key) = (&vector.name, key(index, vector));
        // CloudWatch takes no empty message and none that is too old or too new;
        // within a window, events are sorted.
        let all = expected(vector, NOW);
        let empty = all.iter().filter(|(_, message)| message.is_empty()).count();
        let (mut events, refused): (Vec<_>, Vec<_>) =
            all.into_iter().filter(|(_, message)| !message.is_empty()).partition(|(at, _)| in_time(*at));
        events.sort_by_key(|(at, _)| *at);
        assert_eq!(lab.events(&format!("pod-{index}")), events, "{name}");
        let letters = lab.letters(&key);
        let late = letters.iter().filter(|letter| letter.get("timestamp").is_some());
        let late: Vec<_> = late.map(|letter| letter["timestamp"].as_i64().unwrap()).collect();
        assert_eq!(late, refused.iter().map(|(at, _)| *at).collect::<Vec<_>>(), "{name}");
        let entry = run.entry(&key);
        assert!(empty == 0 || entry["empty"].as_u64().unwrap() > 0, "{name}: {entry}");
        let whole = letters.is_empty() && pieces(&vector.input).1;
        let outcome = match (vector.error, whole) {
            (true, _) => "rejected",
            (false, true) => "delivered",
            (false, false) if events.is_empty() => "rejected",
            (false, false) => "partial",
        };
        assert_eq!(run.outcome(&key), outcome, "{name}");
    }
}

/// Not more than 14 days behind, or 2 hours ahead.
fn in_time(at: i64) -> bool {
    (NOW - 14 * 86_400_000..=NOW + 2 * 3_600_000).contains(&at)
}
