//! What stands in for the world: clocks that say the object's time, randomness that
//! comes of the object, and no folder at all.

use sha2::{Digest, Sha256};
use wasmtime::component::{LinkerInstance, Resource};

use super::Stopped;
use super::values::{Datetime, Descriptor, Pollable};
use crate::host_functions::function;
use crate::store::StoreData;

/// Random bytes that a guest gets in one call.
const MOST_RANDOM: u64 = 64 * 1024;
/// Fuel that each of them costs: hashing takes about as long as so many instructions.
const RANDOM_FUEL: u64 = 8;

type Defined = wasmtime::Result<()>;

/// Time since the Unix epoch; before it there is none.
fn milliseconds(state: &StoreData) -> u64 {
    u64::try_from(state.now).unwrap_or(0)
}

fn datetime(milliseconds: u64) -> Datetime {
    Datetime {
        seconds: milliseconds / 1_000,
        nanoseconds: u32::try_from(milliseconds % 1_000 * 1_000_000).unwrap_or(0),
    }
}

pub(super) fn wall_clock(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "now", |()| 0, |state, ()| Ok((datetime(milliseconds(state)),)))?;
    function(instance, "resolution", |()| 0, |_, ()| Ok((datetime(1),)))
}

pub(super) fn monotonic_clock(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "now", |()| 0, |state, ()| Ok((milliseconds(state).saturating_mul(1_000_000),)))?;
    function(instance, "resolution", |()| 0, |_, ()| Ok((1_000_000_u64,)))?;
    for name in ["subscribe-instant", "subscribe-duration"] {
        function(instance, name, |_| 0, |_, _: (u64,)| Ok((Resource::<Pollable>::new_own(0),)))?;
    }
    Ok(())
}

pub(super) fn random(instance: &mut LinkerInstance<'_, StoreData>, bytes: &str, number: &str) -> Defined {
    let cost = |&(asked,): &(u64,)| asked.min(MOST_RANDOM).saturating_mul(RANDOM_FUEL);
    function(instance, bytes, cost, |state, (asked,): (u64,)| {
        if asked > MOST_RANDOM {
            return Err(Stopped::Random { asked, most: MOST_RANDOM }.into());
        }
        let mut bytes = Vec::new();
        while bytes.len() < usize::try_from(asked)? {
            bytes.extend_from_slice(&block(state));
        }
        bytes.truncate(usize::try_from(asked)?);
        Ok((bytes,))
    })?;
    function(instance, number, |()| 32 * RANDOM_FUEL, |state, ()| Ok((numbers(state).0,)))
}

pub(super) fn insecure_seed(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "insecure-seed", |()| 32 * RANDOM_FUEL, |state, ()| Ok((numbers(state),)))
}

/// The next 32 bytes of the object's randomness.
fn block(state: &mut StoreData) -> [u8; 32] {
    let (seed, counter) = &mut state.random;
    let block = Sha256::new().chain_update(*seed).chain_update(counter.to_le_bytes()).finalize();
    *counter = counter.wrapping_add(1);
    block.into()
}

fn numbers(state: &mut StoreData) -> (u64, u64) {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, ..] = block(state);
    (u64::from_le_bytes([a, b, c, d, e, f, g, h]), u64::from_le_bytes([i, j, k, l, m, n, o, p]))
}

pub(super) fn preopens(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "get-directories", |()| 0, |_, ()| Ok((Vec::<(Resource<Descriptor>, String)>::new(),)))
}
