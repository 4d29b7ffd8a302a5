//! Keeps messages invisible while they are processed. Each lease is extended at half of its
//! visibility timeout, concurrently and within a time limit, so that a call that hangs ends no
//! other lease. If that isn't allowed, or keeps failing, processing stops in time; the
//! permission is checked again and again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::batch::{MAX_BATCHES, MAX_MESSAGES};
use crate::aws::{AwsError, AwsErrorKind, Queue, VisibilityResult};
use crate::intake::message::Control;
use crate::telemetry::Metrics;
use model::lock;

/// The most time of the visibility timeout that is kept for sending back what is left if a
/// lease can't be extended; a fifth of the timeout if that is less.
const RESERVE: Duration = Duration::from_secs(10);

/// The longest that an extension may take; a quarter of the timeout if that is less, so that
/// there is a second try.
const MAX_CALL_TIME: Duration = Duration::from_secs(10);

/// The bounds of the interval at which a denied permission is checked again: an eighth of the
/// timeout, within these.
const PERMISSION_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The bounds of the interval at which due leases are looked for: a twentieth of the timeout,
/// within these.
const TICK: (Duration, Duration) = (Duration::from_millis(20), Duration::from_secs(1));

/// The leases of all held messages. `Clone` is cheap.
#[derive(Clone)]
pub(super) struct Leases(Arc<(Queue, Mutex<LeaseTable>)>);

impl Leases {
    pub(super) fn new(queue: Queue, timeout: Duration, metrics: Metrics) -> Self {
        Self(Arc::new((queue, Mutex::new(LeaseTable::new(timeout, metrics)))))
    }

    fn table(&self) -> MutexGuard<'_, LeaseTable> {
        lock(&self.0.1)
    }

    /// Adds the lease of a message that was received at `at`.
    pub(super) fn insert(&self, receipt_handle: &str, at: Instant, control: &Control) {
        self.table().insert(receipt_handle, at, control);
    }

    /// Removes the lease of a message.
    pub(super) fn remove(&self, receipt_handle: &str) {
        self.table().leases.remove(receipt_handle);
    }

    /// Calls `to` for each held message.
    pub(super) fn for_each(&self, to: impl Fn(&Control)) {
        self.table().leases.values().for_each(|leases| to(&leases.control));
    }

    /// Extends leases, for ever.
    pub(super) async fn keep(self) {
        let tick = (self.table().timeout / 20).clamp(TICK.0, TICK.1);
        loop {
            tokio::time::sleep(tick).await;
            let now = Instant::now();
            let calls = self.table().take_due(now);
            for handles in calls {
                tokio::spawn(self.clone().extend(handles, now));
            }
            self.table().stop_expiring(now);
        }
    }

    async fn extend(self, handles: Vec<String>, at: Instant) {
        let (seconds, longest) = {
            let table = self.table();
            (whole_seconds(table.timeout), table.call_time())
        };
        let answer = timeout(longest, self.0.0.set_visibility(&handles, seconds)).await.ok();
        self.table().record_answer(&handles, at, answer);
    }
}

/// Whether the role may extend leases.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Permission {
    /// Allowed, as far as is known.
    Granted,
    /// Denied; checked again at this time.
    Denied(Instant),
}

struct Lease {
    control: Control,
    extend_at: Instant,
    ends: Instant,
    /// Whether a call to extend it is in flight.
    extending: bool,
}

/// All leases, and the state of extending them. It reads no clock.
struct LeaseTable {
    timeout: Duration,
    metrics: Metrics,
    leases: HashMap<String, Lease>,
    permission: Permission,
    /// The number of calls in flight.
    calls: usize,
}

impl LeaseTable {
    fn new(timeout: Duration, metrics: Metrics) -> Self {
        Self { timeout, metrics, leases: HashMap::new(), permission: Permission::Granted, calls: 0 }
    }

    /// The longest that an extension may take.
    fn call_time(&self) -> Duration {
        (self.timeout / 4).min(MAX_CALL_TIME)
    }

    fn insert(&mut self, receipt_handle: &str, at: Instant, control: &Control) {
        let (extend_at, ends) = (at + self.timeout / 2, at + self.timeout);
        let leases = Lease { control: control.clone(), extend_at, ends, extending: false };
        self.leases.insert(receipt_handle.to_owned(), leases);
    }

    /// Takes the calls to make now, as the receipt handles of each, those that expire first in
    /// front. Each call must be answered.
    fn take_due(&mut self, now: Instant) -> Vec<Vec<String>> {
        let most = match self.permission {
            Permission::Granted => MAX_BATCHES.saturating_sub(self.calls),
            Permission::Denied(again) if now < again => 0,
            // One call checks the permission for all.
            Permission::Denied(_) => 1,
        };
        let is_due = |leases: &Lease| leases.extend_at <= now && !leases.extending;
        let mut due: Vec<_> = self.leases.iter_mut().filter(|(_, leases)| is_due(leases)).collect();
        due.sort_by_key(|(_, leases)| leases.ends);
        due.truncate(most * MAX_MESSAGES);
        let calls: Vec<Vec<String>> = due
            .chunks_mut(MAX_MESSAGES)
            .map(|together| {
                let taken = together.iter_mut().map(|(handle, leases)| {
                    leases.extending = true;
                    (*handle).clone()
                });
                taken.collect()
            })
            .collect();
        self.calls += calls.len();
        if !calls.is_empty() && self.permission != Permission::Granted {
            self.permission = Permission::Denied(self.permission_retry_at(now));
        }
        calls
    }

    fn permission_retry_at(&self, now: Instant) -> Instant {
        now + (self.timeout / 8).clamp(PERMISSION_RETRY.0, PERMISSION_RETRY.1)
    }

    /// Records the answer to a call made at `at`; `None` if it timed out.
    fn record_answer(
        &mut self,
        handles: &[String],
        at: Instant,
        answer: Option<Result<Vec<VisibilityResult>, AwsError>>,
    ) {
        self.calls = self.calls.saturating_sub(1);
        for handle in handles {
            if let Some(leases) = self.leases.get_mut(handle) {
                leases.extending = false;
            }
        }
        match answer {
            Some(Ok(results)) => {
                self.record_permission();
                handles.iter().zip(results).for_each(|(handle, result)| self.record_extension(handle, result, at));
            }
            Some(Err(error)) if error.kind == AwsErrorKind::Denied => self.record_denial(&error, at),
            Some(Err(error)) => self.record_failure(&error.to_string(), handles.len()),
            None => self.record_failure("ChangeMessageVisibility: no answer came in time", handles.len()),
        }
    }

    fn record_failure(&self, error: &str, messages: usize) {
        self.metrics.count_lease("failed", messages as u64);
        tracing::warn!(error, messages, "leases can't be extended; it is tried again");
    }

    fn record_denial(&mut self, error: &AwsError, at: Instant) {
        let denied = Permission::Denied(self.permission_retry_at(at));
        if std::mem::replace(&mut self.permission, denied) == Permission::Granted {
            tracing::warn!(
                error = %error,
                "messages can't be kept invisible: allow sqs:ChangeMessageVisibility; work stops before VISIBILITY_TIMEOUT"
            );
        }
    }

    fn record_permission(&mut self) {
        if std::mem::replace(&mut self.permission, Permission::Granted) != Permission::Granted {
            tracing::info!("messages can be kept invisible again");
        }
    }

    fn record_extension(&mut self, handle: &str, result: VisibilityResult, at: Instant) {
        let Some(leases) = self.leases.get_mut(handle) else { return };
        match result {
            VisibilityResult::Extended => {
                leases.extend_at = at + self.timeout / 2;
                leases.ends = at + self.timeout;
                self.metrics.count_lease("extended", 1);
            }
            VisibilityResult::Lost(why) => {
                leases.control.mark_lease_lost();
                self.metrics.count_lease("lost", 1);
                tracing::warn!(error = why, "the lease of a message is lost: its work stops");
                self.leases.remove(handle);
            }
            VisibilityResult::Failed(why) => {
                self.metrics.count_lease("failed", 1);
                tracing::warn!(error = why, "the lease of a message can't be extended; it is tried again");
            }
        }
    }

    /// Stops messages whose leases couldn't be extended: first gently, so that they can be
    /// sent back with their checkpoints, and for good when the time is up.
    fn stop_expiring(&mut self, now: Instant) {
        let reserve = (self.timeout / 5).min(RESERVE);
        self.leases.retain(|_, leases| {
            let left = leases.ends.saturating_duration_since(now);
            if left.is_zero() {
                leases.control.mark_lease_lost();
                self.metrics.count_lease("lost", 1);
                return false;
            }
            if left < reserve / 2 {
                leases.control.stop.abandon();
            } else if left < reserve {
                leases.control.stop.request();
            }
            true
        });
    }
}

/// Whole seconds of a time, at least one.
pub(super) fn whole_seconds(time: Duration) -> u32 {
    u32::try_from(time.as_secs().max(1)).unwrap_or(u32::MAX)
}

#[cfg(test)]
#[path = "lease_tests.rs"]
mod tests;
