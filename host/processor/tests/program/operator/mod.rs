//! What an operator runs beside the processor: `guest inspect`, `guest precompile`,
//! `check`, the built binary over files and against `fake-aws`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_sign_loss,
    missing_docs,
    reason = "tests"
)]

#[path = "../common/aws.rs"]
mod aws;
mod support;

mod check;
mod check_files;
mod inspect;
mod precompile;
