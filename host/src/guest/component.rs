//! A loaded component: what it exports, what it may import.

use std::sync::Arc;

use sha2::{Digest, Sha256};
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{InstancePre, Linker};

use super::limits::Limits;
use super::state::State;
use super::v0_1_0 as contract;

/// Largest component that is looked at, in bytes.
const MAX_COMPONENT_BYTES: usize = 64 * 1024 * 1024;

/// Reads a component's file, but no more of it than a component may have.
///
/// # Errors
/// Where the file can't be read.
pub fn read_component(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
    use std::io::Read;
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(MAX_COMPONENT_BYTES as u64 + 1).read_to_end(&mut bytes)?;
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
    #[error("the component has more than {MAX_COMPONENT_BYTES} bytes, the limit")]
    TooLarge,
    /// It can't be compiled.
    #[error("the component can't be compiled: {0}")]
    Compile(String),
    /// It wants something that no guest is given.
    #[error("the component imports `{0}`, and guests are given nothing but `{host}`: remove what needs it", host = contract::HOST_LOG)]
    Import(String),
    /// Its own start fails.
    #[error("the component can't be started: {0}")]
    Start(String),
    /// It exports nothing of the contract.
    #[error(
        "the component exports no interface of the contract log-router:plugin@0.1.0 (key-parser, log-filter, record-rewrite, record-transform, settings-check); it exports: {0}"
    )]
    NoExport(String),
    /// What it exports is of another type than the contract's.
    #[error("the component's `{interface}` differs from the contract 0.1.0: {detail}")]
    Type {
        /// Interface.
        interface: &'static str,
        /// In wasmtime's words.
        detail: String,
    },
}

impl LoadError {
    pub(super) fn compile(error: wasmtime::Error) -> Self {
        Self::Compile(super::bounded(format!("{error:#}")))
    }
}

/// Which interfaces a component exports; the default guest does the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Exports {
    /// Reads an object's key.
    pub key_parser: bool,
    /// Decides whether a delivery wants an object.
    pub log_filter: bool,
    /// Records in, records out.
    pub record_rewrite: bool,
    /// Records in, events out.
    pub record_transform: bool,
    /// Says what is wrong with settings.
    pub settings_check: bool,
}

/// A component that was compiled, checked and linked. `Clone` is cheap.
#[derive(Clone)]
pub struct Component {
    pub(super) pre: InstancePre<State>,
    pub(super) limits: Arc<Limits>,
    name: Arc<str>,
    digest: Arc<str>,
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
        for (import, item) in kind.imports(engine) {
            // `types` holds no function: importing it gives a guest nothing.
            let allowed = import == contract::HOST_LOG || import == contract::TYPES;
            if !allowed || !matches!(item.ty, ComponentItem::ComponentInstance(_)) {
                return Err(LoadError::Import(super::bounded(import.to_owned())));
            }
        }
        let names: Vec<String> = kind.exports(engine).map(|(name, _)| name.to_owned()).collect();
        let has = |interface: &str| names.iter().any(|name| name == interface);
        let exports = Exports {
            key_parser: has(contract::KEY_PARSER),
            log_filter: has(contract::LOG_FILTER),
            record_rewrite: has(contract::RECORD_REWRITE),
            record_transform: has(contract::RECORD_TRANSFORM),
            settings_check: has(contract::SETTINGS_CHECK),
        };
        if exports == Exports::default() {
            return Err(LoadError::NoExport(super::bounded(names.join(", "))));
        }
        let mut linker = Linker::new(engine);
        super::state::add_host_log(&mut linker).map_err(LoadError::compile)?;
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

    /// What each of its instances may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

fn sha256(bytes: &[u8]) -> Arc<str> {
    crate::model::hex(&Sha256::digest(bytes)).into()
}

/// Says what the bytes are when they are no component, before wasmtime's parser
/// sees them. Compiled code is refused with the rest: only this program's own
/// is ever run.
pub(super) fn refuse_what_is_no_component(bytes: &[u8]) -> Result<(), LoadError> {
    if bytes.len() > MAX_COMPONENT_BYTES {
        return Err(LoadError::TooLarge);
    }
    // Preamble: magic, then a version; a component's is 0x0d with layer 1.
    let what = match bytes {
        [0, b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => return Ok(()),
        [] => "an empty file",
        [0, b'a', b's', b'm', 1, 0, 0, 0, ..] => "a core module",
        [0, b'a', b's', b'm', ..] => "wasm of a version that isn't known",
        [0x7f, b'E', b'L', b'F', ..] => "machine code, which is never taken from outside",
        _ if std::str::from_utf8(bytes).is_ok() => "a text",
        _ => "something else",
    };
    Err(LoadError::NotAComponent(what))
}
