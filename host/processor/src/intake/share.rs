//! What is held at once of what was received or listed, fairly between tenants.
//!
//! What is held waits in memory for its tenant's turn. One tenant may hold at most an
//! eighth of what is free: alone it has a ninth of everything, and twenty that have too
//! much leave a tenth to those that have little. Of each tenant only a few are processed
//! at once; the others take no more than their bytes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A tenant may hold one part in so many of what is free.
const PART: usize = 8;

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

    fn fits(self, most: Self) -> bool {
        self.count <= most.count && self.bytes <= most.bytes
    }
}

/// What all tenants hold. `Clone` is cheap.
#[derive(Clone)]
pub(super) struct Shares(Arc<Inner>);

struct Inner {
    most: Amount,
    /// Of one tenant, those that are processed.
    at_once: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: Amount,
    /// Only those that hold something.
    tenants: HashMap<String, Tenant>,
    closed: bool,
}

struct Tenant {
    held: Amount,
    turns: Arc<Semaphore>,
    /// How many were refused since it held nothing.
    refused: u32,
}

/// Whether something is within its tenant's share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Admission {
    /// It is.
    Within,
    /// The tenant holds too much; and how many of its things were refused before.
    Beyond(u32),
}

impl Shares {
    /// Nothing is held. `at_once`: of one tenant, those that are processed.
    pub(super) fn new(most: Amount, at_once: usize) -> Self {
        Self(Arc::new(Inner { most, at_once: at_once.max(1), state: Mutex::default() }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether `count` more may be taken in.
    pub(super) fn has_room(&self, count: usize) -> bool {
        let held = self.lock().held;
        Amount { count: held.count.saturating_add(count), ..held }.fits(self.0.most)
    }

    /// Takes something in, whosever it is.
    pub(super) fn hold(&self, bytes: usize) -> Held {
        self.lock().held.add(bytes);
        Held { shares: self.clone(), bytes, tenant: None }
    }

    /// Whether a tenant may hold so much more.
    pub(super) fn admits(&self, tenant: &str, bytes: usize) -> bool {
        self.admission(&self.lock(), tenant, bytes)
    }

    fn admission(&self, state: &State, tenant: &str, bytes: usize) -> bool {
        let Some(tenant) = state.tenants.get(tenant).filter(|tenant| tenant.held.count > 0) else { return true };
        let free = |of: fn(Amount) -> usize| of(self.0.most).saturating_sub(of(state.held)) / PART;
        let mut held = tenant.held;
        held.add(bytes);
        held.fits(Amount { count: free(|amount| amount.count), bytes: free(|amount| amount.bytes) })
    }

    /// Nothing has its turn any more.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.tenants.values().for_each(|tenant| tenant.turns.close());
    }
}

/// Something that is held, until it is dropped.
pub(super) struct Held {
    shares: Shares,
    bytes: usize,
    tenant: Option<String>,
}

impl Held {
    /// Whose it is, and whether that is within the tenant's share. Where it is not, it
    /// is not the tenant's yet: see [`Held::regardless`].
    pub(super) fn belongs_to(&mut self, tenant: &str) -> Admission {
        let shares = self.shares.clone();
        let mut state = shares.lock();
        if shares.admission(&state, tenant, self.bytes) {
            self.charge(&mut state, tenant);
            return Admission::Within;
        }
        let Some(of) = state.tenants.get_mut(tenant) else { return Admission::Within };
        let before = of.refused;
        of.refused = before.saturating_add(1);
        Admission::Beyond(before)
    }

    /// It is held as this tenant's, within its share or not.
    pub(super) fn regardless(&mut self, tenant: &str) {
        let shares = self.shares.clone();
        self.charge(&mut shares.lock(), tenant);
    }

    fn charge(&mut self, state: &mut State, tenant: &str) {
        let (closed, at_once) = (state.closed, self.shares.0.at_once);
        let of = state.tenants.entry(tenant.to_owned()).or_insert_with(|| {
            let turns = Semaphore::new(at_once);
            if closed {
                turns.close();
            }
            Tenant { held: Amount::default(), turns: Arc::new(turns), refused: 0 }
        });
        of.held.add(self.bytes);
        self.tenant = Some(tenant.to_owned());
    }

    /// Waits until its tenant has few enough that are processed; none: the end has come.
    pub(super) async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        let turns = self.tenant.as_ref().and_then(|tenant| {
            let state = self.shares.lock();
            state.tenants.get(tenant).map(|tenant| Arc::clone(&tenant.turns))
        });
        turns?.acquire_owned().await.ok()
    }
}

impl Drop for Held {
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
#[path = "share_tests.rs"]
mod tests;
