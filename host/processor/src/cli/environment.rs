//! The variables of the environment.

use std::ffi::OsString;

/// Reads a variable. A value that isn't UTF-8 is refused like any other invalid value.
pub(super) fn variable(name: &str) -> Option<String> {
    path_variable(name).map(|value| value.to_string_lossy().into_owned())
}

/// Reads a variable that holds a path.
pub(super) fn path_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
