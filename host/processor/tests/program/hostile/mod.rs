//! Hostile components, each beside a healthy tenant (and other hostile ones): what the operator sees of the
//! one, and that the other's delivery is complete and waits for nobody. The built binary
//! against `fake-aws`, in sqs mode.
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
    missing_docs,
    reason = "tests"
)]

#[path = "../common/aws.rs"]
mod aws;
mod beside;
mod guest;

mod imports;
mod keys;
mod lies;
mod loops;
mod memory;
mod no_components;
mod on_error;
mod output;
mod parts;
mod shadow;
mod sources;
mod state;
mod suspended;
