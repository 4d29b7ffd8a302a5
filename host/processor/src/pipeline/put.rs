//! The putting side: a few puts overlap, what comes of them is taken in order,
//! so that the checkpoint only ever passes what is settled.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;
use tokio::sync::mpsc;

use super::dead_letter_budget::DeadLetterBudget;
use super::job::Job;
use super::ledger::LineOutcome;
use super::outbox::{SharedLedger, SinkCommand, Undeliverable};
use crate::delivery::batch::Batch;
use crate::delivery::event_sink::{EventSink, RejectedEvent};
use model::{Failure, Reason};

/// What the putting side did.
#[derive(Debug, Default)]
pub(super) struct PutCounts {
    /// Events that were put whole.
    pub(super) events: u64,
    /// Puts.
    pub(super) batches: u64,
    /// Bytes of messages.
    pub(super) bytes: u64,
    /// A put failed without an answer.
    pub(super) effect_unknown: bool,
    /// Puts that were begun and of which nothing is known yet.
    pub(super) in_flight: usize,
}

/// A piece of work that was done, or came up.
enum CompletedPut {
    Letters(Result<(), Failure>),
    Put(Batch, Result<Vec<RejectedEvent>, Failure>),
    Checkpoint(u64),
}

/// The putting side of a delivery.
pub(super) struct PutSide<'a, S> {
    pub(super) sink: &'a S,
    pub(super) ledger: &'a SharedLedger,
    pub(super) job: &'a Job,
    pub(super) counts: PutCounts,
    /// A put was taken: so the destination is there.
    succeeded: bool,
    failed: Option<Failure>,
    /// Of letters about what the destination refused.
    budget: DeadLetterBudget,
    /// The event of which a piece was not put.
    partly_refused_event: Option<u64>,
}

impl<'a, S: EventSink> PutSide<'a, S> {
    pub(super) fn new(sink: &'a S, ledger: &'a SharedLedger, job: &'a Job) -> Self {
        let budget = DeadLetterBudget::new(job.stored_bytes);
        Self {
            sink,
            ledger,
            job,
            counts: PutCounts::default(),
            succeeded: false,
            failed: None,
            budget,
            partly_refused_event: None,
        }
    }

    /// Does what the blocking side hands over until it is done, or something
    /// fails: then nothing new is begun, and what is in flight is waited for.
    pub(super) async fn run(&mut self, mut receiver: mpsc::Receiver<SinkCommand>) -> Result<(), Failure> {
        let (sink, failing) = (self.sink, &AtomicBool::new(false));
        let mut in_order = FuturesOrdered::new();
        let mut calls = 0;
        let mut more = true;
        // The last put that was begun ends within an event.
        let mut within = false;
        loop {
            let room = more && calls < if within { 1 } else { self.at_once() };
            tokio::select! {
                biased;
                Some(done) = in_order.next() => {
                    calls -= usize::from(!matches!(done, CompletedPut::Checkpoint(_)));
                    if let Err(error) = self.complete(done).await {
                        failing.store(true, Ordering::Relaxed);
                        self.failed.get_or_insert(error);
                    }
                }
                work = receiver.recv(), if room => match work {
                    Some(work) if !failing.load(Ordering::Relaxed) => {
                        calls += usize::from(!matches!(work, SinkCommand::Checkpoint(_)));
                        if let SinkCommand::Batch(batch) = &work {
                            self.counts.in_flight += 1;
                            // Its pieces have one timestamp: only their order of arrival tells theirs.
                            within = batch.entries.last().is_some_and(|last| last.continues);
                        }
                        in_order.push_back(execute(work, sink, failing));
                    }
                    _ => more = false,
                },
                else => break,
            }
            if failing.load(Ordering::Relaxed) {
                // The blocking side need not go on.
                receiver.close();
                more = false;
            }
        }
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.letters_of_the_rest().await,
        }
    }

    /// The first put goes alone: where the stream is missing it is made once.
    fn at_once(&self) -> usize {
        if self.succeeded { self.sink.puts_at_once().max(1) } else { 1 }
    }

    /// Takes the next in order.
    async fn complete(&mut self, done: CompletedPut) -> Result<(), Failure> {
        match done {
            CompletedPut::Letters(result) => result,
            CompletedPut::Checkpoint(_) if self.failed.is_some() => Ok(()),
            CompletedPut::Checkpoint(events) => {
                // What is passed isn't put again: another attempt would not hear of it.
                self.letters_of_the_rest().await?;
                self.sink.checkpoint(events).await
            }
            CompletedPut::Put(batch, result) => {
                self.counts.in_flight -= 1;
                match result {
                    Ok(rejected) => self.batch(&batch, &rejected).await,
                    Err(error) => {
                        self.counts.effect_unknown |= error.effect_unknown;
                        self.partly_refused_event =
                            batch.entries.last().filter(|last| last.continues).map(|last| last.index);
                        Err(error)
                    }
                }
            }
        }
    }

    /// A batch was taken, but for these.
    async fn batch(&mut self, batch: &Batch, rejected: &[RejectedEvent]) -> Result<(), Failure> {
        self.succeeded = true;
        self.counts.batches += 1;
        let mut outcomes = vec![Some(LineOutcome::Delivered); batch.entries.len()];
        let mut letters = Vec::new();
        for &RejectedEvent { index, reason } in rejected {
            let (Some(outcome), Some(entry)) = (outcomes.get_mut(index), batch.entries.get(index)) else { continue };
            *outcome = Some(LineOutcome::DeadLettered(reason));
            let event = &entry.event;
            if self.failed.is_some() {
                continue;
            }
            if self.budget.is_exhausted() {
                self.budget.count_overflow(reason, event.line, None);
                continue;
            }
            let letter = Undeliverable::event(event.clone(), reason, rejection(reason), None, self.job);
            letters.extend(self.budget.admit(letter));
        }
        if self.failed.is_some() {
            // The next attempt puts it again, and writes the letters then.
            outcomes.iter_mut().filter(|outcome| **outcome != Some(LineOutcome::Delivered)).for_each(|one| *one = None);
        } else if !letters.is_empty() {
            self.sink.dead_letters(&letters).await?;
        }
        self.settle(batch, &outcomes);
        Ok(())
    }

    /// Says of which events there is no letter of their own.
    async fn letters_of_the_rest(&mut self) -> Result<(), Failure> {
        let letters = self.budget.take_overflow(self.job);
        if letters.is_empty() { Ok(()) } else { self.sink.dead_letters(&letters).await }
    }

    /// None: no outcome yet.
    fn settle(&mut self, batch: &Batch, outcomes: &[Option<LineOutcome>]) {
        let mut ledger = self.ledger.lock();
        for (entry, outcome) in batch.entries.iter().zip(outcomes) {
            if self.partly_refused_event == Some(entry.index) {
                continue;
            }
            let Some(outcome) = *outcome else {
                self.partly_refused_event = Some(entry.index).filter(|_| entry.continues);
                continue;
            };
            if outcome == LineOutcome::Delivered {
                self.counts.bytes += entry.event.message.len() as u64;
                self.counts.events += u64::from(!entry.continues);
            }
            if entry.continues {
                ledger.worsen(entry.event.line, outcome);
            } else {
                ledger.output(entry.event.line, outcome);
            }
        }
    }
}

/// Does a piece of work. `failing` is raised as soon as it fails, whoever is
/// waited for in the meantime.
async fn execute<S: EventSink>(work: SinkCommand, sink: &S, failing: &AtomicBool) -> CompletedPut {
    let failed = |failed: bool| failing.fetch_or(failed, Ordering::Relaxed);
    match work {
        SinkCommand::Checkpoint(events) => CompletedPut::Checkpoint(events),
        SinkCommand::DeadLetters(letters) => {
            let result = sink.dead_letters(&letters).await;
            failed(result.is_err());
            CompletedPut::Letters(result)
        }
        SinkCommand::Batch(batch) => {
            let result = sink.put(&batch).await;
            failed(result.is_err());
            CompletedPut::Put(batch, result)
        }
    }
}

/// Why the destination refused an event, in words.
fn rejection(reason: Reason) -> String {
    match reason {
        Reason::TooOld => "CloudWatch Logs refused the event: it was more than 14 days old when it was put",
        Reason::TooNew => "CloudWatch Logs refused the event: it was more than 2 hours ahead when it was put",
        Reason::Expired => "CloudWatch Logs refused the event: it is older than the log group keeps its events",
        _ => "the destination refused the event",
    }
    .to_owned()
}

#[cfg(test)]
#[path = "put_tests.rs"]
pub(super) mod tests;
