//! The types of contract 0.1.0, as they cross between host and guest. Field
//! names and order are those of `wit/0.1.0/plugin.wit`; wasmtime compares them
//! with the component's own type when it is loaded.

use wasmtime::component::{ComponentType, Lift, Lower};

/// Interfaces, as a component's exports and imports name them.
pub(super) const KEY_PARSER: &str = "log-router:plugin/key-parser@0.1.0";
pub(super) const LOG_FILTER: &str = "log-router:plugin/log-filter@0.1.0";
pub(super) const RECORD_REWRITE: &str = "log-router:plugin/record-rewrite@0.1.0";
pub(super) const RECORD_TRANSFORM: &str = "log-router:plugin/record-transform@0.1.0";
pub(super) const SETTINGS_CHECK: &str = "log-router:plugin/settings-check@0.1.0";
pub(super) const TYPES: &str = "log-router:plugin/types@0.1.0";
pub(super) const HOST_LOG: &str = "log-router:plugin/host-log@0.1.0";

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

/// How urgent a guest's log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ComponentType, Lift, Lower)]
#[component(enum)]
#[repr(u8)]
pub enum Level {
    /// For the guest's author.
    #[component(name = "debug")]
    Debug,
    /// Worth a line.
    #[component(name = "info")]
    Info,
    /// Something is odd.
    #[component(name = "warn")]
    Warn,
    /// Something is wrong.
    #[component(name = "error")]
    Error,
}
