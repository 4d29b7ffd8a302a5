//! Messages of a queue, by long polling.
//!
//! - `held`: one message from its receipt to its end.
//! - `lease`: keeps messages invisible while they are worked on.
//! - `acknowledge`: deletes what is done; `give_back`: gives back what was not begun;
//!   `batch`: several at once.

mod acknowledge;
mod batch;
mod give_back;
mod held;
mod lease;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use super::message::Processor;
use super::service::{Flushing, wind_down};
use super::share::{Amount, Shares};
use crate::aws::{AwsError, MetricsClient, Queue, ReceivedMessage};
use crate::telemetry::Dependency;
use acknowledge::Acknowledger;
use give_back::Returner;
use held::Hands;
use lease::Leases;

/// Messages that are held at once, those that wait for their tenant's turn included.
/// SQS lets about 120,000 of a queue be in flight, for all its readers together.
const MOST_HELD: Amount = Amount { count: 10_000, bytes: 32 * 1024 * 1024 };

/// Of one tenant, the messages that are processed at once, at least; twice as many as
/// its deliveries at work where that is more.
const LEAST_AT_ONCE: usize = 32;

/// Messages of one receive.
const RECEIVED: usize = 10;

/// Of the grace, what SQS may wait for a first message: so an open receive ends well
/// within it. At least a second, and at most what SQS takes, 20 s.
const WAIT_PART: u32 = 8;
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// How late the answer to the last receive may be, however short the grace is.
const LATE: Duration = Duration::from_secs(1);

/// Of the grace, what may be waited for a fresh message to be sent, before the received one
/// becomes visible after all; within these.
const HURRY_PART: u32 = 15;
const HURRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// What the last deletions and givings back have at least.
const LAST_CALLS: Duration = Duration::from_secs(2);

/// Pauses after a receive that failed: doubling from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// How the queue is worked on.
pub struct Options {
    /// VISIBILITY_TIMEOUT.
    pub visibility_timeout: Duration,
    /// SHUTDOWN_GRACE_SECONDS.
    pub grace: Duration,
    /// MAX_CONCURRENT_OBJECTS: more messages are received while fewer than these
    /// are at work or stand in line.
    pub places: usize,
    /// MAX_CONCURRENT_PER_TENANT.
    pub per_tenant: usize,
}

impl Options {
    /// How long SQS waits for a first message.
    fn wait(&self) -> Duration {
        (self.grace / WAIT_PART).clamp(WAIT.0, WAIT.1)
    }
}

/// Works on a queue until `terminate` comes, then ends what it can.
pub async fn run(
    processor: Arc<Processor>,
    queue: Queue,
    metrics: MetricsClient,
    options: Options,
    terminate: impl Future<Output = ()>,
) {
    let leases = Leases::new(queue.clone(), options.visibility_timeout, processor.metrics().clone());
    let (acknowledger, acknowledged) = Acknowledger::start(queue.clone());
    let hurry = (options.grace / HURRY_PART).clamp(HURRY.0, HURRY.1);
    let (returner, returned) = Returner::start(queue.clone(), hurry);
    let at_once = LEAST_AT_ONCE.max(options.per_tenant.saturating_mul(2));
    // Half of what follows once it is insisted on the end: see `wind_down` and `lease`.
    let patience = (options.grace / 10).min(options.visibility_timeout / 20);
    let hands = Hands {
        processor: Arc::clone(&processor),
        leases: leases.clone(),
        shares: Shares::new(MOST_HELD, at_once),
        acknowledger,
        returner,
        patience,
    };
    let worker = Worker { queue, hands, options };
    let keeping = tokio::spawn(leases.keep());
    let flushing = Flushing::start(&processor, metrics);
    let until = worker.work(terminate).await;
    // What is done is deleted, and what is given back is visible, before the process ends.
    let calls = async {
        let _ = acknowledged.await;
        let _ = returned.await;
    };
    let until = until.max(Instant::now() + LAST_CALLS);
    let (calls, ()) = tokio::join!(timeout_at(until, calls), flushing.end());
    if calls.is_err() {
        tracing::warn!("stopped before SQS answered the last calls; messages come again by their visibility timeout");
    }
    keeping.abort();
}

/// A receive that is under way. It is never dropped while it may be waited for: SQS
/// hands messages out to a client that is gone, and then they are invisible for nothing.
type Receive = JoinHandle<Result<Vec<ReceivedMessage>, AwsError>>;

struct Worker {
    queue: Queue,
    hands: Hands,
    options: Options,
}

impl Worker {
    /// Works until the end; until when its last calls may take.
    async fn work(self, terminate: impl Future<Output = ()>) -> Instant {
        let mut tasks = JoinSet::new();
        let open = self.receive_all(&mut tasks, terminate).await;
        self.end(tasks, open).await
    }

    /// Receives until the end; then the receive that is still under way, if one is.
    async fn receive_all(&self, tasks: &mut JoinSet<()>, terminate: impl Future<Output = ()>) -> Option<Receive> {
        tokio::pin!(terminate);
        let health = self.hands.processor.health();
        let mut pause = PAUSES.0;
        loop {
            health.record_progress();
            tokio::select! {
                biased;
                () = &mut terminate => return None,
                () = self.room(tasks) => {}
            }
            let mut open = self.receive();
            let received = tokio::select! {
                biased;
                () = &mut terminate => return Some(open),
                received = health.keep_alive_during(&mut open) => received,
            };
            match received {
                Ok(Ok(messages)) => {
                    pause = PAUSES.0;
                    health.mark_up(Dependency::Queue);
                    let at = Instant::now();
                    messages.into_iter().for_each(|message| self.hands.begin(message, at, tasks));
                    continue;
                }
                Ok(Err(error)) => {
                    tracing::error!(error = %error, "no messages can be received; it is tried again");
                    health.mark_down(Dependency::Queue, &error);
                }
                Err(error) => tracing::error!(error = %error, "a bug: a receive was given up"),
            }
            tokio::select! {
                () = &mut terminate => return None,
                () = tokio::time::sleep(pause) => {}
            }
            pause = (pause * 2).min(PAUSES.1);
        }
    }

    fn receive(&self) -> Receive {
        let (queue, wait) = (self.queue.clone(), whole_seconds(self.options.wait()));
        let visibility = whole_seconds(self.options.visibility_timeout);
        tokio::spawn(async move { queue.receive(wait, visibility).await })
    }

    /// Waits until another receive makes sense: there is work to begin at once, and
    /// not too much is held.
    async fn room(&self, tasks: &mut JoinSet<()>) {
        while tasks.try_join_next().is_some() {}
        let (processor, shares) = (&self.hands.processor, &self.hands.shares);
        while processor.busy() >= self.options.places || !shares.has_room(RECEIVED) {
            let done = timeout(Duration::from_millis(100), tasks.join_next()).await;
            processor.health().record_progress();
            if let Ok(None) = done {
                return;
            }
        }
    }

    /// Ends what it can within the time of grace; the rest goes back. The open receive
    /// is waited for beside that, and what it brings goes back at once.
    async fn end(self, mut tasks: JoinSet<()>, open: Option<Receive>) -> Instant {
        let Self { hands, options, .. } = self;
        let begun = Instant::now();
        while tasks.try_join_next().is_some() {}
        tracing::info!(messages = tasks.len(), "stopping: no new messages");
        hands.processor.begin_no_more();
        hands.shares.close();
        let returner = hands.returner.clone();
        let last = async move {
            let Some(open) = open else { return };
            if let Ok(Ok(messages)) = open.await {
                for message in messages {
                    returner.now(message).await;
                }
            }
        };
        let ask = || hands.leases.each(|control| control.stop.request());
        let insist = || hands.leases.each(|control| control.stop.abandon());
        let latest = begun + options.grace.max(options.wait() + LATE);
        let (ended, received) = tokio::join!(wind_down(tasks, options.grace, ask, insist), timeout_at(latest, last));
        if !ended {
            tracing::warn!("stopped before everything was given back; it comes again by its visibility timeout");
        }
        if received.is_err() {
            tracing::warn!("stopped before SQS answered the last receive; what it hands out comes again");
        }
        begun + options.grace
    }
}

/// Whole seconds of a time, at least one.
fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receive_ends_well_within_the_grace() {
        let wait = |grace| {
            let (visibility_timeout, grace) = (Duration::from_secs(300), Duration::from_secs(grace));
            whole_seconds(Options { visibility_timeout, grace, places: 1, per_tenant: 1 }.wait())
        };
        assert_eq!([0, 1, 10, 25, 60, 900].map(wait), [1, 1, 1, 3, 7, 20]);
    }
}
