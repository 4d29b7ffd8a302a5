//! Where objects are announced from.
//!
//! - `local`: a folder of objects.
//! - `message`: one message through all its deliveries, what the others share.
//! - `lambda`, `sqs`, `manual`, `scan`: the modes that work on AWS.

pub mod lambda;
pub mod local;
pub mod manual;
pub mod message;
pub mod scan;
pub mod sqs;
