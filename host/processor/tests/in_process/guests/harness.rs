//! An object through the pipeline, to a sink in memory, with any component.

use std::io::Cursor;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use log_processor::delivery::batch::Batch;
use log_processor::delivery::event_sink::{EventSink, RejectedEvent};
use log_processor::object::ReadLimits;
use log_processor::pipeline::{
    ComponentRun, Delivered, End, GuestSlots, Guests, Job, LoadedPlugin, Plan, ShadowRun, Stop, compare_copy,
    deliver_events, deliver_object,
};
use model::{DeadLetter, Delivery, Destination, Event, Failure, Limits, ObjectId, OnError, Origin, Reason};
use sandbox::{Component, Engine, GuestError, Precompiled};

use crate::shared::read;

/// The clock of all objects here: 2026-11-23T10:00:00Z.
pub(crate) const NOW: i64 = 1_795_428_000_000;

/// Small, so that what runs into them does so soon.
pub(crate) fn limits() -> Limits {
    Limits {
        memory_bytes: 16 << 20,
        fuel_per_mib: 1_000_000_000,
        output_ratio: 16,
        held_back_bytes: 64 << 10,
        log_lines: 10,
        ..Limits::default()
    }
}

pub(crate) struct World {
    pub(crate) engine: Engine,
    pub(crate) default: Component,
    pub(crate) hostile: Component,
    pub(crate) rewriter: Component,
    /// Rewrites and transforms.
    pub(crate) both: Component,
}

/// One engine for all tests: what one guest does must not matter to the others.
pub(crate) static WORLD: LazyLock<World> = LazyLock::new(|| {
    let default_limits = limits().for_default_guest(1 << 20);
    let engine = Engine::new(32, default_limits.memory_bytes).unwrap();
    let (component, code) = (read("default.wasm"), read("default.cwasm"));
    // SAFETY: `make guest` compiled it, in this project's own target folder.
    #[expect(unsafe_code, reason = "machine code of the build")]
    let guest = unsafe { Precompiled::new(&component, &code) };
    let (default, _) = engine.load_precompiled("default", guest, default_limits).unwrap();
    let load = |name: &str| engine.load(name, &read(&format!("fixtures/{name}.wasm")), limits()).unwrap();
    let (hostile, rewriter, both) = (load("hostile-guest"), load("rewriter-guest"), load("both-guest"));
    World { engine, default, hostile, rewriter, both }
});

/// An object and who works on it.
#[derive(Clone)]
pub(crate) struct Case {
    tenant: Option<Component>,
    settings: Vec<(String, String)>,
    shadow: Option<(Component, Vec<(String, String)>)>,
    shadow_contents: bool,
    guest_words: bool,
    input: Vec<u8>,
    chunk_bytes: usize,
    resume_from: u64,
    on_error: OnError,
    /// None: as many as the input has.
    stored_bytes: Option<u64>,
}

impl Case {
    /// The hostile guest in this mode, over three lines.
    pub(crate) fn hostile(mode: &str) -> Self {
        Self::of(Some(&WORLD.hostile)).set("mode", mode).lines(&["one", "two", "three"])
    }

    pub(crate) fn rewriter(mode: &str) -> Self {
        Self::of(Some(&WORLD.rewriter)).set("mode", mode).lines(&[&record("a"), &record("b"), &record("c")])
    }

    pub(crate) fn of(tenant: Option<&Component>) -> Self {
        let tenant = tenant.cloned();
        let (settings, input, chunk_bytes) = (Vec::new(), Vec::new(), 1 << 16);
        let (shadow, shadow_contents, guest_words, on_error) = (None, false, true, OnError::Retry);
        let (resume_from, stored_bytes) = (0, None);
        Self {
            tenant,
            settings,
            shadow,
            shadow_contents,
            guest_words,
            input,
            chunk_bytes,
            resume_from,
            on_error,
            stored_bytes,
        }
    }

    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn lines(self, lines: &[&str]) -> Self {
        self.input(lines.iter().map(|line| format!("{line}\n")).collect::<String>())
    }

    pub(crate) fn input(self, input: impl Into<Vec<u8>>) -> Self {
        Self { input: input.into(), ..self }
    }

    /// Its object has so many bytes where it is stored, which bound its letters.
    pub(crate) fn stored(self, bytes: u64) -> Self {
        Self { stored_bytes: Some(bytes), ..self }
    }

    /// The guest gets at most so many bytes of lines at once.
    pub(crate) fn chunks(self, chunk_bytes: usize) -> Self {
        Self { chunk_bytes, ..self }
    }

    pub(crate) fn resume_from(self, resume_from: u64) -> Self {
        Self { resume_from, ..self }
    }

    pub(crate) fn on_error(self, on_error: OnError) -> Self {
        Self { on_error, ..self }
    }

    /// A component beside it, with these settings.
    pub(crate) fn shadow(self, component: &Component, settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
        Self { shadow: Some((component.clone(), settings)), ..self }
    }

    /// The operator may see what differs.
    pub(crate) fn shadow_contents(self) -> Self {
        Self { shadow_contents: true, ..self }
    }

    /// Nobody may see the guest's own words.
    pub(crate) fn without_words(self) -> Self {
        Self { guest_words: false, ..self }
    }

    /// The same without what is beside it.
    pub(crate) fn alone(&self) -> Self {
        Self { shadow: None, ..self.clone() }
    }

    pub(crate) fn plan(&self) -> Plan {
        let guest = |(component, settings): (Component, Vec<(String, String)>)| LoadedPlugin {
            component,
            settings: Arc::new(settings),
            on_error: self.on_error,
            logs_to_operator: false,
        };
        let tenant = self.tenant.clone().map(|component| guest((component, self.settings.clone())));
        let shadow = self.shadow.clone().map(guest);
        Plan { default: WORLD.default.clone(), tenant, shadow, slots: GuestSlots::new(2) }
    }

    pub(crate) fn job(&self, destination: Destination) -> Job {
        let delivery = Delivery {
            tenant_id: "payment".to_owned(),
            desired_logs: Vec::new(),
            groups: Vec::new(),
            target_region: "eu-west-1".to_owned(),
            destination,
            plugins: model::Plugins::default(),
        };
        Job {
            memory: log_processor::memory::DeliveryMemory::default(),
            object: Arc::new(ObjectId { bucket: "central".to_owned(), key: "c/payment/api/api-1/f.json".to_owned() }),
            origin: Arc::new(origin()),
            delivery: Arc::new(delivery),
            now: NOW,
            last_modified: NOW,
            timestamp_numbers: model::TimestampNumbers::default(),
            stored_bytes: self.stored_bytes.unwrap_or(self.input.len() as u64),
            resume_from: self.resume_from,
            limits: ReadLimits { chunk_bytes: self.chunk_bytes, max_line_bytes: 1 << 20, max_object_bytes: 0 },
            window_bytes: 16 << 20,
            max_batch_events: 10_000,
            age_at: Some(NOW),
            shadow_contents: self.shadow_contents,
            guest_words: self.guest_words,
        }
    }

    /// Whether the delivery wants the object.
    pub(crate) fn wants(&self) -> Result<bool, GuestError> {
        Guests::start(&self.plan(), &self.job(cloudwatch()))?.wants()
    }

    /// Delivers it as events.
    pub(crate) fn run(&self) -> Came {
        let sink = Sink::default();
        let delivered = block_on(self.deliver(Stop::default(), &sink));
        self.checked(Came { delivered, sink: sink.taken(), written: None })
    }

    /// Delivers it as events to this sink.
    pub(crate) async fn deliver<S: EventSink>(&self, stop: Stop, sink: &S) -> Delivered {
        let job = self.job(cloudwatch());
        let guests = Guests::start(&self.plan(), &job).unwrap();
        deliver_events(job, guests, Cursor::new(self.input.clone()), stop, sink).await
    }

    /// Delivers it as a rewritten object.
    pub(crate) fn run_upload(&self) -> Came {
        let plan = self.plan();
        let sink = Sink::default();
        let (delivered, written) = block_on(async {
            let input = Cursor::new(self.input.clone());
            let job = self.job(Destination::S3 { bucket: "theirs".to_owned(), prefix: String::new(), account: None });
            let guests = Guests::start(&plan, &job).unwrap();
            let to = Vec::new();
            deliver_object(job, guests, input, to, Stop::default(), &sink).await
        });
        self.checked(Came { delivered, sink: sink.taken(), written })
    }

    /// Compares the shadow with a plain copy.
    pub(crate) fn run_copy(&self) -> Option<ShadowRun> {
        let plan = self.plan();
        let job = self.job(Destination::S3 { bucket: "theirs".to_owned(), prefix: String::new(), account: None });
        let input = Cursor::new(self.input.clone());
        let mut run = block_on(async { compare_copy(job, &plan, input, Stop::default()).await });
        run.as_mut().map(|run| std::mem::take(&mut run.used));
        run
    }

    /// What must hold whatever a guest does.
    fn checked(&self, mut came: Came) -> Came {
        // The only things that differ from run to run.
        assert!(std::mem::take(&mut came.delivered.guest_time) > Duration::ZERO);
        if let Some(run) = &mut came.delivered.component {
            (run.used.cpu, run.used.start) = (Duration::ZERO, Duration::ZERO);
        }
        let lines = &came.delivered.lines;
        assert!(lines.add_up(), "{lines:?}");
        if let Some(shadow) = &mut came.delivered.shadow {
            std::mem::take(&mut shadow.used);
            assert_eq!(counted(shadow), lines.seen - lines.blank, "{shadow:?} {lines:?}");
        }
        let end = &came.delivered.end;
        if matches!(end, End::Complete | End::Rejected(_)) && !self.rejected_early(&came) {
            assert_eq!(lines.seen, self.line_count(), "{lines:?}");
            assert_eq!(lines.left, 0, "{lines:?}");
        }
        assert!(came.delivered.guest_log.kept.len() <= 2 * 10);
        came
    }

    /// The rest of an object that its guest rejects is not read.
    fn rejected_early(&self, came: &Came) -> bool {
        came.sink.letters.iter().any(|letter| letter.lines.is_none())
    }

    fn line_count(&self) -> u64 {
        let newlines = self.input.iter().filter(|&&byte| byte == b'\n').count() as u64;
        newlines + u64::from(self.input.last().is_some_and(|&byte| byte != b'\n'))
    }
}

/// Lines that a shadow was compared on.
pub(crate) fn counted(shadow: &ShadowRun) -> u64 {
    shadow.same + shadow.changed + shadow.dropped + shadow.added + shadow.failed
}

/// What came of it.
pub(crate) struct Came {
    pub(crate) delivered: Delivered,
    pub(crate) sink: Taken,
    pub(crate) written: Option<Vec<u8>>,
}

impl Came {
    /// The failure's name and text.
    #[track_caller]
    pub(crate) fn failure(&self) -> (&'static str, String) {
        match &self.delivered.end {
            End::Failed(failure) => (failure.kind.name(), failure.to_string()),
            other => panic!("it did not fail: {other:?} {:?}", self.delivered.lines),
        }
    }

    /// It failed with this name, and a text that says these.
    #[track_caller]
    pub(crate) fn fails(&self, name: &str, says: &[&str]) {
        let (named, error) = self.failure();
        assert_eq!(named, name, "{error}");
        for part in says {
            assert!(error.contains(part), "{part:?} is not in: {error}");
        }
    }

    #[track_caller]
    pub(crate) fn is_complete(&self) -> &Self {
        assert_eq!(self.delivered.end, End::Complete, "{:?}", self.delivered);
        self
    }

    pub(crate) fn messages(&self) -> Vec<&str> {
        self.sink.events.iter().map(|event| event.message.as_str()).collect()
    }

    /// What the tenant's component did.
    #[track_caller]
    pub(crate) fn component(&self) -> &ComponentRun {
        self.delivered.component.as_ref().unwrap()
    }

    /// Lines that were dead-lettered, ascending, for this reason.
    pub(crate) fn dead(&self, reason: Reason) -> Vec<u64> {
        let letters = self.sink.letters.iter().filter(|letter| letter.reason == reason);
        let mut lines: Vec<u64> = letters.map(|letter| letter.lines.unwrap().0).collect();
        lines.sort_unstable();
        lines
    }

    /// Delivered, filtered, malformed, dead-lettered, left.
    pub(crate) fn counts(&self) -> [u64; 5] {
        let lines = &self.delivered.lines;
        let dead = lines.dead_lettered.values().sum();
        [lines.delivered, lines.filtered, lines.malformed, dead, lines.left]
    }
}

/// A destination in memory.
#[derive(Debug, Default)]
pub(crate) struct Sink(Mutex<Taken>);

/// What it took.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) events: Vec<Event>,
    pub(crate) letters: Vec<DeadLetter>,
    /// Most letters that came at once.
    pub(crate) most_letters: usize,
    pub(crate) checkpoint: u64,
}

impl Sink {
    fn taken(self) -> Taken {
        self.0.into_inner().unwrap()
    }
}

impl EventSink for Sink {
    async fn put(&self, batch: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        self.0.lock().unwrap().events.extend(batch.entries.iter().map(|entry| entry.event.clone()));
        Ok(Vec::new())
    }

    async fn dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        let mut taken = self.0.lock().unwrap();
        taken.most_letters = taken.most_letters.max(letters.len());
        taken.letters.extend_from_slice(letters);
        Ok(())
    }

    async fn checkpoint(&self, events: u64) -> Result<(), Failure> {
        let mut taken = self.0.lock().unwrap();
        assert!(events >= taken.checkpoint, "the checkpoint went back");
        taken.checkpoint = events;
        Ok(())
    }
}

pub(crate) fn origin() -> Origin {
    Origin {
        cluster_id: "c".to_owned(),
        namespace: "payment".to_owned(),
        tenant_id: "payment".to_owned(),
        application: "api".to_owned(),
        pod_name: "api-1".to_owned(),
        environment: "production".to_owned(),
    }
}

pub(crate) fn cloudwatch() -> Destination {
    Destination::CloudWatch {
        role_arn: "arn:aws:iam::123456789012:role/logs".to_owned(),
        account: "123456789012".to_owned(),
        log_group: "/payment".to_owned(),
    }
}

/// A record as the default guest takes it.
pub(crate) fn record(message: &str) -> String {
    format!(r#"{{"timestamp":"2026-11-23T09:59:00Z","message":"{message}"}}"#)
}

pub(crate) fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}
