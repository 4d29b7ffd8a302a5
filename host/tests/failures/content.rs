//! The object is read, and something in it is not as it should be.

use serde_json::Value;

use crate::aws::{CANARY, Lab, Process, gzip, now, record, records, text, texts};

/// Lines that begin at 0 of a tenant `acme`, each with the time of its number.
fn lines(messages: &[&str]) -> Vec<String> {
    (now() - 10_000..).zip(messages).map(|(at, message)| record("acme", message, at)).collect()
}

/// The only letter.
fn letter(lab: &Lab) -> Value {
    let mut letters = lab.letters();
    assert_eq!(letters.len(), 1, "{letters:?}");
    letters.remove(0)
}

/// Runs sqs mode until the queue is empty; what became of the only object.
fn outcome(lab: &Lab) -> (Process, String) {
    let process = lab.sqs();
    process.empties_the_queue();
    let outcomes = process.outcomes();
    assert_eq!(outcomes.len(), 1, "{outcomes:?}");
    let outcome = outcomes[0].clone();
    (process, outcome)
}

fn lines_metric(process: &Process, outcome: &str) -> f64 {
    process.metric("log_processor_lines_total", &[&format!("outcome=\"{outcome}\"")])
}

#[test]
fn what_comes_before_damage_is_delivered_and_the_rest_dead_lettered() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let text = records("acme", 2000);
    let mut bytes = gzip(text.as_bytes());
    bytes.truncate(bytes.len() / 2);
    let key = crate::aws::key("acme", "a");
    lab.scene.put_object(&key, bytes);
    lab.scene.send(&lab.scene.notify(&key));
    let (process, outcome) = outcome(&lab);
    assert_eq!(outcome, "cloudwatch=partial(damaged)");
    let messages = lab.messages(&tenant);
    assert!((100..1900).contains(&messages.len()), "{}", messages.len());
    assert_eq!(messages, texts(messages.len()));
    let whole: usize = text.split_inclusive('\n').take(messages.len()).map(str::len).sum();
    let letter = letter(&lab);
    assert_eq!((letter["reason"].as_str(), letter["offset"].as_u64()), (Some("damaged"), Some(whole as u64)));
    assert_eq!((letter["key"].as_str(), letter["tenant"].as_str()), (Some(&*key), Some("acme")));
    assert_eq!(letter["etag"], lab.aws.object(crate::SOURCE, &key).unwrap().etag);
    process.terminate();
}

#[test]
fn a_bad_checksum_is_told_and_the_lines_are_delivered() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let text = records("acme", 100);
    let mut bytes = gzip(text.as_bytes());
    let crc = bytes.len() - 8;
    bytes[crc] ^= 1;
    let key = crate::aws::key("acme", "a");
    lab.scene.put_object(&key, bytes);
    lab.scene.send(&lab.scene.notify(&key));
    let (process, outcome) = outcome(&lab);
    assert_eq!(outcome, "cloudwatch=partial(damaged)");
    assert_eq!(lab.messages(&tenant), texts(100));
    assert_eq!(letter(&lab)["offset"], text.len());
    process.terminate();
}

#[test]
fn a_line_over_the_limit_is_dead_lettered() {
    let lab = Lab::new().dead_letters().set("MAX_LINE_BYTES", 4096);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let lines = lines(&["one", &format!("{CANARY}{}", "x".repeat(10_000)), "two"]);
    lab.announced("acme", "a", &lines.concat());
    let (process, outcome) = outcome(&lab);
    assert_eq!(outcome, "cloudwatch=partial(line-too-long)");
    assert_eq!(lab.messages(&tenant), ["one", "two"]);
    let letter = letter(&lab);
    assert_eq!((letter["reason"].as_str(), letter["truncated"].as_bool()), (Some("line-too-long"), Some(true)));
    assert_eq!(letter["offset"], lines[0].len());
    assert_eq!(letter["length"], lines[1].len() - 1, "without its newline");
    let data = letter["data"].as_str().unwrap();
    assert!(data.len() > 1000 && lines[1].starts_with(data), "{data}");
    assert_eq!(process.metric("log_processor_dead_letters_total", &["line-too-long"]), 1.0);
    process.terminate();
}

#[test]
fn of_an_object_over_the_limit_the_rest_is_dead_lettered() {
    let text = records("acme", 100);
    let lab = Lab::new().dead_letters().set("MAX_OBJECT_BYTES", text.len() / 2);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &text);
    let (process, outcome) = outcome(&lab);
    assert_eq!(outcome, "cloudwatch=partial(object-too-large)");
    let messages = lab.messages(&tenant);
    assert!((30..=50).contains(&messages.len()), "{}", messages.len());
    assert_eq!(messages, texts(messages.len()));
    let whole: usize = text.split_inclusive('\n').take(messages.len()).map(str::len).sum();
    let letter = letter(&lab);
    assert_eq!((letter["reason"].as_str(), letter["offset"].as_u64()), (Some("object-too-large"), Some(whole as u64)));
    process.terminate();
}

/// A malformed line between two good ones.
fn with_a_malformed_line(lab: &Lab) -> (Process, Vec<String>) {
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let good = lines(&["one", "two"]);
    lab.announced("acme", "a", &format!("{}{CANARY} is no JSON\n{}", good[0], good[1]));
    let (process, outcome) = outcome(lab);
    assert_eq!(outcome, "cloudwatch=partial(malformed)");
    assert_eq!((lines_metric(&process, "malformed"), lines_metric(&process, "delivered")), (1.0, 2.0));
    (process, lab.messages(&tenant))
}

#[test]
fn a_malformed_line_is_counted_and_dead_lettered() {
    let lab = Lab::new().dead_letters();
    let (process, messages) = with_a_malformed_line(&lab);
    assert_eq!(messages, ["one", "two"]);
    let letter = letter(&lab);
    assert_eq!(letter["reason"], "malformed");
    assert_eq!(
        (letter["data"].as_str(), &letter["lines"]),
        (Some(&*format!("{CANARY} is no JSON")), &[1, 1].as_slice().into())
    );
    process.terminate();
}

#[test]
fn a_malformed_line_is_counted_and_done_without_a_place_for_it() {
    let lab = Lab::new();
    let (process, messages) = with_a_malformed_line(&lab);
    assert_eq!(messages, ["one", "two"]);
    assert_eq!(process.metric("log_processor_dead_letters_total", &["malformed"]), 1.0);
    process.terminate();
}

#[test]
fn an_empty_message_is_ignored_and_counted() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &lines(&["one", "", "two"]).concat());
    let (process, outcome) = outcome(&lab);
    assert_eq!(outcome, "cloudwatch=delivered");
    assert_eq!(lab.messages(&tenant), ["one", "two"]);
    assert_eq!((lines_metric(&process, "filtered"), lines_metric(&process, "delivered")), (1.0, 2.0));
    assert!(lab.letters().is_empty());
    process.terminate();
}

#[test]
fn an_event_that_is_too_large_arrives_in_pieces() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    // Of an odd and an even number of bytes before its characters of two.
    let large: Vec<_> = ["", "x"].iter().map(|odd| format!("{CANARY}{odd}{}", "é".repeat(700_000))).collect();
    lab.announced("acme", "a", &lines(&["one", &large[0], &large[1], "two"]).concat());
    let (process, outcome) = outcome(&lab);
    assert_eq!(outcome, "cloudwatch=delivered");
    let stream = crate::aws::pod("acme").name;
    let mut events = lab.aws.log_events(&tenant.account, "us-east-1", &tenant.group, &stream);
    // Two puts may be in flight. CloudWatch Logs shows what has the same timestamp as it arrived.
    events.sort_by_key(|event| event.timestamp);
    let times: Vec<_> = events.iter().map(|event| event.timestamp - events[0].timestamp).collect();
    assert_eq!(times, [0, 1, 1, 2, 2, 3], "the pieces of an event have its timestamp");
    let together = |from: usize| format!("{}{}", events[from].message, events[from + 1].message);
    assert!(together(1) == large[0] && together(3) == large[1], "the pieces are in order");
    assert_eq!(lines_metric(&process, "delivered"), 4.0);
    process.terminate();
}

#[test]
fn a_negative_timestamp_is_dead_lettered_and_the_others_go_on() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let before_1970 = record("acme", &text(0), -86_400_000);
    lab.announced(
        "acme",
        "a",
        &format!("{}{before_1970}{}", record("acme", "one", now()), record("acme", "two", now())),
    );
    let (process, outcome) = outcome(&lab);
    assert_eq!(outcome, "cloudwatch=partial(negative-timestamp)");
    assert_eq!(lab.messages(&tenant), ["one", "two"]);
    let letter = letter(&lab);
    assert_eq!(
        (letter["reason"].as_str(), letter["timestamp"].as_i64()),
        (Some("negative-timestamp"), Some(-86_400_000))
    );
    assert_eq!(letter["data"], text(0));
    process.terminate();
}
