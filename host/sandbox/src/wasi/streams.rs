//! `wasi:io`: an input that has ended, outputs that are the guest's log, and polls
//! that are always ready.

use wasmtime::component::{LinkerInstance, Resource};

use super::values::{InputStream, IoError, OutputStream, Pollable, StreamError};
use crate::host_functions::{function, log_cost};
use crate::log::Stream;
use crate::store::StoreData;

/// What the host knows an output stream by.
pub(super) const STDOUT: u32 = 1;
pub(super) const STDERR: u32 = 2;

/// Bytes that an output says that it takes at once.
const WRITABLE: u64 = 64 * 1024;
/// Fuel that each handle of a list costs.
const HANDLE_FUEL: u64 = 20;

type Defined = wasmtime::Result<()>;
type Out = Resource<OutputStream>;
type In = Resource<InputStream>;

pub(super) fn error(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    let debug = |_: &mut StoreData, _: (Resource<IoError>,)| Ok((String::new(),));
    function(instance, "[method]error.to-debug-string", |_| 0, debug)
}

pub(super) fn poll(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "[method]pollable.ready", |_| 0, |_, _: (Resource<Pollable>,)| Ok((true,)))?;
    function(instance, "[method]pollable.block", |_| 0, |_, _: (Resource<Pollable>,)| Ok(()))?;
    let cost = |(polled,): &(Vec<Resource<Pollable>>,)| (count(polled)).saturating_mul(HANDLE_FUEL);
    function(instance, "poll", cost, |_, (polled,): (Vec<Resource<Pollable>>,)| {
        // There may be none: that would wait for ever, and waiting is what no guest does.
        wasmtime::ensure!(!polled.is_empty(), "it polls nothing");
        Ok(((0..u32::try_from(polled.len())?).collect::<Vec<u32>>(),))
    })
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

pub(super) fn streams(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    input(instance)?;
    output(instance)
}

fn input(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    for name in ["read", "blocking-read"] {
        let name = format!("[method]input-stream.{name}");
        function(instance, &name, |_| 0, |_, _: (In, u64)| Ok((Err::<Vec<u8>, _>(StreamError::Closed),)))?;
    }
    for name in ["skip", "blocking-skip"] {
        let name = format!("[method]input-stream.{name}");
        function(instance, &name, |_| 0, |_, _: (In, u64)| Ok((Err::<u64, _>(StreamError::Closed),)))?;
    }
    function(instance, "[method]input-stream.subscribe", |_| 0, |_, _: (In,)| Ok((Resource::<Pollable>::new_own(0),)))
}

fn output(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    let check = |_: &mut StoreData, _: (Out,)| Ok((Ok::<_, StreamError>(WRITABLE),));
    function(instance, "[method]output-stream.check-write", |_| 0, check)?;
    for name in ["write", "blocking-write-and-flush"] {
        let cost = |(_, text): &(Out, Vec<u8>)| log_cost(memchr::memchr_iter(b'\n', text).count(), text.len());
        function(instance, &format!("[method]output-stream.{name}"), cost, write)?;
    }
    for name in ["flush", "blocking-flush"] {
        let flush = |_: &mut StoreData, _: (Out,)| Ok((Ok::<_, StreamError>(()),));
        function(instance, &format!("[method]output-stream.{name}"), |_| 0, flush)?;
    }
    function(instance, "[method]output-stream.subscribe", |_| 0, |_, _: (Out,)| Ok((Resource::<Pollable>::new_own(0),)))
}

fn write(state: &mut StoreData, (to, text): (Out, Vec<u8>)) -> wasmtime::Result<(Result<(), StreamError>,)> {
    let stream = if to.rep() == STDERR { Stream::Error } else { Stream::Out };
    state.log.write(stream, &text);
    Ok((Ok(()),))
}
