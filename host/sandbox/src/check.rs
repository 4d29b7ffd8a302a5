//! What only an instance shows of a component: that it starts, that its functions are of
//! the contract's types, that it accepts its settings.

use std::sync::Arc;

use model::Limits;

use crate::code::{CallBudget, Code, GuestAnswer, GuestCall};
use crate::contract::{self, Probe};
use crate::component::memories;
use crate::error::{GuestError, GuestLimit, LoadError};
use crate::exports;
use crate::in_process::InProcess;
use crate::running::RunningInstance;
use crate::surroundings::Surroundings;
use crate::text::bounded;

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

/// Checks with an instance that a component starts, that its functions are of the contract's
/// types, and that it accepts its settings.
///
/// # Errors
/// What is wrong with the component, or why the host can't run it now.
pub(crate) fn check(
    code: &InProcess,
    limits: &Arc<Limits>,
    settings: &[(String, String)],
) -> Result<(), CheckError> {
    check_types(code, limits)?;
    if code.exports.settings_check.is_none() {
        return Ok(());
    }
    let mut instance = code.start(limits, &Surroundings::none()).map_err(|error| CheckError::of_start(code, error))?;
    let budget = CallBudget { fuel: limits.start_fuel, input_bytes: 0 };
    match instance.call(GuestCall::CheckSettings(settings), budget) {
        Ok(GuestAnswer::Settings(answer)) => answer.map_err(|text| CheckError::SettingsRefused(bounded(text))),
        Ok(_) => Ok(()),
        Err(error) if error.is_guests_fault() => Err(CheckError::SettingsCheck(error)),
        Err(error) => Err(CheckError::NotNow(error)),
    }
}

impl CheckError {
    /// The error of an instance that can't be started.
    fn of_start(code: &InProcess, error: GuestError) -> Self {
        match error {
            GuestError::Limit { limit: GuestLimit::Memories, .. } => {
                Self::Refused(LoadError::Memories(memories(code.pre.component())))
            }
            error if error.is_guests_fault() => Self::Refused(LoadError::Start(error)),
            error => Self::NotNow(error),
        }
    }

    /// The error as one of a component that is loaded at once.
    pub(crate) fn into_load_error(self) -> LoadError {
        match self {
            Self::Refused(error) => error,
            Self::SettingsCheck(error) | Self::NotNow(error) => LoadError::Start(error),
            Self::SettingsRefused(text) => LoadError::InWorker(text),
        }
    }
}

/// Checks that every function that a component exports of the contract, of any version,
/// is of the contract's types. This starts an instance, so a start that fails shows here.
pub(crate) fn check_types(code: &InProcess, limits: &Arc<Limits>) -> Result<(), CheckError> {
    let started = RunningInstance::start(&code.pre, limits, &Surroundings::none());
    let mut instance = started.map_err(|error| CheckError::of_start(code, error))?;
    let kind = code.pre.component().component_type();
    let names: Vec<&str> = kind.exports(code.pre.engine()).map(|(name, _)| name).collect();
    let mut probe = Probe(&mut instance);
    let mut all = exports::of_contract(&names)?.into_iter();
    Ok(all.try_for_each(|(interface, version)| contract::functions_of(version).check_types(interface, &mut probe))?)
}
