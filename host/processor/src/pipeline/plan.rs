//! Which component does what: the tenant's where it exports the interface, the
//! default guest for the rest.

use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Job;
use super::account::ComponentRun;
use super::guests::Guests;
use super::slots::{GuestSlots, Turns};
use model::{Delivery, ObjectId, OnError, Origin, TimestampNumbers, hex};
use sandbox::{Component, Exports, GuestError, GuestLog, Instance, Surroundings, Used};

/// What fuel and memory a component takes, and how the lines that it fails on are found,
/// is the host's, and may be another's in another version.
const HOST: &str = env!("CARGO_PKG_VERSION");

/// A component of a tenant's (or the operator's for every tenant), ready to run.
#[derive(Clone)]
pub struct TenantGuest {
    /// Loaded, with its limits.
    pub component: Component,
    /// The tenant's settings for it.
    pub settings: Arc<Vec<(String, String)>>,
    /// What happens when it fails.
    pub on_error: OnError,
    /// What it logs goes to the processor's log.
    pub logs_to_operator: bool,
}

/// The components of a delivery. `Clone` is cheap.
#[derive(Clone)]
pub struct Plan {
    /// The default guest.
    pub default: Component,
    /// Whose output is delivered.
    pub tenant: Option<TenantGuest>,
    /// Whose output is only compared.
    pub shadow: Option<TenantGuest>,
    /// What bounds how many guests are at work at once; shared by all plans.
    pub slots: GuestSlots,
}

impl Plan {
    /// The default guest alone.
    #[must_use]
    pub fn without_tenant(&self) -> Self {
        Self { tenant: None, ..self.clone() }
    }

    pub(super) fn exports(&self) -> Exports {
        self.tenant.as_ref().map(|tenant| tenant.component.exports()).unwrap_or_default()
    }

    /// SHA-256, in hexadecimal digits, of all that decides which events an object
    /// becomes, beside the object: under another one the number of an event says
    /// nothing. It is kept where settings, which may be secrets, must not be.
    pub fn digest(
        &self,
        max_line_bytes: usize,
        numbers: TimestampNumbers,
        origin: &Origin,
        delivery: &Delivery,
    ) -> String {
        let default = self.default.digest();
        let decides = match &self.tenant {
            None => format!("{default} none {max_line_bytes} []"),
            Some(TenantGuest { component, settings, on_error, .. }) => {
                let (digest, limits) = (component.digest(), component.limits());
                let Delivery { desired_logs, groups, .. } = delivery;
                format!(
                    "{default} {digest} {max_line_bytes} {settings:?} {on_error:?} {limits:?} {origin:?} \
                     {desired_logs:?} {groups:?} {HOST}"
                )
            }
        };
        let mut hash = Sha256::new_with_prefix(decides);
        if let Some((name, value)) = numbers.context_entry() {
            hash.update(format!(" {name}={value}"));
        }
        hex(&hash.finalize())
    }

    /// Whether records are rewritten: then an S3 delivery is no plain copy.
    pub fn rewrites(&self) -> bool {
        self.exports().record_rewrite.is_some()
    }

    /// What the tenant's key-parser makes of an object's origin: it may refine
    /// application, pod and environment; else what it did wrong. And what it used.
    pub fn refine(&self, origin: &Arc<Origin>, object: &ObjectId, now: i64) -> (Result<Arc<Origin>, GuestError>, Used) {
        match &self.tenant {
            Some(tenant) if tenant.component.exports().key_parser.is_some() => {
                let (refined, used) = parse_key(&tenant.component, &self.slots, object, now);
                (refined.and_then(|refined| refine(Origin::clone(origin), refined)).map(Arc::new), used)
            }
            _ => (Ok(Arc::clone(origin)), Used::default()),
        }
    }

    /// Fresh instances for one delivery of one object.
    ///
    /// # Errors
    /// When a component's start fails, and the default guest may not do without it.
    pub fn start(&self, job: &Job) -> Result<Guests, GuestError> {
        Guests::start(self.clone(), job.clone())
    }

    /// Fresh instances, and whether the delivery wants the object.
    ///
    /// # Errors
    /// As [`Plan::start`].
    pub fn ask(&self, job: &Job) -> Result<Asked, GuestError> {
        let mut guests = self.start(job)?;
        let wanted = guests.wants();
        let (log, warnings) = (guests.take_log(), guests.take_warnings());
        let run = guests.component();
        Ok(Asked { answer: wanted.map(|wanted| (guests, wanted)), run, log, warnings })
    }
}

/// What came of asking whether a delivery wants an object.
pub struct Asked {
    /// Who goes on with it, if it is wanted; or what went wrong.
    pub answer: Result<(Guests, bool), GuestError>,
    /// What the tenant's component did so far, also where it failed.
    pub run: Option<ComponentRun>,
    /// What was logged.
    pub log: GuestLog,
    /// What a person should know.
    pub warnings: Vec<String>,
}

/// What a component makes of an object's key, when it has its turn; and what it used.
pub fn parse_key(
    component: &Component,
    slots: &GuestSlots,
    object: &ObjectId,
    now: i64,
) -> (Result<Origin, GuestError>, Used) {
    let mut turns = Turns::new(slots);
    let around = around(object, "", now, &turns);
    turns.run(|| match Instance::start(component, &around) {
        Ok(mut guest) => (guest.parse_key(&object.key), guest.used()),
        Err(error) => (Err(error), Used::default()),
    })
}

/// What is around an instance that takes its turns with `turns`.
pub(super) fn around(object: &ObjectId, delivery: &str, now: i64, turns: &Turns) -> Surroundings {
    Surroundings { pause: Some(turns.pause()), ..Surroundings::of(object, delivery, now) }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use model::Limits;

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
    fn whoever_reads_a_key_waits_for_its_turn() {
        let engine = sandbox::Engine::new(1, Limits::DEFAULT.memory_bytes).unwrap();
        let bytes = assemble::parser("", ["c", "n", "t", "a", "p", "e"]);
        let component = engine.load("parser", &bytes, Limits::default()).unwrap();
        let (slots, object) = (GuestSlots::new(1), ObjectId { bucket: "b".to_owned(), key: "k".to_owned() });
        let (done, is_done) = std::sync::mpsc::channel();
        let slot = slots.take();
        std::thread::scope(|scope| {
            scope.spawn(|| done.send(parse_key(&component, &slots, &object, 0)).unwrap());
            assert!(is_done.recv_timeout(Duration::from_millis(100)).is_err(), "all slots are taken");
            drop(slot);
            let (origin, used) = is_done.recv().unwrap();
            assert_eq!((origin.unwrap().tenant_id.as_str(), used.calls), ("t", 1));
        });
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
