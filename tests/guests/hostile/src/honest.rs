//! What it does when it has no fault: lines become events; a line that begins
//! with a space belongs to the record before it; records that say `drop`,
//! `malformed` or `reject` get what they ask for.

use crate::bindings::exports::log_router::plugin::record_transform::Transformed;
use crate::bindings::log_router::plugin::types::{Note, Verdict};
use crate::{OBJECTS, Work, event};

type Line = (u64, Vec<u8>);

/// Settles records that are complete; at the end all of them.
pub(crate) fn settle(work: &mut Work, all: bool) -> Transformed {
    let mut out = Transformed { events: Vec::new(), notes: Vec::new(), pending_from: None };
    if !all && matches!(work.mode.as_str(), "hold-everything" | "pending-at-end") {
        out.pending_from = work.held.first().map(|(number, _)| *number);
        return out;
    }
    let keep = if all { 0 } else { held_back(work) };
    let settled = work.held.len() - keep;
    let lines: Vec<Line> = work.held.drain(..settled).collect();
    let mut rest = lines.as_slice();
    while let Some((first, more)) = rest.split_first() {
        let joined = more.iter().take_while(|(_, text)| joins(text)).count();
        let (others, next) = more.split_at(joined);
        record(work, first, others, &mut out);
        rest = next;
    }
    out.pending_from = work.held.first().map(|(number, _)| *number);
    out
}

fn joins(text: &[u8]) -> bool {
    text.first() == Some(&b' ') || text.is_empty()
}

/// How many of the last lines may not be settled yet: the last record, which
/// may go on, and as many records before it as the pattern says.
fn held_back(work: &Work) -> usize {
    if work.mode != "records" {
        return 0;
    }
    let pattern = |index: u64| {
        let at = usize::try_from(index).unwrap_or(0) % work.hold.len().max(1);
        work.hold.get(at).map_or(0, |digit| usize::from(digit.saturating_sub(b'0')))
    };
    let mut records = 1 + pattern(work.calls);
    for (index, (_, text)) in work.held.iter().rev().enumerate() {
        if !joins(text) {
            records -= 1;
        }
        if records == 0 {
            return index + 1;
        }
    }
    work.held.len()
}

fn record(work: &Work, (number, text): &Line, others: &[Line], out: &mut Transformed) {
    let last = others.last().map_or(*number, |(last, _)| *last);
    let text = String::from_utf8_lossy(text);
    let says = |word| text.contains(word);
    let verdict = match () {
        () if says("malformed") => Verdict::Malformed("as it asked".to_owned()),
        () if says("reject") => Verdict::Rejected("as it asked".to_owned()),
        () if says("drop") || text.trim().is_empty() => return,
        () if says("shout") => Verdict::Malformed("€".repeat(10_000)),
        () => {
            let timestamp = match work.mode.as_str() {
                "timestamp-min" => i64::MIN,
                "timestamp-max" => i64::MAX,
                "timestamp-negative" => -1,
                _ => work.now,
            };
            let message = match work.mode.as_str() {
                "count-objects" => OBJECTS.get().to_string(),
                "empty" => String::new(),
                _ => others
                    .iter()
                    .fold(text.into_owned(), |message, (_, more)| message + "\n" + &String::from_utf8_lossy(more)),
            };
            out.events.push(event(*number, timestamp, &message));
            if work.mode == "twice" {
                out.events.push(event(*number, timestamp, &message));
            }
            if let Some((joined, _)) = others.first() {
                out.notes.push(Note { first: *joined, last, verdict: Verdict::Joined });
            }
            return;
        }
    };
    out.notes.push(Note { first: *number, last, verdict });
}
