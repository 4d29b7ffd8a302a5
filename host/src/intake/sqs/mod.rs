//! Messages of a queue, by long polling.
//!
//! - `lease`: keeps messages invisible while they are worked on.
//! - `acknowledge`: deletes what is done, several at once.

mod acknowledge;
mod lease;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::message::{Control, Message, Processor, Verdict};
use super::service::{Flushing, wind_down};
use crate::aws::{AwsError, MetricsClient, Queue, Received};
use crate::telemetry::Part;
use acknowledge::Acknowledger;
use lease::Leases;

/// Seconds that SQS waits for a first message: its longest.
const WAIT_SECONDS: u32 = 20;

/// Messages that are held at once, those that wait for their tenant's turn
/// included: a message is a few KiB, and nothing that was received is given back.
const MOST_HELD: usize = 1000;

/// How long the last receive is waited for at the end.
const LAST_RECEIVE: Duration = Duration::from_secs(1);

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
    let worker = Worker {
        processor: Arc::clone(&processor),
        queue,
        leases: leases.clone(),
        acknowledger,
        held: Arc::new(Semaphore::new(MOST_HELD)),
        ending: AtomicBool::new(false),
        options,
    };
    let keeping = tokio::spawn(leases.keep());
    let flushing = Flushing::start(&processor, metrics);
    worker.work(terminate).await;
    keeping.abort();
    // What is done is deleted before the process ends.
    let _ = acknowledged.await;
    flushing.end().await;
}

struct Worker {
    processor: Arc<Processor>,
    queue: Queue,
    leases: Leases,
    acknowledger: Acknowledger,
    held: Arc<Semaphore>,
    /// No message is begun any more.
    ending: AtomicBool,
    options: Options,
}

impl Worker {
    async fn work(self, terminate: impl Future<Output = ()>) {
        let mut tasks = JoinSet::new();
        {
            let receiving = self.receive_all(&mut tasks);
            tokio::pin!(receiving);
            tokio::select! {
                () = terminate => {}
                () = &mut receiving => {}
            }
            // What a busy queue has sent already goes back at once; an empty one isn't
            // waited for.
            self.ending.store(true, Ordering::Relaxed);
            let _ = tokio::time::timeout(LAST_RECEIVE.min(self.options.grace / 5), receiving).await;
        }
        self.end(tasks).await;
    }

    /// Receives until the end; what comes after that goes back.
    async fn receive_all(&self, tasks: &mut JoinSet<()>) {
        let mut pause = PAUSES.0;
        loop {
            self.processor.health().alive();
            self.room(tasks).await;
            let seconds = whole_seconds(self.options.visibility_timeout);
            match self.processor.health().alive_during(self.queue.receive(WAIT_SECONDS, seconds)).await {
                Ok(messages) if self.ending.load(Ordering::Relaxed) => {
                    let handles: Vec<String> = messages.into_iter().map(|message| message.receipt_handle).collect();
                    return give_back(&self.queue, &handles).await;
                }
                Ok(messages) => {
                    pause = PAUSES.0;
                    self.processor.health().works(Part::Queue);
                    let at = Instant::now();
                    messages.into_iter().for_each(|message| self.begin(message, at, tasks));
                }
                Err(error) => {
                    self.receive_failed(&error);
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSES.1);
                }
            }
        }
    }

    fn receive_failed(&self, error: &AwsError) {
        tracing::error!(error = %error, "no messages can be received; it is tried again");
        self.processor.health().fails(Part::Queue, error);
    }

    /// Waits until another receive makes sense: there is work to begin at once, and
    /// not too much is held.
    async fn room(&self, tasks: &mut JoinSet<()>) {
        while tasks.try_join_next().is_some() {}
        while self.processor.busy() >= self.options.places || self.held.available_permits() < 10 {
            let done = tokio::time::timeout(Duration::from_millis(100), tasks.join_next()).await;
            self.processor.health().alive();
            if let Ok(None) = done {
                return;
            }
        }
    }

    fn begin(&self, received: Received, at: Instant, tasks: &mut JoinSet<()>) {
        let held = Arc::clone(&self.held).try_acquire_owned().ok();
        let control = Control::default();
        self.leases.begin(&received.receipt_handle, at, &control);
        self.processor.metrics().in_flight(1);
        let (processor, queue) = (Arc::clone(&self.processor), self.queue.clone());
        let (leases, acknowledger) = (self.leases.clone(), self.acknowledger.clone());
        tasks.spawn(async move {
            let handle = received.receipt_handle.clone();
            let message = Message {
                id: received.message_id,
                body: received.body,
                receipt_handle: received.receipt_handle,
                attempt: received.receive_count,
            };
            let verdict = processor.process(&message, &control).await;
            leases.end(&handle);
            processor.metrics().message(outcome(&verdict));
            match verdict {
                Verdict::Done => acknowledger.delete(handle).await,
                Verdict::Untouched => give_back(&queue, &[handle]).await,
                // It comes again when its visibility timeout has passed.
                Verdict::Failed(error) => {
                    tracing::error!(message_id = %message.id, attempt = message.attempt, error, "the message failed");
                }
                Verdict::Lost => {
                    tracing::warn!(message_id = %message.id, "the message was lost to another worker: its visibility ended");
                }
            }
            processor.metrics().in_flight(-1);
            drop(held);
        });
    }

    /// Ends what it can within the time of grace; the rest goes back.
    async fn end(self, mut tasks: JoinSet<()>) {
        let Self { processor, leases, acknowledger, options, .. } = self;
        while tasks.try_join_next().is_some() {}
        tracing::info!(messages = tasks.len(), "stopping: no new messages");
        processor.begin_no_more();
        let ask = || leases.each(|control| control.stop.now());
        let insist = || leases.each(|control| control.stop.abandon());
        if !wind_down(tasks, options.grace, ask, insist).await {
            tracing::warn!("stopped before everything was given back; it comes again by its visibility timeout");
        }
        drop(acknowledger);
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

async fn give_back(queue: &Queue, handles: &[String]) {
    if handles.is_empty() {
        return;
    }
    if let Err(error) = queue.set_visibility(handles, 0).await {
        tracing::warn!(error = %error, "messages can't be given back; they come again by their visibility timeout");
    }
}

/// Whole seconds of a time, at least one.
fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX)
}
