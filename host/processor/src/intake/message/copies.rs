//! Several messages about one delivery of one state of an object: one of them is at it
//! at a time, and goes on where another one stopped.

use super::Processor;
use super::left::{Left, State};
use super::memory::{AtWork, Begin, Key};
use super::object::ObjectRun;
use crate::notification::Resume;
use crate::report::{Cause, Entry, Outcome};
use model::{Delivery, Origin};

impl Processor {
    /// Begins with a delivery; waits while another copy of the message is at it.
    pub(super) async fn begin(&self, work: &ObjectRun<'_>, key: &Key) -> Result<(AtWork, Option<Resume>), NotBegun> {
        loop {
            match self.memory.begin(key, &work.message.id) {
                Begin::Settled => return Err(NotBegun::Settled),
                Begin::Mine(at_work, reached) => return Ok((at_work, reached.map(|reached| *reached))),
                Begin::AtWork(ended) => tokio::select! {
                    () = ended.cancelled() => {}
                    () = work.control.stop.abandoned() => return Err(NotBegun::Stopped),
                },
            }
        }
    }
}

/// Why a delivery is not begun.
pub(super) enum NotBegun {
    Settled,
    Stopped,
}

impl NotBegun {
    /// What comes of the delivery.
    pub(super) fn of(
        &self,
        work: &ObjectRun<'_>,
        origin: &Origin,
        delivery: &Delivery,
        key: Key,
    ) -> (Entry, Option<Left>) {
        let entry = |outcome| Entry::new(&work.id, Some(&origin.tenant_id), Some(delivery.id()), outcome);
        match self {
            Self::Settled => (entry(Outcome::AlreadyDelivered), None),
            Self::Stopped => {
                let error = "stopped while another message was at the same object";
                let left = work.left(Some(delivery.id()), State::NotStarted, error.to_owned());
                (entry(Outcome::Interrupted).because(Cause::Interrupted, error), Some(Left { key: Some(key), ..left }))
            }
        }
    }
}

/// How far a delivery came, by its message and by what this process knows: further is
/// later.
pub(super) fn resume(message: Option<&Resume>, known: Option<Resume>) -> Resume {
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
        assert_eq!(resume(None, None), Resume::default());
        let message = at(7, Some(20), Some("older"));
        assert_eq!(resume(Some(&message), None), message);
        let known = Resume { retry_count: 0, ..at(9, Some(10), Some("newer")) };
        assert_eq!(resume(Some(&message), Some(known)), at(9, Some(10), Some("newer")));
        let behind = at(5, None, None);
        assert_eq!(resume(Some(&message), Some(behind)), message, "another process came further");
    }
}
