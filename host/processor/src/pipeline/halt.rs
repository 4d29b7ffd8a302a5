//! Why the blocking side of a delivery stops early.

use model::Failure;
use sandbox::GuestError;

/// Why the blocking side stopped before the object's end.
#[derive(Debug)]
pub(super) enum Halt {
    Guest(GuestError),
    /// It failed too often to look for the lines that it fails on.
    GaveUp(Failure),
    Read(std::io::Error),
    /// The other side is gone; it says why.
    Closed,
    Stopped,
    Write(std::io::Error),
}

impl From<GuestError> for Halt {
    fn from(error: GuestError) -> Self {
        Self::Guest(error)
    }
}
