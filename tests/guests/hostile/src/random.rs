//! Answers at random: most are right, some are a little wrong, and which is
//! which only the host's checks can tell.

use crate::bindings::exports::log_router::plugin::record_transform::Transformed;
use crate::bindings::log_router::plugin::types::{Note, Verdict};
use crate::{Work, event};

/// Numbers that look random: xorshift.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: &[u8], call: u64) -> Self {
        let seed = seed.iter().fold(call + 1, |sum, &byte| sum.wrapping_mul(1_099_511_628_211) ^ u64::from(byte));
        let mut random = Self(seed | 1);
        (0..8).for_each(|_| random.0 = random.next());
        random
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 16) % limit.max(1)
    }
}

/// About the lines that are held; `to`: the line after the last.
pub(crate) fn answer(work: &mut Work, to: u64, end: bool) -> Transformed {
    let mut random = Random::new(&work.hold, work.calls);
    let from = work.held.first().map_or(to, |(number, _)| *number);
    let pending = if end { to } else { from + random.below(to - from + 1) };
    let mut out = Transformed { events: vec![], notes: vec![], pending_from: (pending < to).then_some(pending) };
    let mut line = from;
    let blank: Vec<u64> =
        work.held.iter().filter(|(_, text)| text.trim_ascii().is_empty()).map(|held| held.0).collect();
    while line < pending {
        let length = 1 + random.below(3).min(pending - line - 1);
        match random.below(6) {
            0 | 1 if !blank.contains(&line) => {
                let timestamp = if random.below(5) == 0 { -1 } else { work.now };
                let text = if random.below(5) == 0 { "" } else { "text" };
                (0..=random.below(3)).for_each(|_| out.events.push(event(line, timestamp, text)));
                line += 1;
                continue;
            }
            2 => out.notes.push(Note { first: line, last: line + length - 1, verdict: Verdict::Joined }),
            3 => out.notes.push(Note { first: line, last: line + length - 1, verdict: Verdict::Malformed("m".into()) }),
            4 => out.notes.push(Note { first: line, last: line + length - 1, verdict: Verdict::Rejected("r".into()) }),
            _ => {}
        }
        line += length;
    }
    for _ in 0..random.below(8).saturating_sub(5) {
        wrong(&mut out, &mut random, to);
    }
    let next = out.pending_from.unwrap_or(to);
    work.held.retain(|(number, _)| *number >= next);
    out
}

/// Changes one number, or one place.
fn wrong(out: &mut Transformed, random: &mut Random, to: u64) {
    let value = match random.below(6) {
        0 => u64::MAX,
        _ => random.below(to + 2),
    };
    let (events, notes) = (out.events.len(), out.notes.len());
    let at = |random: &mut Random, length: usize| usize::try_from(random.below(length as u64)).unwrap_or(0);
    match random.below(6) {
        0 => out.pending_from = Some(value),
        1 => out.pending_from = None,
        2 if events > 1 => out.events.swap(at(random, events), at(random, events)),
        3 if notes > 1 => out.notes.swap(at(random, notes), at(random, notes)),
        4 if events > 0 => {
            let index = at(random, events);
            out.events.iter_mut().skip(index).take(1).for_each(|event| event.line = value);
        }
        5 if notes > 0 => {
            let index = at(random, notes);
            out.notes.iter_mut().skip(index).take(1).for_each(|note| note.last = value);
        }
        _ => {}
    }
}
