//! What each failure leads to, on AWS: the built binary against a fake one that
//! fails as it is told. A test a row of the failure table.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::float_cmp,
    missing_docs,
    reason = "tests"
)]

use fake_aws::scene::SOURCE;

#[path = "../common/aws.rs"]
mod aws;

mod cloudwatch;
mod content;
mod environment;
mod guests;
mod keeping;
mod lost;
mod notification;
mod process;
mod source;
mod table;
mod tenant;
