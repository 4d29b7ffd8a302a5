//! What becomes of a message whose deliveries are not all done. Each that is left
//! goes back to the queue in a message of its own, with its checkpoint, and the
//! message is acknowledged; or nothing is sent, and the message fails as a whole,
//! so that the queue's redrive policy brings it to its dead-letter queue. Never both.

use std::collections::VecDeque;
use std::time::Duration;

use super::ledger::Ledger;
use super::left::{Left, State, now};
use super::object::ObjectResult;
use super::{Control, Message, Processor, Verdict};
use crate::aws::{OutgoingMessage, Queue};
use crate::report::{Entry, Outcome};

/// Messages of one SendMessageBatch.
const MOST_AT_ONCE: usize = 10;

/// Bytes of their bodies: SQS takes 1,048,576 in all, with the attributes.
const MOST_BYTES_AT_ONCE: usize = super::left::MOST_BODY;

/// Times that what was refused is sent again while nothing was taken yet.
const SENDS: u32 = 3;

/// Pauses between two sends of what was refused: doubling from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// For how long a delivery is known as waiting after its delay.
const KNOWN_AS_WAITING: Duration = Duration::from_secs(900);

/// What is left of an announced object, by the number of its account.
type Numbered = (usize, Left);

impl Processor {
    /// Decides about a message.
    pub(super) async fn settle(
        &self,
        message: &Message,
        worked: Vec<ObjectResult>,
        mut ledger: Ledger,
        control: &Control,
    ) -> Verdict {
        control.settle();
        for (number, entry) in worked.iter().flat_map(|one| one.entries.iter().map(|entry| (one.number, entry))) {
            ledger.outcome(number, entry);
        }
        let untouched = !worked.is_empty() && worked.iter().flat_map(|one| &one.entries).all(is_untouched);
        let left: Vec<Numbered> =
            worked.into_iter().flat_map(|one| one.left.into_iter().map(move |left| (one.number, left))).collect();
        left.iter().for_each(|(number, _)| ledger.left(*number));
        if left.is_empty() {
            return self.close(message, &ledger, Verdict::Done);
        }
        if control.is_lost() {
            return Verdict::Lost;
        }
        if untouched && !left.iter().any(|(_, left)| left.state.is_further()) && self.gives_back(message) {
            return Verdict::Untouched;
        }
        let verdict = self.send_back(message, left, &mut ledger, control).await;
        self.close(message, &ledger, verdict)
    }

    /// Whether what was not begun is given back, instead of sent back.
    fn gives_back(&self, message: &Message) -> bool {
        self.sends_to(message).is_none() || self.permits.is_closed()
    }

    /// Where what is left goes; none: the message did not come from there.
    pub(super) fn sends_to(&self, message: &Message) -> Option<&Queue> {
        self.requeue_to.as_ref().filter(|_| message.is_queued())
    }

    async fn send_back(
        &self,
        message: &Message,
        left: Vec<Numbered>,
        ledger: &mut Ledger,
        control: &Control,
    ) -> Verdict {
        let errors = left.iter().map(|(_, left)| left.error.as_str()).collect::<Vec<_>>().join("; ");
        if left.iter().any(|(_, left)| left.state == State::MustFail) {
            return self.fail(left, ledger, errors);
        }
        let Some(queue) = self.sends_to(message) else { return self.fail(left, ledger, errors) };
        if queue.is_fifo() {
            let why = "nothing is sent back to a FIFO queue, which takes no delays: it comes again by the queue's own";
            return self.fail(left, ledger, format!("{errors}; {why}"));
        }
        // Of several deliveries none is repeated because another one is to fail: each is
        // a message of its own first.
        let spent = left.iter().find_map(|(_, left)| left.spent(now(), self.bounds.retry_window));
        if let Some(why) = spent.filter(|_| ledger.outcomes() == 1) {
            return self.fail(left, ledger, why);
        }
        let Sent { sent, unsent, error } = send(queue, message, left, control).await;
        // Also where the message fails: when it comes again, these are somebody else's.
        for (number, left) in sent {
            ledger.sent_back(number);
            self.sent(message, left);
        }
        match error {
            None => Verdict::Done,
            Some(error) => {
                self.fail(unsent, ledger, format!("{errors}; and it can't be sent back to the queue: {error}"))
            }
        }
    }

    /// The message fails, with what is left of it.
    fn fail(&self, left: Vec<Numbered>, ledger: &mut Ledger, why: String) -> Verdict {
        for (number, left) in left {
            ledger.failed(number);
            self.waits(&left);
        }
        Verdict::Failed(why)
    }

    /// It is another message's by now.
    fn sent(&self, message: &Message, left: Left) {
        self.metrics.count_requeued(left.state.name());
        let next = left.next(now());
        tracing::info!(
            message_id = %message.id,
            delivery = left.scope(),
            offset = next.offset,
            retry_count = next.retry_count,
            delay_seconds = left.delay().as_secs(),
            why = left.state.name(),
            "sent back to the queue"
        );
        self.waits(&left);
        if let Some(key) = &left.key {
            self.deduplicator.mark_settled(key, &message.id);
        }
    }

    /// Something waits, and may be somebody else's to do.
    fn waits(&self, left: &Left) {
        let since = left.next(now()).first_failed_at.filter(|_| !left.state.is_refused());
        if let (Some(key), Some(since)) = (&left.key, since) {
            self.metrics.waiting().begin(key.name(), since, now(), left.delay() + KNOWN_AS_WAITING);
        }
    }

    /// The end of a message's accounts: what is neither done, sent back, nor failed is
    /// an error that shows, and is not acknowledged.
    fn close(&self, message: &Message, ledger: &Ledger, verdict: Verdict) -> Verdict {
        let objects = ledger.unaccounted();
        if objects == 0 {
            return verdict;
        }
        self.metrics.count_unaccounted(objects as u64);
        let error = format!(
            "a bug: {objects} objects of the message are neither done, sent back, nor failed; please report it"
        );
        tracing::error!(message_id = %message.id, objects, error, "the message's objects do not add up");
        match verdict {
            Verdict::Failed(more) => Verdict::Failed(format!("{more}; and {error}")),
            _ => Verdict::Failed(error),
        }
    }
}

/// Nothing of the delivery was begun that another process would not do as well.
fn is_untouched(entry: &Entry) -> bool {
    entry.outcome == Outcome::Interrupted && entry.counts.events == 0
}

/// What was sent, what was not, and why.
struct Sent {
    sent: Vec<Numbered>,
    unsent: Vec<Numbered>,
    error: Option<String>,
}

/// Sends all of them, or none. Once a part is taken, the rest is sent until it is taken as
/// well, as long as the message is this process's.
async fn send(queue: &Queue, message: &Message, left: Vec<Numbered>, control: &Control) -> Sent {
    let now = now();
    let mut sent = Vec::new();
    let bodies: Result<Vec<OutgoingMessage>, String> =
        left.iter().map(|(_, left)| left.outgoing(message, now)).collect();
    let mut unsent: VecDeque<(Numbered, OutgoingMessage)> = match bodies {
        Ok(bodies) => left.into_iter().zip(bodies).collect(),
        Err(error) => return Sent { sent, unsent: left, error: Some(error) },
    };
    let (mut pause, mut refused) = (PAUSES.0, 0_u32);
    while !unsent.is_empty() {
        let batch = batch(&mut unsent);
        let outgoing: Vec<OutgoingMessage> = batch.iter().map(|(_, outgoing)| outgoing.clone()).collect();
        let (results, whole) = match queue.send(&outgoing).await {
            Ok(results) => (results, false),
            Err(error) => (vec![Err(error.to_string()); batch.len()], true),
        };
        let mut error = None;
        for ((left, outgoing), result) in batch.into_iter().zip(results) {
            match result {
                Ok(()) => sent.push(left),
                Err(why) => {
                    unsent.push_back((left, outgoing));
                    error = Some(why);
                }
            }
        }
        let Some(error) = error else { continue };
        refused += 1;
        let none_taken = sent.is_empty() && (whole || refused >= SENDS);
        if none_taken || control.stop.is_abandoned() {
            let unsent = unsent.into_iter().map(|(left, _)| left).collect();
            return Sent { sent, unsent, error: Some(error) };
        }
        if !sent.is_empty() && refused.is_power_of_two() {
            let (taken, left) = (sent.len(), unsent.len());
            tracing::warn!(message_id = %message.id, taken, left, error, "a part can't be sent back to the queue; it is tried again");
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = control.stop.abandoned() => {}
        }
        pause = (pause * 2).min(PAUSES.1);
    }
    Sent { sent, unsent: Vec::new(), error: None }
}

/// The first of them, as many as SQS takes at once; one at least.
fn batch(unsent: &mut VecDeque<(Numbered, OutgoingMessage)>) -> Vec<(Numbered, OutgoingMessage)> {
    let mut bytes = 0;
    let fits = |(_, outgoing): &&(Numbered, OutgoingMessage)| {
        bytes += outgoing.body.len();
        bytes <= MOST_BYTES_AT_ONCE
    };
    let count = unsent.iter().take(MOST_AT_ONCE).take_while(fits).count().max(1);
    unsent.drain(..count.min(unsent.len())).collect()
}
