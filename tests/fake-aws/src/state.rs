//! All that is remembered, and what a test may look at of any service.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::call::{Call, Service};
use crate::dynamodb::Tables;
use crate::fault::Rule;
use crate::identity::{Identities, Session};
use crate::lambda::Runtime;
use crate::logs::Groups;
use crate::metrics::Metric;
use crate::reply::{Refusal, Reply};
use crate::s3::Buckets;
use crate::sqs::Queues;
use crate::{FakeAws, dynamodb, lambda, logs, metrics, s3, sqs, sts};

/// A request, as it was when it came.
#[derive(Debug, Clone)]
pub struct Logged {
    /// Service.
    pub service: Service,
    /// Operation.
    pub operation: String,
    /// `bucket/key`, `group:stream`, the name of a queue or table, a role's ARN, a namespace.
    pub resource: String,
    /// The session that signed; `None` for an unknown signer.
    pub who: Option<Arc<Session>>,
    /// Region of the credential's scope.
    pub region: String,
    /// The time at which the request had arrived completely.
    pub when: Instant,
    /// The body's length as it came.
    pub bytes: usize,
}

/// All that is remembered.
pub(crate) struct State {
    pub(crate) identities: Identities,
    pub(crate) buckets: Buckets,
    pub(crate) queues: Queues,
    pub(crate) tables: Tables,
    pub(crate) groups: Groups,
    pub(crate) metrics: Vec<Metric>,
    pub(crate) runtime: Runtime,
    pub(crate) faults: Vec<Rule>,
    latency: BTreeMap<Service, Duration>,
    calls: BTreeMap<(Service, String), u64>,
    log: Vec<Logged>,
}

/// The result of trying a call.
pub(crate) enum Step {
    Done(Reply),
    /// Nothing yet: try again when something changed, or then.
    Wait(Instant),
}

impl State {
    pub(crate) fn new() -> Self {
        Self {
            identities: Identities::new(),
            buckets: Buckets::default(),
            queues: Queues::default(),
            tables: Tables::default(),
            groups: Groups::default(),
            metrics: Vec::new(),
            runtime: Runtime::default(),
            faults: Vec::new(),
            latency: BTreeMap::new(),
            calls: BTreeMap::new(),
            log: Vec::new(),
        }
    }

    /// Records a call; returns its latency.
    pub(crate) fn note(&mut self, call: &Call, who: Option<&Arc<Session>>) -> Duration {
        *self.calls.entry((call.service, call.operation.clone())).or_default() += 1;
        self.log.push(Logged {
            service: call.service,
            operation: call.operation.clone(),
            resource: call.resource.clone(),
            who: who.cloned(),
            region: call.region().to_owned(),
            when: call.arrived,
            bytes: call.bytes,
        });
        self.latency.get(&call.service).copied().unwrap_or_default()
    }

    pub(crate) fn run(&mut self, call: &mut Call, who: Option<&Arc<Session>>) -> Result<Step, Refusal> {
        if let Err(refusal) = &call.input {
            return Err(refusal.clone());
        }
        let Some(who) = who else { return lambda::run(self, call) };
        match call.service {
            Service::S3 => s3::run(self, call, who).map(Step::Done),
            Service::Sqs => sqs::run(self, call, who),
            Service::DynamoDb => dynamodb::run(self, call, who).map(Step::Done),
            Service::Logs => logs::run(self, call, who).map(Step::Done),
            Service::Sts => sts::run(self, call, who).map(Step::Done),
            Service::CloudWatch => metrics::run(self, call, who).map(Step::Done),
            Service::Lambda => lambda::run(self, call),
        }
    }
}

impl FakeAws {
    /// The number of requests by service and operation, failed ones included.
    pub fn calls(&self) -> BTreeMap<(Service, String), u64> {
        self.state().calls.clone()
    }

    /// The number of requests of one operation, failed ones included.
    pub fn count(&self, service: Service, operation: &str) -> u64 {
        self.state().calls.get(&(service, operation.to_owned())).copied().unwrap_or(0)
    }

    /// All requests, in order.
    pub fn log(&self) -> Vec<Logged> {
        self.state().log.clone()
    }

    /// Forgets the requests so far.
    pub fn forget_calls(&self) {
        let mut state = self.state();
        state.calls.clear();
        state.log.clear();
    }

    /// Every request of `service` takes that long before it is done.
    pub fn latency(&self, service: Service, latency: Duration) {
        self.state().latency.insert(service, latency);
    }
}
