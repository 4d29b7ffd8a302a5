//! Too much output, odd output, and a log flood.

use serde_json::Value;

use super::beside::{Beside, Seen, THEIRS};
use super::guest::Guest;

#[test]
fn bombs_by_count_bytes_one_message_and_notes() {
    let ratio = ["in transform", "PLUGIN_MAX_OUTPUT_RATIO"];
    // Shorter than a record.
    let (short, long) = (Guest::hostile("honest"), Guest::rewriter("passthrough"));
    let message = |function| ["1024", "PLUGIN_MAX_MESSAGE_BYTES", function];
    let lines = crate::common::aws::record("one", &"x".repeat(2_000), crate::common::aws::now() - 1_000);
    let lines = |tenant: &str| lines.replace("one", tenant);
    let limited = |guest: Guest| guest.limit("max_message_bytes", 1_024);
    let seen = Beside::new()
        .fails("count", Guest::hostile("flood-count"), "guest-output", &ratio)
        .fails("bytes", Guest::hostile("flood-bytes"), "guest-output", &ratio)
        .fails("message", Guest::hostile("flood-message"), "guest-output", &ratio)
        .fails("overlap", Guest::hostile("flood-overlap"), "guest-output", &ratio)
        .fails("notes", Guest::hostile("flood-notes"), "guest-output", &ratio)
        .fails("rewriter", Guest::rewriter("flood"), "guest-output", &["in rewrite", "PLUGIN_MAX_OUTPUT_RATIO"])
        .with("long-event", limited(short), &lines("long-event"))
        .with("long-line", limited(long), &lines("long-line"))
        .run();
    for (tenant, function) in [("long-event", "in transform"), ("long-line", "in rewrite")] {
        seen.failed(tenant, "guest-output", &message(function));
        seen.waits(tenant);
    }
}

#[test]
fn more_than_the_item_allows() {
    let bytes = Guest::rewriter("passthrough").limit("max_output_bytes", 1_024);
    let events = Guest::hostile("honest").limit("max_output_events", 5);
    let ratio = Guest::rewriter("flood").limit("max_output_ratio", 1);
    Beside::new()
        .fails("bytes", bytes, "guest-output", &["1024", "PLUGIN_MAX_OUTPUT_BYTES"])
        .fails("events", events, "guest-output", &["at most 5", "PLUGIN_MAX_OUTPUT_EVENTS"])
        .fails("ratio", ratio, "guest-output", &["PLUGIN_MAX_OUTPUT_RATIO"])
        .run();
}

#[test]
fn extreme_timestamps_are_dead_letters_and_no_failure() {
    let cases = [
        ("timestamp-min", "negative-timestamp"),
        ("timestamp-negative", "negative-timestamp"),
        ("timestamp-max", "too-new"),
    ];
    let beside = cases.iter().fold(Beside::new(), |beside, (mode, _)| beside.add(mode, Guest::hostile(mode)));
    let seen = beside.run();
    for (mode, reason) in cases {
        let line = seen.came(mode, &format!("cloudwatch=rejected({reason})"));
        assert_eq!(line["dead_lettered"], THEIRS, "{mode}: {line}");
        let letters = seen.letters(mode);
        assert_eq!(letters.len(), THEIRS, "{mode}");
        assert!(letters.iter().all(|letter| letter["reason"] == reason), "{mode}: {letters:?}");
        assert!(seen.messages(mode).is_empty());
    }
}

#[test]
fn what_it_rejects_is_dead_lettered_and_held_against_nobody() {
    let long = Guest::hostile("transform:rejected-long");
    let seen = Beside::new().add("object", Guest::hostile("wants:rejected")).add("long", long).run();
    for tenant in ["object", "long"] {
        let line = seen.came(tenant, "cloudwatch=rejected(guest-rejected)");
        assert_eq!(line["level"], "WARN", "{line}");
        // What it says is cut.
        assert!(line["error"].as_str().unwrap().len() < 4_000);
        seen.process.wait("its letter", || !seen.letters(tenant).is_empty());
        assert!(seen.letters(tenant).iter().all(|letter| letter["detail"].as_str().unwrap().len() < 4_000));
        assert!(seen.metric("failures_total", tenant, &[]) < 0.5);
        assert!(seen.messages(tenant).is_empty());
    }
    seen.process.empties_the_queue();
}

#[test]
fn a_log_flood_is_paid_for() {
    let mut beside = Beside::new();
    for fault in ["log-lines", "log-bytes"] {
        for (whose, log) in [("heard", true), ("silent", false)] {
            let guest = Guest::hostile(&format!("transform:{fault}"));
            let guest = if log { guest.says("log", "operator") } else { guest };
            beside = beside.fails(&format!("{fault}-{whose}"), guest, "guest-fuel", &["in transform"]);
        }
    }
    let seen = beside.run();
    for fault in ["log-lines", "log-bytes"] {
        assert!(shown(&seen, &format!("{fault}-silent")).is_empty());
        assert_bounded(&shown(&seen, &format!("{fault}-heard")));
    }
}

#[test]
fn what_is_logged_within_the_fuel_is_counted_and_shown_only_where_the_item_says_so() {
    let guest = || Guest::hostile("transform:log-some");
    let long = Guest::hostile("transform:log-long").says("log", "operator");
    let few = guest().says("log", "operator").limit("log_lines", 7);
    let seen = Beside::new()
        .add("silent", guest())
        .add("heard", guest().says("log", "operator"))
        .add("few", few)
        .add("long", long)
        .run();
    for tenant in ["silent", "heard", "few"] {
        seen.came(tenant, "cloudwatch=delivered");
        let counted = seen.metric("log_lines_total", tenant, &[]);
        assert!((counted - 1_000.0).abs() < 0.5, "{tenant}: {counted}");
    }
    assert!(shown(&seen, "silent").is_empty());
    let heard = shown(&seen, "heard");
    assert!(!heard.is_empty());
    assert_bounded(&heard);
    assert!(
        heard.iter().all(|line| line["digest"].is_string() && line["object"].as_str().unwrap().contains("/heard/"))
    );
    assert_eq!(shown(&seen, "few").len(), 7);
    let [long] = shown(&seen, "long").try_into().unwrap();
    let text = long["text"].as_str().unwrap();
    assert!(text.chars().all(|letter| letter == '€' || letter == '…') && text.len() < 3_000, "cut: {}", text.len());
}

/// The lines of a tenant's guests in the processor's log.
fn shown(seen: &Seen, tenant: &str) -> Vec<Value> {
    let mut lines = seen.process.lines();
    lines.retain(|line| line["message"] == "guest log" && line["tenant"] == tenant);
    lines
}

/// By PLUGIN_LOG_LINES, PLUGIN_LOG_BYTES and the rate.
fn assert_bounded(lines: &[Value]) {
    let bytes: usize = lines.iter().map(|line| line["text"].as_str().unwrap().len()).sum();
    assert!(lines.len() <= 100 && bytes <= 64 * 1024, "{} lines, {bytes} bytes", lines.len());
}
