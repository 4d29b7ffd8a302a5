//! What this process has done, and does: S3 announces an object at least once, SQS brings
//! a message at least once, and a message may come again that failed as a whole because
//! of one of its deliveries.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio_util::sync::CancellationToken;

use super::object::ObjectRun;
use crate::notification::{Announced, Resume};
use model::lock;

/// Deliveries that are remembered: a few hundred bytes each.
const MOST: usize = 16_384;

/// Messages that are remembered of a delivery.
const MOST_MESSAGES: usize = 8;

/// Names a delivery of a state of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Key {
    tenant: String,
    name: String,
}

impl Key {
    /// As others know it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

/// Names a delivery of the state of an object that `work` is about, the same in whatever
/// message it is announced.
pub(super) fn key(work: &ObjectRun<'_>, tenant: &str, delivery: &str) -> Key {
    Key { tenant: tenant.to_owned(), name: format!("{}\0{delivery}", state(&work.message.id, work.announced)) }
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

/// Whether a delivery is to be done.
pub(super) enum Begin {
    /// It is done, or another message's by now.
    Settled,
    /// Another copy of the message is at it: to be asked again when this is cancelled.
    AtWork(CancellationToken),
    /// It is; with how far it came in this process.
    Mine(AtWork, Option<Box<Resume>>),
}

/// What is known of a delivery of a state of an object.
#[derive(Default)]
struct Known {
    delivered: bool,
    /// How far it came.
    reached: Option<Box<Resume>>,
    /// IDs of messages that have nothing left to do of it, the latest last.
    messages: VecDeque<String>,
}

/// The deliveries of late, and those at work. `Clone` is cheap.
#[derive(Clone, Default)]
pub(super) struct Memory(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    known: HashMap<String, Known>,
    /// Names by tenant, the oldest first; none is empty.
    tenants: HashMap<String, VecDeque<String>>,
    at_work: HashMap<String, CancellationToken>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        lock(&self.0)
    }

    /// A message begins with a delivery.
    pub(super) fn begin(&self, key: &Key, message_id: &str) -> Begin {
        let mut inner = self.lock();
        if inner.is_settled(key, message_id) {
            return Begin::Settled;
        }
        if let Some(ended) = inner.at_work.get(&key.name) {
            return Begin::AtWork(ended.clone());
        }
        let ended = CancellationToken::new();
        inner.at_work.insert(key.name.clone(), ended.clone());
        let reached = inner.known.get(&key.name).and_then(|known| known.reached.clone());
        Begin::Mine(AtWork { memory: self.clone(), key: key.clone(), ended }, reached)
    }

    /// Whether a message has nothing left to do of a delivery.
    pub(super) fn is_settled(&self, key: &Key, message_id: &str) -> bool {
        self.lock().is_settled(key, message_id)
    }

    /// A delivery of a message's has its outcome, or was sent back: it is another
    /// message's by now. When this one comes again, it has nothing left to do of it.
    pub(super) fn settled(&self, key: &Key, message_id: &str) {
        self.lock().note(key, |known| {
            if !known.messages.iter().any(|known| known == message_id) {
                known.messages.push_back(message_id.to_owned());
            }
            if known.messages.len() > MOST_MESSAGES {
                known.messages.pop_front();
            }
        });
    }
}

impl Inner {
    fn is_settled(&self, key: &Key, message_id: &str) -> bool {
        let known = self.known.get(&key.name);
        known.is_some_and(|known| known.delivered || known.messages.iter().any(|known| known == message_id))
    }

    fn note(&mut self, key: &Key, change: impl FnOnce(&mut Known)) {
        if !self.known.contains_key(&key.name) {
            self.tenants.entry(key.tenant.clone()).or_default().push_back(key.name.clone());
        }
        change(self.known.entry(key.name.clone()).or_default());
        if self.known.len() > MOST {
            self.forget_one();
        }
    }

    /// The oldest of the tenant that has the most: nobody pushes others out.
    fn forget_one(&mut self) {
        let Some((_, names)) = self.tenants.iter_mut().max_by_key(|(_, names)| names.len()) else { return };
        if let Some(oldest) = names.pop_front() {
            self.known.remove(&oldest);
        }
    }
}

/// A delivery that is at work. Dropped, it is no longer, and nothing is known of it.
pub(super) struct AtWork {
    memory: Memory,
    key: Key,
    ended: CancellationToken,
}

impl AtWork {
    /// It is delivered: whoever announces this state again has nothing to do.
    pub(super) fn delivered(self) {
        self.memory.lock().note(&self.key, |known| (known.delivered, known.reached) = (true, None));
    }

    /// It came this far.
    pub(super) fn left(self, reached: Resume) {
        self.memory.lock().note(&self.key, |known| known.reached = Some(Box::new(reached)));
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        self.memory.lock().at_work.remove(&self.key.name);
        self.ended.cancel();
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
