//! What of an object is refused for good, across attempts; and with DEAD_LETTER=fail the
//! message that is only there to fail, so that the queue's own dead-letter queue keeps it.
//!
//! All else of the delivery is done by then and is not done again: such a message fails
//! each time it is received, without work. Where DEAD_LETTER is something else in the
//! meantime, it is worked from where the first refusal was, and its letters are written.

use super::object_run::ObjectRun;
use super::processor::Processor;
use super::unfinished::{DeliveryState, UnfinishedDelivery};
use crate::delivery::dead_letter::RefusalCounts;
use crate::notification::{PriorRefusals, Resume};
use crate::report::{Cause, Entry, Outcome};
use model::{DestinationKind, FailureKind, Reason};

impl Processor {
    /// A delivery of which only the failing is left.
    pub(super) fn fail_only(
        &self,
        object: &ObjectRun<'_>,
        entry: Entry,
        resume: &Resume,
    ) -> (Entry, UnfinishedDelivery) {
        let words = resume.refused.as_ref().map(in_words).unwrap_or_default();
        let error = format!("{words}; the rest is done (DEAD_LETTER=fail)");
        let unfinished =
            object.unfinished(entry.delivery.map(DestinationKind::name), DeliveryState::MustFail, error.clone());
        let entry = Entry { outcome: Outcome::Failed, ..entry }.with_reason(FailureKind::Refused, error);
        let resume = Resume { scope: unfinished.resume.scope.clone(), ..resume.clone() };
        (entry, UnfinishedDelivery { resume, ..unfinished })
    }

    /// How a delivery that nothing is left of ended, seen with the attempts before; and the
    /// message that is only there to fail. It went on from `resumed`, and reached `reached`.
    pub(super) fn conclude(
        &self,
        object: &ObjectRun<'_>,
        entry: Entry,
        resumed: &Resume,
        reached: Resume,
    ) -> (Entry, Option<UnfinishedDelivery>) {
        if !matches!(entry.outcome, Outcome::Delivered | Outcome::Partial | Outcome::Rejected) {
            return (entry, None);
        }
        let Some(refused) = &reached.refused else { return (entry, None) };
        let before = resumed.refused.as_ref().is_some_and(|before| !before.counts.is_empty());
        let entry = if entry.outcome == Outcome::Delivered && before {
            let most = refused.counts.iter().max_by_key(|(_, count)| **count);
            let reason = most.and_then(|(name, _)| Reason::parse(name));
            let reason = reason.map_or(Cause::Failed(FailureKind::Refused), Cause::Refused);
            Entry { outcome: Outcome::Partial, ..entry }
                .with_reason(reason, format!("by attempts before: {}", in_words(refused)))
        } else {
            entry
        };
        let Some(from) = refused.from.filter(|_| self.fails_on_refusal()) else { return (entry, None) };
        let unfinished =
            object.unfinished(entry.delivery.map(DestinationKind::name), DeliveryState::Refused, in_words(refused));
        let refused = Some(PriorRefusals { settled: true, ..refused.clone() });
        let resume = Resume { scope: unfinished.resume.scope.clone(), offset: from, refused, ..reached };
        // It is no retry: what was to be done is done.
        (entry, Some(UnfinishedDelivery { resume, ..unfinished }))
    }
}

/// Whether nothing of a delivery is left to do but to fail.
pub(super) fn is_settled(resume: Option<&Resume>) -> bool {
    resume.and_then(|resume| resume.refused.as_ref()).is_some_and(|refused| refused.settled)
}

/// With what an attempt begins that shall miss nothing which no letter keeps; `fails`: it
/// needs none.
pub(super) fn resume_at(resume: Resume, fails: bool) -> Resume {
    match resume.refused.as_ref().and_then(|refused| refused.from) {
        Some(from) if !fails => Resume { offset: resume.offset.min(from), refused: None, ..resume },
        _ => resume,
    }
}

/// What was refused by all attempts up to now.
pub(super) fn merge(before: Option<&PriorRefusals>, now: RefusalCounts, fails: bool) -> Option<PriorRefusals> {
    if now.counts.is_empty() {
        return before.cloned();
    }
    let mut refused = before.cloned().unwrap_or_default();
    if fails {
        refused.from = Some(refused.from.map_or(now.from, |from| from.min(now.from)));
    }
    for (reason, count) in now.counts {
        let sum = refused.counts.entry(reason.name().to_owned()).or_default();
        // An attempt that goes on reads the object from its beginning: it refuses the same
        // lines again, and of the events only those that it puts.
        *sum = if by_destination(reason) { sum.saturating_add(count) } else { (*sum).max(count) };
    }
    Some(refused)
}

fn by_destination(reason: Reason) -> bool {
    matches!(reason, Reason::TooOld | Reason::TooNew | Reason::Expired)
}

fn in_words(refused: &PriorRefusals) -> String {
    let counts: Vec<String> = refused.counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    format!("never to be delivered: {}", counts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(from: Option<u64>, counts: &[(&str, u64)]) -> PriorRefusals {
        let counts = counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        PriorRefusals { from, counts, settled: false }
    }

    fn now(from: u64, counts: &[(Reason, u64)]) -> RefusalCounts {
        RefusalCounts { from, counts: counts.iter().copied().collect() }
    }

    #[test]
    fn attempts_add_up() {
        assert_eq!(merge(None, RefusalCounts::default(), true), None);
        let first = merge(None, now(3, &[(Reason::TooOld, 2), (Reason::Malformed, 1)]), true);
        assert_eq!(first, Some(refused(Some(3), &[("too-old", 2), ("malformed", 1)])));
        let second = merge(first.as_ref(), now(9, &[(Reason::TooOld, 1), (Reason::Malformed, 4)]), true);
        assert_eq!(second, Some(refused(Some(3), &[("too-old", 3), ("malformed", 4)])));
        assert_eq!(merge(second.as_ref(), RefusalCounts::default(), true), second);
    }

    #[test]
    fn what_a_letter_keeps_is_only_counted() {
        let kept = merge(None, now(3, &[(Reason::TooOld, 2)]), false);
        assert_eq!(kept, Some(refused(None, &[("too-old", 2)])));
        let then = merge(kept.as_ref(), now(9, &[(Reason::TooOld, 1)]), true);
        assert_eq!(then, Some(refused(Some(9), &[("too-old", 3)])));
    }

    #[test]
    fn where_a_letter_can_be_written_it_begins_where_the_first_is_missing() {
        let resume = |offset, refused| Resume { offset, refused, ..Resume::default() };
        let unkept = || Some(refused(Some(3), &[("too-old", 2)]));
        assert_eq!(resume_at(resume(9, unkept()), true), resume(9, unkept()));
        assert_eq!(resume_at(resume(9, unkept()), false), resume(3, None));
        assert_eq!(resume_at(resume(2, unkept()), false), resume(2, None));
        let kept = || Some(refused(None, &[("too-old", 2)]));
        assert_eq!(resume_at(resume(9, kept()), false), resume(9, kept()));
        assert_eq!(resume_at(resume(9, None), false), resume(9, None));
    }
}
