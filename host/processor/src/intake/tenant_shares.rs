//! Limits what is held at once of received messages or listed objects, fairly between tenants.
//!
//! Held things wait in memory for their tenant's permit. One tenant may hold at most an eighth
//! of the free room: alone it has a ninth of everything, and twenty that have too much leave a
//! tenth to those that have little. Of each tenant only a few are processed at once; the
//! others take no more than their bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use model::lock;

/// A tenant may hold one part in this many of the free room.
const SHARE_DIVISOR: usize = 8;

/// A number of things, and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Amount {
    pub(super) count: usize,
    pub(super) bytes: usize,
}

impl Amount {
    fn add(&mut self, bytes: usize) {
        self.count += 1;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    fn subtract(&mut self, bytes: usize) {
        self.count = self.count.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(bytes);
    }

    fn fits(self, limit: Self) -> bool {
        self.count <= limit.count && self.bytes <= limit.bytes
    }
}

/// The shares of all tenants. `Clone` is cheap.
#[derive(Clone)]
pub(super) struct TenantShares(Arc<SharesInner>);

struct SharesInner {
    limit: Amount,
    /// The most things of one tenant that are processed at once.
    max_processed: usize,
    state: Mutex<Holdings>,
}

#[derive(Default)]
struct Holdings {
    held: Amount,
    /// The tenants that hold something.
    tenants: HashMap<String, TenantShare>,
    closed: bool,
}

struct TenantShare {
    held: Amount,
    permits: Arc<Semaphore>,
    /// The number of things that were refused since the tenant last held nothing.
    refused: u32,
}

/// Whether something is within its tenant's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ShareCheck {
    /// Within the share.
    Within,
    /// Beyond the share; the number of the tenant's things that were refused before.
    Beyond(u32),
}

impl TenantShares {
    /// Shares of which nothing is held. `max_processed`: the most things of one tenant that are
    /// processed at once.
    pub(super) fn new(limit: Amount, max_processed: usize) -> Self {
        Self(Arc::new(SharesInner { limit, max_processed: max_processed.max(1), state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, Holdings> {
        lock(&self.0.state)
    }

    /// Whether there is room for `count` more things.
    pub(super) fn has_room(&self, count: usize) -> bool {
        let held = self.lock().held;
        Amount { count: held.count.saturating_add(count), ..held }.fits(self.0.limit)
    }

    /// Reserves room for something whose tenant isn't known yet.
    pub(super) fn reserve(&self, bytes: usize) -> Reservation {
        self.lock().held.add(bytes);
        Reservation { shares: self.clone(), bytes, tenant: None }
    }

    /// Whether a tenant may hold so many more bytes.
    pub(super) fn admits(&self, tenant: &str, bytes: usize) -> bool {
        self.is_within_share(&self.lock(), tenant, bytes)
    }

    fn is_within_share(&self, state: &Holdings, tenant: &str, bytes: usize) -> bool {
        let Some(tenant) = state.tenants.get(tenant).filter(|tenant| tenant.held.count > 0) else { return true };
        let free = |of: fn(Amount) -> usize| of(self.0.limit).saturating_sub(of(state.held)) / SHARE_DIVISOR;
        let mut held = tenant.held;
        held.add(bytes);
        held.fits(Amount { count: free(|amount| amount.count), bytes: free(|amount| amount.bytes) })
    }

    /// Closes the shares: nobody gets a permit any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.tenants.values().for_each(|tenant| tenant.permits.close());
    }
}

/// Room that is reserved until this is dropped.
pub(super) struct Reservation {
    shares: TenantShares,
    bytes: usize,
    tenant: Option<String>,
}

impl Reservation {
    /// Assigns the reservation to a tenant, if that is within its share. If not it stays
    /// unassigned: see [`Reservation::assign_beyond_share`].
    pub(super) fn assign(&mut self, tenant: &str) -> ShareCheck {
        let shares = self.shares.clone();
        let mut state = shares.lock();
        if shares.is_within_share(&state, tenant, self.bytes) {
            self.charge(&mut state, tenant);
            return ShareCheck::Within;
        }
        let Some(of) = state.tenants.get_mut(tenant) else { return ShareCheck::Within };
        let before = of.refused;
        of.refused = before.saturating_add(1);
        ShareCheck::Beyond(before)
    }

    /// Assigns the reservation to a tenant, within its share or not.
    pub(super) fn assign_beyond_share(&mut self, tenant: &str) {
        let shares = self.shares.clone();
        self.charge(&mut shares.lock(), tenant);
    }

    fn charge(&mut self, state: &mut Holdings, tenant: &str) {
        let (closed, max_processed) = (state.closed, self.shares.0.max_processed);
        let of = state.tenants.entry(tenant.to_owned()).or_insert_with(|| {
            let permits = Semaphore::new(max_processed);
            if closed {
                permits.close();
            }
            TenantShare { held: Amount::default(), permits: Arc::new(permits), refused: 0 }
        });
        of.held.add(self.bytes);
        self.tenant = Some(tenant.to_owned());
    }

    /// Waits until few enough things of the tenant are processed; `None` if the shares were
    /// closed.
    pub(super) async fn wait_for_permit(&self) -> Option<OwnedSemaphorePermit> {
        let permits = self.tenant.as_ref().and_then(|tenant| {
            let state = self.shares.lock();
            state.tenants.get(tenant).map(|tenant| Arc::clone(&tenant.permits))
        });
        permits?.acquire_owned().await.ok()
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut state = self.shares.lock();
        state.held.subtract(self.bytes);
        let Some(name) = &self.tenant else { return };
        if let Some(tenant) = state.tenants.get_mut(name) {
            tenant.held.subtract(self.bytes);
            if tenant.held.count == 0 {
                state.tenants.remove(name);
            }
        }
    }
}

#[cfg(test)]
#[path = "tenant_shares_tests.rs"]
mod tests;
