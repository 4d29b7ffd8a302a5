//! What guests may do to the host, to an object, and to each other: nothing
//! that is not in the contract. The components are tests/guests/*, and some
//! that are put together here.

mod ends;
mod faults;
mod harness;
mod honest;
mod javascript;
mod lies;
mod on_default;
mod quarantine;
mod random;
mod rewriter;
mod shadow;
mod subsets;
mod versions;
