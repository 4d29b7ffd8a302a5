//! The versions of the contract that the host speaks, and what they call its interfaces.

use std::fmt;

/// Prefix of the names of all of the contract's interfaces.
pub(crate) const PACKAGE: &str = "log-router:plugin/";

/// The names of this version.
macro_rules! names {
    ($version:literal) => {
        names!($version: key_parser "key-parser", log_filter "log-filter", record_rewrite "record-rewrite",
            record_transform "record-transform", settings_check "settings-check", types "types", host_log "host-log")
    };
    ($version:literal: $($field:ident $name:literal),+) => {
        InterfaceNames { version: $version, $($field: concat!("log-router:plugin/", $name, "@", $version)),+ }
    };
}

/// A version of the contract. Versions are ordered: the newest is the greatest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// 0.1.0, the first.
    V0_1_0,
    /// 0.2.0, a draft: what a guest is told has types.
    V0_2_0,
}

impl Version {
    /// All versions that the host speaks, the newest last.
    pub const ALL: [Self; 2] = [Self::V0_1_0, Self::V0_2_0];

    /// Names of this version's interfaces.
    pub(crate) const fn names(self) -> &'static InterfaceNames {
        match self {
            Self::V0_1_0 => &InterfaceNames::V0_1_0,
            Self::V0_2_0 => &InterfaceNames::V0_2_0,
        }
    }

    /// The names of all versions, for a person.
    pub(crate) fn list() -> String {
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
pub(crate) enum Interface {
    KeyParser,
    LogFilter,
    RecordRewrite,
    RecordTransform,
    SettingsCheck,
}

impl Interface {
    pub(crate) const ALL: [Self; 5] =
        [Self::KeyParser, Self::LogFilter, Self::RecordRewrite, Self::RecordTransform, Self::SettingsCheck];
}

/// A version's interfaces, as a component's exports and imports name them.
pub(crate) struct InterfaceNames {
    pub(crate) version: &'static str,
    pub(crate) key_parser: &'static str,
    pub(crate) log_filter: &'static str,
    pub(crate) record_rewrite: &'static str,
    pub(crate) record_transform: &'static str,
    pub(crate) settings_check: &'static str,
    /// The interface of types that the others share; it has no functions.
    pub(crate) types: &'static str,
    /// The interface that the host gives: its log.
    pub(crate) host_log: &'static str,
}

impl InterfaceNames {
    const V0_1_0: Self = names!("0.1.0");
    const V0_2_0: Self = names!("0.2.0");

    pub(crate) fn of(&self, interface: Interface) -> &'static str {
        match interface {
            Interface::KeyParser => self.key_parser,
            Interface::LogFilter => self.log_filter,
            Interface::RecordRewrite => self.record_rewrite,
            Interface::RecordTransform => self.record_transform,
            Interface::SettingsCheck => self.settings_check,
        }
    }
}

/// Whether the contract has what a guest imports by this name.
pub(crate) fn is_provided(import: &str) -> bool {
    Version::ALL.map(Version::names).iter().any(|names| import == names.host_log || import == names.types)
}
