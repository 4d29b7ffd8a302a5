use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::memory::DeliveryMemory;
use crate::plugin::KeyError;
use crate::report::Outcome;
use model::{
    CircuitBreaker, ComponentRef, Destination, DestinationKind, Digest, GuestErrorKind, Limits, ObjectId, Origin,
    Plugins,
};
use sandbox::Engine;

/// The origin of each key, by the default guest here: [`crate::testing::origin`].
const ORIGIN: [&str; 6] = ["c", "n", "n", "a", "p", "production"];

/// Components by the path that names them; what isn't there can't be had.
struct Shelf {
    components: HashMap<&'static str, Component>,
    asked: Arc<AtomicU32>,
}

impl Load for Shelf {
    fn load<'a>(&'a self, plugin: &'a Plugin) -> BoxFuture<'a, Result<Component, Failure>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let ComponentRef::File(path) = &plugin.component else { panic!("{}", plugin.component) };
        let component = self.components.get(path.to_str().unwrap()).cloned();
        let unavailable = || Failure::new(ComponentErrorKind::Missing, format!("{} is missing", plugin.component));
        Box::pin(async move { component.ok_or_else(unavailable) })
    }

    /// What it has counts as in memory.
    fn stats(&self) -> LoaderStats {
        LoaderStats { memory: self.asked.load(Ordering::Relaxed).into(), ..LoaderStats::default() }
    }
}

/// What plans are made of here: nothing but the default guest and a shelf.
struct Lab {
    inner: PlansInner,
    asked: Arc<AtomicU32>,
    metrics: Metrics,
}

impl Lab {
    fn new() -> Self {
        let limits = Limits::default();
        let engine = Engine::new(8, limits.memory_bytes).unwrap();
        let load = |name: &str, bytes: &[u8]| engine.load(name, bytes, limits.clone()).unwrap();
        let parser = |fields| assemble::parser("", fields);
        let components = HashMap::from([
            ("one", load("one", &assemble::filter("", ""))),
            ("two", load("two", &assemble::filter("(drop (i32.const 2))", ""))),
            ("refines", load("refines", &parser(["c", "n", "n", "other", "pod", "test"]))),
            ("reroutes", load("reroutes", &parser(["c", "n", "other", "a", "p", "production"]))),
            ("blank", load("blank", &parser(["c", " ", "n", "a", "p", "production"]))),
            ("above", load("above", &parser(["c", "n", "..", "a", "p", "production"]))),
            ("slash", load("slash", &parser(["c", "n", "n", "a", "p", "a/b"]))),
            ("traps", load("traps", &assemble::parser("unreachable", ORIGIN))),
        ]);
        let (asked, metrics) = (Arc::<AtomicU32>::default(), Metrics::new());
        let inner = PlansInner {
            default: load("default", &parser(ORIGIN)),
            command_line: None,
            default_plugin: None,
            key_parser: None,
            loads: Mutex::default(),
            loader: Box::new(Shelf { components, asked: Arc::clone(&asked) }),
            slots: GuestSlots::new(1),
            suspends: true,
            suspensions: Suspensions::new(metrics.clone()),
            warned: Throttle::new(1, WARN_EVERY),
            metrics: metrics.clone(),
        };
        Self { inner, asked, metrics }
    }

    fn plans(self) -> Plans {
        Plans(Arc::new(self.inner))
    }

    fn with_key_parser(name: &str, on_error: OnError) -> (Plans, Metrics) {
        let mut lab = Self::new();
        lab.inner.key_parser = Some(Arc::new(Plugin { on_error, ..Plugin::clone(&plugin(name)) }));
        let metrics = lab.metrics.clone();
        (lab.plans(), metrics)
    }
}

fn plugin(name: &str) -> Arc<Plugin> {
    Arc::new(Plugin {
        component: ComponentRef::File(name.into()),
        sha256: Some(Digest::of(name.as_bytes())),
        settings: Arc::new(vec![("of".to_owned(), name.to_owned())]),
        on_error: OnError::Retry,
        limits: Limits::default(),
        logs_to_operator: false,
    })
}

fn or_default(name: &str) -> Arc<Plugin> {
    Arc::new(Plugin { on_error: OnError::Default, ..Plugin::clone(&plugin(name)) })
}

fn delivery(active: Option<Arc<Plugin>>, shadow: Option<Arc<Plugin>>) -> Delivery {
    Delivery {
        tenant_id: "n".to_owned(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: "eu-west-1".to_owned(),
        destination: Destination::S3 { bucket: "theirs".to_owned(), prefix: String::new(), account: None },
        plugins: Plugins { active, shadow },
    }
}

fn object() -> ObjectId {
    ObjectId { bucket: "logs".to_owned(), key: "c/n/a/p/f".to_owned() }
}

fn entry(outcome: Outcome) -> Entry {
    Entry::new(&object(), Some("n"), Some(DestinationKind::S3), outcome)
}

fn failed(kind: impl Into<FailureKind>) -> Entry {
    entry(Outcome::Failed).with_reason(kind.into(), "why")
}

fn name(guest: Option<&LoadedPlugin>) -> &str {
    guest.map_or("none", |guest| guest.component.name())
}

#[tokio::test]
async fn the_item_comes_before_the_command_line_and_that_before_the_operators_default() {
    let cases = [
        (Some("one"), true, Some("two"), "one"),
        (Some("one"), false, None, "one"),
        (None, true, Some("two"), "refines"),
        (None, false, Some("two"), "two"),
        (None, false, None, "none"),
    ];
    for (item, command_line, default_plugin, expected) in cases {
        let mut lab = Lab::new();
        lab.inner.default_plugin = default_plugin.map(plugin);
        if command_line {
            let guest = lab.inner.load(&PluginUse::keys(), &plugin("refines")).await;
            lab.inner.command_line = guest.ok().map(|(guest, _)| guest);
        }
        let shadowed = delivery(item.map(plugin), Some(plugin("blank")));
        let plan = lab.plans().plan(&shadowed).await.unwrap().plan;
        assert_eq!(name(plan.tenant.as_ref()), expected);
        assert_eq!(name(plan.shadow.as_ref()), "blank");
        let settings = plan.tenant.map(|guest| guest.settings.first().unwrap().1.clone());
        assert_eq!(settings.as_deref().unwrap_or("none"), expected, "its own settings");
    }
}

#[tokio::test]
async fn what_cannot_be_had_waits_and_is_left_alone_after_three_failures() {
    let lab = Lab::new();
    let (asked, metrics) = (Arc::clone(&lab.asked), lab.metrics.clone());
    let plans = lab.plans();
    let unavailable = delivery(Some(plugin("gone")), None);
    for failure in 1..=CircuitBreaker::FAILURE_THRESHOLD {
        let error = plans.plan(&unavailable).await.err().unwrap();
        assert_eq!((error.failure.kind.name(), error.is_suspended()), ("component-missing", false));
        assert_eq!(
            error.wait,
            if failure < CircuitBreaker::FAILURE_THRESHOLD { Duration::ZERO } else { CircuitBreaker::FIRST_OPEN }
        );
        let entry = error.of(entry(Outcome::Failed));
        assert_eq!(entry.component.unwrap().failures, [(ComponentErrorKind::Missing.into(), 1)].into());
    }
    let error = plans.plan(&unavailable).await.err().unwrap();
    assert!(error.is_suspended() && error.wait > Duration::ZERO, "{error}");
    assert!(error.to_string().contains("file:gone is missing"), "{error}");
    assert_eq!(error.of(entry(Outcome::Failed)).component, None, "nothing was tried");
    assert_eq!(asked.load(Ordering::Relaxed), CircuitBreaker::FAILURE_THRESHOLD);
    let loads = r#"log_processor_plugin_loads_total{result="component-missing"} 3"#;
    assert!(metrics.render().contains(loads), "{}", metrics.render());
    let loads = r#"log_processor_plugin_loads_total{result="memory"} 3"#;
    assert!(metrics.render().contains(loads), "{}", metrics.render());
    // A new component is a new beginning; and others' deliveries go on all the time.
    assert!(plans.plan(&delivery(Some(plugin("one")), None)).await.is_ok());
    assert!(!plans.plan(&unavailable).await.err().unwrap().is_suspended());
}

#[tokio::test]
async fn with_on_error_default_the_default_guest_goes_on_alone() {
    let plans = Lab::new().plans();
    let delivery = delivery(Some(or_default("gone")), None);
    for permit in 0..5 {
        let planned = plans.plan(&delivery).await.unwrap();
        assert_eq!(name(planned.plan.tenant.as_ref()), "none");
        let mut entry = entry(Outcome::Delivered);
        planned.complete(&mut entry);
        let run = entry.component.unwrap();
        assert!(run.replaced);
        // While it is left alone nothing fails.
        assert_eq!(run.failures.sum(), u64::from(permit < 3), "{permit}");
        assert_eq!(run.digest, Digest::of(b"gone").to_string());
        // Said once a minute.
        assert_eq!(entry.warnings.len(), usize::from(permit == 0), "{:?}", entry.warnings);
    }
}

#[tokio::test]
async fn a_shadow_that_cannot_be_had_harms_nothing() {
    let plans = Lab::new().plans();
    let delivery = delivery(Some(plugin("one")), Some(plugin("gone")));
    for permit in 0..5 {
        let mut planned = plans.plan(&delivery).await.unwrap();
        assert_eq!((name(planned.plan.tenant.as_ref()), name(planned.plan.shadow.as_ref())), ("one", "none"));
        let mut entry = entry(Outcome::Delivered);
        planned.complete(&mut entry);
        plans.ended(&mut planned, &entry);
        let shadow = entry.shadow.unwrap();
        assert_eq!(shadow.failures.sum(), u64::from(permit < 3));
        assert!(shadow.error.unwrap().contains("gone"));
    }
}

/// Ends so often as it takes to be left alone.
async fn end(plans: &Plans, delivery: &Delivery, entry: &Entry) {
    for _ in 0..CircuitBreaker::FAILURE_THRESHOLD {
        let mut planned = plans.plan(delivery).await.unwrap();
        plans.ended(&mut planned, entry);
    }
}

#[tokio::test]
async fn only_the_components_own_faults_count_against_it() {
    let delivery = delivery(Some(plugin("one")), None);
    for kind in FailureKind::all() {
        let suspended = match kind {
            FailureKind::Guest(kind) => {
                !matches!(kind, GuestErrorKind::Timeout | GuestErrorKind::Rejected | GuestErrorKind::Host)
            }
            _ => false,
        };
        let plans = Lab::new().plans();
        end(&plans, &delivery, &failed(kind)).await;
        let planned = plans.plan(&delivery).await;
        assert_eq!(planned.is_err_and(|error| error.is_suspended()), suspended, "{kind:?}");
    }
    // A success between them: the count begins anew.
    let plans = Lab::new().plans();
    for outcome in [
        failed(GuestErrorKind::Trap),
        failed(GuestErrorKind::Trap),
        entry(Outcome::Delivered),
        failed(GuestErrorKind::Trap),
    ] {
        let mut planned = plans.plan(&delivery).await.unwrap();
        plans.ended(&mut planned, &outcome);
    }
    assert!(plans.plan(&delivery).await.is_ok());
    // Where there is no later attempt to spare, nothing is left alone for it.
    let mut lab = Lab::new();
    lab.inner.suspends = false;
    let plans = lab.plans();
    end(&plans, &delivery, &failed(GuestErrorKind::Trap)).await;
    assert!(plans.plan(&delivery).await.is_ok());
}

#[tokio::test]
async fn what_on_error_made_good_counts_as_well() {
    let plans = Lab::new().plans();
    let delivery = delivery(Some(or_default("one")), None);
    let mut replaced = entry(Outcome::Delivered);
    replaced.component_failed("digest", GuestErrorKind::Trap.into());
    end(&plans, &delivery, &replaced).await;
    let planned = plans.plan(&delivery).await.unwrap();
    assert_eq!(name(planned.plan.tenant.as_ref()), "none");
}

#[tokio::test]
async fn a_failing_shadow_is_left_alone_by_itself() {
    let plans = Lab::new().plans();
    let delivery = delivery(Some(plugin("one")), Some(plugin("two")));
    let failures = [(GuestErrorKind::Trap.into(), 1)].into();
    let shadow = ShadowRun { failures, error: Some("it trapped".to_owned()), ..ShadowRun::default() };
    end(&plans, &delivery, &Entry { shadow: Some(shadow), ..entry(Outcome::Delivered) }).await;
    let planned = plans.plan(&delivery).await.unwrap();
    assert_eq!((name(planned.plan.tenant.as_ref()), name(planned.plan.shadow.as_ref())), ("one", "none"));
    let mut entry = entry(Outcome::Delivered);
    planned.complete(&mut entry);
    assert!(entry.shadow.unwrap().error.unwrap().contains("it trapped"));
}

fn origin() -> Arc<Origin> {
    Arc::new(crate::testing::origin())
}

#[tokio::test]
async fn a_tenants_key_parser_refines_for_its_delivery() {
    let plans = Lab::new().plans();
    let mut planned = plans.plan(&delivery(Some(plugin("refines")), None)).await.unwrap();
    let refined = planned.refine(&origin(), &object(), 0, &DeliveryMemory::default()).await.unwrap();
    assert_eq!((refined.application.as_str(), refined.pod_name.as_str()), ("other", "pod"));
    assert_eq!((refined.tenant_id.as_str(), refined.environment.as_str()), ("n", "test"));
    // One that parses no keys leaves it as it is.
    let mut planned = plans.plan(&delivery(Some(plugin("one")), None)).await.unwrap();
    assert_eq!(planned.refine(&origin(), &object(), 0, &DeliveryMemory::default()).await, Ok(origin()));
}

#[tokio::test]
async fn a_key_parser_that_fails_is_the_components_fault() {
    let plans = Lab::new().plans();
    for (parser, kind) in [("reroutes", GuestErrorKind::Contract), ("traps", GuestErrorKind::Trap)] {
        let mut planned = plans.plan(&delivery(Some(plugin(parser)), None)).await.unwrap();
        let error = planned.refine(&origin(), &object(), 0, &DeliveryMemory::default()).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        let mut ended = failed(error.kind());
        planned.complete(&mut ended);
        assert_eq!(ended.component.unwrap().failures, [(kind.into(), 1)].into(), "counted once");
        let mut planned = plans.plan(&delivery(Some(or_default(parser)), None)).await.unwrap();
        assert_eq!(
            planned.refine(&origin(), &object(), 0, &DeliveryMemory::default()).await,
            Ok(origin()),
            "unrefined, by on_error"
        );
        let mut ended = entry(Outcome::Delivered);
        planned.complete(&mut ended);
        assert_eq!(ended.component.unwrap().failures, [(kind.into(), 1)].into());
        assert_eq!(ended.warnings.len(), 1);
    }
}

#[tokio::test]
async fn the_operators_key_parser_decides_the_whole_origin() {
    let (plans, metrics) = Lab::with_key_parser("reroutes", OnError::Retry);
    let origin = plans.parse_key(&object(), 0).await.unwrap();
    assert_eq!((origin.tenant_id.as_str(), origin.namespace.as_str()), ("other", "n"));
    let calls = metrics
        .render()
        .lines()
        .any(|line| line.starts_with("log_processor_plugin_calls_total{") && line.contains("\"*\""));
    assert!(calls, "{}", metrics.render());
    assert_eq!(
        Lab::new().plans().parse_key(&object(), 0).await.unwrap().tenant_id,
        "n",
        "without it, the default guest"
    );
}

#[tokio::test]
async fn no_part_of_an_origin_leads_elsewhere() {
    for parser in ["blank", "above", "slash"] {
        let (plans, _) = Lab::with_key_parser(parser, OnError::Retry);
        let Err(KeyError::Failed(error)) = plans.parse_key(&object(), 0).await else { panic!("{parser}") };
        assert_eq!(error.failure.kind.name(), "guest-contract", "{parser}");
        assert!(error.to_string().starts_with("KEY_PARSER: "), "{error}");
        let (plans, _) = Lab::with_key_parser(parser, OnError::Default);
        assert_eq!(plans.parse_key(&object(), 0).await.unwrap().tenant_id, "n", "the default guest's reading");
    }
}

#[tokio::test]
async fn a_key_parser_is_left_alone_where_it_cannot_be_had_but_not_for_a_key() {
    let failure = async |plans: &Plans| match plans.parse_key(&object(), 0).await {
        Err(KeyError::Failed(error)) => error.failure.kind.name(),
        other => panic!("{other:?}"),
    };
    let (plans, _) = Lab::with_key_parser("gone", OnError::Retry);
    for expected in ["component-missing", "component-missing", "component-missing", "component-suspended"] {
        assert_eq!(failure(&plans).await, expected);
    }
    let (plans, _) = Lab::with_key_parser("traps", OnError::Retry);
    for _ in 0..5 {
        assert_eq!(failure(&plans).await, "guest-trap", "it may be one tenant's key");
    }
    let (plans, _) = Lab::with_key_parser("one", OnError::Retry);
    assert_eq!(failure(&plans).await, "component-refused", "it exports no key-parser");
}

#[tokio::test]
async fn what_the_operator_names_fails_in_the_name_of_its_variable() {
    let (plans, _) = Lab::with_key_parser("gone", OnError::Retry);
    let Err(KeyError::Failed(error)) = plans.parse_key(&object(), 0).await else { panic!() };
    assert_eq!(error.to_string(), "KEY_PARSER: file:gone is missing");
    let mut lab = Lab::new();
    lab.inner.default_plugin = Some(plugin("gone"));
    let plans = lab.plans();
    assert_eq!(
        plans.plan(&delivery(None, None)).await.err().unwrap().to_string(),
        "DEFAULT_PLUGIN: file:gone is missing"
    );
    let error = plans.plan(&delivery(Some(plugin("lost")), None)).await.err().unwrap();
    assert_eq!(error.to_string(), "file:lost is missing", "an item's own");
}
