//! Makes a component of a core module that was built with wit-bindgen, and,
//! where asked, the compiled form that the host embeds. A build tool: it is no
//! part of what is shipped.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Parser;
use sandbox::Engine;
use wit_component::ComponentEncoder;

#[derive(Parser)]
#[command(about = "Core module to component, and to the compiled form that the host embeds")]
struct Arguments {
    /// Core module, as cargo builds it.
    core: PathBuf,
    /// Where the component goes.
    #[arg(long)]
    component: PathBuf,
    /// Where the compiled form goes.
    #[arg(long)]
    precompiled: Option<PathBuf>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let core = std::fs::read(&arguments.core).with_context(|| format!("can't read {}", arguments.core.display()))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&core)
        .and_then(|encoder| encoder.encode())
        .with_context(|| format!("{} can't become a component", arguments.core.display()))?;
    write(&arguments.component, &component)?;
    if let Some(path) = &arguments.precompiled {
        // The pool's size is no part of what is compiled.
        let code = Engine::new(1, 64 * 1024 * 1024)?.precompile(&component)?;
        write(path, &code)?;
    }
    Ok(())
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
