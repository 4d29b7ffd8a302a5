//! Components of the tests' guests.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::arguments::Arguments;

/// A component of the tests' guests.
pub(super) fn fixture(arguments: &Arguments, name: &str) -> PathBuf {
    arguments.guest.join("fixtures").join(name)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    std::fs::read(path).with_context(|| format!("can't read {}; `make fixtures` makes it", path.display()))
}
