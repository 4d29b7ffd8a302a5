//! A component's code that runs in this process.

use std::sync::Arc;

use model::Limits;
use wasmtime::component::InstancePre;

use crate::check::{self, CheckError};
use crate::code::{CallBudget, Code, GuestAnswer, GuestCall, GuestCalls, Stage};
use crate::contract::{self, Call, Contract};
use crate::error::{GuestError, LoadError};
use crate::exports::Exports;
use crate::log::GuestLog;
use crate::running::{RunningInstance, Used};
use crate::store::StoreData;
use crate::surroundings::Surroundings;
use crate::version::Version;

/// A component that wasmtime compiled and linked in this process.
pub(crate) struct InProcess {
    pub(crate) pre: InstancePre<StoreData>,
    pub(crate) exports: Exports,
}

impl Code for InProcess {
    fn start(&self, limits: &Arc<Limits>, around: &Surroundings) -> Result<Box<dyn GuestCalls>, GuestError> {
        let running = RunningInstance::start(&self.pre, limits, around)?;
        Ok(Box::new(InProcessGuest { running, exports: self.exports }))
    }

    fn check(&self, limits: &Arc<Limits>, settings: &[(String, String)]) -> Result<(), CheckError> {
        check::check(self, limits, settings)
    }

    fn serialize(&self) -> Result<Vec<u8>, LoadError> {
        self.pre.component().serialize().map_err(LoadError::compile)
    }

    fn bytes(&self) -> usize {
        let image = self.pre.component().image_range();
        (image.end.addr()).saturating_sub(image.start.addr())
    }

    fn runs_apart(&self) -> bool {
        false
    }
}

/// An instance in this process.
struct InProcessGuest {
    running: RunningInstance,
    exports: Exports,
}

impl GuestCalls for InProcessGuest {
    fn call(&mut self, call: GuestCall<'_>, budget: CallBudget) -> Result<GuestAnswer, GuestError> {
        let contract = exported(self.exports, &call)?;
        let CallBudget { fuel, input_bytes } = budget;
        let to = Call { instance: &mut self.running, fuel, input_bytes };
        Ok(match call {
            GuestCall::ParseKey(key) => GuestAnswer::Origin(contract.parse_key(to, key)?),
            GuestCall::Wants(context) => GuestAnswer::Wanted(contract.wants(to, context)?),
            GuestCall::CheckSettings(settings) => GuestAnswer::Settings(contract.check_settings(to, settings)?),
            GuestCall::Begin(stage, context) => {
                match stage {
                    Stage::Rewrite => contract.begin_rewrite(to, context)?,
                    Stage::Transform => contract.begin_transform(to, context)?,
                }
                GuestAnswer::Begun
            }
            GuestCall::Lines { stage: Stage::Rewrite, first_line, lines } => {
                GuestAnswer::Rewritten(contract.rewrite(to, first_line, lines)?)
            }
            GuestCall::Lines { stage: Stage::Transform, first_line, lines } => {
                GuestAnswer::Transformed(contract.transform(to, first_line, lines)?)
            }
            GuestCall::End(Stage::Rewrite) => GuestAnswer::Rewritten(contract.end_rewrite(to)?),
            GuestCall::End(Stage::Transform) => GuestAnswer::Transformed(contract.end_transform(to)?),
        })
    }

    fn fuel_left(&self) -> u64 {
        self.running.fuel_left()
    }

    fn used(&self) -> Used {
        self.running.used()
    }

    fn take_log(&mut self) -> GuestLog {
        self.running.take_log()
    }
}

/// The functions of the version in which the component exports the function's interface.
fn exported(exports: Exports, call: &GuestCall<'_>) -> Result<&'static dyn Contract, GuestError> {
    let version: Option<Version> = match call {
        GuestCall::ParseKey(_) => exports.key_parser,
        GuestCall::Wants(_) => exports.log_filter,
        GuestCall::CheckSettings(_) => exports.settings_check,
        GuestCall::Begin(stage, _) | GuestCall::Lines { stage, .. } | GuestCall::End(stage) => match stage {
            Stage::Rewrite => exports.record_rewrite,
            Stage::Transform => exports.record_transform,
        },
    };
    let function = call.function();
    let missing = || GuestError::Contract { function, what: "the component doesn't export it".to_owned() };
    version.map(contract::functions_of).ok_or_else(missing)
}
