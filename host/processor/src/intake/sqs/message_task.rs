//! One message from its receipt to its end: whose it is, whether its tenant holds too
//! much, its turn, its deliveries, and what becomes of it.

use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::acknowledge::Acknowledger;
use super::lease::Leases;
use super::release::Releaser;
use crate::aws::ReceivedMessage;
use crate::intake::message::{Control, Message, Processor, Verdict, Whose};
use crate::intake::tenant_shares::{Reservation, ShareCheck, TenantShares};

/// Beside its body, what a message takes that is held: its receipt handle (about 400
/// bytes) twice, its lease, its task.
const OVERHEAD: usize = 2048;

/// Until a message comes again whose tenant holds too much: doubling with each
/// [`DEFERRALS_PER_DOUBLING`] of them from the first to the longest, which is SQS's.
const DEFERRAL_DELAYS: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(900));
const DEFERRALS_PER_DOUBLING: u32 = 1000;

/// What messages are worked on with. `Clone` is cheap.
#[derive(Clone)]
pub(super) struct MessageWorker {
    pub(super) processor: Arc<Processor>,
    pub(super) leases: Leases,
    pub(super) shares: TenantShares,
    pub(super) acknowledger: Acknowledger,
    pub(super) releaser: Releaser,
    /// How long work that was asked to end at once is waited for.
    pub(super) abandon_time: Duration,
}

impl MessageWorker {
    /// Begins with a message that was received at `at`.
    pub(super) fn begin(&self, received: ReceivedMessage, at: Instant, tasks: &mut JoinSet<()>) {
        let control = Control::default();
        self.leases.insert(&received.receipt_handle, at, &control);
        let reservation = self.shares.reserve(received.body.len() + OVERHEAD);
        self.processor.metrics().in_flight(1);
        let worker = self.clone();
        tasks.spawn(async move {
            worker.work(received, reservation, &control).await;
            worker.processor.metrics().in_flight(-1);
        });
    }

    async fn work(&self, received: ReceivedMessage, mut reservation: Reservation, control: &Control) {
        // For as long as it may not be the message's turn, its deliveries take no memory.
        let whose = Box::pin(self.whose(&received, control)).await;
        let tenant = whose.as_ref().map(|whose| whose.tenant().to_owned()).unwrap_or_default();
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
        let verdict = match turn {
            Some(_turn) => tokio::select! {
                verdict = Box::pin(self.process(&received, whose, control)) => verdict,
                () = self.wait_until_given_up(&received, control) => Self::verdict_of_unknown(control),
            },
            None => Self::verdict_of_unknown(control),
        };
        self.settle(received, verdict).await;
    }

    /// Whose it is; none: nobody's, or that isn't known.
    async fn whose(&self, received: &ReceivedMessage, control: &Control) -> Option<Whose> {
        tokio::select! {
            whose = self.processor.whose(&received.body) => whose,
            () = control.stop.requested() => None,
        }
    }

    /// Sends a message back whose tenant holds too much; false: it can't be, or it is
    /// not known by the end, and then it is given back as any other.
    async fn defer(&self, received: &ReceivedMessage, before: u32, control: &Control) -> bool {
        let delay =
            (0..before / DEFERRALS_PER_DOUBLING).fold(DEFERRAL_DELAYS.0, |delay, _| (delay * 2).min(DEFERRAL_DELAYS.1));
        let deferred = tokio::select! {
            deferred = self.releaser.release_later(received, delay) => deferred,
            () = control.stop.requested() => false,
        };
        if deferred {
            self.leases.remove(&received.receipt_handle);
            self.processor.metrics().message("deferred");
        }
        deferred
    }

    async fn process(&self, received: &ReceivedMessage, whose: Option<Whose>, control: &Control) -> Verdict {
        let message = Message {
            id: received.message_id.clone(),
            body: received.body.clone(),
            receipt_handle: received.receipt_handle.clone(),
            attempt: received.receive_count,
            whose,
        };
        self.processor.process(&message, control).await
    }

    /// Returns when work that must end at once doesn't, wherever it hangs: so the message
    /// still goes back in time.
    async fn wait_until_given_up(&self, received: &ReceivedMessage, control: &Control) {
        control.stop.abandoned().await;
        tokio::time::sleep(self.abandon_time).await;
        if control.is_settling() {
            // It is on its way back already: never both.
            return std::future::pending().await;
        }
        if !control.is_lost() {
            tracing::warn!(message_id = %received.message_id, "its work hangs and is given up; it goes back as it came");
        }
    }

    /// What becomes of a message of whose work nothing is known.
    fn verdict_of_unknown(control: &Control) -> Verdict {
        if control.is_lost() { Verdict::Lost } else { Verdict::Untouched }
    }

    async fn settle(&self, received: ReceivedMessage, verdict: Verdict) {
        self.leases.remove(&received.receipt_handle);
        self.processor.metrics().message(outcome(&verdict));
        match verdict {
            Verdict::Done => self.acknowledger.delete(received.receipt_handle).await,
            Verdict::Untouched => self.releaser.release_now(received).await,
            // It comes again when its visibility timeout has passed.
            Verdict::Failed(error) => {
                let (id, attempt) = (received.message_id, received.receive_count);
                tracing::error!(message_id = %id, attempt, error, "the message failed");
            }
            Verdict::Lost => {
                let id = received.message_id;
                tracing::warn!(message_id = %id, "the message was lost to another worker: its visibility ended");
            }
        }
    }
}

fn outcome(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Done => "acknowledged",
        Verdict::Failed(_) => "failed",
        Verdict::Untouched => "returned",
        Verdict::Lost => "lost",
    }
}
