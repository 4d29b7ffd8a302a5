//! Suspends components that keep failing for a while, so that they cost the others nothing: a
//! circuit breaker for each. Another component, or other settings for it, starts over.

use std::sync::Arc;
use std::time::Instant;

use crate::telemetry::Metrics;
use model::{BreakerChange, BreakerOpen, BreakerPermit, CircuitBreakers, Plugin};

/// The most components that are kept; only failing ones are.
const MAX_PLUGINS: usize = 10_000;

/// The use of a component.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PluginUse {
    /// The delivery's tenant; [`PluginUse::KEYS`] for the key-parser of all keys.
    pub(super) tenant: String,
    /// The delivery's id.
    pub(super) delivery: &'static str,
    /// Whether the component is a shadow.
    pub(super) shadow: bool,
}

impl PluginUse {
    /// Stands for the tenant of KEY_PARSER, which has none. No tenant has this name.
    pub(super) const KEYS: &str = "*";

    /// The use of KEY_PARSER.
    pub(super) fn keys() -> Self {
        Self { tenant: Self::KEYS.to_owned(), delivery: "keys", shadow: false }
    }
}

/// The identity of a component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PluginIdentity {
    /// A component that an item, or the operator, names.
    Named(Arc<Plugin>),
    /// `--plugin`: its digest.
    CommandLine(String),
}

impl PluginIdentity {
    /// The digest, in full, if one is named.
    pub(super) fn digest(&self) -> String {
        match self {
            Self::Named(plugin) => plugin.sha256.map_or_else(|| "none".to_owned(), |digest| digest.to_string()),
            Self::CommandLine(digest) => digest.clone(),
        }
    }

    fn short(&self) -> String {
        model::Digest::shorten(&self.digest()).to_owned()
    }
}

/// The permit for one attempt with a component, which must say how it ended.
pub(super) type PluginPermit = BreakerPermit<PluginUse, PluginIdentity>;

/// The permits of a delivery's components, until it has ended.
#[derive(Default)]
pub(super) struct PluginPermits {
    pub(super) active: Option<PluginPermit>,
    pub(super) shadow: Option<PluginPermit>,
}

/// The circuit breakers of all components.
pub(super) struct Suspensions(CircuitBreakers<PluginUse, PluginIdentity>);

impl Suspensions {
    pub(super) fn new(metrics: Metrics) -> Self {
        Self(CircuitBreakers::new(MAX_PLUGINS, move |plugin_use, identity, change| {
            log_change(&metrics, plugin_use, identity, change)
        }))
    }

    /// Admits an attempt with a component, unless it is suspended.
    ///
    /// # Errors
    /// The component is suspended, or another attempt is probing it.
    pub(super) fn admit(
        &self,
        plugin_use: &PluginUse,
        identity: &PluginIdentity,
        now: Instant,
    ) -> Result<PluginPermit, BreakerOpen> {
        self.0.admit(plugin_use.clone(), identity.clone(), now)
    }
}

fn log_change(metrics: &Metrics, plugin_use: &PluginUse, identity: &PluginIdentity, change: &BreakerChange<'_>) {
    let PluginUse { tenant, delivery, shadow } = plugin_use;
    let digest = identity.short();
    match change {
        BreakerChange::Opened { retry_after, cause } => {
            let seconds = retry_after.as_secs();
            tracing::warn!(
                tenant,
                delivery,
                digest,
                shadow,
                seconds,
                why = cause,
                "the component keeps failing: it is left alone"
            );
            metrics.add_suspended_component(tenant, &digest, 1);
        }
        BreakerChange::Closed | BreakerChange::Forgotten => {
            tracing::info!(tenant, delivery, digest, "the component is no longer left alone");
            metrics.add_suspended_component(tenant, &digest, -1);
        }
    }
}

#[cfg(test)]
#[path = "suspension_tests.rs"]
mod tests;
