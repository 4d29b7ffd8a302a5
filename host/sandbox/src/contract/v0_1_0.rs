//! Contract 0.1.0: the types that cross between host and guest, as
//! `wit/0.1.0/plugin.wit` has them, field by field in its order; wasmtime compares
//! them with the component's own. And what they are to the host.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::binding::Types;
use crate::output;
use crate::version::Version;

/// This version of the contract, as the functions are bound to it.
pub(super) struct V0_1_0;

impl Types for V0_1_0 {
    const VERSION: Version = Version::V0_1_0;
    type Origin = Origin;
    type Context = Context;
    type Begin = (Context, i64);
    type Rewritten = Rewritten;
    type Transformed = Transformed;
    type Failure = Failure;

    fn begin(context: &crate::context::Context<'_>) -> Self::Begin {
        (context.into(), context.now)
    }
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Origin {
    #[component(name = "cluster-id")]
    pub(super) cluster_id: String,
    pub(super) namespace: String,
    #[component(name = "tenant-id")]
    pub(super) tenant_id: String,
    pub(super) application: String,
    #[component(name = "pod-name")]
    pub(super) pod_name: String,
    pub(super) environment: String,
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Delivery {
    pub(super) id: String,
    pub(super) destination: String,
    #[component(name = "desired-logs")]
    pub(super) desired_logs: Vec<String>,
    pub(super) groups: Vec<String>,
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Context {
    pub(super) origin: Origin,
    pub(super) delivery: Delivery,
    pub(super) bucket: String,
    pub(super) key: String,
    pub(super) settings: Vec<(String, String)>,
    pub(super) more: Vec<(String, String)>,
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub(super) enum Failure {
    #[component(name = "rejected")]
    Rejected(String),
    #[component(name = "internal")]
    Internal(String),
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(variant)]
pub(super) enum Verdict {
    #[component(name = "joined")]
    Joined,
    #[component(name = "malformed")]
    Malformed(String),
    #[component(name = "rejected")]
    Rejected(String),
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Note {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) verdict: Verdict,
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Rewritten {
    pub(super) lines: Vec<u8>,
    pub(super) sources: Vec<u64>,
    pub(super) notes: Vec<Note>,
    #[component(name = "pending-from")]
    pub(super) pending_from: Option<u64>,
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Event {
    pub(super) line: u64,
    pub(super) timestamp: i64,
    pub(super) message: String,
}

#[derive(Debug, Clone, ComponentType, Lift, Lower)]
#[component(record)]
pub(super) struct Transformed {
    pub(super) events: Vec<Event>,
    pub(super) notes: Vec<Note>,
    #[component(name = "pending-from")]
    pub(super) pending_from: Option<u64>,
}

impl From<&crate::context::Context<'_>> for Context {
    fn from(context: &crate::context::Context<'_>) -> Self {
        Self {
            origin: context.origin.into(),
            delivery: context.delivery.into(),
            bucket: context.object.bucket.clone(),
            key: context.object.key.clone(),
            settings: context.settings.to_vec(),
            more: [
                ("last-modified".to_owned(), context.last_modified.to_string()),
                ("max-line-bytes".to_owned(), context.max_line_bytes.to_string()),
            ]
            .into_iter()
            .chain(context.timestamp_numbers.context_entry())
            .collect(),
        }
    }
}

impl From<&model::Origin> for Origin {
    fn from(origin: &model::Origin) -> Self {
        let model::Origin { cluster_id, namespace, tenant_id, application, pod_name, environment } = origin.clone();
        Self { cluster_id, namespace, tenant_id, application, pod_name, environment }
    }
}

impl From<Origin> for model::Origin {
    fn from(origin: Origin) -> Self {
        let Origin { cluster_id, namespace, tenant_id, application, pod_name, environment } = origin;
        Self { cluster_id, namespace, tenant_id, application, pod_name, environment }
    }
}

impl From<&model::Delivery> for Delivery {
    fn from(delivery: &model::Delivery) -> Self {
        Self {
            id: delivery.id().name().to_owned(),
            destination: delivery.destination.kind().name().to_owned(),
            desired_logs: delivery.desired_logs.clone(),
            groups: delivery.groups.clone(),
        }
    }
}

impl From<Failure> for super::call::Failure {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Rejected(text) => Self::Rejected(text),
            Failure::Internal(text) => Self::Internal(text),
        }
    }
}

impl From<Note> for output::Note {
    fn from(Note { first, last, verdict }: Note) -> Self {
        let verdict = match verdict {
            Verdict::Joined => output::Verdict::Joined,
            Verdict::Malformed(text) => output::Verdict::Malformed(text),
            Verdict::Rejected(text) => output::Verdict::Rejected(text),
        };
        Self { first, last, verdict }
    }
}

impl From<Rewritten> for output::RawRewritten {
    fn from(Rewritten { lines, sources, notes, pending_from }: Rewritten) -> Self {
        Self { lines, sources, notes: notes.into_iter().map(Into::into).collect(), pending_from }
    }
}

impl From<Event> for model::Event {
    fn from(Event { line, timestamp, message }: Event) -> Self {
        Self { line, timestamp, message }
    }
}

impl From<Transformed> for output::RawTransformed {
    fn from(Transformed { events, notes, pending_from }: Transformed) -> Self {
        let events = events.into_iter().map(Into::into).collect();
        Self { events, notes: notes.into_iter().map(Into::into).collect(), pending_from }
    }
}
