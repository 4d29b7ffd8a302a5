//! The runtime API that a function polls, fed by the test.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;
use uuid::Uuid;

use crate::FakeAws;
use crate::call::{Call, Input};
use crate::clock;
use crate::reply::{Refusal, Reply};
use crate::state::{State, Step};

/// Path of the API.
pub(crate) const PREFIX: &str = "/2018-06-01/runtime/";
/// The interval at which `next` looks again.
const POLL: Duration = Duration::from_secs(60);

/// The outcome of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// No function has taken the event.
    Waiting,
    /// The function has it.
    Running,
    /// The function's response.
    Response(Bytes),
    /// The function's error.
    Error(Bytes),
    /// The function's answer came after its deadline: AWS would have ended it by then.
    TimedOut,
}

struct Invocation {
    id: String,
    event: Bytes,
    timeout: Duration,
    deadline: Option<Instant>,
    outcome: Outcome,
}

#[derive(Default)]
pub(crate) struct Runtime {
    invocations: Vec<Invocation>,
    waiting: VecDeque<usize>,
    init_error: Option<Bytes>,
}

/// Operation and resource (the request's ID) from the path.
pub(crate) fn input(call: &mut Call) -> Result<Input, Refusal> {
    let path = call.path.strip_prefix(PREFIX).unwrap_or("");
    let (operation, id) = match path.split('/').collect::<Vec<_>>()[..] {
        ["invocation", "next"] => ("Next", ""),
        ["invocation", id, "response"] => ("Response", id),
        ["invocation", id, "error"] => ("Error", id),
        ["init", "error"] => ("InitError", ""),
        _ => return Err(Refusal::new(404, "NotFound", "no such path of the runtime API")),
    };
    let (operation, id) = (operation.to_owned(), id.to_owned());
    call.operation = operation;
    call.resource = id;
    Ok(Input::None)
}

pub(crate) fn run(state: &mut State, call: &Call) -> Result<Step, Refusal> {
    let runtime = &mut state.runtime;
    let outcome = match call.operation.as_str() {
        "Next" => return Ok(next(runtime)),
        "InitError" => {
            runtime.init_error = Some(call.body.clone());
            return Ok(Step::Done(Reply::empty(202)));
        }
        "Response" => Outcome::Response(call.body.clone()),
        _ => Outcome::Error(call.body.clone()),
    };
    let invocation = runtime.invocations.iter_mut().find(|invocation| invocation.id == call.resource);
    let running = invocation.filter(|invocation| invocation.outcome == Outcome::Running);
    let running = running.ok_or_else(|| Refusal::bad("InvalidRequestID", "no invocation of that ID is running"))?;
    let is_late = running.deadline.is_some_and(|deadline| Instant::now() > deadline);
    running.outcome = if is_late { Outcome::TimedOut } else { outcome };
    Ok(Step::Done(Reply::empty(202)))
}

fn next(runtime: &mut Runtime) -> Step {
    let Some(index) = runtime.waiting.pop_front() else { return Step::Wait(Instant::now() + POLL) };
    let invocation = &mut runtime.invocations[index];
    invocation.outcome = Outcome::Running;
    invocation.deadline = Some(Instant::now() + invocation.timeout);
    let deadline = clock::now() + invocation.timeout.as_millis() as i64;
    let function = format!("arn:aws:lambda:{}:{}:function:log-processor", crate::REGION, crate::PROCESSOR_ACCOUNT);
    let mut reply = Reply::empty(200)
        .header("content-type", "application/json")
        .header("lambda-runtime-aws-request-id", invocation.id.as_str())
        .header("lambda-runtime-deadline-ms", deadline.to_string())
        .header("lambda-runtime-invoked-function-arn", function)
        .header("lambda-runtime-trace-id", "Root=1-00000000-000000000000000000000000;Parent=0;Sampled=0");
    reply.body = invocation.event.clone();
    Step::Done(reply)
}

impl FakeAws {
    /// Hands an event to the next that asks; the function's deadline is
    /// `timeout` after that. The request's ID.
    pub fn invoke(&self, event: impl Into<Bytes>, timeout: Duration) -> String {
        let id = Uuid::new_v4().to_string();
        let mut state = self.state();
        let runtime = &mut state.runtime;
        runtime.waiting.push_back(runtime.invocations.len());
        let (event, outcome) = (event.into(), Outcome::Waiting);
        runtime.invocations.push(Invocation { id: id.clone(), event, timeout, deadline: None, outcome });
        drop(state);
        self.shared().changed.notify_waiters();
        id
    }

    /// Returns the outcome of an event.
    pub fn outcome(&self, id: &str) -> Outcome {
        let state = self.state();
        let found = state.runtime.invocations.iter().find(|invocation| invocation.id == id);
        found.expect("an ID from invoke").outcome.clone()
    }

    /// The error that the function reported when it couldn't start.
    pub fn init_error(&self) -> Option<Bytes> {
        self.state().runtime.init_error.clone()
    }
}
