//! The contract between host and guests, in every version that the host speaks.
//!
//! What the host says to guests and hears from them is of its own types, which know
//! no version: those here, and those of `checked`. A component may export its
//! interfaces in several versions, mixed.
//!
//! - `v0_1_0`, `v0_2_0`: a version's types, and how the host's become them, or are
//!   made of them. To speak another: its file, with what it changes of the one before,
//!   and its arm in [`Version`]. Nothing else knows versions.
//! - `functions`: the functions, for all versions alike.
//! - `call`: a call of one.

mod call;
mod functions;
mod v0_1_0;
mod v0_2_0;

use std::fmt;

use wasmtime::component::{ComponentType, Lift, Lower};

use super::GuestError;
use super::component::LoadError;
use model::{Delivery, ObjectId, Origin, TimestampNumbers};

pub(super) use super::checked::{Note, Verdict};
pub(super) use call::{Call, Probe};
pub(super) use model::Event;

/// What the names of all of the contract's interfaces begin with.
pub(super) const PACKAGE: &str = "log-router:plugin/";

/// A version of the contract, the newest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// The first.
    V0_1_0,
    /// A draft: what a guest is told has types.
    V0_2_0,
}

impl Version {
    /// All that the host speaks, the newest last.
    pub const ALL: [Self; 2] = [Self::V0_1_0, Self::V0_2_0];

    /// What it says.
    pub(super) fn contract(self) -> &'static dyn Contract {
        match self {
            Self::V0_1_0 => &v0_1_0::Spoken,
            Self::V0_2_0 => &v0_2_0::Spoken,
        }
    }

    pub(super) fn names(self) -> &'static Names {
        self.contract().names()
    }

    /// All of them, for a person.
    pub(super) fn list() -> String {
        Self::ALL.map(|version| version.to_string()).join(", ")
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.names().version)
    }
}

/// An interface that a component may export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Interface {
    KeyParser,
    LogFilter,
    RecordRewrite,
    RecordTransform,
    SettingsCheck,
}

impl Interface {
    pub(super) const ALL: [Self; 5] =
        [Self::KeyParser, Self::LogFilter, Self::RecordRewrite, Self::RecordTransform, Self::SettingsCheck];
}

/// A version's interfaces, as a component's exports and imports name them.
pub(super) struct Names {
    pub(super) version: &'static str,
    pub(super) key_parser: &'static str,
    pub(super) log_filter: &'static str,
    pub(super) record_rewrite: &'static str,
    pub(super) record_transform: &'static str,
    pub(super) settings_check: &'static str,
    /// Types that the others share; it has no functions.
    pub(super) types: &'static str,
    /// What the host gives.
    pub(super) host_log: &'static str,
}

impl Names {
    pub(super) fn of(&self, interface: Interface) -> &'static str {
        match interface {
            Interface::KeyParser => self.key_parser,
            Interface::LogFilter => self.log_filter,
            Interface::RecordRewrite => self.record_rewrite,
            Interface::RecordTransform => self.record_transform,
            Interface::SettingsCheck => self.settings_check,
        }
    }
}

/// The names of this version.
macro_rules! names {
    ($version:literal) => {
        names!($version: key_parser "key-parser", log_filter "log-filter", record_rewrite "record-rewrite",
            record_transform "record-transform", settings_check "settings-check", types "types", host_log "host-log")
    };
    ($version:literal: $($field:ident $name:literal),+) => {
        Names { version: $version, $($field: concat!("log-router:plugin/", $name, "@", $version)),+ }
    };
}
use names;

/// Whether a guest is given what it imports by this name.
pub(super) fn is_given(import: &str) -> bool {
    Version::ALL.map(Version::names).iter().any(|names| import == names.host_log || import == names.types)
}

/// A version: its functions, which take and give what is the host's. Fallible ones
/// fail as the guest says, or with what it did wrong.
pub(super) trait Contract: Sync {
    fn names(&self) -> &'static Names;

    /// Whether a component that exports an interface has all its functions, of the
    /// right types.
    fn check_types(&self, interface: Interface, probe: &mut Probe<'_>) -> Result<(), LoadError>;

    fn parse_key(&self, call: Call<'_>, key: &str) -> Result<Origin, GuestError>;

    fn wants(&self, call: Call<'_>, context: &Context<'_>) -> Result<bool, GuestError>;

    /// The answer has what is wrong with the settings.
    fn check_settings(&self, call: Call<'_>, settings: &[(String, String)]) -> Result<Result<(), String>, GuestError>;

    fn begin_rewrite(&self, call: Call<'_>, context: &Context<'_>) -> Result<(), GuestError>;

    fn rewrite(&self, call: Call<'_>, first_line: u64, lines: &[u8]) -> Result<Rewritten, GuestError>;

    fn end_rewrite(&self, call: Call<'_>) -> Result<Rewritten, GuestError>;

    fn begin_transform(&self, call: Call<'_>, context: &Context<'_>) -> Result<(), GuestError>;

    fn transform(&self, call: Call<'_>, first_line: u64, lines: &[u8]) -> Result<Transformed, GuestError>;

    fn end_transform(&self, call: Call<'_>) -> Result<Transformed, GuestError>;
}

/// What a guest is told about the object and the delivery.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// From the key.
    pub origin: &'a Origin,
    /// The delivery that the object is processed for.
    pub delivery: &'a Delivery,
    /// The object.
    pub object: &'a ObjectId,
    /// The tenant's settings for its component.
    pub settings: &'a [(String, String)],
    /// Milliseconds since the epoch: the guest's only clock.
    pub now: i64,
    /// Milliseconds since the epoch.
    pub last_modified: i64,
    /// MAX_LINE_BYTES.
    pub max_line_bytes: usize,
    /// TIMESTAMP_NUMBERS.
    pub timestamp_numbers: TimestampNumbers,
}

/// Why a guest gives up.
pub(super) enum Failure {
    Rejected(String),
    Internal(String),
}

/// Lines, as a guest says: `checked` decides whether it is believed.
pub(super) struct Rewritten {
    pub(super) lines: Vec<u8>,
    pub(super) sources: Vec<u64>,
    pub(super) notes: Vec<Note>,
    /// None: nothing is held back.
    pub(super) pending_from: Option<u64>,
}

/// Events, as a guest says: `checked` decides whether it is believed.
pub(super) struct Transformed {
    pub(super) events: Vec<Event>,
    pub(super) notes: Vec<Note>,
    /// None: nothing is held back.
    pub(super) pending_from: Option<u64>,
}

/// How urgent a guest's log line is. All versions have it as it is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum Level {
    /// For the guest's author.
    #[component(name = "debug")]
    Debug,
    /// Worth a line.
    #[component(name = "info")]
    Info,
    /// Something is odd.
    #[component(name = "warn")]
    Warn,
    /// Something is wrong.
    #[component(name = "error")]
    Error,
}
