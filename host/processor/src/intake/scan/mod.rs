//! Objects of a bucket, by listing it again and again.
//!
//! - `listing`: goes through the bucket, and begins what is new.
//! - `seen`: what is known of its objects; `known`: which were listed before;
//!   `failed`: which are tried again, and when.

mod failed;
mod known;
mod listing;
mod seen;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::message::{Control, Message, Processor, Verdict, Whose};
use super::service::{Flushing, wind_down};
use super::share::{Amount, Held, Shares};
use crate::aws::{ListedObject, MetricsClient, S3};
use crate::notification::{form_encode, rfc3339};
use known::Fingerprint;
use seen::Objects;

/// Objects that are worked on, or wait for their tenant's turn, at most.
const MOST_HELD: Amount = Amount { count: 30_000, bytes: 32 * 1024 * 1024 };

/// Beside its key, what an object takes that is held.
const OVERHEAD: usize = 1024;

/// Of one tenant, the objects that are processed at once, at least; twice as many as its
/// deliveries at work where that is more.
const LEAST_AT_ONCE: usize = 32;

/// How a bucket is worked on.
pub struct Options {
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
    options: Options,
    terminate: impl Future<Output = ()>,
) {
    let flushing = Flushing::start(&processor, metrics);
    let (sender, receiver) = mpsc::unbounded_channel();
    let control = Control::default();
    let grace = options.grace;
    let at_once = LEAST_AT_ONCE.max(options.per_tenant.saturating_mul(2));
    let mut scan = Scan {
        processor: Arc::clone(&processor),
        s3,
        options,
        control: control.clone(),
        objects: Objects::default(),
        shares: Shares::new(MOST_HELD, at_once),
        full: false,
        tasks: JoinSet::new(),
        sender,
        receiver,
    };
    {
        let passes = scan.passes();
        tokio::select! {
            () = terminate => {}
            () = passes => {}
        }
    }
    processor.begin_no_more();
    scan.shares.close();
    // What doesn't end is listed again by the next process.
    wind_down(scan.tasks, grace, || control.stop.request(), || control.stop.abandon()).await;
    flushing.end().await;
}

/// What became of an object.
struct Done {
    object: Fingerprint,
    tenant: String,
    good: bool,
}

struct Scan {
    processor: Arc<Processor>,
    s3: S3,
    options: Options,
    control: Control,
    objects: Objects,
    shares: Shares,
    /// The last listing showed more than can be known.
    full: bool,
    tasks: JoinSet<()>,
    /// Holds no more than is held.
    sender: mpsc::UnboundedSender<Done>,
    receiver: mpsc::UnboundedReceiver<Done>,
}

impl Scan {
    fn is_wanted(&self, listed: &ListedObject) -> bool {
        // What the console makes of "create folder" is no object.
        let folder = listed.key.ends_with('/') && listed.stored.size == 0;
        !folder && self.options.suffixes.iter().any(|suffix| listed.key.ends_with(suffix.as_str()))
    }

    /// Waits a little, or until something ends.
    async fn a_moment(&mut self) {
        self.processor.health().record_progress();
        let _ = tokio::time::timeout(Duration::from_millis(100), self.tasks.join_next()).await;
        self.take_all();
    }

    /// Takes in what has ended.
    fn take_all(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        while let Ok(done) = self.receiver.try_recv() {
            self.take(&done);
        }
    }

    fn take(&mut self, done: &Done) {
        match done.good {
            true => self.objects.done(done.object),
            false => self.objects.failed(done.object, &done.tenant, Instant::now()),
        }
    }

    /// Begins an object that its tenant may hold.
    fn begin(&mut self, object: Fingerprint, listed: &ListedObject, whose: Option<Whose>, held: Held) {
        self.objects.begun(object);
        let bucket = self.options.bucket.clone();
        let listed = listed.clone();
        let (processor, control, sender) = (Arc::clone(&self.processor), self.control.clone(), self.sender.clone());
        self.processor.metrics().in_flight(1);
        self.tasks.spawn(async move {
            let tenant = tenant_of(whose.as_ref());
            let turn = tokio::select! {
                turn = held.turn() => turn,
                () = control.stop.requested() => None,
            };
            let good = match turn {
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
            let _ = sender.send(Done { object, tenant, good });
        });
    }
}

/// The name under which a tenant holds objects; those of nobody hold them together.
fn tenant_of(whose: Option<&Whose>) -> String {
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
