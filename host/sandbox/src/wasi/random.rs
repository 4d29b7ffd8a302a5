//! `wasi:random`, which is our own, and not wasmtime-wasi's, for two reasons. There it costs no
//! fuel. And the numbers of an object may never change, not with an update of a library
//! either: a delivery that stopped halfway goes on after the events that it settled,
//! which are the same ones only where the component sees the same numbers again.

use wasmtime::component::LinkerInstance;

use super::Stopped;
use crate::host_functions::function;
use crate::store::StoreData;

/// Random bytes that a guest gets in one call.
const MAX_BYTES: u64 = 64 * 1024;
/// Fuel that each of them costs: hashing takes about as long as so many instructions.
const BYTE_FUEL: u64 = 8;
/// Fuel of the bytes that any number takes.
const NUMBER_FUEL: u64 = 32 * BYTE_FUEL;

/// Gives a guest random bytes and numbers, by these names.
pub(super) fn give(instance: &mut LinkerInstance<'_, StoreData>, bytes: &str, number: &str) -> wasmtime::Result<()> {
    let cost = |&(asked,): &(u64,)| asked.min(MAX_BYTES).saturating_mul(BYTE_FUEL);
    function(instance, bytes, cost, |state, (asked,): (u64,)| {
        if asked > MAX_BYTES {
            return Err(Stopped::Random { asked, most: MAX_BYTES }.into());
        }
        Ok((state.randomness.bytes(usize::try_from(asked)?),))
    })?;
    function(instance, number, |()| NUMBER_FUEL, |state, ()| Ok((state.randomness.numbers().0,)))
}

/// Gives a guest a seed for its own randomness.
pub(super) fn give_seed(instance: &mut LinkerInstance<'_, StoreData>) -> wasmtime::Result<()> {
    function(instance, "insecure-seed", |()| NUMBER_FUEL, |state, ()| Ok((state.randomness.numbers(),)))
}
