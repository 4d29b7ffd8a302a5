//! Too much output, odd output, and a log flood.

use crate::beside::Beside;

#[test]
fn bombs_by_count_bytes_and_one_message() {
    for mode in ["flood-count", "flood-bytes", "flood-message", "flood-overlap"] {
        Beside::hostile(mode).fails("guest-output", &["in transform", "PLUGIN_MAX_OUTPUT_"]);
    }
    Beside::rewriter("flood").fails("guest-output", &["in rewrite", "PLUGIN_MAX_OUTPUT_RATIO"]);
}

#[test]
fn one_message_over_its_own_limit() {
    let limits = serde_json::json!({"M": {"max_message_bytes": {"N": "16"}}});
    let seen = Beside::hostile("honest").field("limits", limits);
    seen.fails("guest-output", &["in transform", "16", "PLUGIN_MAX_MESSAGE_BYTES"]);
}

#[test]
fn a_flood_of_notes() {
    let seen = Beside::hostile("flood-notes").run();
    let outcome = seen.line["deliveries"].as_str().unwrap();
    assert!(["cloudwatch=failed(guest-output)", "cloudwatch=failed(guest-contract)"].contains(&outcome), "{outcome}");
}

#[test]
fn extreme_timestamps_are_dead_letters_and_no_failure() {
    for (mode, reason) in [
        ("timestamp-min", "negative-timestamp"),
        ("timestamp-negative", "negative-timestamp"),
        ("timestamp-max", "too-new"),
    ] {
        let beside = Beside::hostile(mode);
        let seen = beside.run();
        assert_eq!(seen.line["deliveries"], "cloudwatch=delivered", "{mode}: {}", seen.line);
        assert_eq!(seen.line["dead_lettered"], 10, "{mode}: {}", seen.line);
        let letters = beside.lab.letters();
        assert_eq!(letters.len(), 10, "{mode}");
        assert!(letters.iter().all(|letter| letter["reason"] == reason), "{mode}: {letters:?}");
        assert!(beside.lab.messages(&beside.evil).is_empty());
    }
}

#[test]
fn a_log_flood_is_paid_for() {
    for fault in ["log-lines", "log-bytes"] {
        Beside::hostile(&format!("transform:{fault}")).fails("guest-fuel", &["in transform"]);
    }
}

#[test]
fn what_is_logged_within_the_fuel_is_counted_and_shown_only_where_the_item_says_so() {
    let counted =
        |seen: &crate::beside::Seen| seen.process.metric("log_processor_plugin_log_lines_total", &["tenant=\"evil\""]);
    let shown = |seen: &crate::beside::Seen| {
        seen.process
            .lines()
            .into_iter()
            .filter(|line| line["message"] == "guest log" || line["guest"].is_string())
            .count()
    };
    let seen = Beside::hostile("transform:log-some").run();
    assert_eq!(seen.line["deliveries"], "cloudwatch=delivered");
    assert!((counted(&seen) - 1000.0).abs() < 0.5);
    assert_eq!(shown(&seen), 0);
    let seen = Beside::hostile("transform:log-some").field("log", serde_json::json!({"S": "operator"})).run();
    let lines = shown(&seen);
    assert!((1..=100).contains(&lines), "{lines} lines: bounded by PLUGIN_LOG_LINES and the rate");
}
