//! The object is read, and something in it is not as it should be.

use fake_aws::scene::SOURCE;
use serde_json::Value;

use crate::common::aws::{CANARY, Lab, Process, gzip, now, record, records, text, texts};

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
    let key = crate::common::aws::key("acme", "a");
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
    assert_eq!(letter["etag"], lab.aws.object(SOURCE, &key).unwrap().etag);
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
    let key = crate::common::aws::key("acme", "a");
    lab.scene.put_object(&key, bytes);
    lab.scene.send(&lab.scene.notify(&key));
    let (process, outcome) = outcome(&lab);
    assert_eq!(outcome, "cloudwatch=partial(damaged)");
    assert_eq!(lab.messages(&tenant), texts(100));
    assert_eq!(letter(&lab)["offset"], text.len());
    process.terminate();
}

/// Padding between members is read over; what is neither is not passed over in silence.
#[test]
fn what_follows_the_members_and_is_no_gzip_is_dead_lettered() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let text = records("acme", 100);
    let (one, two) = text.split_at(text.len() / 2);
    let members = [gzip(one.as_bytes()), b"\n\0\0".to_vec(), gzip(two.as_bytes()), vec![0; 100_000]].concat();
    let key = crate::common::aws::key("acme", "a");
    lab.scene.put_object(&key, [&members[..], b"plain\n"].concat());
    lab.scene.send(&lab.scene.notify(&key));
    let (process, outcome) = outcome(&lab);
    assert_eq!(outcome, "cloudwatch=partial(damaged)");
    assert_eq!(lab.messages(&tenant), texts(100));
    let letter = letter(&lab);
    assert_eq!((letter["reason"].as_str(), letter["offset"].as_u64()), (Some("damaged"), Some(text.len() as u64)));
    assert_eq!((&letter["data"], &letter["length"]), (&"plain\n".into(), &6.into()));
    let detail = letter["detail"].as_str().unwrap();
    assert!(detail.contains(&format!("from compressed byte {} on", members.len())), "{detail}");
    process.terminate();
}

/// Bytes of the letters, and of how many lines or events they speak.
fn letters_by_reason(lab: &Lab, reason: &str) -> (usize, u64) {
    let letters = lab.letters();
    assert!(letters.iter().all(|letter| letter["reason"] == reason), "{reason}");
    let bytes = letters.iter().map(|letter| letter.to_string().len() + 1).sum();
    (bytes, letters.iter().map(|letter| letter["count"].as_u64().unwrap_or(1)).sum())
}

/// What a few stored bytes inflate to can't fill the place of the dead letters; and what
/// an attempt repeats is written once.
#[test]
fn letters_of_bad_lines_are_bounded_and_the_same_at_each_attempt() {
    let lab = Lab::new().dead_letters().set("RETRY_ATTEMPTS", 1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let put = || fake_aws::Rule::new(fake_aws::Effect::Throttle).operation("PutLogEvents");
    lab.aws.fault(put().times(1));
    let lines = "x\n".repeat(200_000) + &records("acme", 3);
    let key = lab.announced("acme", "a", &lines);
    assert!(lab.aws.object(SOURCE, &key).unwrap().size < 10_000);
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.outcomes(), ["cloudwatch=failed(throttled)", "cloudwatch=partial(malformed)"]);
    assert_eq!(lab.messages(&tenant), texts(3));
    let (bytes, count) = letters_by_reason(&lab, "malformed");
    assert!(bytes < 1 << 20, "{bytes}");
    assert_eq!(count, 200_000, "each line is in one letter, and none in two");
    assert_eq!(lab.letters().iter().filter(|letter| letter["count"].is_u64()).count(), 1);
    assert_eq!(process.metric("log_processor_dead_letters_total", &["malformed"]), 400_000.0, "of two attempts");
    process.terminate();
}

/// The same of what CloudWatch Logs refuses: the checkpoint passes no event of which no
/// letter speaks.
#[test]
fn letters_of_refused_events_are_bounded() {
    let lab = Lab::new().dead_letters();
    lab.scene.add_cloudwatch_tenant("acme");
    let old = now() - 15 * 86_400_000;
    let lines: String = (0..60_000).map(|number| record("acme", "x", old + number)).collect();
    lab.announced("acme", "a", &lines);
    let (process, outcome) = outcome(&lab);
    assert!(outcome.starts_with("cloudwatch="), "{outcome}");
    let (bytes, count) = letters_by_reason(&lab, "too-old");
    let stored = lab.aws.object(SOURCE, &crate::common::aws::key("acme", "a")).unwrap().size as usize;
    assert!(bytes < (16 * stored).max(1 << 20) + 10_000, "{bytes} of {stored}");
    assert_eq!(count, 60_000);
    assert!(lab.letters().iter().any(|letter| letter["count"].is_u64()), "too few to tell");
    assert_eq!(process.metric("log_processor_dead_letters_total", &["too-old"]), 60_000.0);
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
    let stream = crate::common::aws::pod("acme").name;
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
