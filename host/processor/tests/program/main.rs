//! What the built program promises: as an operator runs it, over folders of objects
//! (`local`, `guests`, `conformance`), against `fake-aws` (`aws`, `failures`, `hostile`, `container`), and as a
//! tool (`operator`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    clippy::float_cmp,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

#[path = "../shared/mod.rs"]
mod shared;

mod aws;
mod common;
mod conformance;
mod container;
mod failures;
mod guests;
mod hostile;
mod local;
mod operator;
