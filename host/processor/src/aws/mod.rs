//! The only room that knows the AWS SDKs. Each file is one service, with the few calls that
//! this program makes; every failure is an [`AwsError`] that knows its kind and its remedy.
//!
//! - `clients`: one client for each purpose.
//! - `options`: the options that clients are made from; `config`: region, endpoint, timeouts and
//!   retries of all clients.
//! - `http`: the one HTTP client, which sets up TLS when it is first needed.
//! - `service`: a client with its session and region, which every call goes through; `lazy`,
//!   `cache`: clients are built when they are first used, and kept while they are.
//! - `sessions`: credentials, and the two hops of roles; `own_account`: the processor's account.
//! - `error`: what a failed call means; `remedy`: what to do about it.
//! - `skew`: a clock that is off; `empty_response`: a success with an empty body.
//! - `s3`, `sqs`, `dynamodb`, `logs`, `metrics`, `sts`: the services.

mod cache;
mod clients;
mod config;
mod dynamodb;
mod empty_response;
mod error;
mod http;
mod lazy;
mod logs;
mod metrics;
mod operation;
mod options;
mod own_account;
mod remedy;
mod s3;
mod service;
mod sessions;
mod skew;
mod sqs;
mod sts;
#[cfg(test)]
mod testing;

pub use clients::{Aws, ConnectError};
pub use dynamodb::{Attribute, Item, Table};
pub use error::AwsError;
pub use logs::{Logs, RejectedRanges};
pub use metrics::{Datum, MetricsClient, refuses_data};
pub use model::AwsErrorKind;
pub use operation::Operation;
pub use options::{AwsOptions, BucketOwnerSetting, BucketOwners};
pub use s3::{
    Body, CopyRequest, CopySource, Download, Headers, ListPage, ListedObject, ObjectVersion, PartUpload, PutRequest,
    S3, StoredObject, WholeObject,
};
pub use sqs::{OutgoingMessage, Queue, ReceivedMessage, VisibilityResult};
