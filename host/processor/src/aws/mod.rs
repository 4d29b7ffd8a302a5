//! The room of AWS: the only place that knows the SDKs. Each file is one
//! service, as the narrow set of calls that this program makes; every failure
//! is an [`AwsError`] that knows its class and its remedy.
//!
//! - `clients`: a client for each need.
//! - `options`: the options they are made from; `config`: what they have in common: region, endpoint, timeouts, retries.
//! - `http`: the one HTTP client, whose TLS is built when it is first needed.
//! - `service`: what every call goes through; `lazy`, `cache`: built when needed, kept while used.
//! - `sessions`: the double hop of roles, and its cache; `own_account`: the processor's.
//! - `operation`: the calls that are made.
//! - `error`, `remedy`: what a failed call means, and what to do about it; `skew`: a clock that is off; `empty_response`: a
//!   success with nothing in it.
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
