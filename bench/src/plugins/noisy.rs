//! A queue worked off for healthy tenants: by themselves, beside one healthy tenant
//! more, and beside one whose component loops for ever.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use fake_aws::scene::{QUEUE, SOURCE, Scene};
use fake_aws::{FakeAws, Service};
use model::Digest;
use serde_json::json;

use super::fixture::{fixture, read};
use crate::arguments::Arguments;
use crate::aws::{SMALL, World};
use crate::reading::Reading;
use crate::spread::number;

/// The other tenant, and how many objects it has: as many as each of the others.
const OTHER: &str = "noisy";
const OBJECTS: usize = 20;

/// The interval at which the queue is read.
const LOOK_EVERY: Duration = Duration::from_millis(20);

pub(super) fn measure(arguments: &Arguments) -> Result<Reading> {
    let mut reading = Reading::new();
    let alone = rate(arguments, None)?;
    reading.insert("alone.rate".to_owned(), alone);
    let healthy = rate(arguments, Some(false))?;
    reading.insert("healthy.ratio".to_owned(), healthy / alone);
    let noisy = rate(arguments, Some(true))?;
    reading.insert("noisy.rate".to_owned(), noisy);
    reading.insert("noisy.ratio".to_owned(), noisy / alone);
    Ok(reading)
}

/// Objects per second of the healthy tenants, until the last of theirs is delivered.
fn rate(arguments: &Arguments, other: Option<bool>) -> Result<f64> {
    let world = World::new(arguments, Some(SMALL))?;
    let scene = &world.scene;
    let mut keys = Vec::new();
    if let Some(loops) = other {
        let object = world.keys.first().and_then(|key| scene.aws.object(SOURCE, key));
        let bytes = object.and_then(|object| object.bytes.clone()).context("no object")?;
        add_other(arguments, scene, loops)?;
        for number in 0..OBJECTS {
            let key = format!("prod-1/{OTHER}/application/pod-{number}/{number:06}.json.gz");
            scene.put_object(&key, bytes.clone());
            keys.push(key);
        }
    }
    // The tenants' objects are interleaved, the other's first.
    let step = (world.keys.len() / OBJECTS).max(1);
    for (number, key) in world.keys.iter().enumerate() {
        if let Some(key) = keys.get(number / step).filter(|_| number % step == 0) {
            scene.send(&scene.notify(key));
        }
        scene.send(&scene.notify(key));
    }
    let folder = std::path::absolute(&arguments.guest)?;
    let sources = format!("file:{}", folder.display());
    let processor =
        world.start("sqs", &[("HTTP_ADDR", "none"), ("PLUGIN_SOURCES", &sources)], std::process::Stdio::null())?;
    let started = processor.started;
    while delivered(&scene.aws) < world.keys.len() {
        ensure!(started.elapsed() < Duration::from_secs(300), "the queue {QUEUE} was not worked off");
        std::thread::sleep(LOOK_EVERY);
    }
    let end = last(&scene.aws).context("nothing was put")?;
    processor.terminate()?;
    processor.end()?;
    Ok(number(world.keys.len() as u64) / (end - started).as_secs_f64())
}

fn add_other(arguments: &Arguments, scene: &Scene, loops: bool) -> Result<()> {
    let tenant = scene.add_cloudwatch_tenant(OTHER);
    if loops {
        let path = std::path::absolute(fixture(arguments, "hostile-guest.wasm"))?;
        let digest = Digest::of(&read(&path)?).to_string();
        let component = format!("file:{}", path.display());
        let settings = json!({"M": {"mode": {"S": "transform:loop"}}});
        let plugin = json!({"M": {"component": {"S": component}, "sha256": {"S": digest}, "settings": settings}});
        let fields = json!({
            "log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group}, "plugin": plugin,
        });
        scene.add_delivery(OTHER, "cloudwatch", fields);
    }
    Ok(())
}

fn is_healthy(resource: &str) -> bool {
    !resource.contains(OTHER)
}

/// Streams of healthy tenants that took something: each object has one of its own.
fn delivered(aws: &FakeAws) -> usize {
    let puts =
        aws.log().into_iter().filter(|call| (call.service, call.operation.as_str()) == (Service::Logs, "PutLogEvents"));
    puts.map(|call| call.resource).filter(|stream| is_healthy(stream)).collect::<std::collections::HashSet<_>>().len()
}

fn last(aws: &FakeAws) -> Option<Instant> {
    let puts =
        aws.log().into_iter().filter(|call| (call.service, call.operation.as_str()) == (Service::Logs, "PutLogEvents"));
    puts.filter(|call| is_healthy(&call.resource)).map(|call| call.when).max()
}
