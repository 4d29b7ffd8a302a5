//! Makes a component of a core module that was built with wit-bindgen, and,
//! where asked, the compiled form that the host embeds. A build tool: it is no
//! part of what is shipped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use sandbox::Engine;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME as PREVIEW1, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER as PREVIEW1_ADAPTER,
};
use wit_component::ComponentEncoder;

/// How a component begins: magic, then version 13 of layer 1.
const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

#[derive(Parser)]
#[command(about = "Core module to component, and to the compiled form that the host embeds")]
struct Arguments {
    /// Core module, as cargo builds it, or what is a component already.
    core: PathBuf,
    /// Where the component goes.
    #[arg(long)]
    component: Option<PathBuf>,
    /// Where the compiled form goes.
    #[arg(long)]
    precompiled: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let core = std::fs::read(&arguments.core).with_context(|| format!("can't read {}", arguments.core.display()))?;
    let component = if core.starts_with(COMPONENT) { core } else { encode(&core, &arguments.core)? };
    if let Some(path) = &arguments.component {
        write(path, &component)?;
    }
    if let Some(path) = &arguments.precompiled {
        // The pool's size is no part of what is compiled.
        let code = Engine::new(1, 64 * 1024 * 1024)?.precompile(&component)?;
        write(path, &code)?;
    }
    Ok(())
}

/// Makes a component of a core module; what it imports of WASI 0.1 becomes WASI 0.2.
fn encode(core: &[u8], path: &Path) -> Result<Vec<u8>> {
    ComponentEncoder::default()
        .validate(true)
        .module(core)
        .and_then(|encoder| encoder.adapter(PREVIEW1, PREVIEW1_ADAPTER))
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("{} can't become a component", path.display()))
}

/// Writes beside the target and renames, so that a build that is interrupted
/// leaves no half a file behind.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let named = || format!("can't write {}", path.display());
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(named)?;
    }
    let part = path.with_extension("part");
    std::fs::write(&part, bytes).with_context(named)?;
    std::fs::rename(&part, path).with_context(named)
}
