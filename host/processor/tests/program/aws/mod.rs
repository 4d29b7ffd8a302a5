//! What the binary promises on AWS, from end to end: the built binary against
//! `fake-aws`, as an operator runs it.

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
