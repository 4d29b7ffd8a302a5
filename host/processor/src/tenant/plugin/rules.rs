//! What the components of items may not go beyond.

use std::path::{Path, PathBuf};

use model::Limits;

/// What items may not go beyond, and where they begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRules {
    /// The operator's; items may only lower them.
    pub limits: Limits,
    /// Where relative `file:` paths begin; none: there are none.
    pub folder: Option<PathBuf>,
}

impl PluginRules {
    /// Of a tenant file: relative paths begin at its folder.
    pub fn of_file(path: &Path, limits: Limits) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { limits, folder: path.parent().map(Path::to_owned) }
    }
}
