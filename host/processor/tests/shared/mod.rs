//! What both test binaries read: components that are built, and the vectors.

use std::path::{Path, PathBuf};

pub(crate) mod vectors;

/// What `make fixtures` builds.
pub(crate) fn built(file: &str) -> PathBuf {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest")).join(file);
    assert!(path.is_file(), "{} is missing: run `make fixtures`", path.display());
    path
}

pub(crate) fn read(file: &str) -> Vec<u8> {
    std::fs::read(built(file)).unwrap()
}
