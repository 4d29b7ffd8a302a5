//! The rules for items' components.

use std::path::{Path, PathBuf};

use model::Limits;

/// The limits that items may not exceed, and the base of relative paths.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PluginRules {
    /// The operator's; items may only lower them.
    pub limits: Limits,
    /// The folder that relative `file:` paths start from; `None` if they are not allowed.
    pub folder: Option<PathBuf>,
}

impl PluginRules {
    /// The rules of a tenant file: relative paths start from its folder.
    pub fn of_file(path: &Path, limits: Limits) -> Self {
        let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        Self { limits, folder: path.parent().map(Path::to_owned) }
    }
}
