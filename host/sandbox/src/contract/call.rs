//! A call of a guest's function, with a version's types: what is called is what was
//! checked when the component was loaded, because both name the same [`Signature`].

use std::marker::PhantomData;

use wasmtime::component::{ComponentNamedList, Lift, Lower};

use crate::error::{GuestError, LoadError};
use crate::running::{Function, RunningInstance};
use crate::text::bounded;

/// Why a guest gives up, in its own words.
pub(crate) enum Failure {
    Rejected(String),
    Internal(String),
}

/// A function of an interface, with its parameters and its result.
pub(super) struct Signature<P, R> {
    function: Function,
    types: PhantomData<(P, R)>,
}

impl<P, R> Signature<P, R> {
    pub(super) const fn new(interface: &'static str, name: &'static str) -> Self {
        Self { function: Function { interface, name }, types: PhantomData }
    }
}

/// A call that is about to be made, and what it may use.
pub(crate) struct Call<'a> {
    pub(crate) instance: &'a mut RunningInstance,
    pub(crate) fuel: u64,
    /// Bytes of input that the answer may be about: they bound its size.
    pub(crate) input_bytes: usize,
}

impl Call<'_> {
    /// Calls a function.
    pub(super) fn make<P, R>(self, signature: &Signature<P, R>, params: P) -> Result<R, GuestError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: Lift + Send + Sync + 'static,
    {
        self.instance.call(signature.function, params, self.fuel, self.input_bytes)
    }

    /// Calls a function whose answer may be that it failed.
    pub(super) fn make_fallible<P, R, F>(
        self,
        signature: &Signature<P, Result<R, F>>,
        params: P,
    ) -> Result<R, GuestError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: Lift + Send + Sync + 'static,
        F: Lift + Into<Failure> + Send + Sync + 'static,
    {
        let function = signature.function.name;
        self.make(signature, params)?.map_err(|failure| match failure.into() {
            Failure::Rejected(text) => GuestError::Rejected { function, text: bounded(text) },
            Failure::Internal(text) => GuestError::Internal { function, text: bounded(text) },
        })
    }
}

/// Looks at the functions of an instance without calling them.
pub(crate) struct Probe<'a>(pub(crate) &'a mut RunningInstance);

impl Probe<'_> {
    /// Checks that a function is there, with these types.
    pub(super) fn check<P, R>(&mut self, signature: &Signature<P, R>) -> Result<(), LoadError>
    where
        P: ComponentNamedList + Lower,
        R: Lift + 'static,
    {
        let Function { interface, name: function } = signature.function;
        let differs = |error| LoadError::Type { interface, function, error };
        self.0.typed_function::<P, R>(signature.function).map(drop).map_err(differs)
    }
}
