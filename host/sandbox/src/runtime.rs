//! What compiles components and runs them: this process's engine, or worker processes.

use model::{Digest, Limits};

use crate::code::ComponentInfo;
use crate::component::Component;
use crate::engine::Engine;
use crate::error::{GuestError, LoadError};

/// Compiles components, and runs what was compiled.
pub trait Runtime: Send + Sync {
    /// The hash of what decides whether compiled code fits: the program's and wasmtime's
    /// version, the machine, all settings that code depends on, and who compiled it.
    ///
    /// # Errors
    /// The host can't say so now.
    fn fingerprint(&self) -> Result<Digest, GuestError>;

    /// Compiles a component, without running any of it: see [`Component::check`].
    ///
    /// # Errors
    /// What is wrong with the component, or why it can't be compiled now.
    fn compile(&self, name: &str, bytes: &[u8]) -> Result<Component, CompileError>;

    /// Takes machine code that this runtime, or one with its [fingerprint](Runtime::fingerprint), compiled
    /// from bytes of the digest `of`.
    ///
    /// # Safety
    /// `code` is run as it is. It must be what [`Component::serialize`] returned of a component
    /// that such a runtime compiled, byte by byte.
    ///
    /// # Errors
    /// The code can't be used, or not now.
    #[expect(unsafe_code, reason = "machine code can't be checked, only vouched for")]
    unsafe fn load_code(
        &self,
        name: &str,
        of: Digest,
        info: ComponentInfo,
        code: &[u8],
    ) -> Result<Component, CompileError>;
}

/// Why a component isn't compiled.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// What is wrong with it.
    #[error(transparent)]
    Refused(#[from] LoadError),
    /// The host can't compile it now, which says nothing about it.
    #[error(transparent)]
    NotNow(GuestError),
}

impl Runtime for Engine {
    fn fingerprint(&self) -> Result<Digest, GuestError> {
        Ok(Self::fingerprint(self))
    }

    fn compile(&self, name: &str, bytes: &[u8]) -> Result<Component, CompileError> {
        Ok(Self::compile(self, name, bytes)?)
    }

    #[expect(unsafe_code, reason = "machine code can't be checked, only vouched for; see SAFETY")]
    unsafe fn load_code(
        &self,
        name: &str,
        of: Digest,
        _: ComponentInfo,
        code: &[u8],
    ) -> Result<Component, CompileError> {
        // SAFETY: the caller promises that such an engine made the code.
        let compiled = unsafe { wasmtime::component::Component::deserialize(self.wasmtime(), code) };
        let compiled = compiled.map_err(LoadError::compile)?;
        Ok(Component::link(name, of, &compiled, Limits::default())?)
    }
}
