//! What lines can look like, and what becomes of each.

use crate::common::local::{Lab, NOW, Run, gzip, numbers, record, records};

const KEY: &str = "c/n/a/p/f.json.gz";
const DAY: i64 = 86_400_000;

/// One object through a run of its own.
fn one(lab: &Lab, text: impl AsRef<[u8]>) -> Run {
    lab.object(KEY, gzip(text.as_ref()));
    lab.done()
}

#[test]
fn records_arrays_blanks_and_what_is_none_of_them() {
    let lab = Lab::new();
    let lines = [
        record("one", -9).trim_end().to_owned(),
        String::new(),
        format!("[{},{}]", record("two", -8).trim(), record("three", -7).trim()),
        " \t\u{a0}\u{3000}\u{2028}".to_owned(),
        "5".to_owned(),
        "[1,\"x\",null]".to_owned(),
        "{oops".to_owned(),
        "\u{feff}{}".to_owned(),
        record("", -6).trim_end().to_owned(),
        "[]".to_owned(),
        "\r".to_owned(),
        record("crlf", -5).replace('\n', "\r"),
        record("no newline", -4).trim_end().to_owned(),
    ];
    let run = one(&lab, lines.join("\n"));
    assert_eq!(lab.messages("p"), ["one", "two", "three", "crlf", "no newline", "{}"]);
    // Seen, blank, delivered, filtered, malformed, dead.
    assert_eq!(run.lines(KEY), [13, 3, 5, 4, 1, 0]);
    assert_eq!(run.entry(KEY)["empty"], 1);
    let at: Vec<_> = lab.letters(KEY).iter().map(|letter| letter["lines"][0].clone()).collect();
    assert_eq!(at, [6]);
}

#[test]
fn bytes_that_are_no_utf8_are_replaced_in_messages_and_kept_in_dead_letters() {
    let lab = Lab::new();
    let mut text = b"{\"message\":\"a\xffb\xed\xa0\x80\",\"timestamp\":1795427999000}\n".to_vec();
    text.extend(b"\xff\xfe\n{\"message\":\"\\ud800!\",\"timestamp\":1795427999001}\n");
    let run = one(&lab, &text);
    assert_eq!(lab.messages("p"), ["a\u{fffd}b\u{fffd}\u{fffd}\u{fffd}", "\u{fffd}!"]);
    assert_eq!(run.lines(KEY), [3, 0, 2, 0, 1, 0]);
    assert_eq!(lab.letters(KEY)[0]["data_base64"], "//4=");
}

/// The shapes that span lines, over more than one chunk (256 KiB).
#[test]
fn arrays_and_objects_over_many_lines_and_chunks() {
    let element = |index: usize| {
        let padding = "x".repeat(index % 300);
        format!(
            "  {{\n    \"message\": {{\n      \"n\": [\n        {index},\n        \"]}}{padding}\"\n      ]\n    }},\n    \
             \"timestamp\": {}\n  }}",
            NOW - 60_000 + i64::try_from(index).unwrap()
        )
    };
    let count = 4000;
    let elements: Vec<String> = (0..count).map(element).collect();
    let text = format!("\n[\n{}\n]\n", elements.join(",\n"));
    assert!(text.len() > 2 * 256 * 1024);
    for max_line_bytes in [1024, 1 << 20] {
        let lab = Lab::new().env("MAX_LINE_BYTES", max_line_bytes);
        let run = one(&lab, &text);
        let messages = lab.messages("p");
        assert_eq!(messages.len(), count, "{}", run.report);
        for (index, message) in messages.iter().enumerate() {
            assert_eq!(*message, format!("{{\"n\":[{index},\"]}}{}\"]}}", "x".repeat(index % 300)));
        }
        let seen = text.lines().count() as u64;
        let [lines, blank, delivered, ..] = run.lines(KEY);
        assert_eq!((lines, blank), (seen, 1));
        assert!(delivered >= 9 * count as u64, "lines of a record share its outcome: {}", run.report);
        assert_eq!(run.outcome(KEY), "delivered");
    }
    let lab = Lab::new();
    let field = |index: usize| format!("  \"field-{index}\": \"{}\"", "y".repeat(60));
    let fields: Vec<String> = (0..5000).map(field).collect();
    let run = one(&lab, format!("{{\n{}\n}}\n", fields.join(",\n")));
    let [message] = lab.messages("p").try_into().unwrap();
    let value: serde_json::Value = serde_json::from_str(&message).unwrap();
    assert_eq!(value.as_object().unwrap().len(), 5000);
    assert_eq!(run.lines(KEY), [5002, 0, 5002, 0, 0, 0]);
}

#[test]
fn an_object_that_is_one_value_must_fit_a_line_or_its_lines_are_judged_alone() {
    let lab = Lab::new().env("MAX_LINE_BYTES", "1 KiB");
    let text = format!("{{\n\"message\":\n\"{}\",\n\"timestamp\":1795427999000}}\n", "z".repeat(1000));
    let run = one(&lab, text + &record("after", -1));
    assert_eq!(lab.messages("p"), ["after"]);
    let [seen, .., malformed, _] = run.lines(KEY);
    assert_eq!((seen, malformed > 0), (5, true), "{}", run.report);
}

#[test]
fn an_event_that_is_too_large_arrives_in_pieces_that_make_the_whole() {
    let lab = Lab::new();
    // A character of two, three and four bytes at every cut.
    let texts: Vec<String> = ["é", "日", "🦀", "a"].iter().map(|c| c.repeat(2_700_000 / c.len()) + "end").collect();
    let text: String = texts.iter().zip(1..).map(|(text, at)| record(text, at * 10 - 100)).collect();
    let run = one(&lab, record("before", -100) + &text + &record("after", -1));
    let events = lab.events("p");
    assert_eq!((&events[0].1, &events.last().unwrap().1), (&"before".to_owned(), &"after".to_owned()));
    for (text, at) in texts.iter().zip(1..) {
        let pieces: Vec<_> = events.iter().filter(|(time, _)| *time == NOW + at * 10 - 100).collect();
        assert!(pieces.len() >= 3);
        assert!(pieces.iter().map(|(_, piece)| piece.as_str()).collect::<String>() == *text, "pieces lost something");
    }
    assert_eq!(run.total("events"), 6, "pieces are one event");
    assert_eq!(run.lines(KEY), [6, 0, 6, 0, 0, 0]);
}

#[test]
fn what_aws_would_refuse_is_not_put() {
    let lab = Lab::new();
    let at = [-14 * DAY, -14 * DAY - 1, 2 * 3_600_000, 2 * 3_600_000 + 1, -NOW - 1, -DAY, -DAY - 1, 0, -3 * DAY];
    let text: String = at.iter().map(|&at| record(&at.to_string(), at)).collect();
    let run = one(&lab, text + &record("", 0));
    let expected = [-14 * DAY, -3 * DAY, -DAY - 1, -DAY, 0, 2 * 3_600_000];
    assert_eq!(lab.messages("p"), expected.map(|at| at.to_string()));
    let reasons = serde_json::json!({"negative-timestamp": 1, "too-new": 1, "too-old": 1});
    assert_eq!(run.entry(KEY)["dead_lettered"], reasons);
    let letters = lab.letters(KEY);
    let found: Vec<_> =
        letters.iter().map(|letter| (letter["timestamp"].as_i64().unwrap() - NOW, letter["data"].clone())).collect();
    // -1 is a second before 1970: such a small number counts seconds.
    let refused = [(-14 * DAY - 1, 1), (2 * 3_600_000 + 1, 1), (-NOW - 1, 1000)];
    assert_eq!(found, refused.map(|(at, unit)| (if unit == 1 { at } else { -NOW - unit }, at.to_string().into())));
    // 24 hours: -14 d | -3 d | -1 d - 1 ms | -1 d and 0 | 2 h: over 24 h from -1 d.
    let batches = run.entry(KEY)["batches"].as_u64().unwrap();
    assert!((4..=5).contains(&batches), "{batches}");
}

#[test]
fn a_line_that_is_too_long_is_kept_in_part_and_the_others_arrive() {
    let long = |letter: &str, length: usize| format!("\"{}\"", letter.repeat(length - 2));
    let fits = |message: &str| {
        let rest = record("", -1).trim_end().len();
        record(&format!("{message}{}", "m".repeat(1024 - rest - message.len())), -1)
    };
    assert_eq!(fits("x").len(), 1025, "a line of exactly MAX_LINE_BYTES, and its newline");
    let (a, b, c, d) = (long("a", 1025), long("b", 300_000), long("c", 1_000_000), long("d", 1100));
    let text = format!("{a}\n{}{b}\n{c}\n\n{}{d}", fits("one"), fits("two"));
    let lab = Lab::new().env("MAX_LINE_BYTES", 1024);
    let run = one(&lab, &text);
    assert_eq!(run.lines(KEY), [7, 1, 2, 0, 0, 4]);
    assert_eq!(run.entry(KEY)["dead_lettered"]["line-too-long"], 4);
    assert_eq!((run.outcome(KEY), lab.messages("p").len()), ("partial", 2));
    let letters = lab.letters(KEY);
    for (letter, line) in letters.iter().zip([&a, &b, &c, &d]) {
        assert_eq!(letter["reason"], "line-too-long");
        assert_eq!(letter["offset"], text.find(line).unwrap());
        assert_eq!(letter["length"], line.len());
        let data = letter["data"].as_str().unwrap();
        assert!(line.starts_with(data) && data.len() >= 1024, "{} bytes kept", data.len());
        assert_eq!(letter.get("truncated").is_some(), data.len() < line.len());
        let number = text[..text.find(line).unwrap()].matches('\n').count();
        assert_eq!(letter["lines"], serde_json::json!([number, number]));
    }
    assert_eq!(letters.len(), 4);
}

#[test]
fn an_object_that_is_too_large_delivers_what_fits() {
    let text = records(1000);
    let end = text.char_indices().filter(|(_, c)| *c == '\n').nth(499).unwrap().0 + 1;
    for (max, delivered, torn) in
        [(end, 500, 0), (end - 1, 499, 1), (end + 5, 500, 1), (text.len(), 1000, 0), (1, 0, 1)]
    {
        for stored in [gzip(text.as_bytes()), text.clone().into_bytes()] {
            let lab = Lab::new().env("MAX_OBJECT_BYTES", max);
            lab.object(KEY, &stored);
            lab.object("c/n/a/q/next", record("next", -1).trim_end());
            let run = lab.run();
            assert_eq!(lab.messages("p"), numbers(delivered), "{max}");
            assert_eq!(lab.messages("q").len(), usize::from(max > 100), "the next object is judged by itself");
            let all = [delivered as u64 + torn, 0, delivered as u64, 0, 0, torn];
            assert_eq!(run.lines(KEY), all, "{max}: {}", run.report);
            let letters = lab.letters(KEY);
            if max == text.len() {
                assert_eq!((run.outcome(KEY), letters.len()), ("delivered", 0));
                continue;
            }
            assert_eq!(run.outcome(KEY), if delivered == 0 { "rejected" } else { "partial" });
            let start = text[..max].rfind('\n').map_or(0, |at| at + 1);
            assert_eq!((&letters[0]["reason"], &letters[0]["offset"]), (&"object-too-large".into(), &start.into()));
            assert_eq!(run.code, 0, "it is dead-lettered: nothing is left to do");
        }
    }
}
