//! Which component does what: the tenant's where it exports the interface, the
//! default guest for the rest.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::slots::GuestSlots;
use crate::guest::{Component, Context, Exports, GuestError, GuestLog, Instance};
use crate::model::Origin;

/// Runs guests off the tasks' threads.
///
/// # Errors
/// As `work` has them; `Internal` where it was given up (a bug).
pub async fn blocking<T: Send + 'static>(
    function: &'static str,
    work: impl FnOnce() -> Result<T, GuestError> + Send + 'static,
) -> Result<T, GuestError> {
    let lost = |_| Err(GuestError::Internal { function, text: "the host gave it up: a bug".to_owned() });
    tokio::task::spawn_blocking(work).await.unwrap_or_else(lost)
}

/// The components of a delivery. `Clone` is cheap.
#[derive(Clone)]
pub struct Plan {
    /// The default guest.
    pub default: Component,
    /// The tenant's component.
    pub tenant: Option<Component>,
    /// The tenant's settings for it.
    pub settings: Arc<Vec<(String, String)>>,
    /// What bounds how many guests are at work at once; shared by all plans.
    pub slots: GuestSlots,
}

impl Plan {
    fn tenant_exports(&self) -> Exports {
        self.tenant.as_ref().map(Component::exports).unwrap_or_default()
    }

    /// Names all that decides which events an object becomes: under another
    /// one the number of an event says nothing.
    pub fn digest(&self, max_line_bytes: usize) -> String {
        let tenant = self.tenant.as_ref().map_or("none", Component::digest);
        format!("{} {tenant} {max_line_bytes} {:?}", self.default.digest(), self.settings)
    }

    /// Whether records are rewritten: then an S3 delivery is no plain copy.
    pub fn rewrites(&self) -> bool {
        self.tenant_exports().record_rewrite
    }

    /// Reads a key: the default guest says whose object it is; a tenant's
    /// key-parser may refine application, pod and environment.
    ///
    /// # Errors
    /// `Rejected`: the key can never be read.
    pub fn parse_key(&self, key: &str) -> Result<Origin, GuestError> {
        let _slot = self.slots.take();
        let origin = Instance::start(&self.default)?.parse_key(key)?;
        match &self.tenant {
            Some(tenant) if tenant.exports().key_parser => refine(origin, Instance::start(tenant)?.parse_key(key)?),
            _ => Ok(origin),
        }
    }

    /// Fresh instances for one delivery of one object.
    ///
    /// # Errors
    /// When a component's start fails.
    pub fn start(&self) -> Result<Guests, GuestError> {
        let exports = self.tenant_exports();
        let works = exports.log_filter || exports.record_rewrite || exports.record_transform;
        let _slot = self.slots.take();
        let started = Instant::now();
        let tenant = self.tenant.as_ref().filter(|_| works).map(Instance::start).transpose()?;
        let needs_default = !(exports.log_filter && exports.record_transform);
        let default = needs_default.then(|| Instance::start(&self.default)).transpose()?;
        let slots = self.slots.clone();
        Ok(Guests { tenant, default, exports, slots, time: started.elapsed() })
    }
}

/// Takes from a tenant's key-parser what it may decide.
fn refine(origin: Origin, refined: Origin) -> Result<Origin, GuestError> {
    let broken = |what: String| Err(GuestError::Contract { function: "parse-key", what });
    let fixed = [
        ("tenant-id", &origin.tenant_id, &refined.tenant_id),
        ("cluster-id", &origin.cluster_id, &refined.cluster_id),
        ("namespace", &origin.namespace, &refined.namespace),
    ];
    for (field, ours, theirs) in fixed {
        if ours != theirs {
            return broken(format!("it changed {field}, which only the key itself decides"));
        }
    }
    let free =
        [("application", &refined.application), ("pod-name", &refined.pod_name), ("environment", &refined.environment)];
    for (field, value) in free {
        if value.trim().is_empty() || value.contains('/') || value.as_str() == ".." {
            return broken(format!("{field} is empty, has a `/`, or is `..`"));
        }
    }
    Ok(refined)
}

/// The instances at work on one delivery of one object.
pub struct Guests {
    tenant: Option<Instance>,
    default: Option<Instance>,
    exports: Exports,
    slots: GuestSlots,
    /// At work so far.
    time: Duration,
}

impl Guests {
    /// Whether the delivery wants the object at all.
    ///
    /// # Errors
    /// As the guest says, or what it did wrong.
    pub fn wants(&mut self, context: &Context<'_>) -> Result<bool, GuestError> {
        let tenant = self.exports.log_filter;
        self.call(tenant, "wants", |guest| guest.wants(context))
    }

    pub(super) fn rewrites(&self) -> bool {
        self.exports.record_rewrite
    }

    /// A call of whoever rewrites.
    pub(super) fn rewriter<T>(
        &mut self,
        call: impl FnOnce(&mut Instance) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        self.call(true, "rewrite", call)
    }

    /// A call of whoever transforms.
    pub(super) fn transformer<T>(
        &mut self,
        call: impl FnOnce(&mut Instance) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        let tenant = self.exports.record_transform;
        self.call(tenant, "transform", call)
    }

    fn call<T>(
        &mut self,
        tenant: bool,
        function: &'static str,
        call: impl FnOnce(&mut Instance) -> Result<T, GuestError>,
    ) -> Result<T, GuestError> {
        let guest = if tenant { &mut self.tenant } else { &mut self.default };
        let missing = || GuestError::Internal { function, text: "no component does it".to_owned() };
        let guest = guest.as_mut().ok_or_else(missing)?;
        let _slot = self.slots.take();
        let started = Instant::now();
        let result = call(guest);
        self.time += started.elapsed();
        result
    }

    /// How long they were at work, their start included.
    pub(super) fn time(&self) -> Duration {
        self.time
    }

    /// What they logged.
    pub fn take_log(&mut self) -> GuestLog {
        let mut log = GuestLog::default();
        for instance in [&mut self.tenant, &mut self.default].into_iter().flatten() {
            let more = instance.take_log();
            log.lines += more.lines;
            log.kept.extend(more.kept);
        }
        log
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin() -> Origin {
        Origin {
            cluster_id: "c".into(),
            namespace: "n".into(),
            tenant_id: "n".into(),
            application: "a".into(),
            pod_name: "p".into(),
            environment: "production".into(),
        }
    }

    #[test]
    fn a_key_parser_may_refine_but_not_reroute() {
        let refined = Origin { application: "b".into(), pod_name: "q".into(), environment: "x".into(), ..origin() };
        assert_eq!(refine(origin(), refined.clone()), Ok(refined));
        let bad = [
            Origin { tenant_id: "other".into(), ..origin() },
            Origin { cluster_id: "other".into(), ..origin() },
            Origin { namespace: "other".into(), ..origin() },
            Origin { application: " ".into(), ..origin() },
            Origin { pod_name: "a/b".into(), ..origin() },
            Origin { environment: "..".into(), ..origin() },
        ];
        for refined in bad {
            assert!(matches!(refine(origin(), refined), Err(GuestError::Contract { .. })));
        }
    }
}
