//! Objects of a bucket, by listing it again and again.
//!
//! - `seen`: which of them are done, in bounded memory.

mod seen;

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::message::{Control, Message, Processor, Verdict};
use super::service::{Flushing, wind_down};
use crate::aws::{AwsError, Listed, MetricsClient, S3};
use crate::notification::{form_encode, rfc3339};
use crate::telemetry::Part;
use seen::Seen;

/// Objects that are worked on, or wait for their tenant's turn, at most.
const MOST_HELD: usize = 1000;

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
    let mut scan = Scan {
        processor: Arc::clone(&processor),
        s3,
        options,
        control: control.clone(),
        seen: Seen::default(),
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
    // What doesn't end is listed again by the next process.
    wind_down(scan.tasks, grace, || control.stop.now(), || control.stop.abandon()).await;
    flushing.end().await;
}

/// What became of an object.
struct Done {
    object: seen::Fingerprint,
    good: bool,
}

struct Scan {
    processor: Arc<Processor>,
    s3: S3,
    options: Options,
    control: Control,
    seen: Seen,
    tasks: JoinSet<()>,
    sender: mpsc::UnboundedSender<Done>,
    receiver: mpsc::UnboundedReceiver<Done>,
}

impl Scan {
    /// For ever: a listing, a pause.
    async fn passes(&mut self) {
        loop {
            if let Err(error) = self.pass().await {
                tracing::error!(error = %error, bucket = self.options.bucket, "the bucket can't be listed; it is tried again");
                self.processor.health().fails(Part::Bucket, &error);
            }
            let pause = tokio::time::sleep(self.options.interval);
            tokio::pin!(pause);
            loop {
                self.processor.health().alive();
                tokio::select! {
                    () = &mut pause => break,
                    done = self.receiver.recv() => self.take(done),
                    () = tokio::time::sleep(Duration::from_secs(30)) => {}
                }
            }
        }
    }

    /// Lists all pages and begins what is new.
    async fn pass(&mut self) -> Result<(), AwsError> {
        let mut next = None;
        loop {
            let page = self.processor.health().alive_during(self.s3.list(&self.options.bucket, next)).await?;
            // Not at the end of the pass alone, which may take hours.
            self.processor.health().works(Part::Bucket);
            for listed in page.objects {
                let wanted = self.options.suffixes.iter().any(|suffix| listed.key.ends_with(suffix.as_str()));
                if wanted && let Some(object) = self.seen.begin(&listed, Instant::now()) {
                    self.room().await;
                    self.begin(object, &listed);
                }
            }
            while let Ok(done) = self.receiver.try_recv() {
                self.take(Some(done));
            }
            next = match page.next {
                Some(next) => Some(next),
                None => return Ok(()),
            };
        }
    }

    async fn room(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        while self.tasks.len() >= MOST_HELD {
            self.processor.health().alive();
            let _ = tokio::time::timeout(Duration::from_secs(1), self.tasks.join_next()).await;
        }
    }

    fn take(&mut self, done: Option<Done>) {
        let Some(done) = done else { return };
        match done.good {
            true => self.seen.done(done.object),
            false => self.seen.failed(done.object, Instant::now()),
        }
    }

    fn begin(&mut self, object: seen::Fingerprint, listed: &Listed) {
        let message = Message {
            id: format!("scan {}", listed.stored.etag),
            body: announcement(&self.options.bucket, listed),
            receipt_handle: String::new(),
            attempt: 1,
        };
        let (processor, control, sender) = (Arc::clone(&self.processor), self.control.clone(), self.sender.clone());
        self.processor.metrics().in_flight(1);
        self.tasks.spawn(async move {
            let verdict = processor.process(&message, &control).await;
            processor.metrics().in_flight(-1);
            // What failed is tried again at a later listing; why is in the object's line.
            let _ = sender.send(Done { object, good: verdict == Verdict::Done });
        });
    }
}

/// The notification that S3 would have sent.
fn announcement(bucket: &str, listed: &Listed) -> String {
    let stored = &listed.stored;
    let object = json!({ "key": form_encode(&listed.key), "size": stored.size, "eTag": stored.etag });
    let s3 = json!({ "bucket": { "name": bucket }, "object": object });
    // The guests' clock: of an object without a notification it is its LastModified.
    let time = rfc3339(stored.last_modified);
    json!({ "Records": [{ "eventName": "ObjectCreated:Scan", "eventTime": time, "s3": s3 }] }).to_string()
}
