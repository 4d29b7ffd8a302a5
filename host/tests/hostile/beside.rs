//! A hostile tenant and a healthy one, in one process.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fake_aws::scene::CloudWatchTenant;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::aws::{Lab, Process, records, texts};

/// The healthy tenant's objects, and the records of each.
const OBJECTS: usize = 8;
const RECORDS: usize = 50;

/// The healthy tenant has all of its logs by then: a debug build, beside other tests.
const ON_TIME: Duration = Duration::from_secs(20);

/// A lab with two tenants: `good` with no component, and `evil`.
pub(crate) struct Beside {
    pub(crate) lab: Lab,
    good: CloudWatchTenant,
    pub(crate) evil: CloudWatchTenant,
    plugin: Value,
}

/// What the process said of the hostile tenant's object.
pub(crate) struct Seen {
    pub(crate) process: Process,
    /// The object's line in the log.
    pub(crate) line: Value,
}

/// What `make fixtures` builds.
pub(crate) fn fixture(name: &str) -> Vec<u8> {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/guest/fixtures")).join(name);
    std::fs::read(&path).unwrap_or_else(|_| panic!("{} is missing: run `make fixtures`", path.display()))
}

impl Beside {
    /// The hostile tenant's item names this component, by its right digest.
    pub(crate) fn component(bytes: &[u8]) -> Self {
        let beside = Self::new();
        let path = beside.lab.path("plugins/evil.wasm");
        std::fs::write(&path, bytes).unwrap();
        let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        beside.named(&format!("file:{}", path.display()), &digest)
    }

    /// The guest of tests/guests/hostile, in this mode.
    pub(crate) fn hostile(mode: &str) -> Self {
        Self::component(&fixture("hostile-guest.wasm")).setting("mode", mode)
    }

    /// The guest of tests/guests/rewriter, in this mode.
    pub(crate) fn rewriter(mode: &str) -> Self {
        Self::component(&fixture("rewriter-guest.wasm")).setting("mode", mode)
    }

    pub(crate) fn new() -> Self {
        let lab = Lab::new().dead_letters();
        let plugins = lab.path("plugins");
        std::fs::create_dir(&plugins).unwrap();
        let lab = lab
            .set("PLUGIN_SOURCES", format!("file:{}", plugins.display()))
            .set("PLUGIN_FUEL_PER_MIB", 500_000_000)
            .set("PLUGIN_START_FUEL", 200_000_000);
        let (good, evil) = (lab.scene.add_cloudwatch_tenant("good"), lab.scene.add_cloudwatch_tenant("evil"));
        Self { lab, good, evil, plugin: json!({}) }
    }

    /// With a setting of the environment.
    pub(crate) fn set(self, name: &str, value: impl ToString) -> Self {
        Self { lab: self.lab.set(name, value), ..self }
    }

    /// The item names this component.
    pub(crate) fn named(self, component: &str, sha256: &str) -> Self {
        self.field("component", json!({"S": component})).field("sha256", json!({"S": sha256}))
    }

    /// With a field of `plugin`.
    pub(crate) fn field(mut self, name: &str, value: Value) -> Self {
        self.plugin[name] = value;
        self
    }

    /// With a setting for the component.
    pub(crate) fn setting(mut self, name: &str, value: &str) -> Self {
        self.plugin["settings"]["M"][name] = json!({"S": value});
        self
    }

    /// Runs it until the hostile tenant's object had its attempt and the healthy
    /// tenant has all of its logs, which must be soon.
    #[track_caller]
    pub(crate) fn run(&self) -> Seen {
        let fields = json!({
            "log_distribution_role_arn": {"S": self.evil.role}, "log_group_name": {"S": self.evil.group},
            "plugin": {"M": self.plugin},
        });
        self.lab.scene.add_delivery("evil", "cloudwatch", fields);
        self.lab.announced("evil", "1", &records("evil", 10));
        for object in 0..OBJECTS {
            self.lab.announced("good", &object.to_string(), &records("good", RECORDS));
        }
        let (process, started) = (self.lab.sqs(), Instant::now());
        process.wait("the healthy tenant's logs", || self.lab.messages(&self.good).len() >= OBJECTS * RECORDS);
        let took = started.elapsed();
        assert!(took < ON_TIME, "the healthy tenant waited {took:?}");
        let mut all = self.lab.messages(&self.good);
        let mut expected: Vec<String> = (0..OBJECTS).flat_map(|_| texts(RECORDS)).collect();
        (all.sort(), expected.sort());
        assert_eq!(all, expected);
        let line = process.until("the hostile tenant's object", || {
            process
                .objects()
                .into_iter()
                .find(|line| line["tenant"] == "evil" || line["key"].as_str().unwrap().contains("/evil/"))
        });
        let done = |line: &Value| line["deliveries"] == "cloudwatch=delivered";
        let good = process.objects().into_iter().filter(|line| line["tenant"] == "good");
        good.for_each(|line| assert!(done(&line), "{line}"));
        Seen { process, line }
    }

    /// As [`Beside::run`]: it failed by this bounded name, in the log and in the
    /// metrics, with a text that says these; nothing of it is delivered or lost.
    #[track_caller]
    pub(crate) fn fails(&self, name: &str, says: &[&str]) -> Seen {
        let seen = self.run();
        seen.failed(name, says);
        assert!(self.lab.messages(&self.evil).is_empty(), "nothing of it goes out");
        assert!(self.lab.letters().is_empty(), "it waits, and is no dead letter");
        seen.process.wait("the message that is sent back", || {
            let left = self.lab.aws.messages(fake_aws::scene::QUEUE);
            left.iter().any(|message| message.body.contains("/evil/"))
        });
        seen
    }
}

impl Seen {
    /// It failed by this name, with a text that says these.
    #[track_caller]
    pub(crate) fn failed(&self, name: &str, says: &[&str]) {
        let (line, error) = (&self.line, self.line["error"].as_str().unwrap_or_default());
        assert_eq!(line["deliveries"], format!("cloudwatch=failed({name})"), "{line}");
        assert_eq!(line["level"], "ERROR", "{line}");
        for part in says {
            assert!(error.contains(part), "{part:?} is not in {error:?}");
        }
        let reason = format!("reason=\"{name}\"");
        let labels = ["destination=\"cloudwatch\"", "outcome=\"failed\"", reason.as_str()];
        assert!(self.process.metric("log_processor_deliveries_total", &labels) >= 1.0);
        if name.starts_with("guest-") {
            let kind = format!("kind=\"{name}\"");
            let labels = ["tenant=\"evil\"", kind.as_str()];
            assert!(self.process.metric("log_processor_plugin_failures_total", &labels) >= 1.0);
        }
    }
}
