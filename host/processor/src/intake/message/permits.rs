//! How many deliveries are at work, fairly between tenants.
//!
//! A delivery waits for its tenant's turn first, then for one of the places that
//! all share; so of each tenant only as many stand in that line as the tenant may
//! have at work. What a tenant may have begins low, grows with each success and
//! falls to one with a failure. A delivery whose destination shows no sign of life
//! gives its place to another and goes on in one of the side places, of which there
//! are as many again: so memory stays bounded, and a destination that hangs holds
//! up nobody else. Already while one is quiet no other of its tenant takes a place:
//! else of tenants that hang together each would take what another gives up.

use std::collections::HashMap;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

use crate::pipeline::Stop;
use model::{Activity, lock};

/// What a tenant may have at work before its first success.
const FIRST: usize = 2;

/// Between two looks at whether a delivery shows signs of life.
const LOOK: Duration = Duration::from_millis(250);

/// Without one for this long it counts as quiet.
const QUIET: Duration = LOOK.saturating_mul(4);

/// Without one for this long it gives up its place.
const STALL: Duration = LOOK.saturating_mul(8);

/// Tenants that are remembered while none of theirs is at work.
const MOST_TENANTS: usize = 10_000;

/// When deliveries are looked at: each [`LOOK`], or when a test says so.
#[derive(Clone, Default)]
struct Looks {
    #[cfg(test)]
    told: Option<Arc<tokio::sync::watch::Sender<u32>>>,
}

impl Looks {
    async fn next(&self) {
        #[cfg(test)]
        if let Some(told) = &self.told {
            let _ = told.subscribe().changed().await;
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// All places.
pub(super) struct Permits {
    looks: Looks,
    places: Arc<Semaphore>,
    side: Arc<Semaphore>,
    tenants: Mutex<HashMap<String, Arc<Tenant>>>,
    per_tenant: usize,
    busy: Arc<AtomicUsize>,
}

struct Tenant {
    turns: Arc<Semaphore>,
    limits: Mutex<Limits>,
    /// Deliveries in places that are quiet.
    quiet: AtomicUsize,
    /// None is, or the end has come.
    lively: Notify,
}

struct Limits {
    /// Turns that exist, those in use included.
    turns: usize,
    /// Turns in use that are not to come back.
    surplus: usize,
    most: usize,
}

/// How a delivery went, as far as its tenant's limit cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// The destination took it.
    Good,
    /// The destination failed.
    Bad,
    /// Nothing is known.
    Neutral,
}

impl Permits {
    pub(super) fn new(places: usize, per_tenant: usize) -> Self {
        Self {
            looks: Looks::default(),
            places: Arc::new(Semaphore::new(places)),
            side: Arc::new(Semaphore::new(places)),
            tenants: Mutex::default(),
            per_tenant: per_tenant.max(1),
            busy: Arc::default(),
        }
    }

    /// No further delivery begins.
    pub(super) fn close(&self) {
        self.places.close();
        for tenant in lock(&self.tenants).values() {
            tenant.turns.close();
            tenant.lively.notify_waiters();
        }
    }

    /// Whether no further delivery begins.
    pub(super) fn is_closed(&self) -> bool {
        self.places.is_closed()
    }

    /// Deliveries that have a place, or stand in line for one.
    pub(super) fn busy(&self) -> usize {
        self.busy.load(Ordering::Relaxed)
    }

    /// A turn of the tenant, and a place; none when it was stopped before.
    pub(super) async fn acquire(&self, tenant: &str, stop: &Stop) -> Option<Permit> {
        let tenant = self.tenant(tenant);
        let both = async {
            loop {
                let turn = Turn::of(&tenant).await?;
                tenant.until_lively().await;
                let busy = Busy::new(&self.busy);
                let place = Arc::clone(&self.places).acquire_owned().await.ok()?;
                // What the tenant may have can have fallen while this one stood in line.
                if !tenant.is_quiet() && !tenant.has_surplus() {
                    return Some((turn, busy, place));
                }
            }
        };
        let (turn, busy, place) = tokio::select! {
            both = both => both?,
            () = stop.abandoned() => return None,
        };
        if self.places.is_closed() || stop.is_requested() {
            return None;
        }
        let (side, looks) = (Arc::clone(&self.side), self.looks.clone());
        let place = Mutex::new(Place { _place: Some(place), _side: None, _busy: Some(busy) });
        Some(Permit { turn, place, side, looks })
    }

    fn tenant(&self, name: &str) -> Arc<Tenant> {
        let mut tenants = lock(&self.tenants);
        if let Some(tenant) = tenants.get(name) {
            return Arc::clone(tenant);
        }
        if tenants.len() >= MOST_TENANTS {
            tenants.retain(|_, tenant| Arc::strong_count(tenant) > 1);
        }
        let turns = FIRST.min(self.per_tenant);
        let limits = Limits { turns, surplus: 0, most: self.per_tenant };
        let semaphore = Semaphore::new(turns);
        if self.places.is_closed() {
            semaphore.close();
        }
        let tenant = Arc::new(Tenant {
            turns: Arc::new(semaphore),
            limits: Mutex::new(limits),
            quiet: AtomicUsize::new(0),
            lively: Notify::new(),
        });
        tenants.insert(name.to_owned(), Arc::clone(&tenant));
        tenant
    }
}

impl Tenant {
    fn is_quiet(&self) -> bool {
        self.quiet.load(Ordering::Relaxed) > 0
    }

    /// Waits while a delivery is quiet.
    async fn until_lively(&self) {
        loop {
            let mut lively = pin!(self.lively.notified());
            lively.as_mut().enable();
            if !self.is_quiet() || self.turns.is_closed() {
                return;
            }
            lively.await;
        }
    }

    /// One more at a time.
    fn grow(&self) {
        let mut limits = lock(&self.limits);
        if limits.surplus > 0 {
            limits.surplus -= 1;
            limits.turns += 1;
        } else if limits.turns < limits.most {
            limits.turns += 1;
            self.turns.add_permits(1);
        }
    }

    /// One at a time.
    fn shrink(&self) {
        let mut limits = lock(&self.limits);
        let too_many = limits.turns.saturating_sub(1);
        limits.surplus += too_many - self.turns.forget_permits(too_many);
        limits.turns = 1;
    }

    /// Whether a turn in use is one too many.
    fn has_surplus(&self) -> bool {
        lock(&self.limits).surplus > 0
    }
}

/// A turn in use. It comes back when it is dropped, wherever that is, unless it is
/// one too many.
struct Turn {
    tenant: Arc<Tenant>,
    turn: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Waits for a turn; none: the end has come.
    async fn of(tenant: &Arc<Tenant>) -> Option<Self> {
        let turn = Arc::clone(&tenant.turns).acquire_owned().await.ok()?;
        Some(Self { tenant: Arc::clone(tenant), turn: Some(turn) })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut limits = lock(&self.tenant.limits);
        if limits.surplus > 0
            && let Some(turn) = self.turn.take()
        {
            limits.surplus -= 1;
            turn.forget();
        }
    }
}

/// Counts one that is busy.
struct Busy(Arc<AtomicUsize>);

impl Busy {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(count))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Marks a delivery as quiet.
struct Quiet<'a>(&'a Tenant);

impl<'a> Quiet<'a> {
    fn new(tenant: &'a Tenant) -> Self {
        tenant.quiet.fetch_add(1, Ordering::Relaxed);
        Self(tenant)
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        if self.0.quiet.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.lively.notify_waiters();
        }
    }
}

/// Where a delivery is at work.
struct Place {
    _place: Option<OwnedSemaphorePermit>,
    _side: Option<OwnedSemaphorePermit>,
    _busy: Option<Busy>,
}

/// A turn and a place; dropped, it is released as [`Use::Neutral`].
pub(super) struct Permit {
    turn: Turn,
    place: Mutex<Place>,
    side: Arc<Semaphore>,
    looks: Looks,
}

impl Permit {
    /// Does the work; gives the place away while it shows no sign of life.
    pub(super) async fn watch<T>(&self, activity: &Activity, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        let (mut seen, mut silence, mut quiet) = (activity.count(), Duration::ZERO, None);
        loop {
            tokio::select! {
                biased;
                done = &mut work => return done,
                () = self.looks.next() => {}
            }
            let now = activity.count();
            if now != seen {
                (seen, silence, quiet) = (now, Duration::ZERO, None);
                continue;
            }
            silence += LOOK;
            if silence >= QUIET && quiet.is_none() {
                quiet = Some(Quiet::new(&self.turn.tenant));
            }
            if silence >= STALL && self.step_aside() {
                break;
            }
        }
        drop(quiet);
        work.await
    }

    /// Goes on in a side place; false where all of them are taken.
    fn step_aside(&self) -> bool {
        let Ok(side) = Arc::clone(&self.side).try_acquire_owned() else { return false };
        // Before the place is free: whoever of this tenant gets it must know.
        self.turn.tenant.shrink();
        *lock(&self.place) = Place { _place: None, _side: Some(side), _busy: None };
        true
    }

    /// Gives turn and place back.
    pub(super) fn release(self, used: Use) {
        match used {
            Use::Good => self.turn.tenant.grow(),
            Use::Bad => self.turn.tenant.shrink(),
            Use::Neutral => {}
        }
    }
}

#[cfg(test)]
#[path = "permits_tests.rs"]
mod tests;
