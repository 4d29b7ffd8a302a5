//! From the blocking side to the other: events gather in a window, dead letters
//! go ahead of it, and after each window comes the checkpoint.

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::mpsc;

use super::dead_letter_budget::DeadLetterBudget;
use super::halt::Halt;
use super::job::Job;
use super::ledger::{LineLedger, LineOutcome};
use super::tap::Tap;
use crate::delivery::batch::{Batch, EventCheck, Refusal, Window};
use model::{DeadLetter, Event, Reason, lock};

/// What the other side does next.
#[derive(Debug)]
pub(super) enum SinkCommand {
    DeadLetters(Vec<DeadLetter>),
    Batch(Batch),
    /// Everything before this event, in guest order, was handed over.
    Checkpoint(u64),
}

/// Commands on their way at once: enough to overlap the two sides, little memory.
pub(super) const MAX_QUEUED_COMMANDS: usize = 2;

/// Dead letters, and bytes of them, that are sent together at most.
const MAX_LETTERS: usize = 1024;
const MAX_LETTER_BYTES: usize = 1024 * 1024;

/// A ledger that both sides write to.
#[derive(Debug, Clone, Default)]
pub(super) struct SharedLedger(Arc<Mutex<LineLedger>>);

impl SharedLedger {
    /// Never held while work is sent: the other side needs it to take work.
    pub(super) fn lock(&self) -> MutexGuard<'_, LineLedger> {
        lock(&self.0)
    }
}

/// An event that can't be put, whose record begins at `offset`.
struct RefusedEvent {
    event: Event,
    offset: u64,
    reason: Reason,
}

/// What can never be delivered.
pub(super) struct Undeliverable {
    pub(super) reason: Reason,
    /// Why in words.
    pub(super) detail: String,
    /// Line of the object, from 0.
    pub(super) line: u64,
    /// Where it begins in the decompressed object.
    pub(super) offset: Option<u64>,
    /// Bytes that it has, of which `data` may hold only the first.
    pub(super) length: u64,
    pub(super) data: Vec<u8>,
}

impl Undeliverable {
    /// The dead letter of it.
    pub(super) fn into_letter(self, job: &Job) -> DeadLetter {
        let Self { reason, detail, line, offset, length, data } = self;
        DeadLetter {
            lines: Some((line, line)),
            offset,
            length: Some(length),
            data,
            ..DeadLetter::of_object(&job.object, reason, detail).for_delivery(&job.delivery)
        }
    }

    /// The dead letter of an event.
    pub(super) fn event(event: Event, reason: Reason, detail: String, offset: Option<u64>, job: &Job) -> DeadLetter {
        let Event { line, timestamp, message } = event;
        let (length, data) = (message.len() as u64, message.into_bytes());
        let letter = Self { reason, detail, line, offset, length, data }.into_letter(job);
        DeadLetter { timestamp: Some(timestamp), ..letter }
    }
}

/// What the blocking side has for the other.
pub(super) struct Outbox {
    job: Job,
    /// None: nothing is sent.
    sender: Option<mpsc::Sender<SinkCommand>>,
    /// Sees what each line becomes, where a shadow is compared.
    pub(super) tap: Option<Tap>,
    window: Window,
    letters: Vec<DeadLetter>,
    letter_bytes: usize,
    budget: DeadLetterBudget,
    /// What the object looks like, if no log.
    looks_like: Option<&'static str>,
    /// Letters to be, written when the ledger is free: there may be millions.
    refused: Vec<RefusedEvent>,
    event_check: EventCheck,
    /// Events so far, in guest order.
    events: u64,
    /// Events of the last checkpoint.
    last_checkpoint: u64,
}

impl Outbox {
    /// `tap`: sees what each line becomes.
    pub(super) fn new(job: Job, sender: mpsc::Sender<SinkCommand>, tap: Option<Tap>) -> Self {
        Self::with(job, Some(sender), tap)
    }

    /// Sends nothing: what is to be sent only the tap sees.
    pub(super) fn unsent(job: Job, tap: Tap) -> Self {
        Self::with(job, None, Some(tap))
    }

    fn with(job: Job, sender: Option<mpsc::Sender<SinkCommand>>, tap: Option<Tap>) -> Self {
        let event_check = EventCheck { age_at: job.age_at };
        Self {
            window: Window::new(job.window_bytes),
            budget: DeadLetterBudget::new(job.stored_bytes),
            looks_like: None,
            job,
            sender,
            tap,
            letters: Vec::new(),
            letter_bytes: 0,
            refused: Vec::new(),
            event_check,
            events: 0,
            last_checkpoint: 0,
        }
    }

    /// Events so far, in guest order.
    pub(super) fn events(&self) -> u64 {
        self.events
    }

    /// Takes an event of an open line, whose record begins at `offset`.
    pub(super) fn push_event(&mut self, event: Event, offset: u64, ledger: &mut LineLedger) {
        if let Some(tap) = &mut self.tap {
            tap.event(&event);
        }
        if self.sender.is_none() {
            return;
        }
        let index = self.events;
        self.events += 1;
        match self.event_check.check(&event) {
            Err(Refusal::Empty) => ledger.output(event.line, LineOutcome::Empty),
            Err(Refusal::Dead(reason)) => {
                ledger.output(event.line, LineOutcome::DeadLettered(reason));
                if self.budget.is_exhausted() {
                    self.budget.count_overflow(reason, event.line, Some(offset));
                } else {
                    self.refused.push(RefusedEvent { event, offset, reason });
                }
            }
            // An earlier attempt delivered it.
            Ok(()) if index < self.job.resume_from => ledger.output(event.line, LineOutcome::Delivered),
            Ok(()) => self.window.push(index, event),
        }
    }

    /// Takes a line that can never be delivered.
    pub(super) fn push_refused_line(
        &mut self,
        reason: Reason,
        detail: &str,
        line: u64,
        offset: u64,
        data: &[u8],
    ) -> Result<(), Halt> {
        if let Some(tap) = &mut self.tap {
            tap.refused(line, reason);
        }
        if self.sender.is_none() {
            return Ok(());
        }
        if self.budget.is_exhausted() {
            self.budget.count_overflow(reason, line, Some(offset));
            return Ok(());
        }
        let (length, detail) = (data.len() as u64, detail.to_owned());
        self.push_partial_line(Undeliverable {
            reason,
            detail,
            line,
            offset: Some(offset),
            length,
            data: data.to_vec(),
        })
    }

    /// What the object looks like, if it is known and no log.
    pub(super) fn looks_like(&mut self, what: Option<&'static str>) {
        self.looks_like = what;
    }

    /// With what the object looks like, where that may be why.
    fn detail(&self, reason: Reason, detail: &str) -> String {
        match self.looks_like {
            Some(what) if matches!(reason, Reason::Malformed | Reason::LineTooLong) => {
                format!("{detail}; the object looks like {what}")
            }
            _ => detail.to_owned(),
        }
    }

    /// Lines went to the writer.
    pub(super) fn note_written(&mut self, lines: &[u8], sources: impl Iterator<Item = u64>) {
        if let Some(tap) = &mut self.tap {
            tap.lines(lines, sources);
        }
    }

    /// Takes a letter, as long as the object may have more.
    fn keep(&mut self, letter: DeadLetter) -> Result<(), Halt> {
        self.budget.admit(letter).map_or(Ok(()), |letter| self.add(letter))
    }

    /// Letters go out in portions.
    fn add(&mut self, letter: DeadLetter) -> Result<(), Halt> {
        self.letter_bytes += letter.data.len();
        self.letters.push(letter);
        if self.letters.len() >= MAX_LETTERS || self.letter_bytes >= MAX_LETTER_BYTES {
            return self.send_letters();
        }
        Ok(())
    }

    /// Takes what is no whole line, of which only the beginning may be there.
    pub(super) fn push_partial_line(&mut self, part: Undeliverable) -> Result<(), Halt> {
        let letter = self.letter(part);
        self.keep(letter)
    }

    /// As [`Outbox::push_partial_line`], of the rest of the object: there is but one, which is always kept.
    pub(super) fn push_remainder(&mut self, rest: Undeliverable) -> Result<(), Halt> {
        let letter = self.letter(rest);
        self.add(letter)
    }

    fn letter(&self, of: Undeliverable) -> DeadLetter {
        let detail = self.detail(of.reason, &of.detail);
        Undeliverable { detail, ..of }.into_letter(&self.job)
    }

    /// Sends what has gathered, when it is enough.
    pub(super) fn send(&mut self) -> Result<(), Halt> {
        for RefusedEvent { event, offset, reason } in std::mem::take(&mut self.refused) {
            let detail = refused(reason);
            let letter = Undeliverable::event(event, reason, detail, Some(offset), &self.job);
            self.keep(letter)?;
        }
        self.send_letters()?;
        if self.window.is_full() { self.send_window() } else { Ok(()) }
    }

    fn send_letters(&mut self) -> Result<(), Halt> {
        if self.letters.is_empty() {
            return Ok(());
        }
        self.letter_bytes = 0;
        let letters = std::mem::take(&mut self.letters);
        self.hand_over(SinkCommand::DeadLetters(letters))
    }

    /// Sends all that is left.
    pub(super) fn finish(&mut self) -> Result<(), Halt> {
        self.send()?;
        self.letters = self.budget.take_overflow(&self.job);
        self.send_letters()?;
        self.send_window()
    }

    fn send_window(&mut self) -> Result<(), Halt> {
        for batch in self.window.batches(self.job.max_batch_events) {
            let settles_to = batch.settles_to;
            self.hand_over(SinkCommand::Batch(batch))?;
            self.checkpoint(settles_to.unwrap_or(0))?;
        }
        self.checkpoint(self.events)
    }

    /// Says how far it is, where that is further than was said.
    fn checkpoint(&mut self, events: u64) -> Result<(), Halt> {
        if events <= self.last_checkpoint {
            return Ok(());
        }
        self.last_checkpoint = events;
        self.hand_over(SinkCommand::Checkpoint(events))
    }

    fn hand_over(&self, work: SinkCommand) -> Result<(), Halt> {
        let Some(sender) = &self.sender else { return Ok(()) };
        sender.blocking_send(work).map_err(|_| Halt::Closed)
    }
}

/// Why an event was refused, in words.
pub(super) fn refused(reason: Reason) -> String {
    match reason {
        Reason::NegativeTimestamp => "the event's timestamp is before 1970; CloudWatch Logs takes none such",
        Reason::TooOld => "the event is more than 14 days older than its object; CloudWatch Logs takes none such",
        Reason::TooNew => "the event is more than 2 hours newer than its object; CloudWatch Logs takes none such",
        _ => "the destination refused the event",
    }
    .to_owned()
}
