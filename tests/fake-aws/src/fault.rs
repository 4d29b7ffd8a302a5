//! Faults that happen on purpose.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use crate::FakeAws;
use crate::call::{Call, Service};
use crate::identity::Session;
use crate::reply::{Refusal, Reply};

/// Holds calls back until it is opened, which is for ever. `Clone` is cheap.
#[derive(Debug, Clone)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Default for Gate {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }
}

impl Gate {
    /// Opens the gate: held calls continue, and later ones pass.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// The number of calls that are held now.
    pub fn held(&self) -> usize {
        self.0.receiver_count()
    }

    pub(crate) async fn pass(&self) {
        // The sender lives as long as this does.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

/// What happens to a call instead of its success.
#[derive(Debug, Clone)]
pub enum Effect {
    /// This answer, and the call isn't done.
    Status {
        /// Such as 500.
        status: u16,
        /// AWS's error code.
        code: String,
        /// AWS's words.
        message: String,
    },
    /// Too many calls, as the service says it; not done.
    Throttle,
    /// No answer, ever; not done.
    Hang,
    /// Everything as it should be, that much later.
    Delay(Duration),
    /// Everything as it should be, once the gate is open.
    Hold(Gate),
    /// The connection is closed without an answer; not done.
    ResetBefore,
    /// Done; then the connection is closed without an answer.
    ResetAfter,
    /// Done; the connection is closed after that many bytes of the answer's body.
    TruncateBody(usize),
    /// Done; the answer's body comes that slowly.
    SlowBody {
        /// Bytes a chunk.
        bytes: usize,
        /// The pause between chunks.
        every: Duration,
    },
    /// A status of 200 with these bytes in place of an answer; not done. A proxy may do that.
    Empty200(&'static str),
    /// A status of 200 with this error code in the body; not done. S3 does that
    /// for CopyObject, CompleteMultipartUpload, UploadPartCopy.
    ErrorIn200(String),
    /// So many entries of an SQS batch are done, and the rest is refused.
    RefuseAfter(usize),
}

/// Which calls meet with it. Of several rules that fit, the oldest counts.
#[derive(Debug, Clone)]
pub struct Rule {
    what: Effect,
    service: Option<Service>,
    operation: Option<String>,
    resource: Option<String>,
    account: Option<String>,
    after: u32,
    times: Option<u32>,
}

impl Rule {
    /// A fault of every call, always.
    pub fn new(what: Effect) -> Self {
        Self { what, service: None, operation: None, resource: None, account: None, after: 0, times: None }
    }

    /// Restricts the rule to a service.
    #[must_use]
    pub fn service(mut self, service: Service) -> Self {
        self.service = Some(service);
        self
    }

    /// Restricts the rule to an operation.
    #[must_use]
    pub fn operation(mut self, name: &str) -> Self {
        self.operation = Some(name.to_owned());
        self
    }

    /// Restricts the rule to resources that contain this: `bucket/key`, `group:stream`, the
    /// name of a queue or table, a role's ARN, a namespace.
    #[must_use]
    pub fn resource(mut self, part: &str) -> Self {
        self.resource = Some(part.to_owned());
        self
    }

    /// Restricts the rule to sessions of this account.
    #[must_use]
    pub fn account(mut self, account: &str) -> Self {
        self.account = Some(account.to_owned());
        self
    }

    /// Lets the first `calls` matching calls pass.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.after = calls;
        self
    }

    /// Restricts the rule to that many calls.
    #[must_use]
    pub fn times(mut self, times: u32) -> Self {
        self.times = Some(times);
        self
    }

    fn fits(&self, call: &Call, who: Option<&Session>) -> bool {
        self.times != Some(0)
            && self.service.is_none_or(|service| service == call.service)
            && self.operation.as_ref().is_none_or(|operation| *operation == call.operation)
            && self.resource.as_ref().is_none_or(|part| call.resource.contains(part))
            && self.account.as_ref().is_none_or(|account| who.is_some_and(|who| *who.account == **account))
    }
}

/// The fault that a call meets with; used up by that.
pub(crate) fn take(rules: &mut [Rule], call: &Call, who: Option<&Session>) -> Option<Effect> {
    for rule in rules.iter_mut().filter(|rule| rule.fits(call, who)) {
        if rule.after > 0 {
            rule.after -= 1;
            continue;
        }
        if let Some(times) = &mut rule.times {
            *times -= 1;
        }
        return Some(rule.what.clone());
    }
    None
}

/// The answer of a fault that is one.
pub(crate) fn answer(what: &Effect, call: &Call) -> Option<Reply> {
    match what {
        Effect::Status { status, code, message } => {
            Some(Refusal::new(*status, code.clone(), message.as_str()).reply(call))
        }
        Effect::Throttle => Some(throttle(call.service).reply(call)),
        Effect::Empty200(body) => {
            let mut reply = Reply::empty(200).header("content-type", "application/xml");
            reply.body = Bytes::from_static(body.as_bytes());
            Some(reply)
        }
        Effect::ErrorIn200(code) => {
            Some(Refusal::new(200, code.clone(), "We encountered an internal error. Please try again.").reply(call))
        }
        _ => None,
    }
}

fn throttle(service: Service) -> Refusal {
    match service {
        Service::S3 => Refusal::new(503, "SlowDown", "Please reduce your request rate."),
        Service::Sts | Service::CloudWatch => Refusal::bad("Throttling", "Rate exceeded"),
        _ => Refusal::bad("ThrottlingException", "Rate exceeded"),
    }
}

impl FakeAws {
    /// Adds a fault from now on.
    pub fn fault(&self, rule: Rule) {
        self.state().faults.push(rule);
    }

    /// Nothing goes wrong any more.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }
}
