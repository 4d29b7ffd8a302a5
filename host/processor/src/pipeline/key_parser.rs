//! What components make of an object's key.

use std::sync::Arc;

use super::plan::Plan;
use super::slots::{GuestSlots, SlotTimer};
use crate::memory::{DeliveryMemory, InstanceMemory, Owner};
use model::{ObjectId, Origin};
use sandbox::{Component, GuestError, Instance, Surroundings, Used};

impl Plan {
    /// What the tenant's key-parser makes of an object's origin: it may refine
    /// application, pod and environment; else what it did wrong. And what it used.
    pub fn refine(
        &self,
        origin: &Arc<Origin>,
        object: &ObjectId,
        now: i64,
        memory: &DeliveryMemory,
    ) -> (Result<Arc<Origin>, GuestError>, Used) {
        match &self.tenant {
            Some(tenant) if tenant.component.exports().key_parser.is_some() => {
                let (refined, used) = parse_key(&tenant.component, &self.slots, object, now, memory.of(Owner::Tenant));
                (refined.and_then(|refined| refine(Origin::clone(origin), refined)).map(Arc::new), used)
            }
            _ => (Ok(Arc::clone(origin)), Used::default()),
        }
    }
}

/// What a component makes of an object's key, when it has its turn; and what it used. `memory`:
/// what it asks before it grows.
pub fn parse_key(
    component: &Component,
    slots: &GuestSlots,
    object: &ObjectId,
    now: i64,
    memory: Option<InstanceMemory>,
) -> (Result<Origin, GuestError>, Used) {
    let mut timer = SlotTimer::new(slots);
    let surroundings =
        Surroundings { memory: memory.map(|memory| timer.grant(memory)), ..timer.surroundings(object, "", now) };
    timer.run(|| match Instance::start(component, &surroundings) {
        Ok(mut guest) => (guest.parse_key(&object.key), guest.used()),
        Err(error) => (Err(error), Used::default()),
    })
}

/// Takes from a tenant's key-parser what it may decide.
fn refine(origin: Origin, refined: Origin) -> Result<Origin, GuestError> {
    origin.check_refined(&refined).map_err(|what| GuestError::Contract { function: "parse-key", what })?;
    Ok(refined)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testing::origin;
    use model::Limits;

    #[test]
    fn whoever_reads_a_key_waits_for_its_turn() {
        let engine = sandbox::Engine::new(1, Limits::DEFAULT.memory_bytes).unwrap();
        let bytes = assemble::parser("", ["c", "n", "t", "a", "p", "e"]);
        let component = engine.load("parser", &bytes, Limits::default()).unwrap();
        let (slots, object) = (GuestSlots::new(1), ObjectId { bucket: "b".to_owned(), key: "k".to_owned() });
        let (done, is_done) = std::sync::mpsc::channel();
        let slot = slots.take();
        std::thread::scope(|scope| {
            scope.spawn(|| done.send(parse_key(&component, &slots, &object, 0, None)).unwrap());
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
