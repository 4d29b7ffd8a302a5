//! The port of the delivery run: where one delivery of one object is read from, where it
//! goes, and how far earlier attempts came.

use std::future::Future;
use std::io::{self, Read, Write};

use model::{DeadLetter, Failure, ObjectId};
use sandbox::GuestLog;

use crate::delivery::event_sink::LogStream;
use crate::pipeline::{Job, Plan};

/// One delivery of one object, as its surroundings see it: a folder, AWS, or memory.
///
/// The run calls it in this order, once per attempt: [`object_time`](Self::object_time),
/// [`begin`](Self::begin), [`open`](Self::open), then [`stream`](Self::stream),
/// [`upload`](Self::upload) or [`copy`](Self::copy), then
/// [`verify_unchanged`](Self::verify_unchanged) and [`record_done`](Self::record_done).
/// Dead letters, guest logs and progress come at any time after `begin`.
pub trait DeliveryPort: Send + Sync {
    /// The object as it is stored; not read on a task.
    type Source: Read + Send + 'static;
    /// The log stream of a CloudWatch delivery.
    type Stream: LogStream + Send;
    /// The object of an S3 delivery that a plugin rewrites.
    type Upload: Upload;

    /// The object's time, which is the clock of its guests.
    ///
    /// # Errors
    /// The object can't be asked about; `Changed`: it is another by now.
    fn object_time(&mut self) -> impl Future<Output = Result<ObjectTime, Failure>> + Send;

    /// Begins an attempt with this plan. `events_from`: digest of all that decides which
    /// events the object becomes; the number of an event means nothing under another.
    fn begin(&mut self, plan: &Plan, events_from: &str) -> Progress;

    /// Opens the object. `events_from`: as for [`begin`](Self::begin), by the origin that
    /// the delivery's key-parser refined.
    ///
    /// # Errors
    /// The object can't be read; `Changed`: it is another by now.
    fn open(&mut self, events_from: &str) -> impl Future<Output = Result<Opened<Self::Source>, Failure>> + Send;

    /// The failure that it is where the first bytes of an opened object can't be read.
    fn unreadable(&self, error: io::Error) -> Failure;

    /// The log stream of a CloudWatch delivery.
    ///
    /// # Errors
    /// It can't be opened, or the delivery has none.
    fn stream(&mut self, job: &Job) -> Result<Self::Stream, Failure>;

    /// Begins the object `target` of an S3 delivery, compressed where the source is.
    fn upload(&mut self, job: &Job, target: &ObjectId, gzip: bool) -> Self::Upload;

    /// Copies the object as it is to `target`, unread.
    ///
    /// # Errors
    /// The object can't be read (`Changed`: it is another by now), or `target` not written.
    fn copy(&mut self, job: &Job, target: &ObjectId) -> impl Future<Output = Result<Copied, Failure>> + Send;

    /// Notes that `target` was written; whether it replaced what was made of another object.
    fn replaces_another(&self, target: &ObjectId) -> bool;

    /// Keeps what can never be delivered.
    ///
    /// # Errors
    /// It can't be kept; the delivery must not be acknowledged then.
    fn write_dead_letters(&self, letters: &[DeadLetter]) -> impl Future<Output = Result<(), Failure>> + Send;

    /// Records how far the delivery is: so many events are settled, in guest order.
    ///
    /// # Errors
    /// It can't be recorded.
    fn record_progress(&self, settled: u64) -> Result<(), Failure>;

    /// Whether what was read is the object still, where reading itself doesn't find out.
    ///
    /// # Errors
    /// `Changed`: it is not; anything else: that can't be said.
    fn verify_unchanged(&self) -> Result<(), Failure>;

    /// Records that nothing is left to do: `settled` events, in guest order, are settled;
    /// `outcome` is the name of how.
    ///
    /// # Errors
    /// It can't be recorded; the delivery must be tried again then.
    fn record_done(&mut self, settled: u64, outcome: &str) -> Result<(), Failure>;

    /// Shows what the delivery's guests logged, where somebody wants to see it.
    fn show_guest_log(&self, log: &GuestLog);

    /// Whether errors may have a guest's own words, which may quote a line.
    fn shows_guest_words(&self) -> bool;

    /// Against what the ages of events are judged, in milliseconds since the Unix epoch;
    /// `None`: the destination judges them itself.
    fn age_at(&self, time: ObjectTime) -> Option<i64>;

    /// What becomes of an object that changed since it was announced.
    fn when_changed(&self) -> WhenChanged;

    /// Forgets how far earlier attempts came, after it turned out to lie beyond the
    /// object's last event. `false`: nothing is forgotten, and the delivery fails.
    fn forget_progress(&mut self) -> bool;
}

/// An object on its way to a tenant's bucket. Dropped before [`finish`](Self::finish) has
/// returned, it leaves nothing.
pub trait Upload: Write + Send + 'static {
    /// Makes the object appear; returns its bytes. 0: nothing was written, and there is none.
    ///
    /// # Errors
    /// It can't be written.
    fn finish(self) -> impl Future<Output = Result<u64, Failure>> + Send;
}

/// The time of an object, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectTime {
    /// The clock of its guests, the same at each attempt.
    pub now: i64,
    /// LastModified.
    pub last_modified: i64,
}

/// How far earlier attempts came, as far as it is known before the object is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// They settled so many events, in guest order; 0 where only [`Opened`] tells.
    Settled(u64),
    /// Nothing is left to do.
    Done,
}

/// An object that is open.
#[derive(Debug)]
pub struct Opened<R> {
    /// Its bytes, as it is stored.
    pub source: R,
    /// LastModified, in milliseconds since the Unix epoch.
    pub last_modified: i64,
    /// Bytes as it is stored.
    pub stored_bytes: u64,
    /// Events, in guest order, that earlier attempts settled.
    pub resume_from: u64,
}

/// A copy that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Copied {
    /// Bytes; 0 where they are not known.
    pub bytes: u64,
    /// What is odd about it.
    pub warning: Option<String>,
}

/// What becomes of an object that changed since it was announced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhenChanged {
    /// It fails: a later run finds its new state by itself.
    Fail,
    /// It is done with, and this data goes to its dead letter: the new state is announced
    /// by itself, and where it is not, whoever looks for the logs finds the letter.
    Keep(Vec<u8>),
}
