//! Content that is not quite what it should be: marks, encodings, odd bytes and times.

use serde_json::{Value, json};

use crate::common::local::{Lab, NOW, gzip, record, records};

const MARK: &[u8] = b"\xef\xbb\xbf";

fn only(lab: &Lab, key: &str) -> Value {
    let mut letters = lab.letters(key);
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.remove(0)
}

#[test]
fn a_byte_order_mark_is_no_content() {
    let lab = Lab::new();
    let lines = [record("first", -2), "{oops\n".to_owned(), record("second", -1)].concat();
    let array = format!("[\n{},\n{}]\n", record("a1", -2).trim_end(), record("a2", -1).trim_end());
    lab.object("c/n/a/lines/f", [MARK, lines.as_bytes()].concat());
    lab.object("c/n/a/zipped/f.gz", gzip(&[MARK, lines.as_bytes()].concat()));
    lab.object("c/n/a/one/f", [MARK, record("only", -1).trim_end().as_bytes()].concat());
    lab.object("c/n/a/array/f", [MARK, array.as_bytes()].concat());
    lab.object("c/n/a/alone/f", MARK);
    // Marked files, one after the other.
    lab.object("c/n/a/joined/f", [MARK, record("a", -2).as_bytes(), MARK, record("b", -1).as_bytes()].concat());
    let run = lab.done();
    for pod in ["lines/f", "zipped/f.gz"] {
        assert_eq!(lab.messages(pod.split_once('/').unwrap().0), ["first", "second"]);
        let key = format!("c/n/a/{pod}");
        assert_eq!(run.lines(&key), [3, 0, 2, 0, 1, 0]);
        assert_eq!(run.entry(&key)["bytes_read"], MARK.len() + lines.len());
        let letter = only(&lab, &key);
        let offset = MARK.len() + lines.find("{oops").unwrap();
        assert_eq!((&letter["lines"], &letter["offset"]), (&json!([1, 1]), &offset.into()), "the object's own places");
    }
    assert_eq!(lab.messages("one"), ["only"]);
    assert_eq!(lab.messages("array"), ["a1", "a2"]);
    assert_eq!(lab.messages("joined"), ["a", "b"]);
    assert_eq!((run.outcome("c/n/a/alone/f"), run.lines("c/n/a/alone/f")), ("delivered", [0; 6]));
}

/// A rewriter that reads JSON is not to trip over it, either.
#[test]
fn components_never_see_a_byte_order_mark() {
    let rewriter = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest/fixtures/rewriter-guest.wasm");
    let lab = Lab::new().argument("--plugin").argument(rewriter);
    let lab = lab.argument("--plugin-setting").argument("mode=passthrough");
    lab.tenants("[{tenant_id: n, type: s3, enabled: true, bucket_name: theirs}]");
    lab.object("c/n/a/p/f", [MARK, records(3).as_bytes()].concat());
    lab.done();
    let written = std::fs::read_to_string(lab.output().join("s3/theirs/ROSA/cluster-logs/n/a/p/f")).unwrap();
    assert_eq!(written, records(3));
}

#[test]
fn what_can_not_be_read_is_rejected_and_kept_and_named() {
    let lab = Lab::new();
    let inner = gzip(records(3).as_bytes());
    let wide = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    let chunked = [&b"40;chunk-signature="[..], &[b'a'; 64], b"\r\n", &inner, b"\r\n"].concat();
    let objects = [
        ("double", gzip(&inner), "gzip within gzip"),
        ("zstd", [&b"\x28\xb5\x2f\xfd"[..], &[7; 300]].concat(), "Zstandard"),
        ("chunked", chunked, "aws-chunked"),
        ("utf16", wide(&format!("\u{feff}{}", records(2))), "UTF-16"),
        ("no-mark", wide(&records(2)), "UTF-16"),
        ("cri", b"2024-07-02T12:40:06.6Z stdout F linux/amd64\n".repeat(3), "CRI"),
    ];
    for (pod, content, _) in &objects {
        lab.object(&format!("c/n/a/{pod}/f"), content);
    }
    let run = lab.done();
    for (pod, _, what) in objects {
        let key = format!("c/n/a/{pod}/f");
        assert_eq!((run.outcome(&key), lab.messages(pod).len()), ("rejected", 0), "{pod}");
        let [seen, blank, .., malformed, _] = run.lines(&key);
        let letters = lab.letters(&key);
        assert_eq!((letters.len() as u64, malformed), (seen - blank, seen - blank), "{pod}: each line is kept");
        assert!(letters.iter().all(|letter| letter["detail"].as_str().unwrap().contains(what)), "{pod}: {letters:?}");
        let warnings = &run.entry(&key)["warnings"];
        assert!(warnings[0].as_str().unwrap().contains(what), "{pod}: {warnings}");
    }
}

#[test]
fn nothing_is_said_about_a_log_with_a_bad_line() {
    let lab = Lab::new();
    lab.object("c/n/a/p/f", record("good", -1) + "{oops\n");
    let run = lab.done();
    assert_eq!(run.entry("c/n/a/p/f")["warnings"], json!([]));
    assert!(!only(&lab, "c/n/a/p/f")["detail"].as_str().unwrap().contains("looks like"));
}

/// Several values on a line are no record, and their line is kept: also among good ones.
#[test]
fn concatenated_records_are_malformed_and_kept() {
    let lab = Lab::new();
    let one = |message: &str| record(message, -1).trim_end().to_owned();
    let double = one("m2") + &one("m3");
    lab.object("c/n/a/mixed/f", format!("{}\n{double}\n{}\n", one("m1"), one("m4")));
    lab.object("c/n/a/firehose/f", &double);
    let run = lab.done();
    assert_eq!(lab.messages("mixed"), ["m1", "m4"]);
    assert_eq!(run.lines("c/n/a/mixed/f"), [3, 0, 2, 0, 1, 0]);
    assert_eq!(run.outcome("c/n/a/firehose/f"), "rejected");
    for (key, line) in [("c/n/a/mixed/f", 1), ("c/n/a/firehose/f", 0)] {
        let letter = only(&lab, key);
        assert_eq!((&letter["data"], &letter["lines"]), (&double.as_str().into(), &json!([line, line])));
    }
}

#[test]
fn bytes_that_are_no_text_become_replacement_characters() {
    let lab = Lab::new();
    let lines: [&[u8]; 8] = [
        b"{\"message\":\"crlf\"}\r",
        b"{\"message\":\"latin1 \xe9\xe8\"}",
        b"{\"message\":\"nul \\u0000 esc\"}",
        b"{\"message\":\"raw nul \0\"}",
        b"{\"message\":\"lone \\ud83d\"}",
        b"{\"message\":\"\xed\xa0\xbd cesu\"}",
        b"{\"message\":\"vt \x0b raw\"}",
        b"{\"message\":\"no end\"}",
    ];
    lab.object("c/n/a/p/f", lines.join(&b'\n'));
    let run = lab.done();
    let replaced = "\u{fffd}";
    let expected = [
        "crlf".to_owned(),
        format!("latin1 {replaced}{replaced}"),
        "nul \0 esc".to_owned(),
        format!("lone {replaced}"),
        format!("{replaced}{replaced}{replaced} cesu"),
        "no end".to_owned(),
    ];
    assert_eq!(lab.messages("p"), expected);
    assert_eq!(run.lines("c/n/a/p/f"), [8, 0, 6, 0, 2, 0]);
    let kept: Vec<_> = lab.letters("c/n/a/p/f").iter().map(|letter| letter["lines"][0].clone()).collect();
    assert_eq!(kept, [3, 6], "control characters in strings are no JSON");
}

#[test]
fn timestamps_are_read_by_magnitude_unless_the_operator_wants_the_reference() {
    let at = NOW - 60_000;
    let lines: String = [
        (json!(at / 1000), "s"),
        (json!(1_795_427_940.25), "s.frac"),
        (json!(at), "ms"),
        (json!(at * 1_000), "us"),
        (json!(at * 1_000_000), "ns"),
        (json!((at / 1000).to_string()), "text"),
        (json!("2026-11-23 09:59:00"), "space"),
        (json!({"$date": "2026-11-23T09:59:00Z"}), "nested"),
        (json!(true), "true"),
        (Value::Null, "null"),
        (json!(-1), "minus"),
    ]
    .map(|(at, message)| json!({"timestamp": at, "message": message}).to_string() + "\n")
    .concat();
    let told = |numbers: &str| {
        let lab = Lab::new().env("TIMESTAMP_NUMBERS", numbers);
        lab.object("c/n/a/p/f", &lines);
        let run = lab.done();
        let mut events = lab.events("p");
        events.sort_by_key(|(_, message)| lines.find(&format!("\"message\":\"{message}\"")));
        (events, run.entry("c/n/a/p/f")["dead_lettered"].clone())
    };
    let expected =
        |messages: &[(i64, &str)]| messages.iter().map(|(at, text)| (*at, (*text).to_owned())).collect::<Vec<_>>();
    let read = [(at, "s"), (at + 250, "s.frac"), (at, "ms"), (at, "us"), (at, "ns")];
    let own = [(NOW, "text"), (NOW, "space"), (NOW, "nested"), (NOW, "true"), (NOW, "null")];
    let (events, dead) = told("");
    assert_eq!((events, dead), (expected(&[&read[..], &own].concat()), json!({"negative-timestamp": 1})));
    let (events, dead) = told("reference");
    let all = expected(&[&read[..3], &own].concat());
    assert_eq!((events, dead), (all, json!({"negative-timestamp": 1, "too-new": 2})));
}
