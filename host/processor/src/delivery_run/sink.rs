//! What the pipeline writes to: the delivery's log stream, its dead letters, its progress.

use model::{DeadLetter, Failure, FailureKind};

use super::port::DeliveryPort;
use crate::delivery::Settled;
use crate::delivery::batch::Batch;
use crate::delivery::event_sink::{EventSink, LogStream, RejectedEvent};

/// The sink of one attempt.
pub(super) struct RunSink<'a, P: DeliveryPort> {
    pub(super) port: &'a P,
    /// `None` where the delivery takes no events.
    pub(super) stream: Option<P::Stream>,
    pub(super) settled: Settled,
}

impl<P: DeliveryPort> EventSink for RunSink<'_, P> {
    fn puts_at_once(&self) -> usize {
        self.stream.as_ref().map_or(1, LogStream::puts_at_once)
    }

    async fn put(&self, batch: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        match &self.stream {
            Some(stream) => stream.put(batch).await,
            None => Err(Failure::new(FailureKind::Destination, "a bug: events for a delivery that takes none")),
        }
    }

    async fn dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        self.port.write_dead_letters(letters).await
    }

    async fn checkpoint(&self, events: u64) -> Result<(), Failure> {
        // Of an object that is written anew nothing is settled before all of it is.
        if self.stream.is_some() {
            self.port.record_progress(events)?;
            self.settled.set(events);
        }
        Ok(())
    }
}
