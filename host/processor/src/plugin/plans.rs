//! Plans: which components a delivery runs with.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures_util::future::BoxFuture;

use super::loader::{Loader, LoaderStats};
use super::planned::Planned;
use super::suspension::{PluginIdentity, PluginPermit, PluginPermits, PluginUse, Suspensions};
use crate::pipeline::{ComponentRun, GuestSlots, LoadedPlugin, Plan, ShadowRun};
use crate::report::Entry;
use crate::telemetry::{Metrics, Throttle};
use model::{BreakerOpen, ComponentErrorKind, Counts, Delivery, Failure, FailureKind, Fault, OnError, Plugin, lock};
use sandbox::{Component, Used};

/// The interval between warnings about the same component.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Why a delivery can't run now. Its records wait.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{failure}")]
pub struct PlanError {
    /// The failure, with the remedy.
    pub failure: Failure,
    /// The time before which the delivery isn't tried again.
    pub wait: Duration,
    /// The component's digest, if it can't be loaded.
    pub component: Option<String>,
}

impl PlanError {
    /// Whether the component is suspended, so that nothing was tried.
    pub fn is_suspended(&self) -> bool {
        self.failure.kind == FailureKind::Suspended
    }

    /// Adds that not an item but a variable of the operator's names the component.
    fn named_by(self, variable: &str) -> Self {
        let text = format!("{variable}: {self}");
        Self { failure: self.failure.in_words(text), ..self }
    }

    /// Marks a delivery's entry as failed with this error.
    #[must_use]
    pub fn of(&self, mut entry: Entry) -> Entry {
        if let Some(digest) = self.component.as_ref().filter(|_| !self.is_suspended()) {
            entry.component_failed(digest, self.failure.kind);
        }
        entry.failed(&self.failure)
    }
}

/// The parts of [`Plans`].
pub struct PlansParts {
    /// The default guest.
    pub default: Component,
    /// `--plugin`: for every delivery that names none.
    pub command_line: Option<LoadedPlugin>,
    /// DEFAULT_PLUGIN: the same, by reference.
    pub default_plugin: Option<Arc<Plugin>>,
    /// KEY_PARSER: reads every key in the default guest's place.
    pub key_parser: Option<Arc<Plugin>>,
    /// Loads what items name.
    pub loader: Loader,
    /// Shared by all plans.
    pub slots: GuestSlots,
    /// Whether components that keep failing are suspended. Not if each object comes only once:
    /// there is no later attempt to spare.
    pub suspends: bool,
    /// Counts.
    pub metrics: Metrics,
}

/// A source of components: the loader, or a test's.
pub(super) trait Load: Send + Sync {
    fn load<'a>(&'a self, plugin: &'a Plugin) -> BoxFuture<'a, Result<Component, Failure>>;

    /// The statistics of all loads so far.
    fn stats(&self) -> LoaderStats;
}

impl Load for Loader {
    fn load<'a>(&'a self, plugin: &'a Plugin) -> BoxFuture<'a, Result<Component, Failure>> {
        Box::pin(Self::load(self, plugin))
    }

    fn stats(&self) -> LoaderStats {
        Self::stats(self)
    }
}

/// Makes the plans of deliveries. `Clone` is cheap.
#[derive(Clone)]
pub struct Plans(pub(super) Arc<PlansInner>);

pub(super) struct PlansInner {
    pub(super) default: Component,
    command_line: Option<LoadedPlugin>,
    default_plugin: Option<Arc<Plugin>>,
    pub(super) key_parser: Option<Arc<Plugin>>,
    loader: Box<dyn Load>,
    /// The loader's statistics as of the last update of the metrics.
    loads: Mutex<LoaderStats>,
    pub(super) slots: GuestSlots,
    suspends: bool,
    suspensions: Suspensions,
    warned: Throttle,
    pub(super) metrics: Metrics,
}

/// A component that may be tried, and the attempt with it.
type PermittedPlugin = (LoadedPlugin, PluginPermit);

/// Why a component is unavailable, for a caller that can go on without it.
struct Unavailable {
    digest: String,
    error: PlanError,
}

impl Unavailable {
    /// The failures that count: a suspension isn't one.
    fn failures(&self) -> Counts<FailureKind> {
        (!self.error.is_suspended()).then_some((self.error.failure.kind, 1)).into_iter().collect()
    }
}

impl Plans {
    /// Plans of these parts.
    pub fn new(parts: PlansParts) -> Self {
        let PlansParts { default, command_line, default_plugin, key_parser, loader, slots, suspends, metrics } = parts;
        Self(Arc::new(PlansInner {
            default,
            command_line,
            default_plugin,
            key_parser,
            loader: Box::new(loader),
            loads: Mutex::default(),
            slots,
            suspends,
            suspensions: Suspensions::new(metrics.clone()),
            warned: Throttle::new(1, WARN_EVERY),
            metrics,
        }))
    }

    /// Makes a delivery's plan. The caller must say how the delivery [ended](Plans::ended).
    ///
    /// # Errors
    /// The active component can't be loaded, or is suspended, and the delivery may not go
    /// without it.
    pub async fn plan(&self, delivery: &Delivery) -> Result<Planned, PlanError> {
        let (mut replaced, mut no_shadow, mut warnings) = (None, None, Vec::new());
        let mut permits = PluginPermits::default();
        let mut hold = |(guest, permit): PermittedPlugin| {
            permits.active = Some(permit);
            guest
        };
        let tenant = match self.active(delivery) {
            None => None,
            Some(PluginIdentity::CommandLine(_)) => self.command_line(delivery)?.map(&mut hold),
            Some(PluginIdentity::Named(plugin)) => match self.named(delivery, &plugin).await {
                Ok(guest) => Some(hold(guest)),
                Err(Unavailable { error, .. }) if plugin.on_error != OnError::Default => return Err(error),
                Err(unavailable) => {
                    warnings.extend(self.0.warning(
                        delivery,
                        &unavailable,
                        "the default guest goes on alone, as on_error says",
                    ));
                    let failures = unavailable.failures();
                    replaced = Some(ComponentRun {
                        digest: unavailable.digest,
                        failures,
                        replaced: true,
                        ..ComponentRun::default()
                    });
                    None
                }
            },
        };
        let mut shadow = None;
        if let Some(plugin) = &delivery.plugins.shadow {
            match self.0.load(&plugin_use(delivery, true), plugin).await {
                Ok((guest, permit)) => (shadow, permits.shadow) = (Some(guest), Some(permit)),
                Err(unavailable) => {
                    warnings.extend(self.0.warning(delivery, &unavailable, "there is no shadow to compare with"));
                    let (failures, error) = (unavailable.failures(), Some(unavailable.error.to_string()));
                    no_shadow = Some(ShadowRun { digest: unavailable.digest, failures, error, ..ShadowRun::default() });
                }
            }
        }
        let plan = Plan { default: self.0.default.clone(), tenant, shadow, slots: self.0.slots.clone() };
        let (unrefined, key, before) = (None, Used::default(), None);
        Ok(Planned { plan, permits, replaced, no_shadow, unrefined, key, before, warnings })
    }

    /// Components that a delivery may run beside the default guest.
    pub fn components_of(&self, delivery: &Delivery) -> u64 {
        u64::from(self.active(delivery).is_some()) + u64::from(delivery.plugins.shadow.is_some())
    }

    /// The component whose output is delivered, if not the default guest's alone.
    fn active(&self, delivery: &Delivery) -> Option<PluginIdentity> {
        let parts = &self.0;
        let command_line = || {
            parts.command_line.as_ref().map(|guest| PluginIdentity::CommandLine(guest.component.digest().to_owned()))
        };
        let default = || parts.default_plugin.clone().map(PluginIdentity::Named);
        delivery.plugins.active.clone().map(PluginIdentity::Named).or_else(command_line).or_else(default)
    }

    /// The active component that the item names, or DEFAULT_PLUGIN.
    async fn named(&self, delivery: &Delivery, plugin: &Arc<Plugin>) -> Result<PermittedPlugin, Unavailable> {
        let guest = self.0.load(&plugin_use(delivery, false), plugin).await;
        guest.map_err(|unavailable| match delivery.plugins.active {
            Some(_) => unavailable,
            None => Unavailable { error: unavailable.error.named_by("DEFAULT_PLUGIN"), ..unavailable },
        })
    }

    /// The component of the command line, which is loaded already but may be suspended.
    fn command_line(&self, delivery: &Delivery) -> Result<Option<PermittedPlugin>, PlanError> {
        let Some(guest) = &self.0.command_line else { return Ok(None) };
        let identity = PluginIdentity::CommandLine(guest.component.digest().to_owned());
        match self.0.admit(&plugin_use(delivery, false), &identity, "--plugin") {
            Ok(permit) => Ok(Some((guest.clone(), permit))),
            Err(Unavailable { error, .. }) => Err(error),
        }
    }

    /// Records how a delivery with this plan ended: components that keep failing by their own
    /// fault are suspended for a while. A plan that is dropped without this was not tried.
    pub fn ended(&self, planned: &mut Planned, entry: &Entry) {
        let (plan, permits) = (&planned.plan, std::mem::take(&mut planned.permits));
        let now = Instant::now();
        if let (Some(guest), Some(permit)) = (&plan.tenant, permits.active) {
            self.0.ended(permit, failure_of_active(guest.on_error, entry), entry, now);
        }
        if let Some(permit) = permits.shadow {
            let run = entry.shadow.as_ref();
            let failed = run.filter(|run| run.failures.iter().any(|(kind, _)| kind.is_guests_fault()));
            let failed = failed.map(|run| run.error.as_deref().unwrap_or("it failed"));
            self.0.ended(permit, failed, entry, now);
        }
    }

    /// Loads the components that all tenants share, so that problems with them are known
    /// early.
    pub async fn warm(self) {
        let named = [("DEFAULT_PLUGIN", &self.0.default_plugin), ("KEY_PARSER", &self.0.key_parser)];
        for (variable, plugin) in named {
            let Some(plugin) = plugin else { continue };
            if let Err(error) = self.0.fetch(plugin).await {
                tracing::error!(error = %error, "{variable} can't be loaded");
            }
        }
    }
}

/// The active component's failure by its own fault, if there was one. A failure that
/// `on_error` made good counts too: the next object need not meet it.
fn failure_of_active(on_error: OnError, entry: &Entry) -> Option<&str> {
    let why = || Some(entry.error.as_deref().unwrap_or("it failed, and the default guest went on alone"));
    if entry.failure().is_some_and(FailureKind::is_guests_fault) {
        return why();
    }
    let run = entry.component.as_ref().filter(|_| on_error == OnError::Default);
    run.filter(|run| run.failures.iter().any(|(kind, _)| kind.is_guests_fault())).and_then(|_| why())
}

fn plugin_use(delivery: &Delivery, shadow: bool) -> PluginUse {
    PluginUse { tenant: delivery.tenant_id.clone(), delivery: delivery.id().name(), shadow }
}

impl PlansInner {
    /// Loads a component, and counts it.
    async fn fetch(&self, plugin: &Plugin) -> Result<Component, Failure> {
        let component = self.loader.load(plugin).await;
        let mut before = lock(&self.loads);
        let now = self.loader.stats();
        for (result, count) in [
            ("memory", now.memory - before.memory),
            ("disk", now.disk - before.disk),
            ("published", now.published - before.published),
            ("compiled", now.compiled - before.compiled),
        ] {
            self.metrics.count_component_loads(result, count);
        }
        *before = now;
        drop(before);
        component.inspect_err(|failed| self.metrics.count_component_loads(failed.kind.name(), 1))
    }

    /// Loads a component, unless it is suspended.
    async fn load(&self, plugin_use: &PluginUse, plugin: &Arc<Plugin>) -> Result<PermittedPlugin, Unavailable> {
        let identity = PluginIdentity::Named(Arc::clone(plugin));
        let permit = self.admit(plugin_use, &identity, &plugin.component.to_string())?;
        match self.fetch(plugin).await {
            Ok(component) => {
                let guest = LoadedPlugin {
                    component,
                    settings: Arc::clone(&plugin.settings),
                    on_error: plugin.on_error,
                    logs_to_operator: plugin.logs_to_operator,
                };
                Ok((guest, permit))
            }
            Err(failure) => {
                let wait = permit.record_failure(&failure.to_string(), Instant::now());
                let digest = identity.digest();
                Err(Unavailable { error: PlanError { failure, wait, component: Some(digest.clone()) }, digest })
            }
        }
    }

    fn admit(
        &self,
        plugin_use: &PluginUse,
        identity: &PluginIdentity,
        component: &str,
    ) -> Result<PluginPermit, Unavailable> {
        self.suspensions.admit(plugin_use, identity, Instant::now()).map_err(|BreakerOpen { retry_after: wait, cause: why }| {
            let text = format!(
                "not tried: {component} has failed again and again for {}, and is left alone for {} s more; at last: {why}",
                plugin_use.tenant,
                wait.as_secs().max(1)
            );
            let digest = identity.digest();
            let failure = Failure::new(FailureKind::Suspended, text).with_fault(Fault::Component);
            Unavailable { error: PlanError { failure, wait, component: Some(digest.clone()) }, digest }
        })
    }

    /// Loads the key-parser, unless it is suspended. It is suspended only if it can't be
    /// loaded: the keys that it fails on may be one tenant's.
    pub(super) async fn key_parser(&self, plugin: &Arc<Plugin>) -> Result<LoadedPlugin, PlanError> {
        let loaded = match self.load(&PluginUse::keys(), plugin).await {
            Ok((guest, permit)) if guest.component.exports().key_parser.is_some() => {
                permit.record_success(Instant::now());
                Ok(guest)
            }
            Ok(_) => {
                let text = format!("{} exports no key-parser", plugin.component);
                let failure = Failure::new(ComponentErrorKind::Refused, text).with_fault(Fault::Component);
                Err(PlanError { failure, wait: Duration::ZERO, component: None })
            }
            Err(unavailable) => Err(unavailable.error),
        };
        loaded.map_err(|error| error.named_by("KEY_PARSER"))
    }

    fn ended(&self, permit: PluginPermit, failed: Option<&str>, entry: &Entry, now: Instant) {
        match failed {
            Some(why) if self.suspends => {
                permit.record_failure(why, now);
            }
            None if !entry.outcome.is_open() => permit.record_success(now),
            _ => permit.release(),
        }
    }

    /// A warning about what a delivery goes without; `None` if there was one just now.
    fn warning(&self, delivery: &Delivery, unavailable: &Unavailable, so: &str) -> Option<String> {
        let Unavailable { digest, error } = unavailable;
        self.warn(&format!("{} {} {digest}", delivery.tenant_id, delivery.id()), error, so)
    }

    /// A [warning](PlansInner::warning) about `key`.
    pub(super) fn warn(&self, key: &str, error: &PlanError, so: &str) -> Option<String> {
        let left_out = self.warned.admit(key, Instant::now())?;
        let more =
            if left_out > 0 { format!(" ({left_out} more times since this was last said)") } else { String::new() };
        Some(format!("{error}; {so}{more}"))
    }
}

#[cfg(test)]
#[path = "plans_tests.rs"]
mod tests;
