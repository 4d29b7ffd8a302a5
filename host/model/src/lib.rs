//! The words that every stage shares: what an object is, where it comes from,
//! what is delivered, and what became of each line. No stage lives here.
//!
//! - `object`: an object of the source, and where it comes from.
//! - `delivery`: what a tenant wants delivered, and where.
//! - `dead_letter`: what can never be delivered, and why.
//! - `stop`: how deliveries are stopped; `activity`: their signs of life.
//! - `buckets`: which ones a message may name; `fault`: whose failure it is.
//! - `circuit_breaker`: what keeps failing is not tried for a while.
//! - `credentials`: AWS credentials that were given as texts.
//! - `failure`: what can fail; `counts`: how often, by kind.
//! - `lock`: a mutex that outlives a panic.
//! - `named`: kinds that are shown by a name.
//! - `origin`: where an object comes from, and what its parts may be.
//! - `plugin`: what is said about a component.
//! - `timestamps`: how numbers are read as times.

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
pub use delivery::{Delivery, Destination, Event};
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
