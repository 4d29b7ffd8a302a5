//! Components that keep failing are left alone for a while, so that they cost the
//! others nothing: a circuit breaker for each. Another component, or other settings for
//! it, begins anew.

use std::sync::Arc;
use std::time::Instant;

use crate::telemetry::Metrics;
use model::{BreakerChange, BreakerOpen, BreakerPermit, CircuitBreakers, Plugin};

/// Components that are remembered; only those that fail are.
const MAX_PLUGINS: usize = 10_000;

/// Where a component stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct PluginUse {
    /// Whose delivery; [`PluginUse::KEYS`] for who reads all keys.
    pub(super) tenant: String,
    /// Its delivery.
    pub(super) delivery: &'static str,
    /// Its output is only compared.
    pub(super) shadow: bool,
}

impl PluginUse {
    /// Stands for the tenant of KEY_PARSER, which has none. No tenant has this name.
    pub(super) const KEYS: &str = "*";

    /// Of KEY_PARSER.
    pub(super) fn keys() -> Self {
        Self { tenant: Self::KEYS.to_owned(), delivery: "keys", shadow: false }
    }
}

/// Which component.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum PluginIdentity {
    /// An item, or the operator, names it.
    Named(Arc<Plugin>),
    /// `--plugin`: its digest.
    CommandLine(String),
}

impl PluginIdentity {
    /// What labels and logs have, before it is cut: its digest, where one is named.
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

/// An attempt with a component, which is to say how it ended.
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

    /// Lets an attempt with a component through, unless it is left alone.
    ///
    /// # Errors
    /// It is, or one attempt finds out whether it works again.
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
            metrics.component_suspended(tenant, &digest, 1);
        }
        BreakerChange::Closed | BreakerChange::Forgotten => {
            tracing::info!(tenant, delivery, digest, "the component is no longer left alone");
            metrics.component_suspended(tenant, &digest, -1);
        }
    }
}

#[cfg(test)]
#[path = "suspension_tests.rs"]
mod tests;
