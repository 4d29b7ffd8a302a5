//! Exit codes.

/// Exit codes, as the reference has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Everything has its outcome.
    Done = 0,
    /// Something failed and is left to do.
    Failed = 1,
    /// The command line can't be understood (in the reference: an invalid mode).
    Usage = 2,
    /// A setting, a file or a folder that was named is wrong.
    Configuration = 3,
    /// There are no AWS credentials.
    Aws = 4,
}

/// An error that ends the process.
pub(super) struct Fatal {
    pub(super) exit: Exit,
    pub(super) problem: String,
}

pub(super) fn fatal(exit: Exit, problem: impl Into<String>) -> Fatal {
    Fatal { exit, problem: problem.into() }
}
