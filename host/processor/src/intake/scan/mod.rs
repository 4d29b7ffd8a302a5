//! Objects of a bucket, by listing it again and again.
//!
//! - `listing`: goes through the bucket, and begins what is new.
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

use super::message::{Control, Message, Processor, Verdict, Whose};
use super::service::{MetricsFlusher, wind_down};
use super::tenant_shares::{Amount, Reservation, TenantShares};
use crate::aws::{ListedObject, MetricsClient, S3};
use crate::notification::{form_encode, rfc3339};
use listed_set::StateHash;
use seen_objects::SeenObjects;

/// Objects that are worked on, or wait for their tenant's turn, at most.
const MAX_HELD: Amount = Amount { count: 30_000, bytes: 32 * 1024 * 1024 };

/// Beside its key, what an object takes that is held.
const OVERHEAD: usize = 1024;

/// Of one tenant, the objects that are processed at once, at least; twice as many as its
/// deliveries at work where that is more.
const MIN_PROCESSED: usize = 32;

/// How a bucket is worked on.
pub struct ScanOptions {
    /// SOURCE_BUCKET.
    pub bucket: String,
    /// SCAN_INTERVAL: from the end of a listing to the next.
    pub interval: Duration,
    /// SCAN_SUFFIXES: of the keys that are taken.
    pub suffixes: Vec<String>,
    /// SHUTDOWN_GRACE_SECONDS.
    pub grace: Duration,
    /// MAX_CONCURRENT_PER_TENANT.
    pub per_tenant: usize,
}

/// Lists and works until `terminate` comes, then ends what it can.
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
    processor.begin_no_more();
    scan.shares.close();
    // What doesn't end is listed again by the next process.
    wind_down(scan.tasks, grace, || control.stop.request(), || control.stop.abandon()).await;
    flusher.end().await;
}

/// What became of an object.
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
    /// The last listing showed more than can be known.
    full: bool,
    tasks: JoinSet<()>,
    /// Holds no more than is held.
    sender: mpsc::UnboundedSender<Finished>,
    receiver: mpsc::UnboundedReceiver<Finished>,
}

impl Scanner {
    fn is_wanted(&self, listed: &ListedObject) -> bool {
        // What the console makes of "create folder" is no object.
        let folder = listed.key.ends_with('/') && listed.stored.size == 0;
        !folder && self.options.suffixes.iter().any(|suffix| listed.key.ends_with(suffix.as_str()))
    }

    /// Waits a little, or until something ends.
    async fn wait_briefly(&mut self) {
        self.processor.health().record_progress();
        let _ = tokio::time::timeout(Duration::from_millis(100), self.tasks.join_next()).await;
        self.collect_finished();
    }

    /// Takes in what has ended.
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

    /// Begins an object that its tenant may hold.
    fn begin(&mut self, object: StateHash, listed: &ListedObject, whose: Option<Whose>, held: Reservation) {
        self.objects.mark_started(object);
        let bucket = self.options.bucket.clone();
        let listed = listed.clone();
        let (processor, control, sender) = (Arc::clone(&self.processor), self.control.clone(), self.sender.clone());
        self.processor.metrics().in_flight(1);
        self.tasks.spawn(async move {
            let tenant = tenant_name(whose.as_ref());
            let turn = tokio::select! {
                turn = held.wait_for_permit() => turn,
                () = control.stop.requested() => None,
            };
            let succeeded = match turn {
                // Only now it takes more than its key.
                Some(_turn) => {
                    let message = message(&bucket, &listed, whose);
                    Box::pin(processor.process(&message, &control)).await == Verdict::Done
                }
                None => false,
            };
            processor.metrics().in_flight(-1);
            drop(held);
            // What failed is tried again at a later listing; why is in the object's line.
            let _ = sender.send(Finished { object, tenant, succeeded });
        });
    }
}

/// The name under which a tenant holds objects; those of nobody hold them together.
fn tenant_name(whose: Option<&Whose>) -> String {
    whose.map(|whose| whose.tenant().to_owned()).unwrap_or_default()
}

fn message(bucket: &str, listed: &ListedObject, whose: Option<Whose>) -> Message {
    Message {
        id: format!("scan {}", listed.stored.etag),
        body: announcement(bucket, listed),
        receipt_handle: String::new(),
        attempt: 1,
        whose,
    }
}

/// The notification that S3 would have sent.
fn announcement(bucket: &str, listed: &ListedObject) -> String {
    let stored = &listed.stored;
    let object = json!({ "key": form_encode(&listed.key), "size": stored.size, "eTag": stored.etag });
    let s3 = json!({ "bucket": { "name": bucket }, "object": object });
    // The guests' clock: of an object without a notification it is its LastModified.
    let time = rfc3339(stored.last_modified);
    json!({ "Records": [{ "eventName": "ObjectCreated:Scan", "eventTime": time, "s3": s3 }] }).to_string()
}
