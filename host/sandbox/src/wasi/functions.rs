//! The functions of WASI that guests are given, and what they cost beside the fuel of
//! any call of the host. None of them waits, so those that may block are the same as
//! those that don't.

use wasmtime::component::{ComponentNamedList, Lift, LinkerInstance, Lower, Resource, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::WasiCliView;
use wasmtime_wasi::clocks::WasiClocksView;
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2::bindings::cli::{
    environment, exit, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout,
};
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError, StreamResult};
use wasmtime_wasi_io::bindings::wasi::io::error::HostError;
use wasmtime_wasi_io::bindings::wasi::io::streams::{self, HostInputStream, HostOutputStream};

use super::random;
use crate::host_functions::{function, log_cost};
use crate::store::StoreData;

/// Fuel that each handle of a list costs.
const HANDLE_FUEL: u64 = 20;

type Defined = wasmtime::Result<()>;
type Input = Resource<DynInputStream>;
type Output = Resource<DynOutputStream>;

/// Gives a guest what this interface has; nothing where guests are given nothing of it.
pub(super) fn give(instance: &mut LinkerInstance<'_, StoreData>, interface: &str) -> Defined {
    match interface {
        "wasi:cli/environment" => {
            answer(instance, "get-environment", |state| environment::Host::get_environment(&mut state.cli()))?;
            answer(instance, "get-arguments", |state| environment::Host::get_arguments(&mut state.cli()))?;
            answer(instance, "initial-cwd", |state| environment::Host::initial_cwd(&mut state.cli()))
        }
        "wasi:cli/exit" => {
            function(instance, "exit", free, |state, (status,)| exit::Host::exit(&mut state.cli(), status))?;
            let with_code = |state: &mut StoreData, (code,)| exit::Host::exit_with_code(&mut state.cli(), code);
            function(instance, "exit-with-code", free, with_code)
        }
        "wasi:cli/stdin" => answer(instance, "get-stdin", |state| stdin::Host::get_stdin(&mut state.cli())),
        "wasi:cli/stdout" => answer(instance, "get-stdout", |state| stdout::Host::get_stdout(&mut state.cli())),
        "wasi:cli/stderr" => answer(instance, "get-stderr", |state| stderr::Host::get_stderr(&mut state.cli())),
        "wasi:cli/terminal-stdin" => {
            answer(instance, "get-terminal-stdin", |state| terminal_stdin::Host::get_terminal_stdin(&mut state.cli()))
        }
        "wasi:cli/terminal-stdout" => answer(instance, "get-terminal-stdout", |state| {
            terminal_stdout::Host::get_terminal_stdout(&mut state.cli())
        }),
        "wasi:cli/terminal-stderr" => answer(instance, "get-terminal-stderr", |state| {
            terminal_stderr::Host::get_terminal_stderr(&mut state.cli())
        }),
        "wasi:clocks/wall-clock" => {
            answer(instance, "now", |state| wall_clock::Host::now(&mut state.clocks()))?;
            answer(instance, "resolution", |state| wall_clock::Host::resolution(&mut state.clocks()))
        }
        "wasi:clocks/monotonic-clock" => {
            answer(instance, "now", |state| monotonic_clock::Host::now(&mut state.clocks()))?;
            answer(instance, "resolution", |state| monotonic_clock::Host::resolution(&mut state.clocks()))?;
            function(instance, "subscribe-instant", free, |_, (_,): (u64,)| Ok((ready(),)))?;
            function(instance, "subscribe-duration", free, |_, (_,): (u64,)| Ok((ready(),)))
        }
        "wasi:filesystem/preopens" => {
            answer(instance, "get-directories", |state| preopens::Host::get_directories(&mut state.filesystem()))
        }
        "wasi:io/error" => {
            let text = |state: &mut StoreData, (error,): (Resource<IoError>,)| {
                Ok((HostError::to_debug_string(state.ctx().table, error)?,))
            };
            function(instance, "[method]error.to-debug-string", free, text)
        }
        "wasi:io/poll" => poll(instance),
        "wasi:io/streams" => input(instance).and_then(|()| output(instance)),
        "wasi:random/random" => random::give(instance, "get-random-bytes", "get-random-u64"),
        "wasi:random/insecure" => random::give(instance, "get-insecure-random-bytes", "get-insecure-random-u64"),
        "wasi:random/insecure-seed" => random::give_seed(instance),
        _ => Ok(()),
    }
}

/// What costs no more than any call of the host.
fn free<P>(_: &P) -> u64 {
    0
}

/// A function without parameters.
fn answer<R: Lower + Send + 'static>(
    instance: &mut LinkerInstance<'_, StoreData>,
    name: &str,
    body: fn(&mut StoreData) -> wasmtime::Result<R>,
) -> Defined
where
    (R,): ComponentNamedList,
{
    function(instance, name, free, move |state, ()| Ok((body(state)?,)))
}

/// A pollable that is ready. All are, whatever they are of: time doesn't go on, there
/// is no input, and the log takes any output. So the host keeps nothing of one.
fn ready() -> Resource<DynPollable> {
    Resource::new_own(0)
}

fn poll(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "[method]pollable.ready", free, |_, _: (Resource<DynPollable>,)| Ok((true,)))?;
    function(instance, "[method]pollable.block", free, |_, _: (Resource<DynPollable>,)| Ok(()))?;
    let cost = |(polled,): &(Vec<Resource<DynPollable>>,)| count(polled).saturating_mul(HANDLE_FUEL);
    function(instance, "poll", cost, |_, (polled,): (Vec<Resource<DynPollable>>,)| {
        // There may be none: that would wait for ever, and waiting is what no guest does.
        wasmtime::ensure!(!polled.is_empty(), "it polls nothing");
        Ok(((0..u32::try_from(polled.len())?).collect::<Vec<u32>>(),))
    })
}

fn count<T>(items: &[T]) -> u64 {
    u64::try_from(items.len()).unwrap_or(u64::MAX)
}

fn input(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    for name in ["read", "blocking-read"] {
        on_stream(instance, &format!("[method]input-stream.{name}"), free, |table, (stream, most): (Input, u64)| {
            HostInputStream::read(table, stream, most)
        })?;
    }
    for name in ["skip", "blocking-skip"] {
        on_stream(instance, &format!("[method]input-stream.{name}"), free, |table, (stream, most): (Input, u64)| {
            HostInputStream::skip(table, stream, most)
        })?;
    }
    function(instance, "[method]input-stream.subscribe", free, |_, (_,): (Input,)| Ok((ready(),)))
}

fn output(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    on_stream(instance, "[method]output-stream.check-write", free, |table, (stream,)| {
        HostOutputStream::check_write(table, stream)
    })?;
    for name in ["write", "blocking-write-and-flush"] {
        let cost = |(_, text): &(Output, Vec<u8>)| log_cost(memchr::memchr_iter(b'\n', text).count(), text.len());
        on_stream(instance, &format!("[method]output-stream.{name}"), cost, |table, (stream, text)| {
            HostOutputStream::write(table, stream, text)
        })?;
    }
    for name in ["flush", "blocking-flush"] {
        on_stream(instance, &format!("[method]output-stream.{name}"), free, |table, (stream,)| {
            HostOutputStream::flush(table, stream)
        })?;
    }
    function(instance, "[method]output-stream.subscribe", free, |_, (_,): (Output,)| Ok((ready(),)))
}

/// A function of a stream.
fn on_stream<P, R>(
    instance: &mut LinkerInstance<'_, StoreData>,
    name: &str,
    cost: fn(&P) -> u64,
    body: fn(&mut ResourceTable, P) -> StreamResult<R>,
) -> Defined
where
    P: ComponentNamedList + Lift + Send + 'static,
    R: Lower + Send + 'static,
    (Result<R, streams::StreamError>,): ComponentNamedList + Lower,
{
    function(instance, name, cost, move |state, params| {
        let table = state.ctx().table;
        match body(table, params) {
            Ok(answer) => Ok((Ok(answer),)),
            Err(error) => Ok((Err(streams::Host::convert_stream_error(table, error)?),)),
        }
    })
}
