//! The contract's interfaces that a component exports, and their versions, read from the
//! component's type.

use crate::error::LoadError;
use crate::text::bounded;
use crate::version::{Interface, PACKAGE, Version};

/// Interfaces of the contract that a component exports, each in the newest version of
/// those that it has. The default guest does the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exports {
    /// `key-parser`: reads an object's key.
    pub key_parser: Option<Version>,
    /// `log-filter`: decides whether a delivery wants an object.
    pub log_filter: Option<Version>,
    /// `record-rewrite`: makes records of records.
    pub record_rewrite: Option<Version>,
    /// `record-transform`: makes events of records.
    pub record_transform: Option<Version>,
    /// `settings-check`: says what is wrong with settings.
    pub settings_check: Option<Version>,
}

impl Exports {
    /// Exports of a component whose exports have these names.
    pub(crate) fn of(names: &[&str]) -> Result<Self, LoadError> {
        let all = of_contract(names)?;
        let newest = |interface| all.iter().filter(|(of, _)| *of == interface).map(|(_, version)| *version).max();
        if all.is_empty() {
            return Err(LoadError::NoExport(bounded(names.join(", "))));
        }
        Ok(Self {
            key_parser: newest(Interface::KeyParser),
            log_filter: newest(Interface::LogFilter),
            record_rewrite: newest(Interface::RecordRewrite),
            record_transform: newest(Interface::RecordTransform),
            settings_check: newest(Interface::SettingsCheck),
        })
    }

    /// Names of the interfaces that are used, with their version.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let versions =
            [self.key_parser, self.log_filter, self.record_rewrite, self.record_transform, self.settings_check];
        let names = |(interface, version): (_, Option<Version>)| Some(version?.names().of(interface));
        Interface::ALL.into_iter().zip(versions).filter_map(names)
    }
}

/// The interfaces of the contract among these names of exports, in whatever version. What
/// claims to be of the contract and is not known is refused: nobody may believe that it
/// runs.
pub(crate) fn of_contract(names: &[&str]) -> Result<Vec<(Interface, Version)>, LoadError> {
    let is_types = |name: &str| Version::ALL.iter().any(|version| version.names().types == name);
    let of_contract = names.iter().filter(|name| name.starts_with(PACKAGE) && !is_types(name));
    of_contract.map(|name| known(name).ok_or_else(|| LoadError::Version(bounded((*name).to_owned())))).collect()
}

/// The interface and version that a name is of.
fn known(name: &str) -> Option<(Interface, Version)> {
    let mut all = Version::ALL.into_iter().flat_map(|version| Interface::ALL.map(|interface| (interface, version)));
    all.find(|(interface, version)| version.names().of(*interface) == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(names: &[&str]) -> Result<Exports, String> {
        Exports::of(names).map_err(|error| error.to_string())
    }

    #[test]
    fn each_interface_has_its_version_the_newest_of_several() {
        let exports = read(&[
            "run",
            "log-router:plugin/types@0.1.0",
            "log-router:plugin/record-rewrite@0.2.0",
            "log-router:plugin/record-rewrite@0.1.0",
            "log-router:plugin/log-filter@0.1.0",
            "log-router:plugin/settings-check@0.2.0",
        ])
        .unwrap();
        let expected = Exports {
            record_rewrite: Some(Version::V0_2_0),
            log_filter: Some(Version::V0_1_0),
            settings_check: Some(Version::V0_2_0),
            ..Exports::default()
        };
        assert_eq!(exports, expected);
        let names: Vec<&str> = exports.names().collect();
        let expected = [
            "log-router:plugin/log-filter@0.1.0",
            "log-router:plugin/record-rewrite@0.2.0",
            "log-router:plugin/settings-check@0.2.0",
        ];
        assert_eq!(names, expected);
    }

    #[test]
    fn what_claims_to_be_of_the_contract_must_be() {
        let unknown = [
            "log-router:plugin/record-rewrite@0.3.0",
            "log-router:plugin/record-rewrite@0.1.1",
            "log-router:plugin/record-rewrite@0.2.0-draft",
            "log-router:plugin/record-rewrite",
            "log-router:plugin/record-redact@0.1.0",
        ];
        for name in unknown {
            for names in [&[name][..], &["log-router:plugin/log-filter@0.1.0", name]] {
                let error = read(names).unwrap_err();
                assert!(error.contains(&format!("`{name}`")) && error.contains("(0.1.0, 0.2.0)"), "{error}");
            }
        }
        for names in [&["run"][..], &["other:plugin/log-filter@0.1.0"], &[]] {
            assert!(read(names).unwrap_err().contains("exports no interface of the contract"));
        }
    }
}
