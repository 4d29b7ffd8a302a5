//! What a component names, whether or not it is taken: for who wants to know all
//! that is wrong with it, and not the first of it.

use model::Limits;

use crate::engine::Engine;
use crate::error::LoadError;
use crate::precheck::refuse_what_is_no_component;
use crate::version;

/// What a component gets for something that it imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Given {
    /// What the contract has: the host's bounded log, types.
    Contract,
    /// WASI with nothing behind it.
    EmptyWasi,
    /// Nothing: it is refused.
    Nothing,
}

/// All names of a component, in its own order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    /// What it imports.
    pub imports: Vec<(String, Given)>,
    /// What it exports, of the contract or not.
    pub exports: Vec<String>,
}

impl Engine {
    /// Reads a component's names. Nothing of it runs.
    ///
    /// # Errors
    /// It is no component, or can't be compiled.
    pub fn names(&self, bytes: &[u8], limits: &Limits) -> Result<Names, LoadError> {
        refuse_what_is_no_component(bytes, limits)?;
        let component = wasmtime::component::Component::new(self.wasmtime(), bytes).map_err(LoadError::compile)?;
        let kind = component.component_type();
        let imports = kind.imports(self.wasmtime()).map(|(name, _)| (name.to_owned(), given(name)));
        let exports = kind.exports(self.wasmtime()).map(|(name, _)| name.to_owned());
        Ok(Names { imports: imports.collect(), exports: exports.collect() })
    }
}

fn given(name: &str) -> Given {
    if version::is_given(name) {
        return Given::Contract;
    }
    const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
    let wasi = name.strip_prefix("wasi:").and_then(|rest| rest.split_once('/'));
    match wasi.and_then(|(package, rest)| Some((package, rest.split_once('@')?.1))) {
        Some((package, version)) if WASI.contains(&package) && version.starts_with("0.2.") => Given::EmptyWasi,
        _ => Given::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_name_gets() {
        assert_eq!(given("log-router:plugin/host-log@0.1.0"), Given::Contract);
        for wasi in ["wasi:cli/environment@0.2.3", "wasi:sockets/tcp@0.2.0"] {
            assert_eq!(given(wasi), Given::EmptyWasi, "{wasi}");
        }
        for refused in
            ["wasi:http/types@0.2.0", "wasi:cli/environment@0.3.0", "wasi:cli/environment", "env", "a:b/host-log@0.1.0"]
        {
            assert_eq!(given(refused), Given::Nothing, "{refused}");
        }
    }
}
