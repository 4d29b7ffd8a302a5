//! One message from its receipt to its end: its owner, its tenant's share, its permit, its
//! deliveries, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::acknowledge::Acknowledger;
use super::lease::Leases;
use super::release::Releaser;
use crate::aws::ReceivedMessage;
use crate::intake::message::{Control, Message, MessageOutcome, ObjectOwner, Processor};
use crate::intake::tenant_shares::{Reservation, ShareCheck, TenantShares};

/// The bytes that a held message takes in addition to its body: its receipt handle (about 400
/// bytes) twice, its lease, its task.
const OVERHEAD: usize = 2048;

/// The delays of messages whose tenant is over its share: doubling with each
/// [`DEFERRALS_PER_DOUBLING`] deferrals from the first to the longest, which is SQS's.
const DEFERRAL_DELAYS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(900));
const DEFERRALS_PER_DOUBLING: u32 = 1000;

/// Everything that processing a message needs. `Clone` is cheap.
#[derive(Clone)]
pub(super) struct MessageWorker {
    pub(super) processor: Arc<Processor>,
    pub(super) leases: Leases,
    pub(super) shares: TenantShares,
    pub(super) acknowledger: Acknowledger,
    pub(super) releaser: Releaser,
    /// How long abandoned work is waited for.
    pub(super) abandon_time: Duration,
}

impl MessageWorker {
    /// Starts the task of a message that was received at `at`.
    pub(super) fn begin(&self, received: ReceivedMessage, at: Instant, tasks: &mut JoinSet<()>) {
        let control = Control::default();
        self.leases.insert(&received.receipt_handle, at, &control);
        let reservation = self.shares.reserve(received.body.len() + OVERHEAD);
        self.processor.metrics().add_in_flight(1);
        let worker = self.clone();
        tasks.spawn(async move {
            worker.work(received, reservation, &control).await;
            worker.processor.metrics().add_in_flight(-1);
        });
    }

    async fn work(&self, received: ReceivedMessage, mut reservation: Reservation, control: &Control) {
        // Boxed, so that deliveries take no memory while the message waits for its permit.
        let owner = Box::pin(self.find_owner(&received, control)).await;
        let tenant = owner.as_ref().map(|owner| owner.tenant().to_owned()).unwrap_or_default();
        if let ShareCheck::Beyond(before) = reservation.assign(&tenant) {
            if self.defer(&received, before, control).await {
                return;
            }
            reservation.assign_beyond_share(&tenant);
        }
        let turn = tokio::select! {
            turn = reservation.wait_for_permit() => turn,
            () = control.stop.requested() => None,
        };
        let outcome = match turn {
            Some(_turn) => tokio::select! {
                outcome = Box::pin(self.process(&received, owner, control)) => outcome,
                () = self.wait_until_given_up(&received, control) => Self::outcome_of_abandoned(control),
            },
            None => Self::outcome_of_abandoned(control),
        };
        self.settle(received, outcome).await;
    }

    /// Finds the message's owner; `None` if it has none, or if that isn't known.
    async fn find_owner(&self, received: &ReceivedMessage, control: &Control) -> Option<ObjectOwner> {
        tokio::select! {
            owner = self.processor.find_owner(&received.body) => owner,
            () = control.stop.requested() => None,
        }
    }

    /// Sends a message back whose tenant is over its share; returns whether that worked. If
    /// not, it is released like any other.
    async fn defer(&self, received: &ReceivedMessage, before: u32, control: &Control) -> bool {
        let delay =
            (0..before / DEFERRALS_PER_DOUBLING).fold(DEFERRAL_DELAYS.0, |delay, _| (delay * 2).min(DEFERRAL_DELAYS.1));
        let deferred = tokio::select! {
            deferred = self.releaser.release_later(received, delay) => deferred,
            () = control.stop.requested() => false,
        };
        if deferred {
            self.leases.remove(&received.receipt_handle);
            self.processor.metrics().count_message("deferred");
        }
        deferred
    }

    async fn process(
        &self,
        received: &ReceivedMessage,
        owner: Option<ObjectOwner>,
        control: &Control,
    ) -> MessageOutcome {
        let message = Message {
            id: received.message_id.clone(),
            body: received.body.clone(),
            receipt_handle: received.receipt_handle.clone(),
            attempt: received.receive_count,
            owner,
        };
        self.processor.process(&message, control).await
    }

    /// Returns when abandoned work hangs, so that the message still goes back in time.
    async fn wait_until_given_up(&self, received: &ReceivedMessage, control: &Control) {
        control.stop.abandoned().await;
        tokio::time::sleep(self.abandon_time).await;
        if control.is_settling() {
            // The message is being sent back already; it must not go back twice.
            return std::future::pending().await;
        }
        if !control.is_lease_lost() {
            tracing::warn!(message_id = %received.message_id, "its work hangs and is given up; it goes back as it came");
        }
    }

    /// The outcome of a message whose work was given up.
    fn outcome_of_abandoned(control: &Control) -> MessageOutcome {
        if control.is_lease_lost() { MessageOutcome::LeaseLost } else { MessageOutcome::NotStarted }
    }

    async fn settle(&self, received: ReceivedMessage, outcome: MessageOutcome) {
        self.leases.remove(&received.receipt_handle);
        self.processor.metrics().count_message(outcome_name(&outcome));
        match outcome {
            MessageOutcome::Done => self.acknowledger.delete(received.receipt_handle).await,
            MessageOutcome::NotStarted => self.releaser.release_now(received).await,
            // SQS delivers it again after its visibility timeout.
            MessageOutcome::Failed(error) => {
                let (id, attempt) = (received.message_id, received.receive_count);
                tracing::error!(message_id = %id, attempt, error, "the message failed");
            }
            MessageOutcome::LeaseLost => {
                let id = received.message_id;
                tracing::warn!(message_id = %id, "the message was lost to another worker: its visibility ended");
            }
        }
    }
}

fn outcome_name(outcome: &MessageOutcome) -> &'static str {
    match outcome {
        MessageOutcome::Done => "acknowledged",
        MessageOutcome::Failed(_) => "failed",
        MessageOutcome::NotStarted => "returned",
        MessageOutcome::LeaseLost => "lost",
    }
}
