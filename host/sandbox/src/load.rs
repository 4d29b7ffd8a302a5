//! From bytes to a component: what this program compiled, or compiles now.

use model::{Digest, Limits};

use crate::check::check_types;
use crate::component::Component;
use crate::engine::Engine;
use crate::error::LoadError;
use crate::precheck::refuse_what_is_no_component;

/// Reads a component's file, but hardly more of it than a component may have.
///
/// # Errors
/// The file can't be read.
pub fn read_component(path: &std::path::Path, limits: &Limits) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limits.component_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A component, and the machine code that [`Engine::precompile`] made of it.
#[derive(Debug, Clone, Copy)]
pub struct Precompiled<'a> {
    /// The component's own bytes: what is compiled where `code` doesn't fit.
    component: &'a [u8],
    /// Machine code that is safe to run, as [`Precompiled::new`] was promised.
    code: &'a [u8],
}

impl<'a> Precompiled<'a> {
    /// Vouches for machine code. `component`: the bytes that it was compiled from.
    ///
    /// # Safety
    /// `code` is run as it is. It must be what [`Engine::precompile`] returned, of this
    /// program's build or another's, byte by byte, and nobody else may have been able to
    /// change it since. Bytes that are no object file (ELF) at all are allowed too: they
    /// are refused before anything of them is used.
    #[expect(unsafe_code, reason = "machine code can't be checked, only vouched for")]
    pub const unsafe fn new(component: &'a [u8], code: &'a [u8]) -> Self {
        Self { component, code }
    }
}

impl Engine {
    /// Compiles a component, and checks the types of its functions, which starts it once.
    ///
    /// # Errors
    /// What is wrong with the component, in words for the person who handed it over.
    pub fn load(&self, name: &str, bytes: &[u8], limits: Limits) -> Result<Component, LoadError> {
        refuse_what_is_no_component(bytes, &limits)?;
        let compiled = self.compile_code(bytes)?;
        let component = Component::link(name, Digest::of(bytes), &compiled, limits)?;
        check_types(&component)?;
        Ok(component)
    }

    /// Loads a component that was compiled before. Where its code doesn't fit this
    /// machine or wasmtime's version, the component is compiled anew and the second
    /// value says so.
    ///
    /// # Errors
    /// Neither form can be used.
    #[expect(unsafe_code, reason = "deserializing machine code can't be safe; see SAFETY")]
    pub fn load_precompiled(
        &self,
        name: &str,
        guest: Precompiled<'_>,
        limits: Limits,
    ) -> Result<(Component, bool), LoadError> {
        // SAFETY: whoever made the `Precompiled` promised that `precompile` made its
        // code, and that nobody changed it: that is the contract of `Precompiled::new`.
        let compiled = unsafe { wasmtime::component::Component::deserialize(self.wasmtime(), guest.code) };
        match compiled {
            Ok(compiled) => Ok((Component::link(name, Digest::of(guest.component), &compiled, limits)?, false)),
            Err(_) => Ok((self.load(name, guest.component, limits)?, true)),
        }
    }

    /// Compiles a component, without running any of it: see [`Component::check`].
    ///
    /// # Errors
    /// What is wrong with the component, in words for the person who handed it over.
    pub fn compile(&self, name: &str, bytes: &[u8]) -> Result<Component, LoadError> {
        // Whoever fetched it has bounded it.
        let limits = Limits { component_bytes: u64::MAX, ..Limits::default() };
        refuse_what_is_no_component(bytes, &limits)?;
        let compiled = self.compile_code(bytes)?;
        Component::link(name, Digest::of(bytes), &compiled, Limits::default())
    }
}
