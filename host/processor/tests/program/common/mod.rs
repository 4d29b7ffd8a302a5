//! The built binary: over folders (`local`), against `fake-aws` (`aws`), and what it wrote.

pub(crate) mod aws;
pub(crate) mod local;
pub(crate) mod output;
pub(crate) mod process;
pub(crate) mod report;
pub(crate) mod stream;
