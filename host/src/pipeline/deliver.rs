//! A delivery of an object as a whole: the blocking side beside the putting one,
//! and what came of both.

use std::io::{Read, Write};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::guests::Guests;
use super::ledger::Outcome;
use super::outbox::{Outbox, SharedLedger, WORK_ON_ITS_WAY, Work, letter, refused};
use super::read::{Reading, Stages};
use super::{Delivered, End, Halt, Job, Stop};
use crate::delivery::batch::Batch;
use crate::delivery::port::{DeliveryError, EventSink};
use crate::guest::{GuestError, GuestLog};
use crate::model::{DeadLetter, Reason};
use crate::object::{Decompressor, LineReader};

/// Delivers an object's lines as events. `settings` are the tenant's, for its
/// component; `source` is the object as it is stored.
pub async fn deliver_events<R, S>(
    job: Job,
    settings: Arc<Vec<(String, String)>>,
    guests: Guests,
    source: R,
    stop: Stop,
    sink: &mut S,
) -> Delivered
where
    R: Read + Send + 'static,
    S: EventSink,
{
    let stages = Reading::<std::io::Sink>::event_stages(&guests, &job);
    run(job, settings, guests, source, stages, stop, sink).await.0
}

/// Delivers an object's rewritten lines to a writer, which is returned, for its
/// commit, when every line has its outcome. Dead letters go to the sink.
pub async fn deliver_object<R, S, W>(
    job: Job,
    settings: Arc<Vec<(String, String)>>,
    guests: Guests,
    source: R,
    to: W,
    stop: Stop,
    sink: &mut S,
) -> (Delivered, Option<W>)
where
    R: Read + Send + 'static,
    S: EventSink,
    W: Write + Send + 'static,
{
    let stages = Reading::line_stages(to, &job);
    let (delivered, stages) = run(job, settings, guests, source, stages, stop, sink).await;
    match (stages, &delivered.end) {
        (Some(Stages::Lines { to, .. }), End::Complete | End::Rejected(_)) => (delivered, Some(to)),
        _ => (delivered, None),
    }
}

/// What the blocking side leaves.
struct BlockingSide<W> {
    result: Result<(), Halt>,
    stages: Stages<W>,
    cut_short: Option<Reason>,
    read_bytes: u64,
    guest_log: GuestLog,
    warnings: Vec<String>,
}

async fn run<R, S, W>(
    job: Job,
    settings: Arc<Vec<(String, String)>>,
    guests: Guests,
    source: R,
    stages: Stages<W>,
    stop: Stop,
    sink: &mut S,
) -> (Delivered, Option<Stages<W>>)
where
    R: Read + Send + 'static,
    S: EventSink,
    W: Write + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(WORK_ON_ITS_WAY);
    let ledger = SharedLedger::default();
    let whole = matches!(stages, Stages::Lines { .. });
    let reading = {
        let (job, ledger) = (job.clone(), ledger.clone());
        tokio::task::spawn_blocking(move || {
            let outbox = Outbox::new(job.clone(), sender);
            let reading = Reading {
                guests,
                stages,
                ledger,
                outbox,
                stop,
                chunk_bytes: job.limits.chunk_bytes,
                cut_short: None,
                read_bytes: 0,
            };
            read(&job, &settings, reading, source)
        })
    };
    let mut put = Put::default();
    let drained = put.all(receiver, sink, &ledger, &job).await;
    let Ok(mut read) = reading.await else {
        let error = format!("a bug: the work on {} was given up; please report it", job.object);
        let end = End::Failed { name: "internal", error };
        return (put.delivered(end, &ledger, 0, GuestLog::default(), Vec::new()), None);
    };
    let drained = match (drained, &read.result) {
        (Ok(()), Err(Halt::Guest(GuestError::Rejected { text, .. }))) => {
            if whole {
                // The writer has them, and is committed.
                ledger.lock().deliver_open();
            }
            let text = format!("the guest rejected the object, or the rest of it: {text}");
            reject_rest(text, sink, &ledger, &job).await
        }
        (drained, _) => drained,
    };
    if whole && read.result.is_ok() && drained.is_ok() {
        ledger.lock().deliver_open();
    }
    let end = end(drained, &mut read, &ledger, &job);
    let BlockingSide { stages, read_bytes, guest_log, warnings, .. } = read;
    (put.delivered(end, &ledger, read_bytes, guest_log, warnings), Some(stages))
}

/// The blocking side. The outbox goes with its end, which tells the other side.
fn read<R: Read, W: Write>(
    job: &Job,
    settings: &[(String, String)],
    mut reading: Reading<W>,
    source: R,
) -> BlockingSide<W> {
    let mut lines = LineReader::new(Decompressor::new(source), job.limits);
    let mut result = reading.run(&job.context(settings), &mut lines);
    if let Err(Halt::Guest(GuestError::Rejected { .. })) = result {
        // What came before stands.
        result = reading.outbox.finish().and(result);
    }
    let mut warnings = Vec::new();
    if lines.source().has_trailing_bytes() {
        warnings.push("bytes after the last gzip member were ignored".to_owned());
    }
    BlockingSide {
        result,
        stages: reading.stages,
        cut_short: reading.cut_short,
        read_bytes: reading.read_bytes,
        guest_log: reading.guests.take_log(),
        warnings,
    }
}

/// Says how it ended.
fn end<W>(drained: Result<(), DeliveryError>, read: &mut BlockingSide<W>, ledger: &SharedLedger, job: &Job) -> End {
    let failed = |name, error| End::Failed { name, error };
    if let Err(error) = drained {
        return failed("destination", error.to_string());
    }
    match std::mem::replace(&mut read.result, Ok(())) {
        Err(Halt::Guest(GuestError::Rejected { .. })) => return End::Rejected(Reason::GuestRejected),
        Err(Halt::Guest(error)) => return failed(error.name(), error.to_string()),
        Err(Halt::Read(error)) => return failed("read", format!("{} can't be read: {error}", job.object)),
        Err(Halt::Write(error)) => return failed("destination", error.to_string()),
        Err(Halt::Closed) => return failed("internal", "the putting side ended early".to_owned()),
        Err(Halt::Stopped) => return End::Interrupted,
        Ok(()) => {}
    }
    let ledger = ledger.lock();
    let lines = ledger.lines();
    if !ledger.is_settled() || !lines.add_up() {
        return failed("does-not-add-up", format!("a bug: the lines of {} do not add up: {lines:?}", job.object));
    }
    match read.cut_short {
        Some(reason) => End::Rejected(reason),
        // As the reference: where some line is malformed and none is a record,
        // the object as a whole is none of ours.
        None if lines.malformed > 0 && lines.delivered == 0 && lines.dead_lettered.is_empty() && lines.empty == 0 => {
            End::Rejected(Reason::Malformed)
        }
        None => End::Complete,
    }
}

/// The guest will not have the rest: every line that has no outcome is
/// dead-lettered with the object.
async fn reject_rest<S: EventSink>(
    detail: String,
    sink: &mut S,
    ledger: &SharedLedger,
    job: &Job,
) -> Result<(), DeliveryError> {
    let whole = letter(job, Reason::GuestRejected, detail, 0, None, 0, Vec::new());
    sink.dead_letters(&[DeadLetter { lines: None, length: None, ..whole }]).await?;
    ledger.lock().settle_rest(Outcome::DeadLettered(Reason::GuestRejected));
    Ok(())
}

/// The putting side's counts.
#[derive(Debug, Default)]
struct Put {
    events: u64,
    batches: u64,
    bytes: u64,
}

impl Put {
    /// Does what the blocking side hands over, in order, until it is done.
    async fn all<S: EventSink>(
        &mut self,
        mut receiver: mpsc::Receiver<Work>,
        sink: &mut S,
        ledger: &SharedLedger,
        job: &Job,
    ) -> Result<(), DeliveryError> {
        while let Some(work) = receiver.recv().await {
            match work {
                Work::DeadLetters(letters) => sink.dead_letters(&letters).await?,
                Work::Batch(batch) => self.batch(&batch, sink, ledger, job).await?,
                Work::Checkpoint(events) => sink.checkpoint(events).await?,
            }
        }
        Ok(())
    }

    async fn batch<S: EventSink>(
        &mut self,
        batch: &Batch,
        sink: &mut S,
        ledger: &SharedLedger,
        job: &Job,
    ) -> Result<(), DeliveryError> {
        let rejected = sink.put(batch).await?;
        self.batches += 1;
        let mut outcomes = vec![Outcome::Delivered; batch.entries.len()];
        let mut letters = Vec::new();
        for rejection in rejected {
            let (Some(outcome), Some(entry)) = (outcomes.get_mut(rejection.index), batch.entries.get(rejection.index))
            else {
                continue;
            };
            *outcome = Outcome::DeadLettered(rejection.reason);
            let (event, data) = (&entry.event, entry.event.message.clone().into_bytes());
            let length = data.len() as u64;
            letters.push(DeadLetter {
                timestamp: Some(event.timestamp),
                ..letter(job, rejection.reason, refused(rejection.reason), event.line, None, length, data)
            });
        }
        if !letters.is_empty() {
            sink.dead_letters(&letters).await?;
        }
        let mut ledger = ledger.lock();
        for (entry, outcome) in batch.entries.iter().zip(outcomes) {
            if outcome == Outcome::Delivered {
                self.bytes += entry.event.message.len() as u64;
                self.events += u64::from(!entry.continues);
            }
            if entry.continues {
                ledger.worsen(entry.event.line, outcome);
            } else {
                ledger.output(entry.event.line, outcome);
            }
        }
        Ok(())
    }

    fn delivered(
        self,
        end: End,
        ledger: &SharedLedger,
        read_bytes: u64,
        guest_log: GuestLog,
        warnings: Vec<String>,
    ) -> Delivered {
        let lines = ledger.lock().lines();
        Delivered {
            end,
            lines,
            events: self.events,
            batches: self.batches,
            bytes: self.bytes,
            read_bytes,
            guest_log,
            warnings,
        }
    }
}
