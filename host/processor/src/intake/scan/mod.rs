//! Scan mode: finds the objects of a bucket by listing it again and again.
//!
//! - `listing`: lists the bucket and starts new objects.
//! - `seen_objects`: what is known of its objects; `listed_set`: which were listed before;
//!   `retry_schedule`: which are tried again, and when.

mod listed_set;
mod listing;
mod retry_schedule;
mod seen_objects;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::message::{Control, Message, MessageOutcome, ObjectOwner, Processor};
use super::service::{MetricsFlusher, wind_down};
use super::tenant_shares::{Amount, Reservation, TenantShares};
use crate::aws::{ListedObject, MetricsClient, S3};
use crate::notification::{form_encode, rfc3339};
use listed_set::StateHash;
use seen_objects::SeenObjects;

/// The most objects that are held: processed, or waiting for their tenant's permit.
const MAX_HELD: Amount = Amount { count: 30_000, bytes: 32 * 1024 * 1024 };

/// The bytes that a held object takes in addition to its key.
const OVERHEAD: usize = 1024;

/// The fewest objects of one tenant that are processed at once; twice its concurrent
/// deliveries if that is more.
const MIN_PROCESSED: usize = 32;

/// The options of scan mode.
pub struct ScanOptions {
    /// SOURCE_BUCKET.
    pub bucket: String,
    /// SCAN_INTERVAL: from the end of a listing to the next.
    pub interval: Duration,
    /// SCAN_SUFFIXES: the suffixes of the keys that are taken.
    pub suffixes: Vec<String>,
    /// SHUTDOWN_GRACE_SECONDS.
    pub grace: Duration,
    /// MAX_CONCURRENT_PER_TENANT.
    pub per_tenant: usize,
}

/// Lists and processes objects until `terminate` completes, then winds down.
pub async fn run(
    processor: Arc<Processor>,
    s3: S3,
    metrics: MetricsClient,
    options: ScanOptions,
    terminate: impl Future<Output = ()>,
) {
    let flusher = MetricsFlusher::start(&processor, metrics);
    let (sender, receiver) = mpsc::unbounded_channel();
    let control = Control::default();
    let grace = options.grace;
    let at_once = MIN_PROCESSED.max(options.per_tenant.saturating_mul(2));
    let mut scan = Scanner {
        processor: Arc::clone(&processor),
        s3,
        options,
        control: control.clone(),
        objects: SeenObjects::default(),
        shares: TenantShares::new(MAX_HELD, at_once),
        full: false,
        tasks: JoinSet::new(),
        sender,
        receiver,
    };
    {
        let passes = scan.run();
        tokio::select! {
            () = terminate => {}
            () = passes => {}
        }
    }
    processor.stop_admitting();
    scan.shares.close();
    // Objects that don't finish are listed again by the next process.
    wind_down(scan.tasks, grace, || control.stop.request(), || control.stop.abandon()).await;
    flusher.end().await;
}

/// An object that has been processed.
struct Finished {
    object: StateHash,
    tenant: String,
    succeeded: bool,
}

struct Scanner {
    processor: Arc<Processor>,
    s3: S3,
    options: ScanOptions,
    control: Control,
    objects: SeenObjects,
    shares: TenantShares,
    /// Whether the last listing showed more objects than fit into the set.
    full: bool,
    tasks: JoinSet<()>,
    /// Unbounded, but never holds more than the held objects.
    sender: mpsc::UnboundedSender<Finished>,
    receiver: mpsc::UnboundedReceiver<Finished>,
}

impl Scanner {
    fn is_wanted(&self, listed: &ListedObject) -> bool {
        // The folder marker that S3's console makes is no object.
        let folder = listed.key.ends_with('/') && listed.stored.size == 0;
        !folder && self.options.suffixes.iter().any(|suffix| listed.key.ends_with(suffix.as_str()))
    }

    /// Waits briefly, or until an object is finished.
    async fn wait_briefly(&mut self) {
        self.processor.health().record_progress();
        let _ = tokio::time::timeout(Duration::from_millis(100), self.tasks.join_next()).await;
        self.collect_finished();
    }

    /// Collects finished objects.
    fn collect_finished(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        while let Ok(done) = self.receiver.try_recv() {
            self.record_finished(&done);
        }
    }

    fn record_finished(&mut self, done: &Finished) {
        match done.succeeded {
            true => self.objects.mark_done(done.object),
            false => self.objects.record_failure(done.object, &done.tenant, Instant::now()),
        }
    }

    /// Starts an object within its tenant's share.
    fn begin(&mut self, object: StateHash, listed: &ListedObject, owner: Option<ObjectOwner>, held: Reservation) {
        self.objects.mark_started(object);
        let bucket = self.options.bucket.clone();
        let listed = listed.clone();
        let (processor, control, sender) = (Arc::clone(&self.processor), self.control.clone(), self.sender.clone());
        self.processor.metrics().add_in_flight(1);
        self.tasks.spawn(async move {
            let tenant = tenant_name(owner.as_ref());
            let turn = tokio::select! {
                turn = held.wait_for_permit() => turn,
                () = control.stop.requested() => None,
            };
            let succeeded = match turn {
                // Only from here on it takes more memory than its key.
                Some(_turn) => {
                    let message = message(&bucket, &listed, owner);
                    Box::pin(processor.process(&message, &control)).await == MessageOutcome::Done
                }
                None => false,
            };
            processor.metrics().add_in_flight(-1);
            drop(held);
            // A failed object is tried again at a later listing; its log line says why it
            // failed.
            let _ = sender.send(Finished { object, tenant, succeeded });
        });
    }
}

/// The tenant that an object is charged to; objects without one are charged together.
fn tenant_name(owner: Option<&ObjectOwner>) -> String {
    owner.map(|owner| owner.tenant().to_owned()).unwrap_or_default()
}

fn message(bucket: &str, listed: &ListedObject, owner: Option<ObjectOwner>) -> Message {
    Message {
        id: format!("scan {}", listed.stored.etag),
        body: announcement(bucket, listed),
        receipt_handle: String::new(),
        attempt: 1,
        owner,
    }
}

/// The notification that S3 would have sent.
fn announcement(bucket: &str, listed: &ListedObject) -> String {
    let stored = &listed.stored;
    let object = json!({ "key": form_encode(&listed.key), "size": stored.size, "eTag": stored.etag });
    let s3 = json!({ "bucket": { "name": bucket }, "object": object });
    // The guests' clock: without a notification, the object's LastModified.
    let time = rfc3339(stored.last_modified);
    json!({ "Records": [{ "eventName": "ObjectCreated:Scan", "eventTime": time, "s3": s3 }] }).to_string()
}
