//! Deduplication: what this process has delivered, and what is in flight. S3 announces an
//! object at least once, SQS brings a message at least once, and a message that failed as a
//! whole because of one delivery comes again with all of them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use crate::notification::{Announced, Resume};
use model::lock;

/// The most deliveries that are kept: a few hundred bytes each.
const MAX_DELIVERIES: usize = 16_384;

/// The most messages that are kept per delivery.
const MAX_MESSAGES: usize = 8;

/// Names a delivery of a state of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DedupKey {
    tenant: String,
    name: String,
}

impl DedupKey {
    /// The key of a delivery of an object's [state](state).
    pub(super) fn new(state: &str, tenant: &str, delivery: &str) -> Self {
        Self { tenant: tenant.to_owned(), name: format!("{state}\0{delivery}") }
    }

    /// The name, without its tenant.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Names a state of an object: by its version; else by ETag and sequencer, for an object
/// that is written again with the same bytes is another. Where its record has neither,
/// the name holds only within the message.
pub(super) fn state(message_id: &str, announced: &Announced) -> String {
    let text = |path| announced.record.pointer(path).and_then(serde_json::Value::as_str).unwrap_or_default();
    let (object, etag) = (&announced.object, announced.etag.as_deref().unwrap_or_default());
    match (&announced.version_id, text("/s3/object/sequencer")) {
        (Some(version), _) => format!("{object}\0version {version}"),
        (None, "") => format!("{object}\0message {message_id}\0{}\0{etag}", text("/eventTime")),
        (None, sequencer) => format!("{object}\0sequencer {sequencer}\0{etag}"),
    }
}

/// The answer to a message that wants to begin with a delivery.
pub(super) enum Claim {
    /// Nothing is left of the delivery, or it is another message's by now.
    AlreadySettled,
    /// The delivery is in flight for another message. Claim again when this is cancelled.
    InFlightElsewhere(CancellationToken),
    /// The delivery is this message's; with how far it came in this process.
    Claimed(InFlight, Option<Box<Resume>>),
}

/// All that is known of a delivery of a state of an object.
#[derive(Default)]
struct DedupEntry {
    delivered: bool,
    /// How far the delivery came.
    reached: Option<Box<Resume>>,
    /// IDs of messages that have nothing left to do of the delivery, the latest last.
    messages: VecDeque<String>,
}

/// The latest deliveries, and those in flight. `Clone` is cheap.
#[derive(Clone, Default)]
pub(super) struct Deduplicator(Arc<Mutex<DedupState>>);

#[derive(Default)]
struct DedupState {
    known: HashMap<String, DedupEntry>,
    /// Names by tenant, the oldest first; none is empty.
    tenants: HashMap<String, VecDeque<String>>,
    in_flight: HashMap<String, CancellationToken>,
}

impl Deduplicator {
    fn lock(&self) -> MutexGuard<'_, DedupState> {
        lock(&self.0)
    }

    /// Claims a delivery for a message.
    pub(super) fn claim(&self, key: &DedupKey, message_id: &str) -> Claim {
        let mut state = self.lock();
        if state.is_settled(key, message_id) {
            return Claim::AlreadySettled;
        }
        if let Some(ended) = state.in_flight.get(&key.name) {
            return Claim::InFlightElsewhere(ended.clone());
        }
        let ended = CancellationToken::new();
        state.in_flight.insert(key.name.clone(), ended.clone());
        let reached = state.known.get(&key.name).and_then(|known| known.reached.clone());
        Claim::Claimed(InFlight { deduplicator: self.clone(), key: key.clone(), ended }, reached)
    }

    /// Whether a message has nothing left to do of a delivery.
    pub(super) fn is_settled(&self, key: &DedupKey, message_id: &str) -> bool {
        self.lock().is_settled(key, message_id)
    }

    /// Notes that a message has nothing left to do of a delivery, should it come again: the
    /// delivery has its outcome, or was sent back in a message of its own.
    pub(super) fn mark_settled(&self, key: &DedupKey, message_id: &str) {
        self.lock().update(key, |known| {
            if !known.messages.iter().any(|known| known == message_id) {
                known.messages.push_back(message_id.to_owned());
            }
            if known.messages.len() > MAX_MESSAGES {
                known.messages.pop_front();
            }
        });
    }
}

impl DedupState {
    fn is_settled(&self, key: &DedupKey, message_id: &str) -> bool {
        let known = self.known.get(&key.name);
        known.is_some_and(|known| known.delivered || known.messages.iter().any(|known| known == message_id))
    }

    fn update(&mut self, key: &DedupKey, change: impl FnOnce(&mut DedupEntry)) {
        if !self.known.contains_key(&key.name) {
            self.tenants.entry(key.tenant.clone()).or_default().push_back(key.name.clone());
        }
        change(self.known.entry(key.name.clone()).or_default());
        if self.known.len() > MAX_DELIVERIES {
            self.evict_one();
        }
    }

    /// Forgets the oldest delivery of the tenant that has the most, so that no tenant pushes
    /// others out.
    fn evict_one(&mut self) {
        let Some((_, names)) = self.tenants.iter_mut().max_by_key(|(_, names)| names.len()) else { return };
        if let Some(oldest) = names.pop_front() {
            self.known.remove(&oldest);
        }
    }
}

/// A delivery in flight. Dropped, it is no longer, and nothing new is known of it.
pub(super) struct InFlight {
    deduplicator: Deduplicator,
    key: DedupKey,
    ended: CancellationToken,
}

impl InFlight {
    /// Notes that the object's state is delivered: no message has anything left to do of it.
    pub(super) fn mark_delivered(self) {
        self.deduplicator.lock().update(&self.key, |known| (known.delivered, known.reached) = (true, None));
    }

    /// Notes how far the delivery came.
    pub(super) fn record_checkpoint(self, reached: Resume) {
        self.deduplicator.lock().update(&self.key, |known| known.reached = Some(Box::new(reached)));
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.deduplicator.lock().in_flight.remove(&self.key.name);
        self.ended.cancel();
    }
}

#[cfg(test)]
#[path = "deduplication_tests.rs"]
mod tests;
