//! The budget that claims are made from.
//!
//! A delivery rises through three levels, and never falls: it is admitted with its base, its
//! component grows, a long line comes. Each level leaves room for the largest claim of every
//! level above it. So whoever is on the top level can always end; once all there have ended,
//! the largest claim of the level below fits, and so on: claims that wait for each other don't
//! lock each other.
//!
//! Within a level, first come, first served, but for a tenant that has more than is left: it
//! waits until it has less, and others pass it. What a level takes beyond its own reserve it
//! takes only while nobody on a level below waits for it.

use std::collections::{HashMap, VecDeque};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use model::{Stop, lock};
use tokio::sync::oneshot;

/// How often a thread that waits looks whether it is to stop.
const LOOK: Duration = Duration::from_millis(250);

/// What memory is claimed for, from the bottom up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A delivery's base.
    Delivery,
    /// A component's growth beyond its base.
    Component,
    /// A long line.
    Line,
}

impl Level {
    const ALL: [Self; 3] = [Self::Delivery, Self::Component, Self::Line];
}

/// A number of bytes for each level.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Bytes {
    delivery: u64,
    component: u64,
    line: u64,
}

impl Bytes {
    fn of(self, level: Level) -> u64 {
        match level {
            Level::Delivery => self.delivery,
            Level::Component => self.component,
            Level::Line => self.line,
        }
    }

    fn of_mut(&mut self, level: Level) -> &mut u64 {
        match level {
            Level::Delivery => &mut self.delivery,
            Level::Component => &mut self.component,
            Level::Line => &mut self.line,
        }
    }

    fn sum(self) -> u64 {
        self.delivery.saturating_add(self.component).saturating_add(self.line)
    }
}

/// What is known of a budget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BudgetUse {
    /// Bytes that may be claimed in all.
    pub bytes: u64,
    /// Bytes that are claimed.
    pub claimed: u64,
    /// Claims that wait.
    pub waiting: usize,
}

/// Memory that is claimed before it is used. `Clone` is cheap, and shares it.
#[derive(Clone)]
pub struct MemoryBudget(Arc<Inner>);

struct Inner {
    bytes: u64,
    /// The largest claim of each level.
    largest: Bytes,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    claimed: Bytes,
    /// Tenants that have claimed something.
    tenants: HashMap<Arc<str>, Bytes>,
    waiting: VecDeque<Waiter>,
    next_id: u64,
    closed: bool,
}

struct Waiter {
    id: u64,
    level: Level,
    tenant: Arc<str>,
    bytes: u64,
    served: Served,
}

/// Who waits: a task or a thread.
enum Served {
    Task(oneshot::Sender<Claim>),
    Thread(SyncSender<Claim>),
}

impl Served {
    /// Hands a claim over; a claim that nobody takes is given back by its drop.
    fn hand_over(self, claim: Claim) {
        match self {
            Self::Task(sender) => drop(sender.send(claim)),
            Self::Thread(sender) => drop(sender.try_send(claim)),
        }
    }
}

impl MemoryBudget {
    /// A budget of `bytes`, with the largest claim of a component and of a line.
    pub fn new(bytes: u64, component: u64, line: u64) -> Self {
        let largest = Bytes { delivery: 0, component, line };
        Self(Arc::new(Inner { bytes, largest, state: Mutex::default() }))
    }

    /// Bytes that may be claimed, and are.
    pub fn usage(&self) -> BudgetUse {
        let state = self.lock();
        BudgetUse { bytes: self.0.bytes, claimed: state.claimed.sum(), waiting: state.waiting.len() }
    }

    /// Admits no further delivery: those that wait get none.
    pub fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.waiting.retain(|waiter| waiter.level != Level::Delivery);
    }

    /// Claims the base of a delivery, however long that takes; `None`: the budget was closed.
    pub async fn admit(&self, tenant: &Arc<str>, bytes: u64) -> Option<Claim> {
        let (sender, receiver) = oneshot::channel();
        let _queued = self.enqueue(Level::Delivery, tenant, bytes, Served::Task(sender))?;
        receiver.await.ok()
    }

    /// Claims so much, on this thread, if that is possible within `patience` and before the
    /// delivery is to stop.
    pub fn claim(&self, level: Level, tenant: &Arc<str>, bytes: u64, patience: Duration, stop: &Stop) -> Option<Claim> {
        let (sender, receiver) = sync_channel(1);
        let _queued = self.enqueue(level, tenant, bytes, Served::Thread(sender))?;
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match receiver.recv_timeout(left.min(LOOK)) {
                Ok(claim) => return Some(claim),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) if left <= LOOK || stop.is_requested() => return None,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0.state)
    }

    /// Stands in line; `None`: the budget was closed.
    fn enqueue(&self, level: Level, tenant: &Arc<str>, bytes: u64, served: Served) -> Option<Queued<'_>> {
        let mut state = self.lock();
        if state.closed && level == Level::Delivery {
            return None;
        }
        let id = state.next_id;
        state.next_id = id.wrapping_add(1);
        state.waiting.push_back(Waiter { id, level, tenant: Arc::clone(tenant), bytes, served });
        drop(state);
        self.serve();
        Some(Queued { budget: self, id })
    }

    /// Serves whoever can be.
    fn serve(&self) {
        loop {
            let mut state = self.lock();
            let Some(index) = self.next(&state) else { return };
            let Some(waiter) = state.waiting.remove(index) else { return };
            let Waiter { level, tenant, bytes, served, .. } = waiter;
            *state.claimed.of_mut(level) += bytes;
            *state.tenants.entry(Arc::clone(&tenant)).or_default().of_mut(level) += bytes;
            // A claim that nobody takes locks this again.
            drop(state);
            served.hand_over(Claim { budget: self.clone(), level, tenant, bytes });
        }
    }

    /// Who is served next, the upper levels first.
    fn next(&self, state: &State) -> Option<usize> {
        let free = self.0.bytes.saturating_sub(state.claimed.sum());
        let mut found = None;
        // Whether a level below waits for what its own bound would allow it.
        let mut is_awaited = false;
        for level in Level::ALL {
            let Some((index, bytes)) = self.first(state, level) else { continue };
            if bytes > self.room_of_level(state, level) {
                continue;
            }
            let in_reserve = state.claimed.of(level).saturating_add(bytes) <= self.0.largest.of(level);
            if bytes <= free && (in_reserve || !is_awaited) {
                found = Some(index);
            }
            is_awaited = true;
        }
        found
    }

    /// The first that waits on a level, and whose tenant may have more; and the bytes that it
    /// wants.
    fn first(&self, state: &State, level: Level) -> Option<(usize, u64)> {
        let room = self.room(state, level);
        let found = state.waiting.iter().enumerate().find(|(_, waiter)| {
            let held = state.tenants.get(&waiter.tenant).map_or(0, |held| held.of(level));
            // After it, the tenant has no more than is left for others.
            let is_fair = held.saturating_add(waiter.bytes) <= room.saturating_sub(waiter.bytes);
            waiter.level == level && (held == 0 || is_fair)
        });
        found.map(|(index, waiter)| (index, waiter.bytes))
    }

    /// Bytes that a level may have more, by its own bound and by what is free.
    fn room(&self, state: &State, level: Level) -> u64 {
        self.room_of_level(state, level).min(self.0.bytes.saturating_sub(state.claimed.sum()))
    }

    /// Bytes that a level may have more, so that the largest claims of those above it fit.
    fn room_of_level(&self, state: &State, level: Level) -> u64 {
        let Bytes { component, line, .. } = self.0.largest;
        let Bytes { delivery: deliveries, component: components, .. } = state.claimed;
        let (kept, used) = match level {
            Level::Delivery => (component.saturating_add(line), deliveries),
            Level::Component => (line, deliveries.saturating_add(components)),
            Level::Line => (0, state.claimed.sum()),
        };
        self.0.bytes.saturating_sub(kept).saturating_sub(used)
    }
}

/// A place in the line, until this is dropped.
struct Queued<'a> {
    budget: &'a MemoryBudget,
    id: u64,
}

impl Drop for Queued<'_> {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        let Some(index) = state.waiting.iter().position(|waiter| waiter.id == self.id) else { return };
        let left = state.waiting.remove(index);
        drop(state);
        drop(left);
        // Those behind it may go on.
        self.budget.serve();
    }
}

/// Claimed memory, until this is dropped.
pub struct Claim {
    budget: MemoryBudget,
    level: Level,
    tenant: Arc<str>,
    bytes: u64,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.budget.lock();
        let claimed = state.claimed.of_mut(self.level);
        *claimed = claimed.saturating_sub(self.bytes);
        if let Some(held) = state.tenants.get_mut(&self.tenant) {
            let level = held.of_mut(self.level);
            *level = level.saturating_sub(self.bytes);
            if held.sum() == 0 {
                state.tenants.remove(&self.tenant);
            }
        }
        drop(state);
        self.budget.serve();
    }
}

#[cfg(test)]
#[path = "budget_tests.rs"]
mod tests;
