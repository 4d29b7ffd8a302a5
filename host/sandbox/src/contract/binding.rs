//! The contract's functions bound to a version's types, for any version whose functions
//! differ only in their types. One that has others implements [`Contract`] itself.

use std::marker::PhantomData;

use wasmtime::component::{ComponentNamedList, Lift, Lower};

use model::Origin;

use super::call::{Call, Failure, Probe, Signature};
use super::functions::Contract;
use crate::context::Context;
use crate::error::{GuestError, LoadError};
use crate::output::{RawRewritten, RawTransformed};
use crate::version::{Interface, InterfaceNames, Version};

/// Types of a version that cross between host and guest.
pub(super) trait Types: Sync + 'static {
    const VERSION: Version;
    type Origin: Lift + Into<Origin> + Send + Sync + 'static;
    type Context: Lower + for<'a> From<&'a Context<'a>> + Send + Sync + 'static;
    /// The parameters of `begin`.
    type Begin: ComponentNamedList + Lower + Send + Sync + 'static;
    type Rewritten: Lift + Into<RawRewritten> + Send + Sync + 'static;
    type Transformed: Lift + Into<RawTransformed> + Send + Sync + 'static;
    type Failure: Lift + Into<Failure> + Send + Sync + 'static;

    fn begin(context: &Context<'_>) -> Self::Begin;
}

/// The functions of a version.
struct Functions<T>(PhantomData<T>);

type Fallible<R, T> = Result<R, <T as Types>::Failure>;
type Settings = &'static [(String, String)];
type Lines = (u64, &'static [u8]);

impl<T: Types> Functions<T> {
    const NAMES: &'static InterfaceNames = T::VERSION.names();

    const PARSE_KEY: Signature<(&'static str,), Fallible<T::Origin, T>> =
        Signature::new(Self::NAMES.key_parser, "parse-key");
    const WANTS: Signature<(T::Context,), Fallible<bool, T>> = Signature::new(Self::NAMES.log_filter, "wants");
    const CHECK: Signature<(Settings,), Result<(), String>> = Signature::new(Self::NAMES.settings_check, "check");

    const BEGIN_REWRITE: Signature<T::Begin, Fallible<(), T>> = Signature::new(Self::NAMES.record_rewrite, "begin");
    const REWRITE: Signature<Lines, Fallible<T::Rewritten, T>> = Signature::new(Self::NAMES.record_rewrite, "rewrite");
    const END_REWRITE: Signature<(), Fallible<T::Rewritten, T>> = Signature::new(Self::NAMES.record_rewrite, "end");

    const BEGIN_TRANSFORM: Signature<T::Begin, Fallible<(), T>> = Signature::new(Self::NAMES.record_transform, "begin");
    const TRANSFORM: Signature<Lines, Fallible<T::Transformed, T>> =
        Signature::new(Self::NAMES.record_transform, "transform");
    const END_TRANSFORM: Signature<(), Fallible<T::Transformed, T>> =
        Signature::new(Self::NAMES.record_transform, "end");
}

impl<T: Types> Contract for T {
    fn check_types(&self, interface: Interface, probe: &mut Probe<'_>) -> Result<(), LoadError> {
        match interface {
            Interface::KeyParser => probe.check(&Functions::<T>::PARSE_KEY),
            Interface::LogFilter => probe.check(&Functions::<T>::WANTS),
            Interface::RecordRewrite => {
                probe.check(&Functions::<T>::BEGIN_REWRITE)?;
                probe.check(&Functions::<T>::REWRITE)?;
                probe.check(&Functions::<T>::END_REWRITE)
            }
            Interface::RecordTransform => {
                probe.check(&Functions::<T>::BEGIN_TRANSFORM)?;
                probe.check(&Functions::<T>::TRANSFORM)?;
                probe.check(&Functions::<T>::END_TRANSFORM)
            }
            Interface::SettingsCheck => probe.check(&Functions::<T>::CHECK),
        }
    }

    fn parse_key(&self, call: Call<'_>, key: &str) -> Result<Origin, GuestError> {
        call.make_fallible(&Functions::<T>::PARSE_KEY, (key,)).map(Into::into)
    }

    fn wants(&self, call: Call<'_>, context: &Context<'_>) -> Result<bool, GuestError> {
        call.make_fallible(&Functions::<T>::WANTS, (context.into(),))
    }

    fn check_settings(&self, call: Call<'_>, settings: &[(String, String)]) -> Result<Result<(), String>, GuestError> {
        call.make(&Functions::<T>::CHECK, (settings,))
    }

    fn begin_rewrite(&self, call: Call<'_>, context: &Context<'_>) -> Result<(), GuestError> {
        call.make_fallible(&Functions::<T>::BEGIN_REWRITE, T::begin(context))
    }

    fn rewrite(&self, call: Call<'_>, first_line: u64, lines: &[u8]) -> Result<RawRewritten, GuestError> {
        call.make_fallible(&Functions::<T>::REWRITE, (first_line, lines)).map(Into::into)
    }

    fn end_rewrite(&self, call: Call<'_>) -> Result<RawRewritten, GuestError> {
        call.make_fallible(&Functions::<T>::END_REWRITE, ()).map(Into::into)
    }

    fn begin_transform(&self, call: Call<'_>, context: &Context<'_>) -> Result<(), GuestError> {
        call.make_fallible(&Functions::<T>::BEGIN_TRANSFORM, T::begin(context))
    }

    fn transform(&self, call: Call<'_>, first_line: u64, lines: &[u8]) -> Result<RawTransformed, GuestError> {
        call.make_fallible(&Functions::<T>::TRANSFORM, (first_line, lines)).map(Into::into)
    }

    fn end_transform(&self, call: Call<'_>) -> Result<RawTransformed, GuestError> {
        call.make_fallible(&Functions::<T>::END_TRANSFORM, ()).map(Into::into)
    }
}
