//! Hostile shadows: what is delivered never knows of them.

use serde_json::json;

use super::beside::{Beside, Seen, THEIRS};
use super::guest::Guest;
use crate::common::aws::{records, texts};

fn shadow(guest: Guest) -> Guest {
    guest.says("mode", "shadow")
}

/// The counts of a shadow's lines, by result.
fn counted(seen: &Seen, tenant: &str, result: &str) -> f64 {
    seen.metric("shadow_lines_total", tenant, &[&format!("result=\"{result}\"")])
}

#[test]
fn they_fail_in_every_way_and_the_delivery_is_complete() {
    let cases = [
        ("traps", Guest::hostile("transform:unreachable"), "guest-trap", "in transform"),
        ("loops", Guest::hostile("transform:loop"), "guest-fuel", "in transform"),
        ("wants", Guest::hostile("wants:loop"), "guest-fuel", "in wants"),
        ("begin", Guest::hostile("begin:memory"), "guest-memory", "in begin"),
        ("ends", Guest::hostile("end:recursion"), "guest-trap", "in end"),
        ("floods", Guest::hostile("flood-count"), "guest-output", "in transform"),
        ("notes", Guest::hostile("flood-notes"), "guest-output", "in transform"),
        ("lies", Guest::rewriter("source-ahead"), "guest-contract", "in rewrite"),
        ("logs", Guest::hostile("transform:log-lines"), "guest-fuel", "in transform"),
        ("held", Guest::hostile("hold-everything").limit("held_back_bytes", 1_024), "guest-held-back", "1024"),
        ("words", Guest::hostile("transform:internal"), "guest-internal", "in transform"),
    ];
    let beside = cases.iter().fold(Beside::new(), |beside, (name, guest, ..)| beside.add(name, shadow(guest.clone())));
    let seen = beside.run();
    seen.process.empties_the_queue();
    for (tenant, _, kind, says) in cases {
        let line = seen.came(tenant, "cloudwatch=delivered");
        assert_eq!(line["level"], "INFO", "{line}");
        assert_eq!(seen.messages(tenant), texts(THEIRS), "{tenant}");
        assert!(seen.letters(tenant).is_empty(), "{tenant}");
        assert!(seen.metric("failures_total", tenant, &[&format!("kind=\"{kind}\"")]) > 0.5, "{tenant}");
        let line = seen.process.line("a shadow's line", |line| line["message"] == "shadow" && line["tenant"] == tenant);
        assert!(line["failures"].as_str().unwrap().contains(kind), "{line}");
        let error = line["error"].as_str().unwrap();
        assert!(error.contains(says) && !error.contains("lost my way"), "{line}");
        let lines: f64 =
            ["same", "changed", "dropped", "failed"].map(|result| counted(&seen, tenant, result)).iter().sum();
        assert!((lines - THEIRS as f64).abs() < 0.5, "{tenant}: {lines} lines compared");
        assert!(counted(&seen, tenant, "failed") > 0.5 || tenant == "ends", "{tenant}: {line}");
    }
}

#[test]
fn one_that_cannot_be_had_is_only_missed() {
    let missing = shadow(Guest::rewriter("passthrough").says("sha256", &"0".repeat(64)));
    let seen = Beside::new().add("missing", missing).run();
    let line = seen.came("missing", "cloudwatch=delivered");
    assert_eq!(line["level"], "WARN", "{line}");
    assert!(line["error"].as_str().unwrap().contains("there is no shadow to compare with"), "{line}");
    assert_eq!(seen.messages("missing"), texts(THEIRS));
    assert!(seen.metric("failures_total", "missing", &["kind=\"component-digest\""]) > 0.5);
}

#[test]
fn it_is_suspended_beside_an_active_one_that_goes_on() {
    let active = Guest::rewriter("redact").setting("word", "number");
    let loops = shadow(Guest::hostile("transform:loop"));
    let beside = Beside::new().add("both", loops.clone());
    let (active, loops) = (active.item(&beside.lab), loops.item(&beside.lab));
    beside.item("both", &json!({"L": [active, loops]}));
    for object in 2..7 {
        beside.lab.announced("both", &object.to_string(), &records("both", THEIRS));
    }
    let seen = beside.run();
    seen.process.empties_the_queue();
    let redacted: Vec<String> = texts(THEIRS).iter().map(|text| text.replace("number", "***")).collect();
    let mut messages = seen.messages("both");
    messages.sort();
    let mut expected = vec![redacted; 6].concat();
    expected.sort();
    assert_eq!(messages, expected);
    assert!(seen.metric("suspended", "both", &[]) > 0.5);
    let key = seen.beside.lab.announced("both", "last", &records("both", 1));
    let line = seen.object(&key);
    assert_eq!(line["deliveries"], "cloudwatch=delivered", "{line}");
    let failures = seen.metric("failures_total", "both", &["kind=\"guest-fuel\""]);
    assert!((3.0..=6.5).contains(&failures), "{failures}: not tried again and again");
}
