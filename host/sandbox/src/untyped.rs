//! What wasmtime says only in words: it has types for traps, but for these errors nothing
//! but a text. All reading of such texts is here. `Cargo.toml` holds wasmtime to one
//! version, and tests meet each of these errors, so that an update that words them
//! differently is noticed.

/// An error of wasmtime that has no type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Untyped {
    /// A component needs more than the pool gives each (`PoolingInstanceAllocator`).
    PoolLimit,
    /// A call returned more than the host may copy (`Store::set_hostcall_fuel`).
    HostcallFuel,
    /// A guest has too many resources, tables or elements of them.
    InstanceLimit,
}

impl Untyped {
    /// Recognizes an error, by its text or those of its causes.
    pub(crate) fn of(error: &wasmtime::Error) -> Option<Self> {
        const TEXTS: [(&str, Untyped); 6] = [
            ("transitively contains", Untyped::PoolLimit),
            ("fuel allocated for hostcalls", Untyped::HostcallFuel),
            ("store handle limit", Untyped::InstanceLimit),
            ("handle index overflow", Untyped::InstanceLimit),
            ("resource limit exceeded", Untyped::InstanceLimit),
            ("exceeds table limits", Untyped::InstanceLimit),
        ];
        let text = format!("{error:#}");
        TEXTS.into_iter().find(|(part, _)| text.contains(part)).map(|(_, known)| known)
    }
}
