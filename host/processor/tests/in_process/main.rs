//! What the library promises, without a process or a network: components over objects in
//! memory (`guests`, `conformance`), and that the project's documents are true (`project`),
//! refer to what is there (`documents`), and give the order of imports (`imports`).
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

mod conformance;
mod documents;
mod guest_memory;
mod guests;
mod imports;
mod project;
