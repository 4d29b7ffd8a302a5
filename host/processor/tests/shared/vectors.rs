//! The vectors: what the reference makes of an object. Three differ on purpose
//! (tests/vectors/README.md).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use log_processor::object::{Chunk, Decompressor, LineReader, Piece, ReadLimits};
use serde_json::Value;

/// When every object was last modified, and what time it is: 2026-11-23T10:00:00Z.
pub(crate) const NOW: i64 = 1_795_428_000_000;

pub(crate) const MAX_LINE_BYTES: usize = 1 << 20;

pub(crate) struct Vector {
    pub(crate) name: String,
    #[allow(dead_code, reason = "only a file has a name")]
    pub(crate) file: String,
    pub(crate) input: Vec<u8>,
    pub(crate) events: Vec<Value>,
    pub(crate) error: bool,
}

pub(crate) fn vectors() -> Vec<Vector> {
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
pub(crate) fn pieces(input: &[u8]) -> (Vec<Vec<u8>>, bool) {
    let limits = ReadLimits { chunk_bytes: 1, max_line_bytes: MAX_LINE_BYTES, max_object_bytes: 0 };
    let mut reader = LineReader::new(Decompressor::new(input), limits);
    let mut lines = Vec::new();
    loop {
        match reader.next_piece().unwrap() {
            Some(Piece::Chunk(Chunk { bytes, ends, .. })) => {
                assert_eq!(ends.len(), 1);
                lines.push(bytes);
            }
            Some(Piece::Remainder(_)) => return (lines, false),
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

pub(crate) fn expected(vector: &Vector, last_modified: i64) -> Vec<(i64, String)> {
    let one = |event: &Value| (time(event, last_modified), event["message"].as_str().unwrap().to_owned());
    vector.events.iter().map(one).collect()
}
