//! Random objects against a simple model of what becomes of their lines.

use corpus::Random;
use serde_json::Value;

use crate::common::local::{Lab, NOW, gzip};

/// What a line is for the model.
#[derive(Default)]
struct Expected {
    lines: u64,
    blank: u64,
    filtered: u64,
    malformed: u64,
    dead: u64,
    events: Vec<(i64, String)>,
}

/// A message and how it is written: by another JSON writer than the guest's.
fn message(random: &mut Random) -> (String, String) {
    let text = match random.below(6) {
        0 => "x".repeat(usize::try_from(random.below(3000)).unwrap() + 1),
        1 => "tab\tnewline\nquote\"back\\slash <&> \u{2028} \u{0} é日🦀".to_owned(),
        2 => {
            let value = serde_json::json!({"b": random.hex(4), "a": [1, true, null, {"z": random.below(1000)}]});
            // serde_json sorts keys, and nothing here is escaped in a way of its own.
            return (value.to_string(), value.to_string());
        }
        _ => random.hex(20),
    };
    let written = Value::from(text.clone()).to_string();
    (text, written)
}

/// A record, and its event.
fn record(random: &mut Random, expected: &mut Expected) -> String {
    let (text, written) = message(random);
    let at = NOW - 3_600_000 + i64::try_from(random.below(3_600_000)).unwrap();
    expected.events.push((at, text));
    match random.below(3) {
        0 => format!("{{\"timestamp\":{at},\"message\":{written}}}"),
        1 => format!(" {{ \"message\" : {written} , \"kubernetes\":{{\"a\":[1]}},\"timestamp\":{at}.0 }} "),
        _ => format!("{{\"message\":\"not this\",\"timestamp\":1,\"message\":{written},\"timestamp\":{at}}}"),
    }
}

fn line(random: &mut Random, expected: &mut Expected) -> String {
    expected.lines += 1;
    match random.below(12) {
        0 => {
            expected.blank += 1;
            ["", " ", "\t\r", "\u{85}\u{3000}"][usize::try_from(random.below(4)).unwrap()].to_owned()
        }
        1 => {
            expected.malformed += 1;
            let bad = ["{", "x", "{\"message\":\"a\"", "nul", "{\"a\":01}", "{}{}", "[1,]", "\u{feff}x"];
            bad[usize::try_from(random.below(8)).unwrap()].to_owned()
        }
        2 => {
            expected.filtered += 1;
            let skipped =
                ["1", "\"text\"", "null", "[]", "[1,\"a\"]", "{\"message\":\"\"}", "[[{\"message\":\"deep\"}]]"];
            skipped[usize::try_from(random.below(7)).unwrap()].to_owned()
        }
        3 => {
            expected.dead += 1;
            format!("{{\"message\":\"old\",\"timestamp\":{}}}", NOW - 15 * 86_400_000)
        }
        4 => {
            let count = random.below(5) + 1;
            let records: Vec<String> = (0..count).map(|_| record(random, expected)).collect();
            format!("[{}, 5]", records.join(","))
        }
        5 => {
            expected.dead += 1;
            format!("{{\"message\":\"{}\"}}", "long".repeat(5000))
        }
        _ => record(random, expected),
    }
}

/// An object whose first line is a record: another first line may begin a value
/// over many lines, which has tests of its own.
fn object(random: &mut Random) -> (String, Expected) {
    let mut expected = Expected { lines: 1, ..Expected::default() };
    let mut text = record(random, &mut expected);
    for _ in 0..random.below(60) {
        text.push('\n');
        text.push_str(&line(random, &mut expected));
    }
    if random.one_in(2) {
        text.push('\n');
    } else if text.ends_with('\n') {
        // An empty last line without a newline is no line.
        (expected.lines, expected.blank) = (expected.lines - 1, expected.blank - 1);
    }
    (text, expected)
}

/// Gzip of one or more members, or as it is.
fn stored(random: &mut Random, text: &str) -> Vec<u8> {
    let cut = usize::try_from(random.below(text.len() as u64)).unwrap();
    match random.below(3) {
        0 => text.as_bytes().to_vec(),
        1 => gzip(text.as_bytes()),
        _ => [gzip(&text.as_bytes()[..cut]), gzip(&text.as_bytes()[cut..])].concat(),
    }
}

#[test]
fn every_line_has_its_outcome_and_every_event_arrives() {
    for seed in 0..4 {
        let mut random = Random::new(seed);
        let lab = Lab::new().env("MAX_LINE_BYTES", "16 KiB").env("MAX_CONCURRENT_OBJECTS", seed + 1);
        let mut all = Vec::new();
        for index in 0..250 {
            let (text, expected) = object(&mut random);
            // Counted by someone else than the model.
            let newlines = text.matches('\n').count() as u64;
            let seen = newlines + u64::from(!text.is_empty() && !text.ends_with('\n'));
            assert_eq!(seen, expected.lines, "the model itself: {text:?}");
            let key = format!("c/n/a/p{index}/f.json.gz");
            lab.object(&key, stored(&mut random, &text));
            all.push((key, expected));
        }
        let run = lab.done();
        for (index, (key, mut expected)) in all.into_iter().enumerate() {
            let Expected { lines, blank, filtered, malformed, dead, .. } = expected;
            let delivered = lines - blank - filtered - malformed - dead;
            assert_eq!(run.lines(&key), [lines, blank, delivered, filtered, malformed, dead], "seed {seed}: {key}");
            expected.events.sort_by_key(|(at, _)| *at);
            assert_eq!(lab.events(&format!("p{index}")), expected.events, "seed {seed}: {key}");
            assert_eq!(run.entry(&key)["events"], expected.events.len());
            assert_eq!(lab.letters(&key).len() as u64, malformed + dead);
        }
    }
}
