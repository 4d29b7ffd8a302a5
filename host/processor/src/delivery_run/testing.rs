//! Runs in memory: a tenant, its delivery, an object, and who works on it.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use model::{
    AllowedSource, ComponentRef, Delivery, Destination, Digest, Failure, FailureKind, Limits, ObjectId, OnError,
    Origin, Plugin, Plugins, Stop, TimestampNumbers,
};
use sandbox::{Component, Engine, Precompiled};

use super::in_memory::{InMemory, MemoryPort, Policy};
use super::{DeliveryRun, JobSettings, Ran, Subject};
use crate::delivery::Settled;
use crate::object::ReadLimits;
use crate::pipeline::{GuestSlots, LoadedPlugin};
use crate::plugin::{CacheOptions, Loader, LoaderOptions, Plans, PlansParts, Sources};
use crate::report::{Cause, Entry, Outcome};
use crate::telemetry::Metrics;

/// LastModified of all objects here: 2026-11-23T10:00:00Z.
pub(super) const NOW: i64 = 1_795_428_000_000;

/// Where the events of the lab's object go.
pub(super) const GROUP: &str = "/payment/logs";
pub(super) const POD: &str = "api-1";

/// What `make guest fixtures` built.
fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest"))
}

fn fixtures() -> PathBuf {
    folder().join("fixtures")
}

/// The fixture that only rewrites.
const REWRITER: &str = "rewriter-guest.wasm";

fn built(file: PathBuf) -> Vec<u8> {
    std::fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}; run `make guest fixtures`", file.display()))
}

struct Guests {
    engine: Engine,
    default: Component,
    rewriter: Component,
}

/// Loaded once for all tests.
static GUESTS: LazyLock<Guests> = LazyLock::new(|| {
    let limits = Limits::default().for_default_guest(1 << 20);
    let engine = Engine::new(16, limits.memory_bytes).unwrap();
    let (component, code) = (built(folder().join("default.wasm")), built(folder().join("default.cwasm")));
    // SAFETY: `make guest` compiled it, in this project's own target folder.
    #[expect(unsafe_code, reason = "machine code of the build")]
    let guest = unsafe { Precompiled::new(&component, &code) };
    let (default, _) = engine.load_precompiled("default", guest, limits).unwrap();
    let rewriter = engine.load("rewriter", &built(fixtures().join(REWRITER)), Limits::default()).unwrap();
    Guests { engine, default, rewriter }
});

/// A tenant's plugin.
pub(super) fn plugin(component: Component, settings: &[(&str, &str)]) -> LoadedPlugin {
    let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    LoadedPlugin { component, settings: Arc::new(settings), on_error: OnError::Retry, logs_to_operator: false }
}

/// The fixture that rewrites, in this mode; `word` is what some modes look for.
pub(super) fn rewriter(mode: &str, word: &str) -> LoadedPlugin {
    plugin(GUESTS.rewriter.clone(), &[("mode", mode), ("word", word)])
}

/// A component that was put together by hand.
pub(super) fn assembled(bytes: &[u8]) -> LoadedPlugin {
    plugin(GUESTS.engine.load("assembled", bytes, Limits::default()).unwrap(), &[])
}

/// A plugin that an item names and that can't be had.
pub(super) fn missing_plugin() -> Arc<Plugin> {
    Arc::new(Plugin {
        component: ComponentRef::File("/nowhere.wasm".into()),
        sha256: Some(Digest::of(b"nothing")),
        settings: Arc::default(),
        on_error: OnError::Retry,
        limits: Limits::default(),
        logs_to_operator: false,
    })
}

/// Plans with this plugin for every delivery that names none.
pub(super) fn plans(plugin: Option<LoadedPlugin>) -> Plans {
    Plans::new(PlansParts {
        default: GUESTS.default.clone(),
        command_line: plugin,
        default_plugin: None,
        key_parser: None,
        loader: Loader::new(
            GUESTS.engine.clone(),
            LoaderOptions {
                sources: Sources { allowed: vec![AllowedSource::Folder(fixtures())], ..Sources::default() },
                cache: CacheOptions { folder: None, bytes: 0, key: None },
                compiled: None,
                compile_at_most: None,
                loaded_bytes: 1 << 20,
                guest_words: false,
            },
        ),
        slots: GuestSlots::new(2),
        suspends: true,
        metrics: Metrics::new(),
    })
}

pub(super) fn object(key: &str) -> ObjectId {
    ObjectId { bucket: "central".to_owned(), key: key.to_owned() }
}

pub(super) fn to_log_group() -> Destination {
    Destination::CloudWatch { role_arn: "r".to_owned(), account: "1".to_owned(), log_group: GROUP.to_owned() }
}

pub(super) fn to_bucket() -> Destination {
    Destination::S3 { bucket: "theirs".to_owned(), prefix: "logs/".to_owned(), account: None }
}

pub(super) fn delivery(destination: Destination) -> Delivery {
    Delivery {
        tenant_id: "payment".to_owned(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: "eu-west-1".to_owned(),
        destination,
        plugins: Plugins::default(),
    }
}

/// A record of a second of the minute before [`NOW`].
pub(super) fn record(second: usize, message: &str) -> String {
    format!("{{\"timestamp\":\"2026-11-23T09:59:{second:02}Z\",\"message\":\"{message}\"}}\n")
}

/// A failure that is told from others by its kind.
pub(super) fn failure(kind: impl Into<FailureKind>) -> Failure {
    Failure::new(kind, "as it was said")
}

/// Runs a future to its end.
pub(super) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(work)
}

/// One delivery of one object.
pub(super) struct Lab {
    pub(super) memory: InMemory,
    pub(super) policy: Policy,
    pub(super) plans: Plans,
    pub(super) settings: JobSettings,
    pub(super) object: Arc<ObjectId>,
    pub(super) origin: Arc<Origin>,
    pub(super) delivery: Arc<Delivery>,
}

pub(super) const POLICIES: [Policy; 2] = [Policy::LOCAL, Policy::AWS];

/// Five records in the order of their times, and a line that is none.
pub(super) fn six_lines() -> String {
    let records = (0..5).map(|second| record(second, &format!("m{second}"))).collect::<String>();
    records + "no record\n"
}

/// What came of a run.
pub(super) struct Came {
    pub(super) ran: Ran,
    /// Events that are settled.
    pub(super) reached: Option<u64>,
}

impl Came {
    pub(super) fn entry(&self) -> &Entry {
        &self.ran.entry
    }

    /// Why it failed.
    #[track_caller]
    pub(super) fn failure(&self) -> FailureKind {
        self.ran.entry.failure().unwrap_or_else(|| panic!("{:?}", self.ran.entry))
    }
}

impl Lab {
    /// An object of these bytes; batches of two events.
    pub(super) fn new(policy: Policy, destination: Destination, bytes: &str) -> Self {
        let (memory, id) = (InMemory::default(), object("c/payment/api/api-1/f.json"));
        memory.write(&id, bytes, NOW);
        let name = |text: &str| text.to_owned();
        Self {
            memory,
            policy,
            plans: plans(None),
            settings: JobSettings {
                read_limits: ReadLimits { chunk_bytes: 1 << 16, max_line_bytes: 1 << 16, max_object_bytes: 0 },
                window_bytes: 1 << 20,
                max_batch_events: 2,
                timestamp_numbers: TimestampNumbers::default(),
                shadow_contents: false,
            },
            object: Arc::new(id),
            origin: Arc::new(Origin {
                namespace: name("payment"),
                tenant_id: name("payment"),
                application: name("api"),
                pod_name: name(POD),
                ..crate::testing::origin()
            }),
            delivery: Arc::new(delivery(destination)),
        }
    }

    /// The same with a plugin of the tenant's.
    pub(super) fn with_plugin(self, plugin: LoadedPlugin) -> Self {
        Self { plans: plans(Some(plugin)), ..self }
    }

    /// The same with a shadow that drops lines which have `word`.
    pub(super) fn with_shadow(self, word: &str) -> Self {
        let file = fixtures().join(REWRITER);
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let shadow = Plugin {
            sha256: Some(Digest::of(&std::fs::read(&file).unwrap())),
            component: ComponentRef::File(file),
            settings: Arc::new(vec![setting("mode", "drop"), setting("word", word)]),
            ..Plugin::clone(&missing_plugin())
        };
        let mut delivery = Delivery::clone(&self.delivery);
        delivery.plugins.shadow = Some(Arc::new(shadow));
        Self { delivery: Arc::new(delivery), ..self }
    }

    pub(super) fn port(&self) -> MemoryPort {
        MemoryPort::new(&self.memory, self.policy, &self.object, &self.delivery)
    }

    /// A run of its own, as of another process.
    pub(super) fn run(&self) -> Came {
        self.run_until(&Stop::default())
    }

    /// The same, which this may stop.
    pub(super) fn run_until(&self, stop: &Stop) -> Came {
        let Self { plans, settings, object, origin, delivery, .. } = self;
        let subject =
            Subject { plans, settings, object, origin, delivery, memory: crate::memory::DeliveryMemory::default() };
        block_on(async {
            let mut run = DeliveryRun::new(subject, self.port(), stop.clone(), Settled::default());
            let entry = run.attempt().await;
            let reached = run.reached().map(|reached| reached.events);
            Came { ran: run.finish(entry), reached }
        })
    }

    /// The messages that were put.
    pub(super) fn messages(&self) -> Vec<String> {
        self.memory.messages(GROUP, POD)
    }

    /// Where a copy of the object lies.
    pub(super) fn target(&self) -> ObjectId {
        ObjectId { bucket: "theirs".to_owned(), key: "logs/payment/api/api-1/f.json".to_owned() }
    }

    /// How the delivery was recorded as done, if it was.
    pub(super) fn done(&self) -> Option<String> {
        let key = (ObjectId::clone(&self.object), self.delivery.tenant_id.clone(), self.delivery.id());
        self.memory.recorded(&key).and_then(|recorded| recorded.done)
    }
}

pub(super) fn outcome(came: &Came) -> (Outcome, Option<&'static str>) {
    (came.entry().outcome, came.entry().reason.map(Cause::name))
}
