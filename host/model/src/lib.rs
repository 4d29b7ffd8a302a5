//! The types that all rooms share. Nothing here does I/O, and nothing here knows another room.
//!
//! - `object`: an object of the source; `origin`: its tenant, application and pod, from its key.
//! - `delivery`: what a tenant wants delivered, and where.
//! - `plugin`: the component that an item or the operator names, with its limits.
//! - `dead_letter`: what can never be delivered, and why.
//! - `failure`: what can fail, and is tried again; `fault`: whose fault it is.
//! - `counts`: counts by kind; `named`: enums whose variants have names.
//! - `circuit_breaker`: stops attempts at what keeps failing.
//! - `stop`: stops running deliveries; `activity`: their signs of life.
//! - `buckets`: the buckets that a message may name, and what was learned about a bucket.
//! - `credentials`, `timestamps`: two settings that several rooms read.
//! - `lock`: locking a mutex, even after a panic; `hex`: bytes as digits.

mod activity;
mod buckets;
mod circuit_breaker;
mod counts;
mod credentials;
mod dead_letter;
mod delivery;
mod failure;
mod fault;
mod hex;
mod lock;
mod named;
mod object;
mod origin;
mod plugin;
mod stop;
mod timestamps;

pub use activity::Activity;
pub use buckets::{BucketPatterns, LearnedBuckets};
pub use circuit_breaker::{BreakerChange, BreakerOpen, BreakerPermit, BreakerState, CircuitBreaker, CircuitBreakers};
pub use counts::Counts;
pub use credentials::StaticCredentials;
pub use dead_letter::{DeadLetter, Reason};
pub use delivery::{Delivery, Destination, DestinationKind, Event};
pub use failure::{AwsErrorKind, ComponentErrorKind, Failure, FailureKind, GuestErrorKind};
pub use fault::Fault;
pub use hex::hex;
pub use lock::lock;
pub use named::Named;
pub use object::ObjectId;
pub use origin::Origin;
pub use plugin::{AllowedSource, ComponentRef, Digest, Limits, OnError, ParseDigestError, Plugin, Plugins};
pub use stop::{Stop, StopScope};
pub use timestamps::TimestampNumbers;
