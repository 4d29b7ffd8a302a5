//! Limits how many deliveries run at once, fairly between tenants.
//!
//! A delivery waits for a permit of its tenant first, then for a global permit, which all
//! tenants share. So no tenant has more deliveries in the global queue than it may run at
//! once. A tenant's limit starts low, grows by one with each success, and falls to one with a
//! failure. A delivery whose destination shows no sign of life returns its global permit and
//! goes on with an overflow permit; there are as many of these as global ones. So memory stays
//! bounded, and a destination that hangs holds up nobody else. As soon as one delivery of a
//! tenant is quiet, no other one of the same tenant gets a global permit: else tenants that
//! hang together would each take what another returns.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::pipeline::Stop;
use model::{Activity, lock};

/// The deliveries that a tenant may run at once before its first success.
const INITIAL_LIMIT: usize = 2;

/// The time between two checks for signs of life.
const CHECK_INTERVAL: Duration = Duration::from_millis(250);

/// The time without a sign of life after which a delivery counts as quiet.
const QUIET_AFTER: Duration = CHECK_INTERVAL.saturating_mul(4);

/// The time without a sign of life after which a delivery returns its global permit.
const STALLED_AFTER: Duration = CHECK_INTERVAL.saturating_mul(8);

/// The most tenants that are kept while none of their deliveries runs.
const MAX_TENANTS: usize = 10_000;

/// When deliveries are checked: every [`CHECK_INTERVAL`], or when a test triggers it.
#[derive(Clone, Default)]
struct StallChecks {
    #[cfg(test)]
    trigger: Option<Arc<tokio::sync::watch::Sender<u32>>>,
}

impl StallChecks {
    async fn next(&self) {
        #[cfg(test)]
        if let Some(trigger) = &self.trigger {
            let _ = trigger.subscribe().changed().await;
            return;
        }
        tokio::time::sleep(CHECK_INTERVAL).await;
    }
}

/// The permits of all tenants.
pub(super) struct Permits {
    checks: StallChecks,
    global: Arc<Semaphore>,
    overflow: Arc<Semaphore>,
    tenants: Mutex<HashMap<String, Arc<TenantPermits>>>,
    per_tenant: usize,
    busy: Arc<AtomicUsize>,
}

struct TenantPermits {
    permits: Arc<Semaphore>,
    limit: Mutex<ConcurrencyLimit>,
    /// Deliveries with a global permit that are quiet.
    quiet: AtomicUsize,
    /// Notified when no delivery is quiet any more, or when the permits are closed.
    resumed: Notify,
}

struct ConcurrencyLimit {
    /// The tenant's permits, those in use included.
    current: usize,
    /// Permits in use that are beyond `current`: they are not to come back.
    surplus: usize,
    /// The most that `current` can be: MAX_CONCURRENT_PER_TENANT.
    max: usize,
}

/// How a delivery ended, as far as its tenant's limit cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Feedback {
    /// The destination took it.
    Success,
    /// The destination failed.
    Failure,
    /// Nothing is known.
    Neutral,
}

impl Permits {
    pub(super) fn new(objects: usize, per_tenant: usize) -> Self {
        Self {
            checks: StallChecks::default(),
            global: Arc::new(Semaphore::new(objects)),
            overflow: Arc::new(Semaphore::new(objects)),
            tenants: Mutex::default(),
            per_tenant: per_tenant.max(1),
            busy: Arc::default(),
        }
    }

    /// Lets no further delivery begin.
    pub(super) fn close(&self) {
        self.global.close();
        for tenant in lock(&self.tenants).values() {
            tenant.permits.close();
            tenant.resumed.notify_waiters();
        }
    }

    /// Whether no further delivery begins.
    pub(super) fn is_closed(&self) -> bool {
        self.global.is_closed()
    }

    /// The number of deliveries that have a global permit or wait for one.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// Waits for a permit of the tenant and a global one; `None` if it is stopped before.
    pub(super) async fn acquire(&self, tenant: &str, stop: &Stop) -> Option<Permit> {
        let tenant = self.tenant(tenant);
        let both = async {
            loop {
                let of_tenant = TenantPermit::acquire(&tenant).await?;
                tenant.wait_until_active().await;
                let busy = BusyGuard::new(&self.busy);
                let of_all = Arc::clone(&self.global).acquire_owned().await.ok()?;
                // The tenant's limit can have fallen while this delivery waited.
                if !tenant.is_quiet() && !tenant.has_surplus() {
                    return Some((of_tenant, busy, of_all));
                }
            }
        };
        let (of_tenant, busy, of_all) = tokio::select! {
            both = both => both?,
            () = stop.abandoned() => return None,
        };
        if self.global.is_closed() || stop.is_requested() {
            return None;
        }
        let (overflow, checks) = (Arc::clone(&self.overflow), self.checks.clone());
        let of_all = Mutex::new(GlobalPermit { _global: Some(of_all), _overflow: None, _busy: Some(busy) });
        Some(Permit { of_tenant, of_all, overflow, checks })
    }

    fn tenant(&self, name: &str) -> Arc<TenantPermits> {
        let mut tenants = lock(&self.tenants);
        if let Some(tenant) = tenants.get(name) {
            return Arc::clone(tenant);
        }
        if tenants.len() >= MAX_TENANTS {
            tenants.retain(|_, tenant| Arc::strong_count(tenant) > 1);
        }
        let current = INITIAL_LIMIT.min(self.per_tenant);
        let limit = ConcurrencyLimit { current, surplus: 0, max: self.per_tenant };
        let semaphore = Semaphore::new(current);
        if self.global.is_closed() {
            semaphore.close();
        }
        let tenant = Arc::new(TenantPermits {
            permits: Arc::new(semaphore),
            limit: Mutex::new(limit),
            quiet: AtomicUsize::new(0),
            resumed: Notify::new(),
        });
        tenants.insert(name.to_owned(), Arc::clone(&tenant));
        tenant
    }
}

impl TenantPermits {
    fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed) > 0
    }

    /// Waits while a delivery of the tenant is quiet.
    async fn wait_until_active(&self) {
        loop {
            let mut resumed = pin!(self.resumed.notified());
            resumed.as_mut().enable();
            if !self.is_quiet() || self.permits.is_closed() {
                return;
            }
            resumed.await;
        }
    }

    /// Raises the limit by one, up to its maximum.
    fn increase(&self) {
        let mut limit = lock(&self.limit);
        if limit.surplus > 0 {
            limit.surplus -= 1;
            limit.current += 1;
        } else if limit.current < limit.max {
            limit.current += 1;
            self.permits.add_permits(1);
        }
    }

    /// Resets the limit to one.
    fn reset(&self) {
        let mut limit = lock(&self.limit);
        let too_many = limit.current.saturating_sub(1);
        limit.surplus += too_many - self.permits.forget_permits(too_many);
        limit.current = 1;
    }

    /// Whether more permits are in use than the limit allows.
    fn has_surplus(&self) -> bool {
        lock(&self.limit).surplus > 0
    }
}

/// A tenant's permit in use. It is returned when dropped, unless it is surplus.
struct TenantPermit {
    tenant: Arc<TenantPermits>,
    permit: Option<OwnedSemaphorePermit>,
}

impl TenantPermit {
    /// Waits for a permit; `None` if the permits are closed.
    async fn acquire(tenant: &Arc<TenantPermits>) -> Option<Self> {
        let permit = Arc::clone(&tenant.permits).acquire_owned().await.ok()?;
        Some(Self { tenant: Arc::clone(tenant), permit: Some(permit) })
    }
}

impl Drop for TenantPermit {
    fn drop(&mut self) {
        let mut limit = lock(&self.tenant.limit);
        if limit.surplus > 0
            && let Some(permit) = self.permit.take()
        {
            limit.surplus -= 1;
            permit.forget();
        }
    }
}

/// Counts a delivery as busy until dropped.
struct BusyGuard(Arc<AtomicUsize>);

impl BusyGuard {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for BusyGuard {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Counts a delivery as quiet until dropped.
struct QuietGuard<'a>(&'a TenantPermits);

impl<'a> QuietGuard<'a> {
    fn new(tenant: &'a TenantPermits) -> Self {
        tenant.quiet.fetch_add(1, Ordering::Relaxed);
        Self(tenant)
    }
}

impl Drop for QuietGuard<'_> {
    fn drop(&mut self) {
        if self.0.quiet.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.resumed.notify_waiters();
        }
    }
}

/// A global permit, or the overflow permit that replaced it.
struct GlobalPermit {
    _global: Option<OwnedSemaphorePermit>,
    _overflow: Option<OwnedSemaphorePermit>,
    _busy: Option<BusyGuard>,
}

/// What a delivery runs with: a permit of its tenant, and a global one. Dropped, it is released
/// as [`Feedback::Neutral`].
pub(super) struct Permit {
    of_tenant: TenantPermit,
    of_all: Mutex<GlobalPermit>,
    overflow: Arc<Semaphore>,
    checks: StallChecks,
}

impl Permit {
    /// Does the work; returns the global permit if the work shows no sign of life.
    pub(super) async fn watch<T>(&self, activity: &Activity, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let (mut seen, mut silence, mut quiet) = (activity.count(), Duration::ZERO, None);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.checks.next() => {}
            }
            let now = activity.count();
            if now != seen {
                (seen, silence, quiet) = (now, Duration::ZERO, None);
                continue;
            }
            silence += CHECK_INTERVAL;
            if silence >= QUIET_AFTER && quiet.is_none() {
                quiet = Some(QuietGuard::new(&self.of_tenant.tenant));
            }
            if silence >= STALLED_AFTER && self.move_to_overflow() {
                break;
            }
        }
        drop(quiet);
        work.await
    }

    /// Replaces the global permit by an overflow permit; `false` if none is free.
    fn move_to_overflow(&self) -> bool {
        let Ok(overflow) = Arc::clone(&self.overflow).try_acquire_owned() else { return false };
        // Before the global permit is free: the tenant's next delivery must not take it.
        self.of_tenant.tenant.reset();
        *lock(&self.of_all) = GlobalPermit { _global: None, _overflow: Some(overflow), _busy: None };
        true
    }

    /// Returns both permits, and adapts the tenant's limit.
    pub(super) fn release(self, feedback: Feedback) {
        match feedback {
            Feedback::Success => self.of_tenant.tenant.increase(),
            Feedback::Failure => self.of_tenant.tenant.reset(),
            Feedback::Neutral => {}
        }
    }
}

#[cfg(test)]
#[path = "permits_tests.rs"]
mod tests;
