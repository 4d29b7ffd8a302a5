//! The modes, and the variables that each leaves unused.

use super::table;
use super::variable::Variable;

/// The source of messages: `--mode`, else EXECUTION_MODE, else lambda.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// AWS Lambda's runtime API.
    Lambda,
    /// A queue, read by long polling.
    Sqs,
    /// One message on standard input.
    Manual,
    /// The objects of a bucket, found by listing it.
    Scan,
}

impl Mode {
    /// All modes, in the order of `--help`.
    pub const ALL: [Self; 4] = [Self::Lambda, Self::Sqs, Self::Manual, Self::Scan];

    /// The mode of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name() == name)
    }

    /// The name that `--mode` takes.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lambda => "lambda",
            Self::Sqs => "sqs",
            Self::Manual => "manual",
            Self::Scan => "scan",
        }
    }
}

/// The purpose that settings are read for. A problem with a variable that the purpose doesn't
/// use is only a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To run in a mode.
    Mode(Mode),
    /// To check them without a mode: every variable counts.
    AnyMode,
    /// To run a command that works in no mode.
    NoMode,
}

impl Purpose {
    /// Why a variable isn't used, to end a sentence about it; `None` if it is used.
    pub(super) fn why_unused(self, variable: &str) -> Option<String> {
        let only = MODE_VARIABLES.iter().find(|(only, _)| only.name == variable).map(|(_, modes)| *modes)?;
        match self {
            Self::AnyMode => None,
            Self::Mode(mode) if only.contains(&mode) => None,
            Self::Mode(mode) => Some(format!("{} mode doesn't use it", mode.name())),
            Self::NoMode => Some("this command doesn't use it".to_owned()),
        }
    }
}

/// The variables that not all modes use. A message is sent back only to the queue that it came
/// from, so manual and scan mode have none.
pub(super) const MODE_VARIABLES: [(&Variable, &[Mode]); 7] = [
    (&table::SQS_QUEUE_URL, &[Mode::Lambda, Mode::Sqs]),
    (&table::SOURCE_BUCKET, &[Mode::Scan]),
    (&table::SCAN_INTERVAL, &[Mode::Scan]),
    (&table::SCAN_SUFFIXES, &[Mode::Scan]),
    (&table::VISIBILITY_TIMEOUT, &[Mode::Sqs]),
    (&table::SHUTDOWN_GRACE_SECONDS, &[Mode::Sqs, Mode::Scan]),
    (&table::HTTP_ADDR, &[Mode::Sqs, Mode::Scan]),
];
