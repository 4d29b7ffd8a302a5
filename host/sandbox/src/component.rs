//! A loaded component: what it exports, what it may import.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{InstancePre, Linker};

use super::contract::{self, Version};
use super::exports::Exports;
use super::state::State;
use model::Limits;

/// Reads a component's file, but hardly more of it than a component may have.
///
/// # Errors
/// Where the file can't be read.
pub fn read_component(path: &std::path::Path, limits: &Limits) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limits.component_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What is wrong with a component.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It is something else.
    #[error(
        "this is no WebAssembly component but {0}; build one with `wasm-tools component new` or your language's component tool"
    )]
    NotAComponent(&'static str),
    /// Larger than the limit.
    #[error("the component has more than {0} bytes, the limit (PLUGIN_MAX_COMPONENT_BYTES)")]
    TooLarge(u64),
    /// It can't be compiled.
    #[error("the component can't be compiled: {0}")]
    Compile(String),
    /// It wants something that no guest is given.
    #[error(
        "the component imports `{0}`, and guests are given nothing but `log-router:plugin/host-log` ({spoken}) and an empty WASI (wasi:cli, clocks, filesystem, io, random, sockets, all 0.2): remove what needs it",
        spoken = Version::list()
    )]
    Import(String),
    /// It is put together from several that have a memory each.
    #[error(
        "the component has {0} memories, and one is the limit: what is put together from several components can't be bounded; link them into one"
    )]
    Memories(u32),
    /// It is made of more parts than one may have.
    #[error("the component is made of too many parts: {0}")]
    Parts(String),
    /// The compiler would take too long for it, or too much memory.
    #[error("the component is too much work to compile: {0}")]
    Toil(String),
    /// Its own start fails.
    #[error("the component can't be started: {0}")]
    Start(String),
    /// It exports nothing of the contract.
    #[error(
        "the component exports no interface of the contract log-router:plugin (key-parser, log-filter, record-rewrite, record-transform, settings-check); it exports: {exported}",
        exported = if .0.is_empty() { "nothing" } else { .0 }
    )]
    NoExport(String),
    /// It exports something of another version of the contract, or of none.
    #[error(
        "the component exports `{0}`, which no version of the contract has that this host speaks ({spoken}): build it against one of them",
        spoken = Version::list()
    )]
    Version(String),
    /// What it exports is of another type than the contract's.
    #[error("the component's `{interface}` differs from the contract's: {detail}")]
    Type {
        /// Interface.
        interface: &'static str,
        /// In wasmtime's words.
        detail: String,
    },
}

impl LoadError {
    pub(super) fn compile(error: wasmtime::Error) -> Self {
        let text = super::bounded(format!("{error:#}"));
        // The pool's words for it; nothing but its text tells it apart.
        if text.contains("transitively contains") { Self::Parts(text) } else { Self::Compile(text) }
    }
}

/// A component that was compiled, checked and linked. `Clone` is cheap.
#[derive(Clone)]
pub struct Component {
    pub(super) pre: InstancePre<State>,
    pub(super) limits: Arc<Limits>,
    pub(super) name: Arc<str>,
    pub(super) digest: Arc<str>,
    imports: Arc<[String]>,
    exports: Exports,
}

impl Component {
    pub(super) fn new(
        name: &str,
        bytes: &[u8],
        component: wasmtime::component::Component,
        engine: &wasmtime::Engine,
        limits: Limits,
    ) -> Result<Self, LoadError> {
        let kind = component.component_type();
        let imports: Vec<String> = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
        let linker = link(&component, engine)?;
        let names: Vec<&str> = kind.exports(engine).map(|(name, _)| name).collect();
        let exports = Exports::of(&names)?;
        let pre = linker.instantiate_pre(&component).map_err(LoadError::compile)?;
        Ok(Self {
            pre,
            limits: Arc::new(limits),
            name: name.into(),
            digest: sha256(bytes),
            imports: imports.into(),
            exports,
        })
    }

    /// What it exports.
    pub fn exports(&self) -> Exports {
        self.exports
    }

    /// What it imports, by name.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// SHA-256 of the component's bytes, in hexadecimal digits.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Its name in errors: a file's path, or `default`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same code, with other limits.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        Self { limits: Arc::new(limits), ..self.clone() }
    }

    /// What each of its instances may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

/// What a component is given: all that it imports, or else it is refused.
fn link(component: &wasmtime::component::Component, engine: &wasmtime::Engine) -> Result<Linker<State>, LoadError> {
    let mut linker = Linker::new(engine);
    super::state::add_host_log(&mut linker).map_err(LoadError::compile)?;
    for (import, item) in component.component_type().imports(engine) {
        // `types` holds no function: importing it gives a guest nothing.
        let ours = contract::is_given(import) && matches!(item.ty, ComponentItem::ComponentInstance(_));
        if !ours && !super::wasi::link(&mut linker, engine, import, &item.ty).map_err(LoadError::compile)? {
            return Err(LoadError::Import(super::bounded(import.to_owned())));
        }
    }
    // Between two memories the host copies text, which costs no fuel: a guest could
    // keep it busy for hours. What is linked as one has one memory.
    match component.resources_required().map(|required| required.num_memories) {
        Some(memories) if memories > 1 => Err(LoadError::Memories(memories)),
        _ => Ok(linker),
    }
}

fn sha256(bytes: &[u8]) -> Arc<str> {
    model::hex(&Sha256::digest(bytes)).into()
}

/// Says what the bytes are when they are no component, or one that would become too
/// much, before wasmtime's parser sees them. Compiled code is refused with the rest: only this program's own
/// is ever run.
pub(super) fn refuse_what_is_no_component(bytes: &[u8], limits: &Limits) -> Result<(), LoadError> {
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > limits.component_bytes {
        return Err(LoadError::TooLarge(limits.component_bytes));
    }
    // Preamble: magic, then a version; a component's is 0x0d with layer 1.
    let what = match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return super::spread::refuse_too_much(bytes),
        [] => "an empty file",
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => "a core module",
        [0, b'a', b's', b'm', ..] => "wasm of a version that isn't known",
        [0x7f, b'E', b'L', b'F', ..] => "machine code, which is never taken from outside",
        _ if std::str::from_utf8(bytes).is_ok() => "a text",
        _ => "something else",
    };
    Err(LoadError::NotAComponent(what))
}

#[cfg(test)]
#[path = "component_tests.rs"]
mod tests;
