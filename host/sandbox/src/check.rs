//! What only an instance shows of a component: that it starts, that its functions are of
//! the contract's types, that it accepts its settings.

use crate::component::Component;
use crate::contract::{self, Probe};
use crate::error::{GuestError, LoadError};
use crate::exports;
use crate::instance::Instance;
use crate::surroundings::Surroundings;

/// Why a component that could be loaded can't be run for a delivery.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// The component can't be run as what it says that it is.
    #[error(transparent)]
    Refused(#[from] LoadError),
    /// The component refuses its settings, in its own words, which may quote them.
    #[error("{0}")]
    SettingsRefused(String),
    /// The component's check of its settings failed.
    #[error("its check of them failed: {}", .0.without_words())]
    SettingsCheck(GuestError),
    /// The host can't run the component now, which says nothing about it.
    #[error(transparent)]
    NotNow(GuestError),
}

impl Component {
    /// Checks with an instance, under the component's limits, that it starts, that
    /// its functions are of the contract's types, and that it accepts its settings.
    ///
    /// # Errors
    /// What is wrong with the component, or why the host can't run it now.
    pub fn check(&self, settings: &[(String, String)]) -> Result<(), CheckError> {
        let mut instance = Instance::start(self, &Surroundings::none()).map_err(|error| {
            if error.is_guests_fault() {
                CheckError::Refused(self.start_failed(error))
            } else {
                CheckError::NotNow(error)
            }
        })?;
        check_types(self)?;
        if self.exports().settings_check.is_none() {
            return Ok(());
        }
        match instance.check_settings(settings) {
            Ok(answer) => answer.map_err(CheckError::SettingsRefused),
            Err(error) if error.is_guests_fault() => Err(CheckError::SettingsCheck(error)),
            Err(error) => Err(CheckError::NotNow(error)),
        }
    }
}

/// Checks that every function that a component exports of the contract, of any version,
/// is of the contract's types. This starts an instance, so a start that fails shows here.
pub(crate) fn check_types(component: &Component) -> Result<(), LoadError> {
    let mut instance =
        Instance::start(component, &Surroundings::none()).map_err(|error| component.start_failed(error))?;
    let kind = component.pre.component().component_type();
    let names: Vec<&str> = kind.exports(component.pre.engine()).map(|(name, _)| name).collect();
    let mut probe = Probe(instance.running());
    let mut all = exports::of_contract(&names)?.into_iter();
    all.try_for_each(|(interface, version)| contract::functions_of(version).check_types(interface, &mut probe))
}
