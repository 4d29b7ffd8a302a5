//! `log-processor local` from end to end: the built binary over folders of
//! objects, as an operator runs it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::print_stdout,
    missing_docs,
    reason = "tests"
)]

#[path = "../common/mod.rs"]
mod common;

mod again;
mod content;
mod damage;
mod demo;
mod input;
mod lines;
mod memory;
mod names;
mod place;
mod plugins;
mod random;
mod stop;
