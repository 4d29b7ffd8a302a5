//! The report: whether it adds up.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

const NUMBERS: [&str; 11] = [
    "lines_seen",
    "blank",
    "delivered",
    "filtered",
    "empty",
    "malformed",
    "left",
    "events",
    "batches",
    "bytes",
    "bytes_read",
];

fn number(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or_else(|| panic!("{name} is no number in {of}"))
}

fn dead(of: &Value) -> BTreeMap<String, u64> {
    let by_reason = of["dead_lettered"].as_object().unwrap();
    by_reason.iter().map(|(reason, count)| (reason.clone(), count.as_u64().unwrap())).collect()
}

/// Promise 1, for each entry and the totals; and the totals are the sums.
pub(crate) fn check(report: &Value) {
    if report.is_null() {
        return;
    }
    let entries = report["entries"].as_array().unwrap();
    let totals = &report["totals"];
    entries.iter().for_each(adds_up);
    lines_add_up(totals);
    for name in NUMBERS {
        let sum: u64 = entries.iter().map(|entry| number(entry, name)).sum();
        assert_eq!(number(totals, name), sum, "total of {name}");
    }
    let mut by_reason = BTreeMap::<String, u64>::new();
    for (reason, count) in entries.iter().flat_map(dead) {
        *by_reason.entry(reason).or_default() += count;
    }
    assert_eq!(dead(totals), by_reason);
    let objects: BTreeSet<_> = entries.iter().map(|entry| (entry["bucket"].as_str(), entry["key"].as_str())).collect();
    assert_eq!(number(totals, "objects"), objects.len() as u64);
    let mut outcomes = BTreeMap::<&str, u64>::new();
    for entry in entries {
        *outcomes.entry(entry["outcome"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(totals["outcomes"], serde_json::to_value(outcomes).unwrap());
    assert!(totals["milliseconds"].is_u64());
    assert!(entries.is_sorted_by_key(|entry| {
        let field = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
        (field("bucket"), field("key"), field("delivery"))
    }));
}

fn lines_add_up(of: &Value) {
    let settled = ["blank", "delivered", "filtered", "malformed", "left"].map(|name| number(of, name));
    let sum = settled.iter().sum::<u64>() + dead(of).values().sum::<u64>();
    assert_eq!(number(of, "lines_seen"), sum, "{of}");
    assert!(number(of, "empty") <= number(of, "filtered"), "{of}");
}

fn adds_up(entry: &Value) {
    lines_add_up(entry);
    let outcome = entry["outcome"].as_str().unwrap();
    let open = matches!(outcome, "failed" | "interrupted");
    assert!(open || number(entry, "left") == 0, "{entry}");
    assert!(dead(entry).values().all(|&count| count > 0), "{entry}");
    // Each batch has an event; one without events is none.
    assert!(number(entry, "batches") > 0 || number(entry, "events") == 0, "{entry}");
    assert!(entry["milliseconds"].is_u64(), "{entry}");
    match outcome {
        "ignored" => assert!(entry["reason"].is_string(), "{entry}"),
        "partial" | "rejected" => {
            assert!(entry["reason"].is_string() && entry["error"].is_string(), "{entry}");
            let some = number(entry, "delivered") > 0 || number(entry, "events") > 0;
            assert_eq!(some, outcome == "partial", "{entry}");
        }
        // Nothing is lost of what is said to be delivered.
        "delivered" => assert_eq!((number(entry, "malformed"), dead(entry).len()), (0, 0), "{entry}"),
        "failed" => assert!(entry["reason"].is_string() && entry["error"].is_string(), "{entry}"),
        "filtered" | "already-delivered" | "interrupted" => {}
        _ => panic!("unknown outcome in {entry}"),
    }
}
