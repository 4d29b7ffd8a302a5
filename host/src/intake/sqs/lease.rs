//! Keeps messages invisible while they are worked on: each is extended at half of
//! its visibility timeout. Where that isn't allowed, or fails to the end, the work
//! stops in time.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::aws::{Extended, Kind, Queue};
use crate::intake::message::Control;
use crate::telemetry::Metrics;

/// Messages of one ChangeMessageVisibilityBatch.
const MOST: usize = 10;

/// Of the timeout, what is kept for sending back what is left, where a lease
/// can't be extended: a fifth, but at most this.
const RESERVE: Duration = Duration::from_secs(10);

/// The messages that are held. `Clone` is cheap.
#[derive(Clone)]
pub(super) struct Leases(Arc<Inner>);

struct Inner {
    queue: Queue,
    timeout: Duration,
    metrics: Metrics,
    held: Mutex<HashMap<String, Held>>,
    /// The role may not extend.
    denied: AtomicBool,
}

struct Held {
    control: Control,
    extend_at: Instant,
    ends: Instant,
}

impl Leases {
    pub(super) fn new(queue: Queue, timeout: Duration, metrics: Metrics) -> Self {
        Self(Arc::new(Inner { queue, timeout, metrics, held: Mutex::default(), denied: AtomicBool::new(false) }))
    }

    fn held(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A message was received at `at`.
    pub(super) fn begin(&self, receipt_handle: &str, at: Instant, control: &Control) {
        let timeout = self.0.timeout;
        let held = Held { control: control.clone(), extend_at: at + timeout / 2, ends: at + timeout };
        self.held().insert(receipt_handle.to_owned(), held);
    }

    /// It is no longer worked on.
    pub(super) fn end(&self, receipt_handle: &str) {
        self.held().remove(receipt_handle);
    }

    /// Does something to each that is held.
    pub(super) fn each(&self, to: impl Fn(&Control)) {
        self.held().values().for_each(|held| to(&held.control));
    }

    /// Extends for ever.
    pub(super) async fn keep(self) {
        let tick = (self.0.timeout / 20).clamp(Duration::from_millis(20), Duration::from_secs(1));
        loop {
            tokio::time::sleep(tick).await;
            let due = self.due();
            for together in due.chunks(MOST) {
                if !self.0.denied.load(Ordering::Relaxed) {
                    self.extend(together).await;
                }
            }
            self.end_in_time();
        }
    }

    fn due(&self) -> Vec<String> {
        let now = Instant::now();
        self.held().iter().filter(|(_, held)| held.extend_at <= now).map(|(handle, _)| handle.clone()).collect()
    }

    async fn extend(&self, handles: &[String]) {
        let at = Instant::now();
        let metrics = &self.0.metrics;
        let results = match self.0.queue.set_visibility(handles, super::whole_seconds(self.0.timeout)).await {
            Ok(results) => results,
            Err(error) if error.kind == Kind::Denied => {
                self.0.denied.store(true, Ordering::Relaxed);
                tracing::warn!(
                    error = %error,
                    "messages can't be kept invisible: allow sqs:ChangeMessageVisibility; work stops before VISIBILITY_TIMEOUT"
                );
                return;
            }
            Err(error) => {
                metrics.lease("failed", handles.len() as u64);
                tracing::warn!(error = %error, messages = handles.len(), "leases can't be extended; it is tried again");
                return;
            }
        };
        for (handle, result) in handles.iter().zip(results) {
            self.extended(handle, result, at);
        }
    }

    fn extended(&self, handle: &str, result: Extended, at: Instant) {
        let mut all = self.held();
        let Some(held) = all.get_mut(handle) else { return };
        match result {
            Extended::Done => {
                held.extend_at = at + self.0.timeout / 2;
                held.ends = at + self.0.timeout;
                self.0.metrics.lease("extended", 1);
            }
            Extended::Lost(why) => {
                held.control.lose();
                self.0.metrics.lease("lost", 1);
                tracing::warn!(error = why, "the lease of a message is lost: its work stops");
                all.remove(handle);
            }
            Extended::Failed(why) => {
                self.0.metrics.lease("failed", 1);
                tracing::warn!(error = why, "the lease of a message can't be extended; it is tried again");
            }
        }
    }

    /// Stops what nothing could extend: first gently, so that it can be sent back
    /// with its checkpoint, and when the time is up for good.
    fn end_in_time(&self) {
        let now = Instant::now();
        let reserve = (self.0.timeout / 5).min(RESERVE);
        self.held().retain(|_, held| {
            let left = held.ends.saturating_duration_since(now);
            if left.is_zero() {
                held.control.lose();
                self.0.metrics.lease("lost", 1);
                return false;
            }
            if left < reserve / 2 {
                held.control.stop.abandon();
            } else if left < reserve {
                held.control.stop.now();
            }
            true
        });
    }
}
