//! AWS for tests and the benchmark: one process, one port, plain HTTP, strict
//! where the real one is. See README.md.
//!
//! - `server`: connections, and what happens to each request.
//! - `call`: a request as what it asks for; `reply`: answers and refusals as each service words them.
//! - `body`: the bytes of an answer, whole, slow, or cut.
//! - `identity`: accounts, roles, sessions, permissions; `sts` hands sessions out.
//! - `fault`: what goes wrong on purpose.
//! - `s3`, `sqs`, `dynamodb`, `logs`, `metrics`, `lambda`: the services.
//! - `scene`: a processor and its tenants, ready made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    reason = "a fake for tests"
)]

mod body;
mod call;
mod clock;
mod dynamodb;
mod fault;
mod identity;
mod lambda;
mod logs;
mod logs_check;
mod metrics;
mod reply;
mod s3;
pub mod scene;
mod server;
mod sqs;
mod sqs_queue;
mod state;
mod sts;
mod xml;

pub use call::Service;
pub use fault::{Effect, Gate, Rule};
pub use identity::{Credentials, Permissions, Session, Trust};
pub use lambda::Outcome;
pub use logs::{LogEvent, Put};
pub use metrics::Metric;
pub use s3::Object;
pub use server::FakeAws;
pub use sqs::{Message, QueueCounts};
pub use state::Logged;

/// The account that the processor itself is in.
pub const PROCESSOR_ACCOUNT: &str = "000000000001";
/// The processor's identity, as [`FakeAws::env`] has it.
pub const PROCESSOR_ARN: &str = "arn:aws:iam::000000000001:user/processor";
/// Region of all that names no other.
pub const REGION: &str = "us-east-1";
