//! A loaded component, and what it may import.

use std::sync::Arc;

use model::{Digest, Limits};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{InstancePre, Linker};

use crate::error::{GuestError, GuestLimit, LoadError};
use crate::exports::Exports;
use crate::limits::MEMORIES;
use crate::store::StoreData;
use crate::text::bounded;
use crate::{host_functions, version, wasi};

/// A component that was compiled, checked and linked. `Clone` is cheap.
#[derive(Clone)]
pub struct Component {
    pub(crate) pre: InstancePre<StoreData>,
    pub(crate) limits: Arc<Limits>,
    name: Arc<str>,
    digest: Arc<str>,
    imports: Arc<[String]>,
    exports: Exports,
}

impl Component {
    /// Links a component that wasmtime has compiled from bytes of this digest.
    pub(crate) fn link(
        name: &str,
        digest: Digest,
        compiled: &wasmtime::component::Component,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let (kind, engine) = (compiled.component_type(), compiled.engine());
        let imports: Vec<String> = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
        let linker = link(compiled)?;
        let names: Vec<&str> = kind.exports(engine).map(|(name, _)| name).collect();
        let exports = Exports::of(&names)?;
        let pre = linker.instantiate_pre(compiled).map_err(LoadError::compile)?;
        Ok(Self {
            pre,
            limits: Arc::new(limits),
            name: name.into(),
            digest: digest.to_string().into(),
            imports: imports.into(),
            exports,
        })
    }

    /// Interfaces of the contract that the component exports.
    pub fn exports(&self) -> Exports {
        self.exports
    }

    /// Names of what the component imports.
    pub fn imports(&self) -> &[String] {
        &self.imports
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
        let image = self.pre.component().image_range();
        (image.end.addr()).saturating_sub(image.start.addr())
    }

    /// What its start's failure says of the component.
    pub(crate) fn start_failed(&self, error: GuestError) -> LoadError {
        match error {
            GuestError::Limit { limit: GuestLimit::Memories, .. } => {
                LoadError::Memories(memories(self.pre.component()))
            }
            error => LoadError::Start(error),
        }
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
fn memories(component: &wasmtime::component::Component) -> u32 {
    // It is unknown only of what imports code, which is refused.
    component.resources_required().map_or(0, |required| required.num_memories)
}

#[cfg(test)]
#[path = "component_tests.rs"]
mod tests;
