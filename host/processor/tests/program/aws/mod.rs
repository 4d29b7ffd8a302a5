//! What the binary promises on AWS, from end to end: the built binary against
//! `fake-aws`, as an operator runs it.
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
mod support;

mod acknowledge;
mod breaker;
mod checkpoint;
mod copies;
mod credentials;
mod crowd;
mod deadline;
mod invocations;
mod leases;
mod memory;
mod metrics;
mod plugins;
mod rewritten;
mod rollout;
mod scan;
mod shares;
mod shutdown;
mod streams;
mod tenants;
mod twice;
mod weather;
