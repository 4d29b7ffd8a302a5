//! lambda mode: warm batches through the runtime API, and how soon a new process asks for its first.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fake_aws::{FakeAws, Outcome, Service};

use super::corpora::{SMALL, TENANTS};
use super::world::World;
use crate::arguments::Arguments;
use crate::child::Running;
use crate::reading::Reading;
use crate::spread::{Spread, mib, number};

/// Messages of a batch.
const BATCH: usize = 10;
/// The timeout of a function.
const TIMEOUT: Duration = Duration::from_secs(300);

/// The answer of a batch of which nothing failed.
const ALL_DONE: &[u8] = br#"{"batchItemFailures":[]}"#;

/// Batches of the small objects, one after the other, in one process; streams are missing at first.
pub(super) fn batches(arguments: &Arguments) -> Result<Reading> {
    let world = World::new(arguments, Some(SMALL))?;
    let before = world.begin();
    let processor = start(&world)?;
    let peak = processor.watch();
    let mut milliseconds = Vec::new();
    for (number, keys) in world.keys.chunks(BATCH).enumerate() {
        milliseconds.push(batch(&world, number, keys)?);
    }
    // Its last calls are counted until then.
    asked(&world, milliseconds.len() + 1)?;
    processor.terminate()?;
    let (_, usage) = processor.end()?;
    world.check(before)?;
    // The batches before see each tenant for the first time.
    let cold = usize::try_from(TENANTS)? / BATCH;
    let warm = Spread::of(milliseconds.into_iter().skip(cold)).context("too few objects for a warm batch")?;
    let mut reading = world.calls("");
    reading.extend([
        ("batch".to_owned(), warm.median),
        ("slowest".to_owned(), warm.most),
        ("cpu".to_owned(), usage.cpu.as_secs_f64() * 1000.0 / number(world.keys.len() as u64)),
        ("peak".to_owned(), mib(peak.bytes()?)),
    ]);
    Ok(reading)
}

/// Invokes the function; returns the milliseconds until its answer.
fn batch(world: &World, number: usize, keys: &[String]) -> Result<f64> {
    let messages: Vec<_> = (0..).zip(keys).map(|(n, key)| (format!("{number}-{n}"), world.scene.notify(key))).collect();
    let messages: Vec<(&str, &str)> = messages.iter().map(|(id, body)| (id.as_str(), body.as_str())).collect();
    let event = world.scene.lambda_event(&messages);
    asked(world, number + 1)?;
    let invoked = Instant::now();
    let id = world.scene.aws.invoke(event, TIMEOUT);
    let outcome = world.until("a batch's answer", |aws| {
        Some(aws.outcome(&id)).filter(|outcome| !matches!(outcome, Outcome::Waiting | Outcome::Running))
    })?;
    ensure!(outcome == Outcome::Response(ALL_DONE.into()), "a batch's answer: {outcome:?}");
    let answered = arrived(&world.scene.aws, "Response").context("no answer was noted")?;
    Ok((answered - invoked).as_secs_f64() * 1000.0)
}

/// New processes, one after the other: from before its start to its first request for work.
pub(super) fn starts(arguments: &Arguments) -> Result<Reading> {
    let world = World::new(arguments, None)?;
    let mut milliseconds = Vec::new();
    for _ in 0..arguments.starts {
        world.begin();
        let processor = start(&world)?;
        asked(&world, 1)?;
        let asked = arrived(&world.scene.aws, "Next").context("no request was noted")?;
        milliseconds.push((asked - processor.started).as_secs_f64() * 1000.0);
    }
    let spread = Spread::of(milliseconds.into_iter()).context("--starts must be at least 1")?;
    Ok([("first-poll".to_owned(), spread.median)].into())
}

fn start(world: &World) -> Result<Running> {
    let api = world.scene.aws.authority();
    let function = [
        ("AWS_LAMBDA_RUNTIME_API", api.as_str()),
        ("AWS_LAMBDA_FUNCTION_NAME", "log-processor"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
    ];
    world.start("lambda", &function, Stdio::null())
}

/// Waits until work was asked for that often.
fn asked(world: &World, times: usize) -> Result<()> {
    let asked = |aws: &FakeAws| (aws.count(Service::Lambda, "Next") >= times as u64).then_some(());
    world.until("a request for work", asked)
}

/// The time at which the latest such request to the runtime API arrived.
fn arrived(aws: &FakeAws, operation: &str) -> Option<Instant> {
    let log = aws.log();
    let found = log.iter().rev().find(|call| call.service == Service::Lambda && call.operation == operation);
    found.map(|call| call.when)
}
