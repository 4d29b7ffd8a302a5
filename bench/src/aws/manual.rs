//! manual mode: large objects that one message announces, at once and one at a time.

use std::io::Write;
use std::process::Stdio;

use anyhow::{Result, ensure};

use super::corpora::LARGE;
use super::world::World;
use crate::arguments::Arguments;
use crate::reading::Reading;
use crate::spread::{mib, number};

pub(super) fn measure(arguments: &Arguments) -> Result<Reading> {
    let world = World::new(arguments, Some(LARGE))?;
    let mut reading = delivered(&world, "", &[])?;
    reading.extend(delivered(&world, "alone.", &[("MAX_CONCURRENT_OBJECTS", "1")])?);
    Ok(reading)
}

fn delivered(world: &World, prefix: &str, settings: &[(&str, &str)]) -> Result<Reading> {
    let keys: Vec<&str> = world.keys.iter().map(String::as_str).collect();
    let body = world.scene.announce(&keys);
    let before = world.begin();
    let mut processor = world.start("manual", settings, Stdio::piped())?;
    let peak = processor.watch();
    processor.input()?.write_all(body.as_bytes())?;
    let (status, usage) = processor.end()?;
    ensure!(status.success(), "the processor failed: {status}");
    world.check(before)?;
    let bytes = number(world.bytes);
    let figures = [
        ("cpu-per-gb", usage.cpu.as_secs_f64() / (bytes / 1e9)),
        ("speed", bytes / 1e6 / usage.wall.as_secs_f64()),
        ("peak", mib(peak.bytes()?)),
    ];
    Ok(figures.map(|(name, value)| (format!("{prefix}{name}"), value)).into())
}
