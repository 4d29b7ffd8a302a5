//! From events in guest order to batches that CloudWatch Logs takes whole.
//!
//! Events gather in windows, so that memory is bounded; a window is sorted
//! stably by time, and cut where count, bytes or 24 hours ask for it.

use super::limits::{
    EVENT_OVERHEAD_BYTES, MAX_AGE_MS, MAX_AHEAD_MS, MAX_BATCH_BYTES, MAX_BATCH_SPAN_MS, MAX_MESSAGE_BYTES,
};
use model::{Event, Reason};

/// The most events in a window.
const WINDOW_EVENTS: usize = 50_000;

/// Decides which events can be put at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCheck {
    /// The time that ages are measured from, in milliseconds since the Unix epoch; `None` if
    /// the destination judges ages itself.
    pub age_at: Option<i64>,
}

/// Why an event isn't put.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The message is empty, which CloudWatch Logs doesn't take.
    Empty,
    /// The event can never be delivered.
    Dead(Reason),
}

impl EventCheck {
    /// Checks whether an event can be put.
    ///
    /// # Errors
    /// Why it can't.
    pub fn check(&self, event: &Event) -> Result<(), Refusal> {
        if event.message.is_empty() {
            return Err(Refusal::Empty);
        }
        // One such event makes CloudWatch Logs refuse the whole call.
        if event.timestamp < 0 {
            return Err(Refusal::Dead(Reason::NegativeTimestamp));
        }
        match self.age_at {
            Some(now) if event.timestamp < now.saturating_sub(MAX_AGE_MS) => Err(Refusal::Dead(Reason::TooOld)),
            Some(now) if event.timestamp > now.saturating_add(MAX_AHEAD_MS) => Err(Refusal::Dead(Reason::TooNew)),
            _ => Ok(()),
        }
    }
}

/// An event of a batch, or a piece of one that is larger than AWS takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchEvent {
    /// Number of the event in guest order.
    pub index: u64,
    /// Line, time and text.
    pub event: Event,
    /// Whether more pieces of the same event follow.
    pub continues: bool,
}

/// The events of one PutLogEvents call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Batch {
    /// The events, ascending by time.
    pub entries: Vec<BatchEvent>,
    /// Bytes as CloudWatch Logs counts them.
    pub bytes: usize,
    /// The number of the event before which, in guest order, every event is put with this
    /// batch; `None` if only the whole window settles them.
    pub settles_to: Option<u64>,
}

/// Events that are gathered until they are put.
#[derive(Debug)]
pub struct Window {
    events: Vec<(u64, Event)>,
    bytes: usize,
    max_bytes: usize,
}

impl Window {
    /// A window of at most `max_bytes`, counted as CloudWatch Logs does (but for one
    /// event that is larger by itself).
    pub fn new(max_bytes: usize) -> Self {
        Self { events: Vec::new(), bytes: 0, max_bytes }
    }

    /// Adds an event that [`EventCheck::check`] admitted, with its number in
    /// guest order.
    pub fn push(&mut self, index: u64, event: Event) {
        self.bytes += event.message.len() + EVENT_OVERHEAD_BYTES;
        self.events.push((index, event));
    }

    /// Whether the window must be emptied before more is added.
    pub fn is_full(&self) -> bool {
        self.events.len() >= WINDOW_EVENTS || self.bytes >= self.max_bytes
    }

    /// Empties the window into batches of at most `max_events`, in the order in which they are
    /// to be put.
    pub fn batches(&mut self, max_events: usize) -> Batches {
        let mut events = std::mem::take(&mut self.events);
        self.bytes = 0;
        // A window is usually in order; then each batch settles its events by itself.
        let in_order = events.is_sorted_by_key(|(_, event)| event.timestamp);
        if !in_order {
            events.sort_by_key(|(_, event)| event.timestamp);
        }
        Batches { events: events.into_iter(), next: None, remainder: None, in_order, max_events }
    }
}

/// The batches of a window, made one by one so that they need no memory of their own.
#[derive(Debug)]
pub struct Batches {
    events: std::vec::IntoIter<(u64, Event)>,
    /// An entry that didn't fit into the last batch.
    next: Option<BatchEvent>,
    /// An event that is put in pieces, and where the next of them begins.
    remainder: Option<(u64, Event, usize)>,
    in_order: bool,
    max_events: usize,
}

impl Batches {
    fn next_entry(&mut self) -> Option<BatchEvent> {
        if let Some(entry) = self.next.take() {
            return Some(entry);
        }
        let whole = || self.events.next().map(|(index, event)| (index, event, 0));
        let (index, event, from) = self.remainder.take().or_else(whole)?;
        let rest = event.message.get(from..).unwrap_or_default();
        if rest.len() <= MAX_MESSAGE_BYTES {
            let event = if from == 0 { event } else { Event { message: rest.to_owned(), ..event } };
            return Some(BatchEvent { index, event, continues: false });
        }
        // Only the piece is copied: cutting the rest off would copy all of it, for each piece again.
        let cut = rest.floor_char_boundary(MAX_MESSAGE_BYTES);
        let message = rest.get(..cut).unwrap_or_default().to_owned();
        let piece = Event { line: event.line, timestamp: event.timestamp, message };
        self.remainder = Some((index, event, from + cut));
        Some(BatchEvent { index, event: piece, continues: true })
    }
}

impl Iterator for Batches {
    type Item = Batch;

    fn next(&mut self) -> Option<Batch> {
        let first = self.next_entry()?;
        let start = first.event.timestamp;
        let mut batch = Batch { bytes: size(&first), entries: vec![first], settles_to: None };
        while batch.entries.len() < self.max_events {
            let Some(entry) = self.next_entry() else { break };
            let fits = batch.bytes + size(&entry) <= MAX_BATCH_BYTES
                && entry.event.timestamp.saturating_sub(start) <= MAX_BATCH_SPAN_MS;
            if !fits {
                self.next = Some(entry);
                break;
            }
            batch.bytes += size(&entry);
            batch.entries.push(entry);
        }
        let last = batch.entries.last().filter(|last| self.in_order && !last.continues);
        batch.settles_to = last.map(|last| last.index + 1);
        Some(batch)
    }
}

fn size(entry: &BatchEvent) -> usize {
    entry.event.message.len() + EVENT_OVERHEAD_BYTES
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
