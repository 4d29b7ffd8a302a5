//! A call of a guest's function, with a version's types: what is called is what was
//! checked when the component was loaded, because both name the same [`Signature`].

use std::marker::PhantomData;

use wasmtime::component::{ComponentNamedList, Lift, Lower};

use crate::error::{GuestError, LoadError};
use crate::running::{Function, Running};
use crate::text::bounded;

/// Why a guest gives up.
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

/// A call to be, and what it may use.
pub(crate) struct Call<'a> {
    pub(crate) running: &'a mut Running,
    pub(crate) fuel: u64,
    /// Bytes that its answer may be about.
    pub(crate) input: usize,
}

impl Call<'_> {
    /// Calls it.
    pub(super) fn of<P, R>(self, signature: &Signature<P, R>, params: P) -> Result<R, GuestError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: Lift + Send + Sync + 'static,
    {
        self.running.call(signature.function, params, self.fuel, self.input)
    }

    /// Calls what may say that it failed.
    pub(super) fn of_fallible<P, R, F>(self, signature: &Signature<P, Result<R, F>>, params: P) -> Result<R, GuestError>
    where
        P: ComponentNamedList + Lower + Send + Sync,
        R: Lift + Send + Sync + 'static,
        F: Lift + Into<Failure> + Send + Sync + 'static,
    {
        let function = signature.function.name;
        self.of(signature, params)?.map_err(|failure| match failure.into() {
            Failure::Rejected(text) => GuestError::Rejected { function, text: bounded(text) },
            Failure::Internal(text) => GuestError::Internal { function, text: bounded(text) },
        })
    }
}

/// Looks at the functions of an instance without calling them.
pub(crate) struct Probe<'a>(pub(crate) &'a mut Running);

impl Probe<'_> {
    /// Whether the function is there, with these types.
    pub(super) fn has<P, R>(&mut self, signature: &Signature<P, R>) -> Result<(), LoadError>
    where
        P: ComponentNamedList + Lower,
        R: Lift + 'static,
    {
        let Function { interface, name } = signature.function;
        let differs = |error| LoadError::Type { interface, detail: bounded(format!("{name}: {error:#}")) };
        self.0.typed::<P, R>(signature.function).map(drop).map_err(differs)
    }
}
