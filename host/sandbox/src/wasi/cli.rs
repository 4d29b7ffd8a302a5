//! `wasi:cli`: no environment, no arguments, no terminal, an input that has ended.

use wasmtime::component::{LinkerInstance, Resource};

use super::Stopped;
use super::streams::{STDERR, STDOUT};
use super::values::{InputStream, OutputStream, TerminalInput, TerminalOutput};
use crate::host_functions::function;
use crate::store::StoreData;

type Defined = wasmtime::Result<()>;

pub(super) fn environment(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "get-environment", |()| 0, |_, ()| Ok((Vec::<(String, String)>::new(),)))?;
    function(instance, "get-arguments", |()| 0, |_, ()| Ok((Vec::<String>::new(),)))?;
    function(instance, "initial-cwd", |()| 0, |_, ()| Ok((None::<String>,)))
}

/// Whoever exits will not answer: it is stopped as if it had trapped.
pub(super) fn exit(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "exit", |_| 0, |_, (status,): (Result<(), ()>,)| exited(status.is_err()))?;
    function(instance, "exit-with-code", |_| 0, |_, (code,): (u8,)| exited(code != 0))
}

fn exited(failed: bool) -> wasmtime::Result<()> {
    Err(Stopped::Exited(if failed { "with an error" } else { "without an error" }).into())
}

pub(super) fn stdin(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "get-stdin", |()| 0, |_, ()| Ok((Resource::<InputStream>::new_own(0),)))
}

pub(super) fn stdout(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "get-stdout", |()| 0, |_, ()| Ok((Resource::<OutputStream>::new_own(STDOUT),)))
}

pub(super) fn stderr(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "get-stderr", |()| 0, |_, ()| Ok((Resource::<OutputStream>::new_own(STDERR),)))
}

pub(super) fn terminal_stdin(instance: &mut LinkerInstance<'_, StoreData>) -> Defined {
    function(instance, "get-terminal-stdin", |()| 0, |_, ()| Ok((None::<Resource<TerminalInput>>,)))
}

pub(super) fn terminal_output(instance: &mut LinkerInstance<'_, StoreData>, name: &str) -> Defined {
    function(instance, name, |()| 0, |_, ()| Ok((None::<Resource<TerminalOutput>>,)))
}
