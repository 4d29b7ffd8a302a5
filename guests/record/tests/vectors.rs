//! The project's vectors, at every chunk size.
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

use record::{Clock, Numbers, Transformer, Verdict};
use serde_json::Value;

const CLOCK: Clock = Clock { now: -1001, last_modified: -1002 };

struct Vector {
    name: String,
    input: Vec<u8>,
    events: Vec<(i64, String)>,
    error: bool,
}

fn vectors(file: &str) -> Vec<Vector> {
    let path = format!("{}/../../tests/vectors/{file}.ndjson", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).expect(&path);
    text.lines().map(vector).collect()
}

fn vector(line: &str) -> Vector {
    let value: Value = serde_json::from_str(line).unwrap();
    let event = |event: &Value| {
        let timestamp = match &event["timestamp"] {
            Value::String(word) if word == "now" => CLOCK.now,
            Value::String(word) if word == "last-modified" => CLOCK.last_modified,
            number => number.as_i64().unwrap(),
        };
        (timestamp, event["message"].as_str().unwrap().to_owned())
    };
    Vector {
        name: value["name"].as_str().unwrap().to_owned(),
        input: match value["input"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => base64(value["input_base64"].as_str().unwrap()),
        },
        events: value["events"].as_array().map_or_else(Vec::new, |events| events.iter().map(event).collect()),
        error: value["error"] == Value::Bool(true),
    }
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for c in text.chars().filter(|&c| c != '=') {
        bits = bits << 6 | u32::try_from(DIGITS.find(c).unwrap()).unwrap();
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push(u8::try_from(bits >> count & 0xff).unwrap());
        }
    }
    bytes
}

/// Runs the transformer over chunks of `size` lines.
fn run(input: &[u8], size: usize, numbers: Numbers) -> (Vec<(i64, String)>, bool) {
    let mut transformer = Transformer::new(CLOCK, 16 << 20).reading(numbers);
    let lines: Vec<&[u8]> = input.split_inclusive(|&byte| byte == b'\n').collect();
    let mut events = Vec::new();
    let mut malformed = false;
    let mut take = |transformed: record::Transformed<'_>| {
        for event in transformed.events {
            events.push((event.timestamp, event.message.into_owned()));
        }
        for note in transformed.notes {
            malformed |= matches!(note.verdict, Verdict::Malformed(_));
        }
    };
    for (at, chunk) in lines.chunks(size).enumerate() {
        let text = chunk.concat();
        take(transformer.chunk((at * size) as u64, &text));
    }
    take(transformer.end());
    (events, malformed)
}

#[test]
fn every_vector_at_every_chunk_size() {
    let mut seen = 0;
    for vector in ["records", "random", "better"].into_iter().flat_map(vectors) {
        // The host's gunzip comes first; integers keep their digits here.
        if vector.name.starts_with("gz-") || vector.name == "bigint" {
            continue;
        }
        seen += 1;
        let lines = vector.input.split_inclusive(|&byte| byte == b'\n').count();
        for size in 1..=lines.max(1) {
            for numbers in [Numbers::Magnitude, Numbers::Reference] {
                let (events, malformed) = run(&vector.input, size, numbers);
                assert_eq!(events, vector.events, "{} by {size}", vector.name);
                assert!(malformed || !vector.error, "{}: nothing malformed", vector.name);
            }
        }
    }
    assert!(seen > 450, "only {seen} vectors");
}
