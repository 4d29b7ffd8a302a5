//! The empty WASI: what a guest's toolchain wants to link, with nothing behind it.
//! No environment, no arguments, no files; every clock says the object's time, and
//! randomness comes of the object, so that runs repeat; standard output and error
//! go to the guest's bounded log. Any other function of it stops the guest.
//!
//! - `cli`: environment, exit, the standard streams, terminals.
//! - `streams`: reading nothing, writing to the log; polls, which are always ready.
//! - `world`: clocks, randomness, preopened folders.
//! - `values`: the types that cross.

mod cli;
mod streams;
mod values;
mod world;

use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Linker, LinkerInstance, ResourceType};

use crate::store::StoreData;
use values::{Absent, Descriptor, InputStream, IoError, OutputStream, Pollable, TerminalInput, TerminalOutput};

/// Packages that are linked, of any version 0.2.x.
const PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Why the host stopped a guest that called it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// What it called: interface and function.
    #[error("{0} is given to no guest")]
    Forbidden(String),
    /// By its own wish.
    #[error("it exited ({0})")]
    Exited(&'static str),
    /// In one call.
    #[error("it asked for {asked} random bytes at once, and at most {most} are given")]
    Random { asked: u64, most: u64 },
}

/// An interface's name without its version, where it is one of WASI 0.2.
fn interface(import: &str) -> Option<&str> {
    let (name, version) = import.split_once('@')?;
    let (package, _) = name.strip_prefix("wasi:")?.split_once('/')?;
    let patch = version.strip_prefix("0.2.")?;
    let released = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
    (released && PACKAGES.contains(&package)).then_some(name)
}

/// Gives a component what it imports by this name; false: that is nothing of WASI's.
///
/// Under exactly the name and version that it imports: so none is too old or too new,
/// and several versions of an interface in one component share their resources.
pub(super) fn link(
    linker: &mut Linker<StoreData>,
    engine: &wasmtime::Engine,
    import: &str,
    wanted: &ComponentItem,
) -> wasmtime::Result<bool> {
    let (Some(name), ComponentItem::ComponentInstance(wanted)) = (interface(import), wanted) else {
        return Ok(false);
    };
    // What is there takes the place of what stops the guest.
    linker.allow_shadowing(true);
    let mut instance = linker.instance(import)?;
    if !forbid(&mut instance, engine, import, wanted)? {
        return Ok(false);
    }
    match name {
        "wasi:cli/environment" => cli::environment(&mut instance)?,
        "wasi:cli/exit" => cli::exit(&mut instance)?,
        "wasi:cli/stdin" => cli::stdin(&mut instance)?,
        "wasi:cli/stdout" => cli::stdout(&mut instance)?,
        "wasi:cli/stderr" => cli::stderr(&mut instance)?,
        "wasi:cli/terminal-stdin" => cli::terminal_stdin(&mut instance)?,
        "wasi:cli/terminal-stdout" => cli::terminal_output(&mut instance, "get-terminal-stdout")?,
        "wasi:cli/terminal-stderr" => cli::terminal_output(&mut instance, "get-terminal-stderr")?,
        "wasi:io/error" => streams::error(&mut instance)?,
        "wasi:io/poll" => streams::poll(&mut instance)?,
        "wasi:io/streams" => streams::streams(&mut instance)?,
        "wasi:clocks/wall-clock" => world::wall_clock(&mut instance)?,
        "wasi:clocks/monotonic-clock" => world::monotonic_clock(&mut instance)?,
        "wasi:random/random" => world::random(&mut instance, "get-random-bytes", "get-random-u64")?,
        "wasi:random/insecure" => world::random(&mut instance, "get-insecure-random-bytes", "get-insecure-random-u64")?,
        "wasi:random/insecure-seed" => world::insecure_seed(&mut instance)?,
        "wasi:filesystem/preopens" => world::preopens(&mut instance)?,
        _ => {}
    }
    linker.allow_shadowing(false);
    Ok(true)
}

/// Everything that the component wants of an interface: resources that are nothing,
/// functions that stop the guest. False: it wants what no interface has.
fn forbid(
    instance: &mut LinkerInstance<'_, StoreData>,
    engine: &wasmtime::Engine,
    import: &str,
    wanted: &ComponentInstance,
) -> wasmtime::Result<bool> {
    for (name, item) in wanted.exports(engine) {
        match item.ty {
            ComponentItem::Resource(_) => instance.resource(name, resource(name), |_, _| Ok(()))?,
            ComponentItem::ComponentFunc(_) => {
                let what = format!("{import} {name}");
                instance.func_new(name, move |_, _, _, _| Err(Stopped::Forbidden(what.clone()).into()))?;
            }
            ComponentItem::Type(_) => {}
            _ => return Ok(false),
        }
    }
    Ok(true)
}

/// The resources that functions here give and take; the same under every interface
/// that uses them.
fn resource(name: &str) -> ResourceType {
    match name {
        "error" => ResourceType::host::<IoError>(),
        "pollable" => ResourceType::host::<Pollable>(),
        "input-stream" => ResourceType::host::<InputStream>(),
        "output-stream" => ResourceType::host::<OutputStream>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        _ => ResourceType::host::<Absent>(),
    }
}

#[cfg(test)]
mod tests;
