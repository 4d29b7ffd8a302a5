//! Components in this process: calls, starts, loading, and what fuel costs.

use std::time::Instant;

use anyhow::{Result, ensure};
use log_processor::object::Chunk;
use model::Limits;
use sandbox::{Component, Engine, Instance, Surroundings};

use super::fixture::{fixture, read};
use crate::arguments::Arguments;
use crate::child;
use crate::parts::{chunks, context_of};
use crate::reading::Reading;
use crate::spread::{Spread, number};

/// Rounds of each pair, taken in turn.
const ROUNDS: usize = 5;
/// Instances that are started, one after the other.
const STARTS: usize = 2000;

pub(super) fn measure(arguments: &Arguments) -> Result<Reading> {
    let chunks = chunks(&arguments.folder.join("many"))?;
    let redactor = read(&fixture(arguments, "redactor-guest.wasm"))?;
    let default = read(&arguments.guest.join("default.wasm"))?;
    let limits = Limits::default();
    let (pooled, frugal) = (Engine::new(8, limits.memory_bytes)?, Engine::without_pool()?);
    let unmetered = Engine::without_fuel(8, limits.memory_bytes)?;
    let mut reading = Reading::new();
    let mut add = |name: &str, value: f64| {
        reading.insert(name.to_owned(), value);
    };

    let begun = Instant::now();
    let component = pooled.load("redactor", &redactor, limits.clone())?;
    add("compile", begun.elapsed().as_secs_f64() * 1e3);
    add("start", starts(&component)?);
    add("start.frugal", starts(&frugal.load("redactor", &redactor, limits.clone())?)?);

    let (pass, redact) = ([].as_slice(), [("drop", "file,ingest_timestamp"), ("mask", "source_type")]);
    let free = unmetered.load("redactor", &redactor, limits.clone())?;
    let (with, without) = pair(|| rewrite(&component, &chunks, &redact), || rewrite(&free, &chunks, &redact))?;
    add("redact.speed", megabytes(&chunks) / with);
    add("fuel.redact", with / without);
    let (with, _) = pair(|| rewrite(&component, &chunks, pass), || Ok(1.0))?;
    add("pass.speed", megabytes(&chunks) / with);

    let limits = limits.for_default_guest(1 << 20);
    let (metered, free) =
        (pooled.load("default", &default, limits.clone())?, unmetered.load("default", &default, limits)?);
    let (with, without) = pair(|| transform(&metered, &chunks), || transform(&free, &chunks))?;
    add("fuel.default", with / without);
    Ok(reading)
}

fn megabytes(chunks: &[Chunk]) -> f64 {
    number(chunks.iter().map(|chunk| chunk.bytes.len() as u64).sum()) / 1e6
}

/// Microseconds a start, the middle of many.
fn starts(component: &Component) -> Result<f64> {
    let around = Surroundings::none();
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let begun = Instant::now();
        let instance = Instance::start(component, &around)?;
        times.push(begun.elapsed().as_secs_f64() * 1e6);
        drop(instance);
    }
    Ok(Spread::of(times.into_iter()).map_or(0.0, |spread| spread.median))
}

/// CPU seconds of either, the medians of turns.
fn pair(mut one: impl FnMut() -> Result<f64>, mut other: impl FnMut() -> Result<f64>) -> Result<(f64, f64)> {
    let mut times = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        times.0.push(one()?);
        times.1.push(other()?);
    }
    let median = |times: Vec<f64>| Spread::of(times.into_iter()).map_or(0.0, |spread| spread.median);
    Ok((median(times.0), median(times.1)))
}

fn rewrite(component: &Component, chunks: &[Chunk], settings: &[(&str, &str)]) -> Result<f64> {
    let settings: Vec<_> = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut instance = Instance::start(component, &Surroundings::none())?;
    context_of(&settings, |context| instance.begin_rewrite(context))?;
    let begun = child::thread_cpu()?;
    let mut lines = 0;
    for chunk in chunks {
        let out = instance.rewrite(chunk.first_line, &chunk.bytes, chunk.first_line..chunk.end_line())?;
        lines += out.sources.len();
    }
    let took = child::thread_cpu()? - begun;
    ensure!(lines == chunks.iter().map(|chunk| chunk.ends.len()).sum::<usize>(), "lines were lost");
    Ok(took.as_secs_f64())
}

fn transform(component: &Component, chunks: &[Chunk]) -> Result<f64> {
    let mut instance = Instance::start(component, &Surroundings::none())?;
    context_of(&[], |context| instance.begin_transform(context))?;
    let begun = child::thread_cpu()?;
    for chunk in chunks {
        instance.transform(chunk.first_line, &chunk.bytes, chunk.first_line..chunk.end_line())?;
    }
    Ok((child::thread_cpu()? - begun).as_secs_f64())
}
