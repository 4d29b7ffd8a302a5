//! What becomes of a message whose deliveries are not all done. Each that is left
//! goes back to the queue in a message of its own, with its checkpoint, and the
//! message is acknowledged; or nothing is sent, and the message fails as a whole,
//! so that the queue's redrive policy brings it to its dead-letter queue. Never both.

use std::collections::VecDeque;
use std::time::Duration;

use super::clock::now;
use super::ledger::MessageLedger;
use super::message_types::{Control, Message, MessageOutcome};
use super::object_run::ObjectResult;
use super::processor::Processor;
use super::unfinished::{DeliveryState, UnfinishedDelivery};
use crate::aws::{OutgoingMessage, Queue};
use crate::report::{Entry, Outcome};

/// Messages of one SendMessageBatch.
const MAX_BATCH_MESSAGES: usize = 10;

/// Bytes of their bodies: SQS takes 1,048,576 in all, with the attributes.
const MAX_BATCH_BYTES: usize = super::unfinished::MAX_BODY_BYTES;

/// Times that what was refused is sent again while nothing was taken yet.
const SENDS: u32 = 3;

/// Pauses between two sends of what was refused: doubling from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// For how long a delivery is known as waiting after its delay.
const WAITING_TTL: Duration = Duration::from_secs(900);

/// What is left of an announced object, by the number of its account.
type NumberedDelivery = (usize, UnfinishedDelivery);

impl Processor {
    /// Decides about a message.
    pub(super) async fn settle_message(
        &self,
        message: &Message,
        worked: Vec<ObjectResult>,
        mut ledger: MessageLedger,
        control: &Control,
    ) -> MessageOutcome {
        control.begin_settling();
        for (number, entry) in worked.iter().flat_map(|one| one.entries.iter().map(|entry| (one.number, entry))) {
            ledger.record_outcome(number, entry);
        }
        let untouched = !worked.is_empty() && worked.iter().flat_map(|one| &one.entries).all(is_untouched);
        let unfinished: Vec<NumberedDelivery> = worked
            .into_iter()
            .flat_map(|one| one.unfinished.into_iter().map(move |unfinished| (one.number, unfinished)))
            .collect();
        unfinished.iter().for_each(|(number, _)| ledger.record_unfinished(*number));
        if unfinished.is_empty() {
            return self.close(message, &ledger, MessageOutcome::Done);
        }
        if control.is_lease_lost() {
            return MessageOutcome::LeaseLost;
        }
        if untouched
            && !unfinished.iter().any(|(_, unfinished)| unfinished.state.made_progress())
            && self.may_release(message)
        {
            return MessageOutcome::NotStarted;
        }
        let outcome = self.send_back(message, unfinished, &mut ledger, control).await;
        self.close(message, &ledger, outcome)
    }

    /// Whether what was not begun is given back, instead of sent back.
    fn may_release(&self, message: &Message) -> bool {
        self.requeue_target(message).is_none() || self.permits.is_closed()
    }

    async fn send_back(
        &self,
        message: &Message,
        unfinished: Vec<NumberedDelivery>,
        ledger: &mut MessageLedger,
        control: &Control,
    ) -> MessageOutcome {
        let errors = unfinished.iter().map(|(_, unfinished)| unfinished.error.as_str()).collect::<Vec<_>>().join("; ");
        if unfinished.iter().any(|(_, unfinished)| unfinished.state == DeliveryState::MustFail) {
            return self.fail(unfinished, ledger, errors);
        }
        let Some(queue) = self.requeue_target(message) else { return self.fail(unfinished, ledger, errors) };
        if queue.is_fifo() {
            let why = "nothing is sent back to a FIFO queue, which takes no delays: it comes again by the queue's own";
            return self.fail(unfinished, ledger, format!("{errors}; {why}"));
        }
        // Of several deliveries none is repeated because another one is to fail: each is
        // a message of its own first.
        let spent =
            unfinished.iter().find_map(|(_, unfinished)| unfinished.check_exhausted(now(), self.limits.retry_window));
        if let Some(why) = spent.filter(|_| ledger.count_outcomes() == 1) {
            return self.fail(unfinished, ledger, why);
        }
        let SendResult { sent, unsent, error } = send(queue, message, unfinished, control).await;
        // Also where the message fails: when it comes again, these are somebody else's.
        for (number, unfinished) in sent {
            ledger.record_sent_back(number);
            self.record_sent(message, unfinished);
        }
        match error {
            None => MessageOutcome::Done,
            Some(error) => {
                self.fail(unsent, ledger, format!("{errors}; and it can't be sent back to the queue: {error}"))
            }
        }
    }

    /// The message fails, with what is left of it.
    fn fail(&self, unfinished: Vec<NumberedDelivery>, ledger: &mut MessageLedger, why: String) -> MessageOutcome {
        for (number, unfinished) in unfinished {
            ledger.record_failed(number);
            self.record_waiting(&unfinished);
        }
        MessageOutcome::Failed(why)
    }

    /// It is another message's by now.
    fn record_sent(&self, message: &Message, unfinished: UnfinishedDelivery) {
        self.metrics.count_requeued(unfinished.state.name());
        let next = unfinished.next(now());
        tracing::info!(
            message_id = %message.id,
            delivery = unfinished.scope(),
            offset = next.offset,
            retry_count = next.retry_count,
            delay_seconds = unfinished.delay().as_secs(),
            why = unfinished.state.name(),
            "sent back to the queue"
        );
        self.record_waiting(&unfinished);
        if let Some(key) = &unfinished.key {
            self.deduplicator.mark_settled(key, &message.id);
        }
    }

    /// Something waits, and may be somebody else's to do.
    fn record_waiting(&self, unfinished: &UnfinishedDelivery) {
        let since = unfinished.next(now()).first_failed_at.filter(|_| !unfinished.state.is_refused());
        if let (Some(key), Some(since)) = (&unfinished.key, since) {
            self.metrics.waiting().begin(key.name(), since, now(), unfinished.delay() + WAITING_TTL);
        }
    }

    /// The end of a message's accounts: what is neither done, sent back, nor failed is
    /// an error that shows, and is not acknowledged.
    fn close(&self, message: &Message, ledger: &MessageLedger, outcome: MessageOutcome) -> MessageOutcome {
        let objects = ledger.count_unaccounted();
        if objects == 0 {
            return outcome;
        }
        self.metrics.count_unaccounted(objects as u64);
        let error = format!(
            "a bug: {objects} objects of the message are neither done, sent back, nor failed; please report it"
        );
        tracing::error!(message_id = %message.id, objects, error, "the message's objects do not add up");
        match outcome {
            MessageOutcome::Failed(more) => MessageOutcome::Failed(format!("{more}; and {error}")),
            _ => MessageOutcome::Failed(error),
        }
    }
}

/// Nothing of the delivery was begun that another process would not do as well.
fn is_untouched(entry: &Entry) -> bool {
    entry.outcome == Outcome::Interrupted && entry.counts.events == 0
}

/// What was sent, what was not, and why.
struct SendResult {
    sent: Vec<NumberedDelivery>,
    unsent: Vec<NumberedDelivery>,
    error: Option<String>,
}

/// Sends all of them, or none. Once a part is taken, the rest is sent until it is taken as
/// well, as long as the message is this process's.
async fn send(queue: &Queue, message: &Message, unfinished: Vec<NumberedDelivery>, control: &Control) -> SendResult {
    let now = now();
    let mut sent = Vec::new();
    let bodies: Result<Vec<OutgoingMessage>, String> =
        unfinished.iter().map(|(_, unfinished)| unfinished.to_message(message, now)).collect();
    let mut unsent: VecDeque<(NumberedDelivery, OutgoingMessage)> = match bodies {
        Ok(bodies) => unfinished.into_iter().zip(bodies).collect(),
        Err(error) => return SendResult { sent, unsent: unfinished, error: Some(error) },
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
        for ((unfinished, outgoing), result) in batch.into_iter().zip(results) {
            match result {
                Ok(()) => sent.push(unfinished),
                Err(why) => {
                    unsent.push_back((unfinished, outgoing));
                    error = Some(why);
                }
            }
        }
        let Some(error) = error else { continue };
        refused += 1;
        let none_taken = sent.is_empty() && (whole || refused >= SENDS);
        if none_taken || control.stop.is_abandoned() {
            let unsent = unsent.into_iter().map(|(unfinished, _)| unfinished).collect();
            return SendResult { sent, unsent, error: Some(error) };
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
    SendResult { sent, unsent: Vec::new(), error: None }
}

/// The first of them, as many as SQS takes at once; one at least.
fn batch(unsent: &mut VecDeque<(NumberedDelivery, OutgoingMessage)>) -> Vec<(NumberedDelivery, OutgoingMessage)> {
    let mut bytes = 0;
    let fits = |(_, outgoing): &&(NumberedDelivery, OutgoingMessage)| {
        bytes += outgoing.body.len();
        bytes <= MAX_BATCH_BYTES
    };
    let count = unsent.iter().take(MAX_BATCH_MESSAGES).take_while(fits).count().max(1);
    unsent.drain(..count.min(unsent.len())).collect()
}
