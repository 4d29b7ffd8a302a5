//! All surroundings of delivery runs in memory: buckets, log streams, dead letters,
//! tenants, progress. Deterministic: no clock, no network, no files; what goes wrong is
//! said beforehand.
//!
//! - `injected`: what goes wrong, and when.
//! - `port`: one delivery of one object.

mod injected;
mod port;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use model::{DeadLetter, Delivery, DestinationKind, Event, Failure, ObjectId, lock};

pub(crate) use injected::{Call, Injected};
pub(crate) use port::{MemoryPort, Policy};

use super::Directory;
use crate::tenant::{InvalidDelivery, Lookup, TenantRecord};

/// The surroundings. `Clone` is cheap, and of the same ones.
#[derive(Clone, Default)]
pub(crate) struct InMemory(Arc<Mutex<State>>);

/// An object, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredObject {
    pub(crate) bytes: Vec<u8>,
    /// Another with each write.
    pub(crate) version: u64,
    /// Milliseconds since the Unix epoch.
    pub(crate) last_modified: i64,
}

/// How far a delivery of an object was recorded to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The object's.
    pub(crate) version: u64,
    /// The digest that `settled` belongs to.
    pub(crate) events_from: String,
    /// Events, in guest order.
    pub(crate) settled: u64,
    /// The name of how it ended, once nothing is left to do.
    pub(crate) done: Option<String>,
}

/// Names a delivery of an object: the object, the tenant, the delivery.
pub(crate) type DeliveryKey = (ObjectId, String, DestinationKind);

#[derive(Default)]
struct State {
    objects: BTreeMap<ObjectId, StoredObject>,
    versions: u64,
    streams: BTreeMap<(String, String), Vec<Event>>,
    dead_letters: Vec<DeadLetter>,
    progress: BTreeMap<DeliveryKey, Recorded>,
    tenants: BTreeMap<String, Arc<TenantRecord>>,
    /// Where each object was made from.
    sources: BTreeMap<ObjectId, ObjectId>,
    faults: Vec<(Call, usize, Injected)>,
    calls: Vec<Call>,
    guest_log_lines: u64,
}

impl InMemory {
    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.0)
    }

    /// Writes an object; whoever was told of its state before finds it changed.
    pub(crate) fn write(&self, id: &ObjectId, bytes: impl Into<Vec<u8>>, last_modified: i64) {
        let mut state = self.lock();
        state.versions += 1;
        let stored = StoredObject { bytes: bytes.into(), version: state.versions, last_modified };
        state.objects.insert(id.clone(), stored);
    }

    /// An object, if it is there.
    pub(crate) fn object(&self, id: &ObjectId) -> Option<StoredObject> {
        self.lock().objects.get(id).cloned()
    }

    /// Says what the directory has of a tenant.
    pub(crate) fn tenant(&self, id: &str, deliveries: &[Delivery], invalid: &[InvalidDelivery], expired: usize) {
        let lookup = match deliveries {
            [] => Lookup::NoneEnabled,
            some => Lookup::Deliveries(some.iter().cloned().map(Arc::new).collect()),
        };
        let found = TenantRecord { lookup, invalid: invalid.to_vec(), expired, warnings: Vec::new() };
        self.lock().tenants.insert(id.to_owned(), Arc::new(found));
    }

    /// Lets this happen at a call, after so many calls of the kind went well.
    pub(crate) fn inject(&self, call: Call, after: usize, fault: Injected) {
        self.lock().faults.push((call, after, fault));
    }

    /// Messages of a log stream, in the order in which they were put.
    pub(crate) fn messages(&self, group: &str, stream: &str) -> Vec<String> {
        let state = self.lock();
        let events = state.streams.get(&(group.to_owned(), stream.to_owned()));
        events.map(|events| events.iter().map(|event| event.message.clone()).collect()).unwrap_or_default()
    }

    /// Everything that was kept.
    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.lock().dead_letters.clone()
    }

    /// How far a delivery was recorded to be.
    pub(crate) fn recorded(&self, key: &DeliveryKey) -> Option<Recorded> {
        self.lock().progress.get(key).cloned()
    }

    /// Records how far a delivery is.
    pub(crate) fn record(&self, key: DeliveryKey, recorded: Recorded) {
        self.lock().progress.insert(key, recorded);
    }

    /// All calls so far, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// Lines of guests that were shown.
    pub(crate) fn guest_log_lines(&self) -> u64 {
        self.lock().guest_log_lines
    }

    /// Notes a call; returns the fault that it meets, if any.
    fn note(&self, call: Call) -> Option<Injected> {
        let mut state = self.lock();
        state.calls.push(call);
        let index = state.faults.iter().position(|(at, ..)| *at == call)?;
        let (_, after, _) = state.faults.get_mut(index)?;
        if *after > 0 {
            *after -= 1;
            return None;
        }
        Some(state.faults.remove(index).2)
    }

    /// A call that is answered at once.
    fn answer<T>(&self, call: Call, effect: impl FnOnce(&mut State) -> T) -> Result<T, Failure> {
        match self.note(call) {
            Some(Injected::Fails(failure)) => return Err(failure),
            Some(Injected::FailsAfterEffect(failure)) => {
                effect(&mut self.lock());
                return Err(failure);
            }
            Some(Injected::First(event) | Injected::Hangs(event)) => event(self),
            None => {}
        }
        Ok(effect(&mut self.lock()))
    }

    /// A call that may never be answered.
    async fn call<T>(&self, call: Call, effect: impl FnOnce(&mut State) -> T + Send) -> Result<T, Failure> {
        if self.hangs_next(call)
            && let Some(Injected::Hangs(event)) = self.note(call)
        {
            event(self);
            std::future::pending::<()>().await;
        }
        self.answer(call, effect)
    }

    /// Whether the next call of this kind is never answered.
    fn hangs_next(&self, call: Call) -> bool {
        let state = self.lock();
        let next = state.faults.iter().find(|(at, ..)| *at == call);
        matches!(next, Some((_, 0, Injected::Hangs(_))))
    }
}

impl Directory for InMemory {
    fn name(&self) -> &'static str {
        "directory"
    }

    async fn lookup(&self, tenant_id: &str) -> Result<Arc<TenantRecord>, Failure> {
        let unknown =
            || TenantRecord { lookup: Lookup::Unknown, invalid: Vec::new(), expired: 0, warnings: Vec::new() };
        self.call(Call::Lookup, |state| state.tenants.get(tenant_id).cloned().unwrap_or_else(|| Arc::new(unknown())))
            .await
    }
}
