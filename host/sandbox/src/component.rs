//! A loaded component, and what it may import.

use std::sync::Arc;

use model::{Digest, Limits};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::Linker;

use crate::check::CheckError;
use crate::code::{Code, ComponentInfo};
use crate::error::LoadError;
use crate::exports::Exports;
use crate::in_process::InProcess;
use crate::limits::MEMORIES;
use crate::store::StoreData;
use crate::text::bounded;
use crate::{host_functions, version, wasi};

/// A component that was compiled, checked and linked. `Clone` is cheap.
#[derive(Clone)]
pub struct Component {
    pub(crate) code: Arc<dyn Code>,
    pub(crate) limits: Arc<Limits>,
    name: Arc<str>,
    digest: Arc<str>,
    info: Arc<ComponentInfo>,
}

impl Component {
    /// A component of bytes of this digest, whose code runs as `code` says.
    pub fn new(name: &str, digest: Digest, info: ComponentInfo, code: Arc<dyn Code>, limits: Limits) -> Self {
        Self {
            code,
            limits: Arc::new(limits),
            name: name.into(),
            digest: digest.to_string().into(),
            info: Arc::new(info),
        }
    }

    /// Links a component that wasmtime has compiled from bytes of this digest.
    pub(crate) fn link(
        name: &str,
        digest: Digest,
        compiled: &wasmtime::component::Component,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let code = link_code(compiled)?;
        let (kind, engine) = (compiled.component_type(), compiled.engine());
        let imports = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
        let info = ComponentInfo { exports: code.exports, imports, code_bytes: code.bytes() };
        Ok(Self::new(name, digest, info, Arc::new(code), limits))
    }

    /// Interfaces of the contract that the component exports.
    pub fn exports(&self) -> Exports {
        self.info.exports
    }

    /// Names of what the component imports.
    pub fn imports(&self) -> &[String] {
        &self.info.imports
    }

    /// SHA-256 of the component's bytes, in hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The component's name in errors: a file's path, or `default`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same code, with other limits.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { limits: Arc::new(limits), ..self.clone() }
    }

    /// Bytes that the machine code takes in memory.
    pub fn code_bytes(&self) -> usize {
        self.code.bytes()
    }

    /// What is known of the component without running it.
    pub fn info(&self) -> &ComponentInfo {
        &self.info
    }

    /// The machine code, as [`Engine::precompile`](crate::Engine::precompile) makes it.
    ///
    /// # Errors
    /// The code can't be serialized.
    pub fn serialize(&self) -> Result<Vec<u8>, LoadError> {
        self.code.serialize()
    }

    /// Whether instances run in processes of their own.
    pub fn runs_apart(&self) -> bool {
        self.code.runs_apart()
    }

    /// Checks with an instance, under the component's limits, that it starts, that
    /// its functions are of the contract's types, and that it accepts its settings.
    ///
    /// # Errors
    /// What is wrong with the component, or why the host can't run it now.
    pub fn check(&self, settings: &[(String, String)]) -> Result<(), CheckError> {
        self.code.check(&self.limits, settings)
    }

    /// The same code, under another name.
    #[must_use]
    pub fn with_name(&self, name: &str) -> Self {
        let mut named = self.clone();
        named.name = name.into();
        named
    }

    /// Limits of each instance.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// Links a component that wasmtime has compiled, so that instances of it can be started.
pub(crate) fn link_code(compiled: &wasmtime::component::Component) -> Result<InProcess, LoadError> {
    let linker = link(compiled)?;
    let (kind, engine) = (compiled.component_type(), compiled.engine());
    let names: Vec<&str> = kind.exports(engine).map(|(name, _)| name).collect();
    let exports = Exports::of(&names)?;
    let pre = linker.instantiate_pre(compiled).map_err(LoadError::compile)?;
    Ok(InProcess { pre, exports })
}

/// Links what a component imports: all of it, or else the component is refused.
fn link(component: &wasmtime::component::Component) -> Result<Linker<StoreData>, LoadError> {
    let engine = component.engine();
    let mut linker = Linker::new(engine);
    host_functions::add_host_log(&mut linker).map_err(LoadError::compile)?;
    for (import, item) in component.component_type().imports(engine) {
        // `types` holds no function: importing it gives a guest nothing.
        let ours = version::is_provided(import) && matches!(item.ty, ComponentItem::ComponentInstance(_));
        if !ours && !wasi::link(&mut linker, engine, import, &item.ty).map_err(LoadError::compile)? {
            return Err(LoadError::Import(bounded(import.to_owned())));
        }
    }
    // That one of them at most holds bytes is only seen where it runs: see `store`.
    match memories(component) {
        memories if memories > MEMORIES => Err(LoadError::Memories(memories)),
        _ => Ok(linker),
    }
}

/// Number of memories of all its core instances.
pub(crate) fn memories(component: &wasmtime::component::Component) -> u32 {
    // It is unknown only of what imports code, which is refused.
    component.resources_required().map_or(0, |required| required.num_memories)
}

#[cfg(test)]
#[path = "component_tests.rs"]
mod tests;
