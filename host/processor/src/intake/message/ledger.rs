//! A message's accounts: whatever it announces ends as done, sent back, or failed with
//! the message. What is none of these when the message is about to be acknowledged would
//! be lost unseen.

use crate::report::Entry;

/// The accounts of what a message announces: an object each, or a record that names none.
#[derive(Debug)]
pub(super) struct MessageLedger(Vec<ObjectAccount>);

/// Of one: how many outcomes it has, and what became of those that are not final.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct ObjectAccount {
    done: usize,
    open: usize,
    unfinished: usize,
    sent_back: usize,
    failed: usize,
}

impl ObjectAccount {
    /// It has an outcome, something is left of each that is open, and all that is left is
    /// somewhere: neither too little, nor twice.
    fn is_closed(&self) -> bool {
        self.done + self.open > 0 && self.unfinished >= self.open && self.unfinished == self.sent_back + self.failed
    }
}

impl MessageLedger {
    /// An account for each of what is announced.
    pub(super) fn open(announced: usize) -> Self {
        Self(vec![ObjectAccount::default(); announced])
    }

    fn account(&mut self, number: usize) -> Option<&mut ObjectAccount> {
        self.0.get_mut(number)
    }

    /// It is done without a delivery: it names no object, or the message announces it twice.
    pub(super) fn mark_done(&mut self, number: usize) {
        self.account(number).into_iter().for_each(|account| account.done += 1);
    }

    /// A delivery of it, or it as a whole, came to this.
    pub(super) fn record_outcome(&mut self, number: usize, entry: &Entry) {
        self.account(number).into_iter().for_each(|account| match entry.outcome.is_open() {
            true => account.open += 1,
            false => account.done += 1,
        });
    }

    /// Something is left of it: as a rule of an outcome that is open.
    pub(super) fn record_unfinished(&mut self, number: usize) {
        self.account(number).into_iter().for_each(|account| account.unfinished += 1);
    }

    /// Something of it is a message of its own by now.
    pub(super) fn record_sent_back(&mut self, number: usize) {
        self.account(number).into_iter().for_each(|account| account.sent_back += 1);
    }

    /// The message fails because of it.
    pub(super) fn record_failed(&mut self, number: usize) {
        self.account(number).into_iter().for_each(|account| account.failed += 1);
    }

    /// Outcomes of all.
    pub(super) fn count_outcomes(&self) -> usize {
        self.0.iter().map(|account| account.done + account.open).sum()
    }

    /// Those that are unaccounted for.
    pub(super) fn count_unaccounted(&self) -> usize {
        self.0.iter().filter(|account| !account.is_closed()).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Outcome;
    use model::ObjectId;

    fn entry(outcome: Outcome) -> Entry {
        Entry::new(&ObjectId { bucket: "b".to_owned(), key: "k".to_owned() }, None, None, outcome)
    }

    #[test]
    fn what_has_no_outcome_is_unaccounted_for() {
        let mut ledger = MessageLedger::open(3);
        assert_eq!(ledger.count_unaccounted(), 3);
        ledger.record_outcome(0, &entry(Outcome::Delivered));
        ledger.mark_done(2);
        assert_eq!((ledger.count_unaccounted(), ledger.count_outcomes()), (1, 2));
        ledger.record_outcome(1, &entry(Outcome::Rejected));
        assert_eq!(ledger.count_unaccounted(), 0);
        assert_eq!(MessageLedger::open(0).count_unaccounted(), 0, "a test event announces nothing");
    }

    #[test]
    fn what_is_open_is_to_be_sent_back_or_to_fail_and_not_both() {
        let mut ledger = MessageLedger::open(1);
        ledger.record_outcome(0, &entry(Outcome::Delivered));
        ledger.record_outcome(0, &entry(Outcome::Failed));
        ledger.record_outcome(0, &entry(Outcome::Interrupted));
        assert_eq!(ledger.count_unaccounted(), 1, "one delivery that is done accounts for no other");
        ledger.record_unfinished(0);
        ledger.record_unfinished(0);
        ledger.record_sent_back(0);
        assert_eq!(ledger.count_unaccounted(), 1);
        ledger.record_failed(0);
        assert_eq!(ledger.count_unaccounted(), 0);
        ledger.record_sent_back(0);
        assert_eq!(ledger.count_unaccounted(), 1);
    }

    #[test]
    fn of_what_is_done_something_may_be_left() {
        let mut ledger = MessageLedger::open(1);
        ledger.record_outcome(0, &entry(Outcome::Partial));
        ledger.record_unfinished(0);
        assert_eq!(ledger.count_unaccounted(), 1);
        ledger.record_sent_back(0);
        assert_eq!(ledger.count_unaccounted(), 0);
    }

    #[test]
    fn all_outcomes_are_done_or_open() {
        for outcome in [
            Outcome::Delivered,
            Outcome::Partial,
            Outcome::Rejected,
            Outcome::Filtered,
            Outcome::Ignored,
            Outcome::AlreadyDelivered,
            Outcome::Failed,
            Outcome::Interrupted,
        ] {
            let mut ledger = MessageLedger::open(1);
            ledger.record_outcome(0, &entry(outcome));
            assert_eq!(ledger.count_unaccounted(), usize::from(outcome.is_open()), "{outcome:?}");
        }
    }
}
