//! Random answers, against the rules as plainly as they can be written: each
//! line of those that are settled has events, or one note, or neither.

use proptest::prelude::*;

use super::*;

const FROM: u64 = 10;
const TO: u64 = 20;

fn limits() -> Limits {
    Limits { memory_bytes: 1 << 20, fuel_per_mib: 1, held_back_bytes: 1 << 20, ..Limits::default() }
}

/// Whether the answer may be believed.
fn is_right(events: &[u64], notes: &[(u64, u64)], pending: Option<u64>, last: bool) -> bool {
    let end = pending.unwrap_or(TO);
    let may_pend = if last { end == TO } else { (FROM..=TO).contains(&end) };
    let given = |line: u64| (FROM..end).contains(&line);
    let covers = |line: u64| notes.iter().filter(|note| (note.0..=note.1).contains(&line)).count();
    may_pend
        && events.is_sorted()
        && events.iter().all(|&line| given(line) && covers(line) == 0)
        && notes.is_sorted()
        && notes.iter().all(|&(first, last)| first <= last && given(first) && given(last))
        && (FROM..TO).all(|line| covers(line) <= 1)
}

fn near() -> impl Strategy<Value = u64> {
    prop_oneof![30 => FROM..TO, 1 => Just(FROM - 1), 1 => Just(TO), 1 => Just(TO + 1), 1 => Just(0), 1 => Just(u64::MAX)]
}

/// Lines in order, most of the time.
fn lines(most: usize) -> impl Strategy<Value = Vec<u64>> {
    (prop::collection::vec(near(), 0..most), prop::bool::weighted(0.9)).prop_map(|(mut lines, sorted)| {
        if sorted {
            lines.sort_unstable();
        }
        lines
    })
}

fn pairs() -> impl Strategy<Value = Vec<(u64, u64)>> {
    (lines(4), prop::collection::vec(0_u64..3, 4)).prop_map(|(lines, lengths)| {
        lines.into_iter().zip(lengths).map(|(first, length)| (first, first.saturating_add(length))).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_believed_is_right(
        events in lines(4), notes in pairs(), pending in prop::option::of(near()), last in any::<bool>(),
    ) {
        let note = |&(first, last): &(u64, u64)| Note { first, last, verdict: Verdict::Joined };
        let out = RawTransformed {
            events: events.iter().map(|&line| model::Event { line, timestamp: 0, message: String::new() }).collect(),
            notes: notes.iter().map(note).collect(),
            pending_from: pending,
        };
        let as_lines = RawRewritten {
            lines: b"{}\n".repeat(events.len()),
            sources: events.clone(),
            notes: out.notes.clone(),
            pending_from: pending,
        };
        let limits = limits();
        let check = |function| OutputCheck { function, open: FROM..TO, is_last: last, limits: &limits, input_bytes: 100 };
        let right = is_right(&events, &notes, pending, last);
        let believed = check("transform").check_transformed(out);
        prop_assert_eq!(believed.is_ok(), right, "{:?}", believed);
        let rewritten = check("rewrite").check_rewritten(as_lines);
        prop_assert_eq!(rewritten.is_ok(), right, "{:?}", rewritten);
        if let (Ok(one), Ok(other)) = (believed, rewritten) {
            prop_assert_eq!(one.pending_from, pending.unwrap_or(TO));
            prop_assert_eq!(other.notes, one.notes);
        }
    }
}
