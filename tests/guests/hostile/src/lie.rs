//! Output that breaks the contract, or floods the host.

use crate::bindings::exports::log_router::plugin::record_transform::{Event, Transformed};
use crate::bindings::log_router::plugin::types::{Note, Verdict};
use crate::{Work, event};

/// The lie that `mode` names, if it is one, about `count` lines from `first` on.
pub(crate) fn told(work: &Work, first: u64, count: u64, lines: &[u8]) -> Option<Transformed> {
    let next = first + count;
    let note = |first, last| Note { first, last, verdict: Verdict::Joined };
    let events = |lines: &[u64]| (lines.iter().map(|&line| event(line, work.now, "a lie")).collect(), vec![], None);
    let notes = |notes: &[(u64, u64)]| (vec![], notes.iter().map(|&(a, b)| note(a, b)).collect(), None);
    let pending = |line| (vec![], vec![], Some(line));
    let (events, notes, pending_from) = match work.mode.as_str() {
        "event-settled" if first > 0 => events(&[first - 1, first]),
        "event-ahead" => events(&[first, next]),
        "event-max" => events(&[u64::MAX]),
        "event-descending" => events(&[first + 1, first]),
        "event-blank" => events(&[first, first + blank(lines)?]),
        "event-blank-late" => {
            let rejected = Note { first, last: first, verdict: Verdict::Rejected("a lie".to_owned()) };
            (vec![event(first + blank(lines)?, work.now, "a lie")], vec![rejected], None)
        }
        "event-held" => (vec![event(first + 1, work.now, "a lie")], vec![], Some(first + 1)),
        "note-settled" if first > 0 => notes(&[(first - 1, first)]),
        "note-ahead" => notes(&[(first, next)]),
        "note-max" => notes(&[(first, u64::MAX)]),
        "note-reversed" => notes(&[(first + 1, first)]),
        "note-overlap" => notes(&[(first, first + 1), (first + 1, first + 1)]),
        "note-descending" => notes(&[(first + 1, first + 1), (first, first)]),
        "note-over-event" => (vec![event(first + 1, work.now, "a lie")], vec![note(first, first + 1)], None),
        "note-all" => (vec![], vec![Note { first, last: next - 1, verdict: Verdict::Rejected("x".repeat(500)) }], None),
        "pending-ahead" => pending(next + 1),
        "pending-settled" if first > 0 => pending(0),
        "pending-max" => pending(u64::MAX),
        "flood-count" => ((0..100_000).map(|_| event(first, work.now, "x")).collect(), vec![], None),
        "flood-bytes" => {
            let text = "x".repeat(10_000);
            ((0..500).map(|_| event(first, work.now, &text)).collect(), vec![], None)
        }
        "flood-message" => (vec![event(first, work.now, &"x".repeat(5 << 20))], vec![], None),
        "flood-overlap" => (overlapping(first, work.now), vec![], None),
        "flood-notes" => (vec![], (0..200_000).map(|_| note(first, first)).collect(), None),
        "not-utf8" => (vec![Event { message: not_utf8(), ..event(first, work.now, "") }], vec![], None),
        _ => return None,
    };
    Some(Transformed { events, notes, pending_from })
}

/// The first blank line, counted from the chunk's first.
fn blank(lines: &[u8]) -> Option<u64> {
    let mut lines = lines.split_inclusive(|&byte| byte == b'\n');
    lines.position(|line| line.trim_ascii().is_empty()).map(|index| index as u64)
}

/// Events whose messages are the same megabyte: little memory here, much where
/// it is copied to.
#[expect(unsafe_code, reason = "what safe code can't do to the host")]
fn overlapping(line: u64, timestamp: i64) -> Vec<Event> {
    let text: &'static mut str = Box::leak("x".repeat(1 << 20).into_boxed_str());
    let (start, length) = (text.as_mut_ptr(), text.len());
    let share = |_| {
        // SAFETY: there is none. Nothing is freed: the host stops the guest
        // while it copies, before the generated code could let go of it.
        let message = unsafe { String::from_raw_parts(start, length, length) };
        Event { line, timestamp, message }
    };
    (0..1_000).map(share).collect()
}

#[expect(unsafe_code, reason = "what safe code can't do to the host")]
fn not_utf8() -> String {
    // SAFETY: nothing here looks into it; the host does.
    unsafe { String::from_utf8_unchecked(vec![b'a', 0xff, b'b']) }
}
