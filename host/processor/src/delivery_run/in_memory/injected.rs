//! What goes wrong, and at which call.

use model::Failure;

use super::InMemory;

/// A call of the delivery run's port, or of what it returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// The directory is asked.
    Lookup,
    /// The object's time is asked for.
    ObjectTime,
    /// The object is opened.
    Open,
    /// Bytes of it are read.
    Read,
    /// The log stream is begun.
    Stream,
    /// A batch is put.
    Put,
    /// Progress is recorded.
    Progress,
    /// Dead letters are written.
    DeadLetters,
    /// Bytes of a rewritten object are written.
    Write,
    /// It is finished.
    Finish,
    /// The object is copied.
    Copy,
    /// It is asked whether the object has changed.
    Verify,
    /// The end is recorded.
    Done,
}

/// What goes wrong.
pub(crate) enum Injected {
    /// Nothing is done.
    Fails(Failure),
    /// What was asked for is done all the same.
    FailsAfterEffect(Failure),
    /// Something else happens, and no answer ever comes (of a call that is waited for).
    Hangs(Event),
    /// Something else happens first; the call itself goes well.
    First(Event),
}

/// Something that happens beside the run.
pub(crate) type Event = Box<dyn FnOnce(&InMemory) + Send>;

impl Injected {
    /// Something else happens, and no answer ever comes.
    pub(crate) fn hangs(event: impl FnOnce(&InMemory) + Send + 'static) -> Self {
        Self::Hangs(Box::new(event))
    }

    /// Something else happens first.
    pub(crate) fn first(event: impl FnOnce(&InMemory) + Send + 'static) -> Self {
        Self::First(Box::new(event))
    }
}
