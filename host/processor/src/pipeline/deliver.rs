//! A delivery of an object as a whole: the blocking side beside the putting one,
//! and what came of both.

use std::io::{self, Read, Write};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinHandle};

use super::chain::{StageChain, Stages};
use super::component_run::{ComponentRun, ShadowRun};
use super::delivered::{Delivered, End};
use super::guests::Guests;
use super::halt::Halt;
use super::job::Job;
use super::ledger::LineOutcome;
use super::outbox::{MAX_QUEUED_COMMANDS, Outbox, SharedLedger, SinkCommand};
use super::put::{PutCounts, PutSide};
use super::read::ReadSide;
use super::shadow::Shadow;
use super::stage::StageContext;
use super::tap::Tap;

use crate::aws::AwsError;
use crate::delivery::event_sink::EventSink;
use crate::memory::NoMemory;
use crate::object::{Decompressor, LineReader};
use model::{DeadLetter, Failure, FailureKind, Fault, Reason, Stop};
use sandbox::{GuestError, GuestLog};

/// Delivers an object's lines as events; `source` is the object as it is stored.
pub async fn deliver_events<R, S>(job: Job, guests: Guests, source: R, stop: Stop, sink: &S) -> Delivered
where
    R: Read + Send + 'static,
    S: EventSink,
{
    let stages = StageChain::<io::Sink>::event_stages(&guests, &job);
    run(job, guests, source, stages, stop, sink).await.0
}

/// Delivers an object's rewritten lines to a writer, which is returned, for its
/// commit, when every line has its outcome. Dead letters go to the sink.
pub async fn deliver_object<R, S, W>(
    job: Job,
    guests: Guests,
    source: R,
    to: W,
    stop: Stop,
    sink: &S,
) -> (Delivered, Option<W>)
where
    R: Read + Send + 'static,
    S: EventSink,
    W: Write + Send + 'static,
{
    let stages = StageChain::line_stages(to, &job);
    let (delivered, stages) = run(job, guests, source, stages, stop, sink).await;
    match (stages, &delivered.end) {
        (Some(Stages::Lines { to, .. }), End::Complete | End::Rejected(_)) => (delivered, Some(to)),
        _ => (delivered, None),
    }
}

/// What the blocking side leaves.
struct ReadSideResult<W> {
    result: Result<(), Halt>,
    stages: Stages<W>,
    cut_short: Option<Reason>,
    read_bytes: u64,
    /// Events of its guests, those before [`Job::resume_from`] included.
    events: u64,
    guest_time: Duration,
    guest_log: GuestLog,
    component: Option<ComponentRun>,
    shadow: Option<ShadowRun>,
    warnings: Vec<String>,
}

async fn run<R, S, W>(
    job: Job,
    mut guests: Guests,
    source: R,
    stages: Stages<W>,
    stop: Stop,
    sink: &S,
) -> (Delivered, Option<Stages<W>>)
where
    R: Read + Send + 'static,
    S: EventSink,
    W: Write + Send + 'static,
{
    let (sender, receiver) = mpsc::channel(MAX_QUEUED_COMMANDS);
    let ledger = SharedLedger::default();
    let reading = {
        let (job, ledger, stop) = (job.clone(), ledger.clone(), stop.clone());
        tokio::task::spawn_blocking(move || {
            guests.set_stop(stop.clone());
            let shadow = Shadow::of(guests.plan(), &job, stages.output());
            let outbox = Outbox::new(job.clone(), sender, shadow.as_ref().map(|_| Tap::new(&job)));
            let context = StageContext { guests, ledger, outbox };
            let chain = StageChain { context, stages, chunk_bytes: job.limits.chunk_bytes };
            let reading = ReadSide { chain, shadow, stop, cut_short: None, read_bytes: 0 };
            read(&job, reading, source)
        })
    };
    let mut put = PutSide::new(sink, &ledger, &job);
    let (drained, read) = tokio::select! {
        biased;
        // The blocking side will find its channel closed, or its reader at an end.
        () = stop.abandoned() => return (delivered(put.counts, End::Interrupted, &ledger), None),
        both = both(&mut put, receiver, reading) => both,
    };
    let Ok(mut read) = read else {
        let error = format!("a bug: the work on {} was given up; please report it", job.object);
        let end = End::Failed(Failure::new(FailureKind::Internal, error));
        return (delivered(put.counts, end, &ledger), None);
    };
    let end = end(drained, &mut read, &ledger, &job);
    let ReadSideResult { stages, read_bytes, guest_time, guest_log, component, shadow, warnings, .. } = read;
    // Of what is tried again all lines are compared again.
    let shadow = shadow.filter(|_| matches!(end, End::Complete | End::Rejected(_)));
    let delivered = delivered(put.counts, end, &ledger);
    (Delivered { read_bytes, guest_time, guest_log, component, shadow, warnings, ..delivered }, Some(stages))
}

/// Waits for both sides, and gives the lines that only both together settle
/// their outcome.
async fn both<S: EventSink, W>(
    put: &mut PutSide<'_, S>,
    receiver: mpsc::Receiver<SinkCommand>,
    reading: JoinHandle<ReadSideResult<W>>,
) -> (Result<(), Failure>, Result<ReadSideResult<W>, JoinError>) {
    let mut drained = put.run(receiver).await;
    let read = reading.await;
    if let (Ok(()), Ok(side)) = (&drained, &read) {
        let rejected = match &side.result {
            Ok(()) => None,
            Err(Halt::Guest(GuestError::Rejected { text, .. })) => Some(text),
            Err(_) => return (drained, read),
        };
        if let Stages::Lines { .. } = side.stages {
            // The writer has them, and is committed.
            put.ledger.lock().deliver_open();
        }
        if let Some(text) = rejected {
            let text = format!("the guest rejected the object, or the rest of it: {text}");
            drained = reject_rest(text, put.sink, put.ledger, put.job).await;
        }
    }
    (drained, read)
}

/// What the putting side knows of how it ended.
fn delivered(counts: PutCounts, end: End, ledger: &SharedLedger) -> Delivered {
    Delivered {
        lines: ledger.lock().lines(),
        events: counts.events,
        batches: counts.batches,
        bytes: counts.bytes,
        effect_unknown: counts.effect_unknown || counts.in_flight > 0,
        ..Delivered::unread(end)
    }
}

/// The blocking side. The outbox goes with its end, which tells the other side.
fn read<R: Read, W: Write>(job: &Job, mut reading: ReadSide<W>, source: R) -> ReadSideResult<W> {
    let memory = job.memory.clone();
    let claim = move || memory.claim_line().map_err(io::Error::other);
    let mut lines = LineReader::new(Decompressor::new(source), job.limits).with_claim(claim);
    let result = reading.run(job, &mut lines);
    let mut warnings = reading.chain.context.guests.take_warnings();
    if let Some(what) = lines.looks_like().filter(|_| has_no_records(&reading.chain.context.ledger)) {
        warnings.push(format!("the object looks like {what}: lines of it are no records, and are dead-lettered"));
    }
    ReadSideResult {
        result,
        stages: reading.chain.stages,
        cut_short: reading.cut_short,
        read_bytes: reading.read_bytes,
        events: reading.chain.context.outbox.events(),
        guest_time: reading.chain.context.guests.time(),
        guest_log: reading.chain.context.guests.take_log(),
        component: reading.chain.context.guests.component(),
        shadow: reading.shadow.map(Shadow::into_run),
        warnings,
    }
}

/// Whether some line of it is no record.
fn has_no_records(ledger: &SharedLedger) -> bool {
    let lines = ledger.lock().lines();
    lines.malformed > 0 || lines.dead_lettered.contains_key(&Reason::LineTooLong)
}

/// Says how it ended.
fn end<W>(drained: Result<(), Failure>, read: &mut ReadSideResult<W>, ledger: &SharedLedger, job: &Job) -> End {
    if let Err(failure) = drained {
        return End::Failed(failure);
    }
    match std::mem::replace(&mut read.result, Ok(())) {
        Ok(()) | Err(Halt::Guest(GuestError::Rejected { .. })) if job.resume_from > read.events => {
            let (from, events) = (job.resume_from, read.events);
            let error = format!("it was to begin at event {from} of {}, which has {events}", job.object);
            return End::Failed(Failure::new(FailureKind::OffsetBeyond, error));
        }
        Err(Halt::Guest(GuestError::Rejected { .. })) => return End::Rejected(Reason::GuestRejected),
        Err(Halt::Guest(error)) => return End::Failed(error.into_failure(job.guest_words)),
        Err(Halt::GaveUp(failure)) => return End::Failed(failure),
        Err(Halt::Read(error)) => return End::Failed(unread(job, error)),
        // What a writer put into its error.
        Err(Halt::Write(error)) => {
            let failure = error.downcast().unwrap_or_else(|error| Failure::of(FailureKind::Destination, error));
            return End::Failed(failure);
        }
        Err(Halt::Closed) => {
            return End::Failed(Failure::new(FailureKind::Internal, "the putting side ended early"));
        }
        Err(Halt::Stopped) => return End::Interrupted,
        Ok(()) => {}
    }
    let ledger = ledger.lock();
    let lines = ledger.lines();
    if !ledger.is_settled() || !lines.add_up() {
        let error = format!("a bug: the lines of {} do not add up: {lines:?}", job.object);
        return End::Failed(Failure::new(FailureKind::LinesDoNotAddUp, error));
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

/// Why the object could not be read to its end.
fn unread(job: &Job, error: io::Error) -> Failure {
    if let Some(refused) = error.get_ref().and_then(|error| error.downcast_ref::<NoMemory>()) {
        let error = GuestError::Host { what: refused.to_string() };
        return error.into_failure(job.guest_words);
    }
    match error.downcast::<AwsError>() {
        Ok(error) => error.into_source_failure(),
        Err(error) => {
            let text = format!("{} can't be read: {error}", job.object);
            Failure::of(FailureKind::Read, error).in_words(text).with_fault(Fault::Source)
        }
    }
}

/// The guest will not have the rest: every line that has no outcome is
/// dead-lettered with the object.
async fn reject_rest<S: EventSink>(detail: String, sink: &S, ledger: &SharedLedger, job: &Job) -> Result<(), Failure> {
    let letter = DeadLetter::of_object(&job.object, Reason::GuestRejected, detail).for_delivery(&job.delivery);
    sink.dead_letters(&[letter]).await?;
    ledger.lock().settle_rest(LineOutcome::DeadLettered(Reason::GuestRejected));
    Ok(())
}
