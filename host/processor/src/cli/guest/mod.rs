//! `log-processor guest …`: looks at components, and makes them ready.
//!
//! - `inspect`: what a component can do.
//! - `precompile`: components into the cache, and to the operator's bucket.

mod inspect;
mod precompile;

pub(super) use inspect::inspect;
pub(super) use precompile::precompile;
