//! The contract's functions, whatever the version.

use model::Origin;

use super::call::{Call, Probe};
use crate::context::Context;
use crate::error::{GuestError, LoadError};
use crate::output::{RawRewritten, RawTransformed};
use crate::version::Interface;

/// A version: its functions, which take and give what is the host's. Fallible ones
/// fail as the guest says, or with what it did wrong.
pub(crate) trait Contract: Sync {
    /// Checks that a component that exports an interface has all its functions, of the
    /// right types.
    fn check_types(&self, interface: Interface, probe: &mut Probe<'_>) -> Result<(), LoadError>;

    fn parse_key(&self, call: Call<'_>, key: &str) -> Result<Origin, GuestError>;

    fn wants(&self, call: Call<'_>, context: &Context<'_>) -> Result<bool, GuestError>;

    /// The answer has what is wrong with the settings.
    fn check_settings(&self, call: Call<'_>, settings: &[(String, String)]) -> Result<Result<(), String>, GuestError>;

    fn begin_rewrite(&self, call: Call<'_>, context: &Context<'_>) -> Result<(), GuestError>;

    fn rewrite(&self, call: Call<'_>, first_line: u64, lines: &[u8]) -> Result<RawRewritten, GuestError>;

    fn end_rewrite(&self, call: Call<'_>) -> Result<RawRewritten, GuestError>;

    fn begin_transform(&self, call: Call<'_>, context: &Context<'_>) -> Result<(), GuestError>;

    fn transform(&self, call: Call<'_>, first_line: u64, lines: &[u8]) -> Result<RawTransformed, GuestError>;

    fn end_transform(&self, call: Call<'_>) -> Result<RawTransformed, GuestError>;
}
