//! The intake: where objects are announced.
//!
//! - `local`: a folder of objects.
//! - `message`: one message through all its deliveries, what the others share.
//! - `tenant_shares`: limits what is held at once, fairly between tenants.
//! - `service`: what the modes share that run until they are told to end.
//! - `lambda`, `sqs`, `manual`, `scan`: the modes that work on AWS.

pub mod lambda;
pub mod local;
pub mod manual;
pub mod message;
pub mod scan;
mod service;
pub mod sqs;
mod tenant_shares;
