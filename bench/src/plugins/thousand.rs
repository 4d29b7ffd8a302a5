//! A component each for a thousand tenants: alike in size, each another digest.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use log_processor::plugin::{CacheOptions, Loader, LoaderOptions, Sources};
use model::{AllowedSource, ComponentRef, Digest, Limits, OnError, Plugin};
use sandbox::Engine;

use super::fixture::{fixture, read};
use crate::arguments::Arguments;
use crate::reading::Reading;
use crate::spread::number;

pub(super) fn measure(arguments: &Arguments) -> Result<Reading> {
    let folder = std::path::absolute(arguments.folder.join("components"))?;
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder)?;
    let plugins = components(arguments, &folder)?;
    let each = number(plugins.len() as u64);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let engine = Engine::new(8, Limits::default().memory_bytes)?;
    let mut reading = Reading::new();

    let (cold, _) = runtime.block_on(load_all(&loader(&engine, &folder, 64 << 30), &plugins))?;
    reading.insert("thousand.cold".to_owned(), cold * 1e3 / each);
    let before = resident()?;
    let loader_of_all = loader(&engine, &folder, 64 << 30);
    let (warm, code) = runtime.block_on(load_all(&loader_of_all, &plugins))?;
    reading.insert("thousand.warm".to_owned(), warm * 1e3 / each);
    reading.insert("disk".to_owned(), warm * 1e3 / each);
    reading.insert("thousand.mib".to_owned(), (resident()? - before) / each);
    drop(loader_of_all);
    let before = resident()?;
    let bounded = loader(&engine, &folder, code / 10);
    runtime.block_on(load_all(&bounded, &plugins))?;
    reading.insert("thousand.bounded".to_owned(), (resident()? - before).max(0.0));
    Ok(reading)
}

/// Seconds, and bytes of machine code of all.
async fn load_all(loader: &Loader, plugins: &[Plugin]) -> Result<(f64, u64)> {
    let begun = Instant::now();
    let mut code = 0;
    for plugin in plugins {
        code += loader.load(plugin).await?.code_bytes();
    }
    Ok((begun.elapsed().as_secs_f64(), u64::try_from(code)?))
}

fn loader(engine: &Engine, folder: &Path, loaded_bytes: u64) -> Loader {
    let options = LoaderOptions {
        sources: Sources { allowed: vec![AllowedSource::Folder(folder.to_owned())], ..Sources::default() },
        cache: CacheOptions { folder: Some(folder.join("cache")), bytes: 64 << 30, key: None },
        compiled: None,
        compile_at_most: None,
        loaded_bytes,
        guest_words: false,
    };
    Loader::new(engine.clone(), options)
}

/// The redacting rewriter, with a custom section that says which one it is.
fn components(arguments: &Arguments, folder: &Path) -> Result<Vec<Plugin>> {
    let whole = read(&fixture(arguments, "redactor-guest.wasm"))?;
    let one = |number: usize| {
        let mut bytes = whole.clone();
        // Section 0: its size, then its name with a length, then anything.
        let text = format!("{number:08}");
        bytes.extend([0, 13, 4]);
        bytes.extend(b"copy".iter().chain(text.as_bytes()));
        let path = folder.join(format!("{number}.wasm"));
        std::fs::write(&path, &bytes)?;
        Ok(Plugin {
            component: ComponentRef::File(path),
            sha256: Some(Digest::of(&bytes)),
            settings: Default::default(),
            on_error: OnError::Retry,
            limits: Limits::default(),
            logs_to_operator: false,
        })
    };
    (0..arguments.components).map(one).collect()
}

/// MiB that this process has resident.
fn resident() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(number(kib) / 1024.0)
}
