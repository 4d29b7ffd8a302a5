//! What the reference makes of an object, the binary makes of it.

use crate::common::local::Lab;
use crate::shared::vectors::{NOW, Vector, expected, pieces, vectors};

#[test]
fn the_binary_does_as_the_reference() {
    let lab = Lab::new();
    let vectors = vectors();
    let key = |index: usize, vector: &Vector| format!("c/n/a/pod-{index}/{}", vector.file);
    for (index, vector) in vectors.iter().enumerate() {
        lab.object(&key(index, vector), &vector.input);
    }
    let run = lab.done();
    assert_eq!(run.total("objects"), vectors.len() as u64);
    for (index, vector) in vectors.iter().enumerate() {
        let (name, key) = (&vector.name, key(index, vector));
        // CloudWatch takes no empty message and none that is too old or too new;
        // within a window, events are sorted.
        let all = expected(vector, NOW);
        let empty = all.iter().filter(|(_, message)| message.is_empty()).count();
        let (mut events, refused): (Vec<_>, Vec<_>) =
            all.into_iter().filter(|(_, message)| !message.is_empty()).partition(|(at, _)| in_time(*at));
        events.sort_by_key(|(at, _)| *at);
        assert_eq!(lab.events(&format!("pod-{index}")), events, "{name}");
        let letters = lab.letters(&key);
        let late = letters.iter().filter(|letter| letter.get("timestamp").is_some());
        let late: Vec<_> = late.map(|letter| letter["timestamp"].as_i64().unwrap()).collect();
        assert_eq!(late, refused.iter().map(|(at, _)| *at).collect::<Vec<_>>(), "{name}");
        let entry = run.entry(&key);
        assert!(empty == 0 || entry["empty"].as_u64().unwrap() > 0, "{name}: {entry}");
        let whole = letters.is_empty() && pieces(&vector.input).1;
        let outcome = match (vector.error, whole) {
            (true, _) => "rejected",
            (false, true) => "delivered",
            (false, false) if events.is_empty() => "rejected",
            (false, false) => "partial",
        };
        assert_eq!(run.outcome(&key), outcome, "{name}");
    }
}

/// Not more than 14 days behind, or 2 hours ahead.
fn in_time(at: i64) -> bool {
    (NOW - 14 * 86_400_000..=NOW + 2 * 3_600_000).contains(&at)
}
