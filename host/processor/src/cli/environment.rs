//! The variables of the environment.

use std::ffi::OsString;

/// What the environment says. What is no UTF-8 is refused like any other value that
/// is none.
pub(super) fn variable(name: &str) -> Option<String> {
    path_variable(name).map(|value| value.to_string_lossy().into_owned())
}

/// What the environment says, where it is a path.
pub(super) fn path_variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}
