//! WASI 0.2 for guests, for languages whose runtime wants one: wasmtime-wasi's, of an
//! empty world. No environment, no arguments, no files, no network; every clock says
//! the object's time; standard output and error go to the guest's bounded log.
//!
//! A guest is given a function only by [`functions`], where it also costs fuel. Of
//! wasmtime-wasi each function calls what says nothing of the machine. What would is
//! ours: timers (its would wait, on a runtime's clock), and randomness. All that is
//! named nowhere there, sockets among it, stops the guest.
//!
//! - `functions`: what guests are given, and what it costs.
//! - `random`: `wasi:random`, which is ours.

mod functions;
mod random;

use wasmtime::component::types::{ComponentInstance, ComponentItem};
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::filesystem::Descriptor;
use wasmtime_wasi::p2::bindings::cli::{terminal_input::TerminalInput, terminal_output::TerminalOutput};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, IoError};

use crate::store::StoreData;

/// Packages that are linked, of any version 0.2.x.
const PACKAGES: [&str; 6] = ["cli", "clocks", "filesystem", "io", "random", "sockets"];

/// Why the host stopped a guest that called it.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// What it called: interface and function.
    #[error("{0} is given to no guest")]
    Forbidden(String),
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
    functions::give(&mut instance, name)?;
    linker.allow_shadowing(false);
    Ok(true)
}

/// Everything that the component wants of an interface: its resources, and functions
/// that stop the guest. False: it wants what no interface has.
fn forbid(
    instance: &mut LinkerInstance<'_, StoreData>,
    engine: &wasmtime::Engine,
    import: &str,
    wanted: &ComponentInstance,
) -> wasmtime::Result<bool> {
    for (name, item) in wanted.exports(engine) {
        match item.ty {
            ComponentItem::Resource(_) => resource(instance, name)?,
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

/// A resource; the same under every interface that uses it.
fn resource(instance: &mut LinkerInstance<'_, StoreData>, name: &str) -> wasmtime::Result<()> {
    /// A resource that no guest ever gets one of.
    struct Absent;
    let handle = match name {
        "error" => return kept::<IoError>(instance, name),
        "input-stream" => return kept::<DynInputStream>(instance, name),
        "output-stream" => return kept::<DynOutputStream>(instance, name),
        "pollable" => ResourceType::host::<DynPollable>(),
        "terminal-input" => ResourceType::host::<TerminalInput>(),
        "terminal-output" => ResourceType::host::<TerminalOutput>(),
        "descriptor" => ResourceType::host::<Descriptor>(),
        _ => ResourceType::host::<Absent>(),
    };
    instance.resource(name, handle, |_, _| Ok(()))
}

/// A resource that the host keeps in its table until the guest drops it.
fn kept<R: Send + 'static>(instance: &mut LinkerInstance<'_, StoreData>, name: &str) -> wasmtime::Result<()> {
    instance.resource(name, ResourceType::host::<R>(), |mut store, number| {
        store.data_mut().ctx().table.delete(Resource::<R>::new_own(number))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests;
