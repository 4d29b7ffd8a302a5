//! Sqs mode: messages of a queue, by long polling.
//!
//! - `message_task`: one message from its receipt to its end.
//! - `lease`: keeps messages invisible while they are processed.
//! - `acknowledge`: deletes processed messages; `release`: returns those that weren't started;
//!   `batch`: several at once.

mod acknowledge;
mod batch;
mod lease;
mod message_task;
mod release;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, timeout, timeout_at};

use super::message::Processor;
use super::service::{MetricsFlusher, wind_down};
use super::tenant_shares::{Amount, TenantShares};
use crate::aws::{AwsError, MetricsClient, Queue, ReceivedMessage};
use crate::telemetry::Dependency;
use acknowledge::Acknowledger;
use lease::{Leases, whole_seconds};
use message_task::MessageWorker;
use release::Releaser;

/// The most messages that are held, including those that wait for their tenant's permit. SQS
/// allows about 120,000 of a queue in flight, for all its consumers together.
const MAX_HELD: Amount = Amount { count: 10_000, bytes: 32 * 1024 * 1024 };

/// The fewest messages of one tenant that are processed at once; twice its concurrent
/// deliveries if that is more.
const MIN_PROCESSED: usize = 32;

/// The most messages of one receive.
const MAX_RECEIVED: usize = 10;

/// The part of the grace period that SQS may wait for a first message, so that an open receive
/// ends well within it: at least a second, and at most what SQS takes, 20 s.
const WAIT_DIVISOR: u32 = 8;
const WAIT: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(20));

/// How late the answer to the last receive may be, however short the grace period is.
const RECEIVE_SLACK: Duration = Duration::from_secs(1);

/// The part of the grace period in which a fresh message may be sent, before the received one
/// becomes visible after all; within these bounds.
const SEND_TIME_DIVISOR: u32 = 15;
const SEND_TIME: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// The least time for the last deletions and releases.
const MIN_LAST_CALLS_TIME: Duration = Duration::from_secs(2);

/// Pauses after a failed receive: doubling from the first to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The options of sqs mode.
pub struct SqsOptions {
    /// VISIBILITY_TIMEOUT.
    pub visibility_timeout: Duration,
    /// SHUTDOWN_GRACE_SECONDS.
    pub grace: Duration,
    /// MAX_CONCURRENT_OBJECTS: messages are received while fewer than these are processed or
    /// queued.
    pub places: usize,
    /// MAX_CONCURRENT_PER_TENANT.
    pub per_tenant: usize,
}

impl SqsOptions {
    /// How long SQS waits for a first message.
    fn wait(&self) -> Duration {
        (self.grace / WAIT_DIVISOR).clamp(WAIT.0, WAIT.1)
    }
}

/// Processes a queue's messages until `terminate` completes, then winds down.
pub async fn run(
    processor: Arc<Processor>,
    queue: Queue,
    metrics: MetricsClient,
    options: SqsOptions,
    terminate: impl Future<Output = ()>,
) {
    let leases = Leases::new(queue.clone(), options.visibility_timeout, processor.metrics().clone());
    let (acknowledger, acknowledged) = Acknowledger::start(queue.clone());
    let hurry = (options.grace / SEND_TIME_DIVISOR).clamp(SEND_TIME.0, SEND_TIME.1);
    let (releaser, returned) = Releaser::start(queue.clone(), hurry);
    let at_once = MIN_PROCESSED.max(options.per_tenant.saturating_mul(2));
    // Half of what follows after work was abandoned: see `wind_down` and `lease`.
    let abandon_time = (options.grace / 10).min(options.visibility_timeout / 20);
    let message_worker = MessageWorker {
        processor: Arc::clone(&processor),
        leases: leases.clone(),
        shares: TenantShares::new(MAX_HELD, at_once),
        acknowledger,
        releaser,
        abandon_time,
    };
    let worker = QueueWorker { queue, message_worker, options };
    let keeping = tokio::spawn(leases.keep());
    let flusher = MetricsFlusher::start(&processor, metrics);
    let until = worker.work(terminate).await;
    // Processed messages are deleted, and released ones visible, before the process ends.
    let calls = async {
        let _ = acknowledged.await;
        let _ = returned.await;
    };
    let until = until.max(Instant::now() + MIN_LAST_CALLS_TIME);
    let (calls, ()) = tokio::join!(timeout_at(until, calls), flusher.end());
    if calls.is_err() {
        tracing::warn!("stopped before SQS answered the last calls; messages come again by their visibility timeout");
    }
    keeping.abort();
}

/// A receive in flight. It is never dropped while it can be waited for: SQS hands messages out
/// to a client that is gone, and then they are invisible for nothing.
type Receive = JoinHandle<Result<Vec<ReceivedMessage>, AwsError>>;

struct QueueWorker {
    queue: Queue,
    message_worker: MessageWorker,
    options: SqsOptions,
}

impl QueueWorker {
    /// Processes messages until the end; returns until when the last calls may take.
    async fn work(self, terminate: impl Future<Output = ()>) -> Instant {
        let mut tasks = JoinSet::new();
        let open = self.receive_all(&mut tasks, terminate).await;
        self.end(tasks, open).await
    }

    /// Receives until the end; returns the receive that is still in flight, if there is one.
    async fn receive_all(&self, tasks: &mut JoinSet<()>, terminate: impl Future<Output = ()>) -> Option<Receive> {
        tokio::pin!(terminate);
        let health = self.message_worker.processor.health();
        let mut pause = PAUSES.0;
        loop {
            health.record_progress();
            tokio::select! {
                biased;
                () = &mut terminate => return None,
                () = self.wait_for_room(tasks) => {}
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
                    messages.into_iter().for_each(|message| self.message_worker.begin(message, at, tasks));
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

    /// Waits until another receive makes sense: there is room to process more at once, and not
    /// too much is held.
    async fn wait_for_room(&self, tasks: &mut JoinSet<()>) {
        while tasks.try_join_next().is_some() {}
        let (processor, shares) = (&self.message_worker.processor, &self.message_worker.shares);
        while processor.busy() >= self.options.places || !shares.has_room(MAX_RECEIVED) {
            let done = timeout(Duration::from_millis(100), tasks.join_next()).await;
            processor.health().record_progress();
            if let Ok(None) = done {
                return;
            }
        }
    }

    /// Winds down within the grace period; the rest goes back. The open receive is waited for
    /// meanwhile, and its messages go back at once.
    async fn end(self, mut tasks: JoinSet<()>, open: Option<Receive>) -> Instant {
        let Self { message_worker, options, .. } = self;
        let begun = Instant::now();
        while tasks.try_join_next().is_some() {}
        tracing::info!(messages = tasks.len(), "stopping: no new messages");
        message_worker.processor.stop_admitting();
        message_worker.shares.close();
        let releaser = message_worker.releaser.clone();
        let last = async move {
            let Some(open) = open else { return };
            if let Ok(Ok(messages)) = open.await {
                for message in messages {
                    releaser.release_now(message).await;
                }
            }
        };
        let ask = || message_worker.leases.for_each(|control| control.stop.request());
        let insist = || message_worker.leases.for_each(|control| control.stop.abandon());
        let latest = begun + options.grace.max(options.wait() + RECEIVE_SLACK);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receive_ends_well_within_the_grace() {
        let wait = |grace| {
            let (visibility_timeout, grace) = (Duration::from_secs(300), Duration::from_secs(grace));
            whole_seconds(SqsOptions { visibility_timeout, grace, places: 1, per_tenant: 1 }.wait())
        };
        assert_eq!([0, 1, 10, 25, 60, 900].map(wait), [1, 1, 1, 3, 7, 20]);
    }
}
