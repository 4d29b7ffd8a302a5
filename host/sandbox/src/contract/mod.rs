//! The contract between host and guests, in every version that the host speaks.
//!
//! What the host says to guests and hears from them is of its own types, which know
//! no version: those of `context` and `output`. A component may export its interfaces in
//! several versions, mixed.
//!
//! - `v0_1_0`, `v0_2_0`: a version's types, and how the host's become them, or are
//!   made of them. To speak another: its file, with what it changes of the one before,
//!   its arm here, and its names in [`Version`]. Nothing else knows versions.
//! - `binding`: the functions bound to a version's types.
//! - `functions`: the functions, for all versions alike.
//! - `call`: a call of one.

mod binding;
mod call;
mod functions;
mod v0_1_0;
mod v0_2_0;

pub(crate) use call::{Call, Probe};
pub(crate) use functions::Contract;

use crate::version::Version;

/// The functions of a version.
pub(crate) fn functions_of(version: Version) -> &'static dyn Contract {
    match version {
        Version::V0_1_0 => &v0_1_0::V0_1_0,
        Version::V0_2_0 => &v0_2_0::V0_2_0,
    }
}
