//! What messages are processed with: AWS, the directory, the plugins, and the limits.

use std::time::Duration;

use super::breaker::{self, Breakers};
use super::deduplication::Deduplicator;
use super::guest_logs::GuestLogs;
use super::message_types::{Message, ObjectOwner};
use super::permits::Permits;
use crate::aws::{Aws, Queue, S3};
use crate::delivery::dead_letter::DeadLetterStore;
use crate::delivery::s3::Targets;
use crate::delivery_run::JobSettings;
use crate::memory::{MemoryBudget, Needs};
use crate::notification;
use crate::plugin::Plans;
use crate::telemetry::{Health, Metrics, Throttle};
use crate::tenant::TableDirectory;
use model::{BucketPatterns, ObjectId};

/// Bytes that gather in a delivery's window. Batches of 1 MiB need no more, and
/// with many objects at work memory is what counts.
pub const WINDOW_BYTES: usize = 2 * 1024 * 1024;

/// How often it is said that nobody wants a tenant's logs.
const IGNORED_LOG_INTERVAL: Duration = Duration::from_secs(60);

/// What bounds the work.
#[derive(Debug, Clone)]
pub struct ProcessingLimits {
    /// What is the same for all deliveries; the window has [`WINDOW_BYTES`].
    pub job_settings: JobSettings,
    /// RETRY_ATTEMPTS.
    pub attempts: u32,
    /// RETRY_WINDOW.
    pub retry_window: Duration,
    /// What a delivery claims of the memory.
    pub needs: Needs,
    /// MAX_CONCURRENT_OBJECTS.
    pub max_concurrent_objects: usize,
    /// MAX_CONCURRENT_PER_TENANT.
    pub max_concurrent_per_tenant: usize,
    /// SOURCE_BUCKETS: what a message may name; none: any bucket.
    pub source_buckets: Option<BucketPatterns>,
}

/// Everything that messages are processed with.
pub struct Processor {
    pub(super) aws: Aws,
    pub(super) source: S3,
    /// Where deliveries that are left are sent back to.
    pub(super) requeue_to: Option<Queue>,
    pub(super) directory: TableDirectory,
    pub(super) plans: Plans,
    pub(super) dead_letters: DeadLetterStore,
    pub(super) limits: ProcessingLimits,
    pub(super) memory: MemoryBudget,
    pub(super) metrics: Metrics,
    pub(super) health: Health,
    pub(super) permits: Permits,
    pub(super) breakers: Breakers,
    pub(super) deduplicator: Deduplicator,
    pub(super) guest_logs: GuestLogs,
    /// How often whose logs are said to be gone.
    pub(super) ignored_throttle: Throttle,
    pub(super) targets: Targets,
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
    /// What deliveries claim their memory from.
    pub memory: MemoryBudget,
    /// Counts.
    pub metrics: Metrics,
    /// Whether the process can work.
    pub health: Health,
}

impl Processor {
    /// A processor at rest.
    pub fn new(parts: ProcessorParts) -> Self {
        let ProcessorParts { aws, requeue_to, directory, plans, dead_letters, limits, memory, metrics, health } = parts;
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
            memory,
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
        self.memory.close();
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

    /// Whether what would need a letter fails to the queue's dead-letter queue.
    pub(super) fn fails_on_refusal(&self) -> bool {
        matches!(self.dead_letters, DeadLetterStore::Fail)
    }

    /// Where what is left goes; none: the message did not come from there.
    pub(super) fn requeue_target(&self, message: &Message) -> Option<&Queue> {
        self.requeue_to.as_ref().filter(|_| message.is_queued())
    }
}
