//! What becomes of a message whose deliveries are not all done. Each that is left
//! goes back to the queue in a message of its own, with its checkpoint, and the
//! message is acknowledged; or nothing is sent, and the message fails as a whole,
//! so that the queue's redrive policy brings it to its dead-letter queue. Never both.

use std::time::Duration;

use super::object::{Left, Worked};
use super::{Control, Message, Processor, Verdict};
use crate::aws::{Outgoing, Queue};
use crate::notification::{self, Resume};
use crate::report::Outcome;

/// Times that a delivery is sent back without having come further: the reference's 3.
const MOST_RETRIES: u32 = 3;

/// As long as SQS can hold a message back.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// Messages of one SendMessageBatch.
const MOST_AT_ONCE: usize = 10;

/// Times that what couldn't be sent is sent again, beyond the SDK's own attempts:
/// after the first part is sent, all should be.
const SENDS: u32 = 3;

impl Processor {
    /// Decides about a message.
    pub(super) async fn settle(&self, message: &Message, worked: Vec<Worked>, control: &Control) -> Verdict {
        control.settle();
        let untouched = !worked.is_empty() && worked.iter().flat_map(|one| &one.entries).all(is_untouched);
        let left: Vec<Left> = worked.into_iter().flat_map(|one| one.left).collect();
        if control.is_lost() && !left.is_empty() {
            return Verdict::Lost;
        }
        if left.is_empty() {
            return Verdict::Done;
        }
        let fails = left.iter().any(|left| left.fails);
        let errors = left.iter().map(|left| left.error.as_str()).collect::<Vec<_>>().join("; ");
        if fails {
            return Verdict::Failed(errors);
        }
        let Some(queue) = self.requeue_to.as_ref().filter(|_| message.is_queued()) else {
            return if untouched { Verdict::Untouched } else { Verdict::Failed(errors) };
        };
        if untouched && !left.iter().any(|left| left.progress) && self.permits.is_closed() {
            return Verdict::Untouched;
        }
        if let Some(spent) = left.iter().find(|left| left.retries() > MOST_RETRIES) {
            return Verdict::Failed(format!("after {MOST_RETRIES} retries: {}", spent.error));
        }
        let (sent, all) = send(queue, message, left).await;
        // Also where the message fails: when it comes again, these are somebody else's.
        sent.into_iter().for_each(|left| self.sent(message, left));
        match all {
            Ok(()) => Verdict::Done,
            Err(error) => Verdict::Failed(format!("{errors}; and it can't be sent back to the queue: {error}")),
        }
    }

    /// It is another message's by now.
    fn sent(&self, message: &Message, left: Left) {
        let why = match (left.interrupted, left.suspended, left.wait.is_zero()) {
            _ if super::refused::is_settled(Some(&left.resume)) => "refused",
            (true, ..) => "interrupted",
            (false, true, _) => "suspended",
            (false, false, false) => "breaker",
            (false, false, true) => "failed",
        };
        self.metrics.requeued(why);
        tracing::info!(
            message_id = %message.id,
            delivery = left.resume.delivery,
            offset = left.resume.offset,
            retry_count = left.retries(),
            delay_seconds = left.delay().as_secs(),
            why,
            "sent back to the queue"
        );
        if let Some(remembered) = left.remembered {
            self.memory.settled(remembered);
        }
    }
}

/// Nothing of the delivery was begun that another process would not do as well.
fn is_untouched(entry: &crate::report::Entry) -> bool {
    entry.outcome == Outcome::Interrupted && entry.numbers.events == 0
}

impl Left {
    /// `retry_count` of the next attempt.
    fn retries(&self) -> u32 {
        self.resume.retry_count.saturating_add(u32::from(!self.progress && !self.waited))
    }

    /// Until the next attempt: as the reference's, or as long as the destination is
    /// left alone; none where it was only stopped.
    fn delay(&self) -> Duration {
        if self.interrupted {
            return Duration::ZERO;
        }
        let backoff = 2_u64.saturating_pow(self.resume.retry_count.saturating_add(1));
        self.wait.max(Duration::from_secs(backoff)).min(LONGEST_DELAY)
    }

    fn outgoing(&self, message: &Message) -> Outgoing {
        let resume = Resume { retry_count: self.retries(), ..self.resume.clone() };
        let (offset, retries) = (resume.offset, u64::from(resume.retry_count));
        Outgoing {
            body: notification::requeue(&self.record, &resume, &message.receipt_handle, super::delivery::now()),
            delay_seconds: u32::try_from(self.delay().as_secs()).unwrap_or(u32::MAX),
            numbers: vec![("ProcessingOffset", offset), ("RetryCount", retries)],
        }
    }
}

/// Sends all of them, or as many as it can; which are sent, and why others are not.
async fn send(queue: &Queue, message: &Message, left: Vec<Left>) -> (Vec<Left>, Result<(), String>) {
    let mut sent = Vec::new();
    let mut rest = left.into_iter();
    loop {
        let mut unsent: Vec<Left> = rest.by_ref().take(MOST_AT_ONCE).collect();
        if unsent.is_empty() {
            return (sent, Ok(()));
        }
        let mut error = String::new();
        for _ in 0..SENDS {
            let outgoing: Vec<Outgoing> = unsent.iter().map(|left| left.outgoing(message)).collect();
            let results = match queue.send(&outgoing).await {
                Ok(results) => results,
                Err(error) => return (sent, Err(error.to_string())),
            };
            let mut failed = Vec::new();
            for (left, result) in unsent.into_iter().zip(results) {
                match result {
                    Ok(()) => sent.push(left),
                    Err(why) => {
                        error = why;
                        failed.push(left);
                    }
                }
            }
            unsent = failed;
            if unsent.is_empty() {
                break;
            }
        }
        if !unsent.is_empty() {
            return (sent, Err(error));
        }
    }
}
