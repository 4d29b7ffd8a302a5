//! Several messages about one delivery of one state of an object: it is in flight for one of
//! them at a time, which goes on where another one stopped.

use super::deduplication::{Claim, DedupKey, InFlight};
use super::object_run::ObjectRun;
use super::processor::Processor;
use super::unfinished::{DeliveryState, UnfinishedDelivery};
use crate::notification::Resume;
use crate::report::{Cause, Entry, Outcome};
use model::{Delivery, Origin};

impl Processor {
    /// Claims a delivery; waits while it is in flight for another message.
    pub(super) async fn claim(
        &self,
        object: &ObjectRun<'_>,
        key: &DedupKey,
    ) -> Result<(InFlight, Option<Resume>), NotClaimed> {
        loop {
            match self.deduplicator.claim(key, &object.message.id) {
                Claim::AlreadySettled => return Err(NotClaimed::Settled),
                Claim::Claimed(in_flight, reached) => return Ok((in_flight, reached.map(|reached| *reached))),
                Claim::InFlightElsewhere(ended) => tokio::select! {
                    () = ended.cancelled() => {}
                    () = object.control.stop.abandoned() => return Err(NotClaimed::Stopped),
                },
            }
        }
    }
}

/// Why a delivery can't be claimed.
pub(super) enum NotClaimed {
    Settled,
    Stopped,
}

impl NotClaimed {
    /// What comes of the delivery.
    pub(super) fn into_result(
        self,
        object: &ObjectRun<'_>,
        origin: &Origin,
        delivery: &Delivery,
        key: DedupKey,
    ) -> (Entry, Option<UnfinishedDelivery>) {
        let entry = |outcome| Entry::new(&object.id, Some(&origin.tenant_id), Some(delivery.id()), outcome);
        match self {
            Self::Settled => (entry(Outcome::AlreadyDelivered), None),
            Self::Stopped => {
                let error = "stopped while another message was at the same object";
                let unfinished =
                    object.unfinished(Some(delivery.id().name()), DeliveryState::NotStarted, error.to_owned());
                (
                    entry(Outcome::Interrupted).with_reason(Cause::Interrupted, error),
                    Some(UnfinishedDelivery { key: Some(key), ..unfinished }),
                )
            }
        }
    }
}

/// How far a delivery came, by its message and by what this process knows: further is
/// later.
pub(super) fn merge_resume(message: Option<&Resume>, known: Option<Resume>) -> Resume {
    let mut resume = message.cloned().unwrap_or_default();
    let Some(known) = known else { return resume };
    if known.offset > resume.offset {
        (resume.offset, resume.checkpoint) = (known.offset, known.checkpoint);
    }
    resume.first_failed_at = [resume.first_failed_at, known.first_failed_at].into_iter().flatten().min();
    resume.last_error = known.last_error.or(resume.last_error);
    resume.refused = known.refused.or(resume.refused);
    resume
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_further_and_what_is_older_counts() {
        let at = |offset, first: Option<i64>, error: Option<&str>| Resume {
            offset,
            retry_count: 2,
            first_failed_at: first,
            last_error: error.map(str::to_owned),
            ..Resume::default()
        };
        assert_eq!(merge_resume(None, None), Resume::default());
        let message = at(7, Some(20), Some("older"));
        assert_eq!(merge_resume(Some(&message), None), message);
        let known = Resume { retry_count: 0, ..at(9, Some(10), Some("newer")) };
        assert_eq!(merge_resume(Some(&message), Some(known)), at(9, Some(10), Some("newer")));
        let behind = at(5, None, None);
        assert_eq!(merge_resume(Some(&message), Some(behind)), message, "another process came further");
    }
}
