//! Components for the unit tests here, put together from text.

use std::sync::LazyLock;

pub(super) use assemble::{Parts, filter, wants};

use crate::{Component, Context, Engine, GuestError, Instance, LoadError, Surroundings};
use model::{Delivery, Destination, Limits, ObjectId, Origin, Plugins};

pub(super) static ENGINE: LazyLock<Engine> = LazyLock::new(|| Engine::new(16, 64 << 20).unwrap());

pub(super) fn load(bytes: &[u8], limits: Limits) -> Result<Component, LoadError> {
    ENGINE.load("test", bytes, limits)
}

/// An origin whose parts don't matter.
pub(super) fn origin() -> Origin {
    let text = || "x".to_owned();
    Origin {
        cluster_id: text(),
        namespace: text(),
        tenant_id: text(),
        application: text(),
        pod_name: text(),
        environment: text(),
    }
}

/// A delivery whose fields don't matter.
pub(super) fn delivery() -> Delivery {
    let text = || "x".to_owned();
    Delivery {
        tenant_id: text(),
        desired_logs: Vec::new(),
        groups: Vec::new(),
        target_region: text(),
        destination: Destination::S3 { bucket: text(), prefix: text(), account: None },
        plugins: Plugins::default(),
    }
}

/// Asks an instance whether the delivery wants an object.
pub(super) fn ask(instance: &mut Instance) -> Result<bool, GuestError> {
    let (origin, delivery) = (origin(), delivery());
    let object = ObjectId { bucket: "x".to_owned(), key: "x".to_owned() };
    instance.wants(&Context {
        origin: &origin,
        delivery: &delivery,
        object: &object,
        settings: &[],
        now: 0,
        last_modified: 0,
        timestamp_numbers: model::TimestampNumbers::default(),
        max_line_bytes: 0,
    })
}

/// What a fresh instance of it answers.
pub(super) fn answer(component: &Component, around: &Surroundings) -> Result<bool, GuestError> {
    ask(&mut Instance::start(component, around)?)
}
