//! The second wall: tenants' components are compiled and run in worker processes that have
//! nothing to lose.
//!
//! The processor starts this program once more, as a small parent of workers (`zygote`), which
//! has no credentials and namespaces of its own. It forks a worker for each component that has
//! work, and each worker gives up what it could reach (`confine`) before it sees a byte of a
//! tenant's. One that has served a tenant never serves another.
//!
//! From the top down; each file imports only files that stand below it:
//!
//! - `host`: the processor's side: `runtime` (compiles, and makes components of code), `code`
//!   (a component whose instances run in workers), `guest` (one instance), `pool` (workers at
//!   work and warm ones), `parent` (the zygote as its parent sees it).
//! - `zygote`: the parent of workers; `launch`: how it is started; `worker`: what a worker does.
//! - `confine`: layers of the wall: `seccomp`, `landlock`, `limits`, `namespaces`.
//! - `wire`: what crosses; `link`: a socket and shared memory that it crosses by.
//! - The leaves: `layers`, `syscalls`.

mod confine;
mod host;
mod launch;
mod layers;
mod link;
mod syscalls;
mod wire;
mod worker;
mod zygote;

pub use host::{Isolation, IsolationStats, Options, StartError};
pub use launch::{ARGUMENT, run};
pub use layers::{Layer, Layers};
pub use worker::Backdoor;
