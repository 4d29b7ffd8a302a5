//! sqs mode works a queue off: many small objects, each with a log stream of its own.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fake_aws::Service;
use fake_aws::scene::QUEUE;

use super::corpora::SMALL;
use super::world::{LIMIT, World};
use crate::arguments::Arguments;
use crate::reading::Reading;
use crate::spread::{mib, number};

/// The interval at which the queue is read: each read blocks AWS for a moment.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Once with no stream there, and once with all of them: a new process each.
pub(super) fn measure(arguments: &Arguments) -> Result<Reading> {
    let world = World::new(arguments, Some(SMALL))?;
    let mut reading = worked_off(&world, "new.")?;
    reading.extend(worked_off(&world, "there.")?);
    Ok(reading)
}

fn worked_off(world: &World, prefix: &str) -> Result<Reading> {
    let (aws, objects) = (&world.scene.aws, number(world.keys.len() as u64));
    let before = world.begin();
    let done = aws.deleted(QUEUE).len() + world.keys.len();
    for key in &world.keys {
        world.scene.send(&world.scene.notify(key));
    }
    // Else as it comes; several of these may run on a machine.
    let processor = world.start("sqs", &[("HTTP_ADDR", "none")], Stdio::null())?;
    let (started, peak) = (processor.started, processor.watch());
    while aws.deleted(QUEUE).len() < done {
        ensure!(started.elapsed() < LIMIT, "the queue was not worked off within {} s", LIMIT.as_secs());
        std::thread::sleep(LOOK_EVERY);
    }
    processor.terminate()?;
    let (status, usage) = processor.end()?;
    ensure!(status.success(), "the processor failed: {status}");
    world.check(before)?;
    let (end, steady) = times(world)?;
    let mut reading = world.calls(prefix);
    let mut add = |name: &str, value: f64| reading.insert(format!("{prefix}{name}"), value);
    add("rate", objects / (end - started).as_secs_f64());
    add("steady", steady);
    add("cpu", usage.cpu.as_secs_f64() * 1000.0 / objects);
    add("peak", mib(peak.bytes()?));
    Ok(reading)
}

/// Returns the time at which the last message was deleted, and the objects per second between
/// the first quarter of the objects and the last one.
fn times(world: &World) -> Result<(Instant, f64)> {
    let (mut end, mut puts) = (None, HashMap::new());
    for call in world.scene.aws.log() {
        match (call.service, call.operation.as_str()) {
            (Service::Sqs, "DeleteMessage" | "DeleteMessageBatch") => end = Some(call.when),
            // An object's last is the one that was taken.
            (Service::Logs, "PutLogEvents") => drop(puts.insert(call.resource, call.when)),
            _ => {}
        }
    }
    let mut puts: Vec<Instant> = puts.into_values().collect();
    puts.sort();
    let quarter = puts.len() / 4;
    let between = puts.get(quarter).zip(puts.get(3 * quarter)).filter(|(first, last)| last > first);
    let (first, last) = between.context("too few objects for a steady state")?;
    Ok((end.context("no message was deleted")?, number(2 * quarter as u64) / (*last - *first).as_secs_f64()))
}
