//! What guests may do to the host, to an object, and to each other: nothing
//! that is not in the contract. The components are tests/guests/*, and some
//! that are put together here.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    reason = "a test may stop where something is wrong"
)]

#[path = "../common/mod.rs"]
mod common;

mod ends;
mod faults;
mod harness;
mod honest;
mod lies;
mod local;
mod on_default;
mod quarantine;
mod random;
mod refused;
mod rewriter;
mod shadow;
mod subsets;
mod uploads;
mod versions;
