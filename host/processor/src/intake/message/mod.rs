//! One message through all its deliveries: what the modes that work on AWS share.
//!
//! - `object`: one announced object: its key, its tenant, its deliveries.
//! - `admission`: whether and when a delivery of it runs; `aws_port`: AWS, as the delivery
//!   run sees it.
//! - `refusals`: what of an object is refused for good, across attempts.
//! - `rejections`: what of a message can never be delivered, or nobody wants.
//! - `unfinished`: what is left to do, and when; `requeue`: what becomes of its message.
//! - `ledger`: a message's accounts: whatever it announces is somewhere in the end.
//! - `permits`: how many deliveries are at work, fairly between tenants.
//! - `breaker`: tenants whose destinations keep failing.
//! - `deduplication`: what this process has done, and does, of what may be announced again;
//!   `duplicates`: several messages about the same.
//! - `object_log`: the log line of an object; `guest_logs`: what guests say.

mod admission;
mod aws_port;
mod breaker;
mod deduplication;
mod duplicates;
mod guest_logs;
mod ledger;
mod object;
mod object_log;
mod permits;
mod refusals;
mod rejections;
mod requeue;
mod unfinished;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;

use crate::aws::{Aws, Queue, S3};
use crate::delivery::dead_letter::DeadLetterStore;
use crate::delivery::s3::Targets;
use crate::delivery_run::JobSettings;
use crate::notification;
use crate::pipeline::Stop;
use crate::plugin::Plans;
use crate::telemetry::{Health, Metrics, Throttle};
use crate::tenant::TableDirectory;
use model::{BucketPatterns, ObjectId, Origin};

use breaker::Breakers;
use deduplication::Deduplicator;
use guest_logs::GuestLogs;
use ledger::MessageLedger;
use permits::Permits;
use rejections::MessageRejections;

/// Bytes that gather in a delivery's window. Batches of 1 MiB need no more, and
/// with many objects at work memory is what counts.
pub const WINDOW_BYTES: usize = 2 * 1024 * 1024;

/// How often it is said that nobody wants a tenant's logs.
const IGNORED_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// A message, wherever it came from.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its ID, the same each time it is received.
    pub id: String,
    /// Its body.
    pub body: String,
    /// For `original_receipt_handle`; may be empty.
    pub receipt_handle: String,
    /// How often it was received.
    pub attempt: u32,
    /// Whose its first object is, where that was asked before.
    pub owner: Option<ObjectOwner>,
}

/// Whose an object is, by its key.
#[derive(Debug, Clone)]
pub struct ObjectOwner {
    object: ObjectId,
    origin: Origin,
}

impl ObjectOwner {
    /// The tenant.
    pub fn tenant(&self) -> &str {
        &self.origin.tenant_id
    }
}

impl Message {
    /// Whether it came from a queue, and may be sent back to one. What came otherwise
    /// fails where something is left, so that whoever sent it sends it again.
    fn is_queued(&self) -> bool {
        !self.receipt_handle.is_empty()
    }
}

/// What is to be done with a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MessageOutcome {
    /// Everything has its outcome, or was sent back by itself: acknowledge it.
    Done,
    /// Something is left, and couldn't be sent back: it must come again.
    Failed(String),
    /// Nothing was done of it: it may be given back at once.
    NotStarted,
    /// It is somebody else's by now: leave it alone.
    LeaseLost,
}

/// How a message's work is ended from outside. `Clone` is cheap.
#[derive(Debug, Clone, Default)]
pub struct Control {
    /// Asks its deliveries to end.
    pub stop: Stop,
    lost: Arc<AtomicBool>,
    settling: Arc<AtomicBool>,
}

impl Control {
    /// The lease is lost: no further put, and nothing is sent back.
    pub fn mark_lease_lost(&self) {
        self.lost.store(true, Ordering::Relaxed);
        self.stop.abandon();
    }

    /// What is left is sent back from now on.
    fn begin_settling(&self) {
        self.settling.store(true, Ordering::Relaxed);
    }

    /// Whether what is left is being sent back: whoever gives the work up now would
    /// send it back once more.
    pub fn is_settling(&self) -> bool {
        self.settling.load(Ordering::Relaxed)
    }

    /// Whether the lease is lost.
    pub fn is_lease_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }
}

/// What bounds the work.
#[derive(Debug, Clone)]
pub struct ProcessingLimits {
    /// What is the same for all deliveries; the window has [`WINDOW_BYTES`].
    pub job_settings: JobSettings,
    /// RETRY_ATTEMPTS.
    pub attempts: u32,
    /// RETRY_WINDOW.
    pub retry_window: Duration,
    /// MAX_CONCURRENT_OBJECTS.
    pub max_concurrent_objects: usize,
    /// MAX_CONCURRENT_PER_TENANT.
    pub max_concurrent_per_tenant: usize,
    /// SOURCE_BUCKETS: what a message may name; none: any bucket.
    pub source_buckets: Option<BucketPatterns>,
}

/// Everything that messages are processed with.
pub struct Processor {
    aws: Aws,
    source: S3,
    /// Where deliveries that are left are sent back to.
    requeue_to: Option<Queue>,
    directory: TableDirectory,
    plans: Plans,
    dead_letters: DeadLetterStore,
    limits: ProcessingLimits,
    metrics: Metrics,
    health: Health,
    permits: Permits,
    breakers: Breakers,
    deduplicator: Deduplicator,
    guest_logs: GuestLogs,
    /// How often whose logs are said to be gone.
    ignored_throttle: Throttle,
    targets: Targets,
}

/// What a [`Processor`] is made of.
pub struct ProcessorParts {
    /// AWS.
    pub aws: Aws,
    /// SQS_QUEUE_URL; none: what is left makes its message fail.
    pub requeue_to: Option<Queue>,
    /// The tenants.
    pub directory: TableDirectory,
    /// The guests.
    pub plans: Plans,
    /// DEAD_LETTER.
    pub dead_letters: DeadLetterStore,
    /// What bounds the work.
    pub limits: ProcessingLimits,
    /// Counts.
    pub metrics: Metrics,
    /// Whether the process can work.
    pub health: Health,
}

impl Processor {
    /// A processor at rest.
    pub fn new(parts: ProcessorParts) -> Self {
        let ProcessorParts { aws, requeue_to, directory, plans, dead_letters, limits, metrics, health } = parts;
        Self {
            source: aws.source(),
            permits: Permits::new(limits.max_concurrent_objects, limits.max_concurrent_per_tenant),
            breakers: breaker::breakers(metrics.clone()),
            deduplicator: Deduplicator::default(),
            guest_logs: GuestLogs::default(),
            ignored_throttle: Throttle::new(1, IGNORED_LOG_INTERVAL),
            targets: Targets::new(),
            aws,
            requeue_to,
            directory,
            plans,
            dead_letters,
            limits,
            metrics,
            health,
        }
    }

    /// Counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Whether the process can work.
    pub fn health(&self) -> &Health {
        &self.health
    }

    /// Begins no further delivery: those that wait end as untouched.
    pub fn stop_admitting(&self) {
        self.permits.close();
    }

    /// Deliveries that are at work or wait for their turn among all tenants;
    /// those that wait for their own tenant are not counted.
    pub fn busy(&self) -> usize {
        self.permits.busy()
    }

    /// Whose the first object is that a message's body announces; none: nobody's, or it
    /// can't be said, which [`Processor::process`] finds out by itself.
    pub async fn find_owner(&self, body: &str) -> Option<ObjectOwner> {
        let notification = notification::parse(body).ok()?;
        let first = notification.records.into_iter().find_map(Result::ok)?;
        self.find_owner_of(&first.object, first.event_time.unwrap_or_default()).await
    }

    /// Whose an object is; `now`: the guests' clock. None: as for [`Processor::find_owner`].
    pub async fn find_owner_of(&self, object: &ObjectId, now: i64) -> Option<ObjectOwner> {
        let origin = self.plans.parse_key(object, now).await.ok()?;
        Some(ObjectOwner { object: object.clone(), origin })
    }

    /// Processes a message to the end of all its deliveries.
    pub async fn process(&self, message: &Message, control: &Control) -> MessageOutcome {
        let notification = match notification::parse(&message.body) {
            Ok(notification) => notification,
            Err(error) => return self.reject_message(message, &error.to_string()).await,
        };
        if let Some(unclear) = notification.unclear {
            // Not all deliveries, because one of them can't be told.
            return MessageOutcome::Failed(unclear);
        }
        let resume = notification.resume.as_ref();
        notification.ignored.iter().for_each(|(event, count)| self.metrics.count_other_events(event, *count));
        let announced = notification.records.len();
        let (mut ledger, rejections) =
            (MessageLedger::open(announced), MessageRejections::new(self.fails_on_refusal()));
        let (mut invalid, mut valid, mut states) = (None, Vec::new(), HashSet::new());
        for (number, record) in notification.records.into_iter().enumerate() {
            match record {
                Ok(announced) if states.insert(deduplication::state(&message.id, &announced)) => {
                    valid.push((number, announced))
                }
                // Once is enough.
                Ok(_) => ledger.mark_done(number),
                Err(record) => {
                    self.reject_record(message, &rejections, record);
                    ledger.mark_done(number);
                    invalid = Some(number);
                }
            }
        }
        let objects =
            valid.iter().map(|(number, it)| self.process_object(message, (*number, it), resume, control, &rejections));
        let mut worked: Vec<object::ObjectResult> = join_all(objects).await;
        if let Some(unfinished) = self.split_rejected(message, &rejections, announced) {
            let rejections = || worked.iter().find(|one| one.is_rejected()).map(|one| one.number);
            let number = invalid.or_else(rejections).unwrap_or_default();
            worked.push(object::ObjectResult {
                number,
                unfinished: vec![unfinished],
                ..object::ObjectResult::default()
            });
        }
        // Before anything is sent back: what fails as a whole is not.
        match self.write_rejected(message, &rejections).await {
            Ok(()) => self.settle_message(message, worked, ledger, control).await,
            Err(_) if control.is_lease_lost() => MessageOutcome::LeaseLost,
            Err(error) => MessageOutcome::Failed(error),
        }
    }
}
