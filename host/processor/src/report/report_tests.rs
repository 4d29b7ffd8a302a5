use super::*;
use crate::pipeline::{Delivered, End, Lines};
use model::{DestinationKind, ObjectId, Reason};

fn lines(delivered: u64, malformed: u64, dead: &[(Reason, u64)]) -> Lines {
    let sum: u64 = dead.iter().map(|(_, count)| count).sum();
    Lines {
        seen: delivered + malformed + sum + 5,
        blank: 1,
        filtered: 4,
        empty: 2,
        delivered,
        malformed,
        dead_lettered: dead.iter().copied().collect(),
        left: 0,
    }
}

fn entry(lines: Lines, events: u64, end: End) -> Entry {
    let object = ObjectId { bucket: "b".to_owned(), key: "k".to_owned() };
    let entry = Entry::new(&object, Some("acme"), Some(DestinationKind::CloudWatch), Outcome::Delivered);
    entry.with(Delivered { lines, events, ..Delivered::unread(end) })
}

/// Outcome, reason and words of what ended with every line's outcome known.
fn complete(lines: Lines, events: u64) -> (Outcome, Option<&'static str>, String) {
    let entry = entry(lines, events, End::Complete);
    (entry.outcome, entry.reason.map(Cause::name), entry.error.unwrap_or_default())
}

#[test]
fn what_is_delivered_is_all_that_is_wanted() {
    for delivered in [0, 3] {
        assert_eq!(complete(lines(delivered, 0, &[]), delivered), (Outcome::Delivered, None, String::new()));
    }
}

#[test]
fn it_is_partial_where_some_lines_never_can_be_delivered() {
    for (malformed, dead, reason, counts) in [
        (2, vec![], "malformed", "malformed 2"),
        (0, vec![(Reason::TooOld, 1)], "too-old", "too-old 1"),
        (1, vec![(Reason::TooOld, 3), (Reason::Expired, 2)], "too-old", "expired 2, malformed 1, too-old 3"),
        (5, vec![(Reason::TooNew, 3)], "malformed", "malformed 5, too-new 3"),
        // Of as many the first by name, so that a second attempt says the same.
        (0, vec![(Reason::TooOld, 1), (Reason::Expired, 1)], "expired", "expired 1, too-old 1"),
    ] {
        let words = format!("lines that can never be delivered: {counts}");
        assert_eq!(complete(lines(7, malformed, &dead), 7), (Outcome::Partial, Some(reason), words));
    }
}

#[test]
fn it_is_rejected_where_nothing_arrived() {
    let (outcome, reason, words) = complete(lines(0, 0, &[(Reason::TooOld, 7)]), 0);
    assert_eq!((outcome, reason), (Outcome::Rejected, Some("too-old")));
    assert_eq!(words, "lines that can never be delivered: too-old 7");
    // One line, an array, of which one record was refused and the others arrived.
    assert_eq!(complete(lines(0, 0, &[(Reason::TooOld, 1)]), 9).0, Outcome::Partial);
}

#[test]
fn an_object_that_was_cut_short_is_partial_or_rejected_by_what_arrived() {
    for (delivered, events, outcome) in [(3, 3, Outcome::Partial), (0, 1, Outcome::Partial), (0, 0, Outcome::Rejected)]
    {
        let entry = entry(lines(delivered, 0, &[(Reason::Damaged, 0)]), events, End::Rejected(Reason::Damaged));
        assert_eq!((entry.outcome, entry.reason), (outcome, Some(Reason::Damaged.into())));
    }
}
