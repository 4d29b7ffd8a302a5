//! All names of a component, whether or not it would be loaded: for whoever wants to know
//! everything that is wrong with it, and not the first of it alone.

use model::Limits;

use crate::engine::Engine;
use crate::error::LoadError;
use crate::precheck::refuse_what_is_no_component;
use crate::version;

/// Who provides what a component imports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Provider {
    /// The contract: it has the host's bounded log, and types.
    Contract,
    /// WASI, with nothing behind it.
    EmptyWasi,
    /// Nobody: the component is refused.
    Nobody,
}

/// Names of a component's imports and exports, in its own order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComponentNames {
    /// Names of imports, and who provides each.
    pub imports: Vec<(String, Provider)>,
    /// Names of exports, of the contract or not.
    pub exports: Vec<String>,
}

impl Engine {
    /// Reads a component's names. None of it runs.
    ///
    /// # Errors
    /// The bytes are no component, or it can't be compiled.
    pub fn read_names(&self, bytes: &[u8], limits: &Limits) -> Result<ComponentNames, LoadError> {
        refuse_what_is_no_component(bytes, limits)?;
        let component = self.compile_code(bytes)?;
        let kind = component.component_type();
        let imports = kind.imports(self.wasmtime()).map(|(name, _)| (name.to_owned(), provider(name)));
        let exports = kind.exports(self.wasmtime()).map(|(name, _)| name.to_owned());
        Ok(ComponentNames { imports: imports.collect(), exports: exports.collect() })
    }
}

fn provider(name: &str) -> Provider {
    if version::is_provided(name) {
        return Provider::Contract;
    }
    const WASI: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];
    let wasi = name.strip_prefix("wasi:").and_then(|rest| rest.split_once('/'));
    match wasi.and_then(|(package, rest)| Some((package, rest.split_once('@')?.1))) {
        Some((package, version)) if WASI.contains(&package) && version.starts_with("0.2.") => Provider::EmptyWasi,
        _ => Provider::Nobody,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_import_has_its_provider() {
        assert_eq!(provider("log-router:plugin/host-log@0.1.0"), Provider::Contract);
        for wasi in ["wasi:cli/environment@0.2.3", "wasi:sockets/tcp@0.2.0"] {
            assert_eq!(provider(wasi), Provider::EmptyWasi, "{wasi}");
        }
        for refused in
            ["wasi:http/types@0.2.0", "wasi:cli/environment@0.3.0", "wasi:cli/environment", "env", "a:b/host-log@0.1.0"]
        {
            assert_eq!(provider(refused), Provider::Nobody, "{refused}");
        }
    }
}
