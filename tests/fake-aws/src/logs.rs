//! CloudWatch Logs: PutLogEvents, CreateLogStream, CreateLogGroup. A session
//! sees its account's groups in its region, and no others.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use serde::de::DeserializeOwned;
use serde_json::json;

use crate::FakeAws;
use crate::call::{Call, Input};
use crate::clock;
use crate::identity::Session;
use crate::logs_check::{Length, Message, Request, check_group, check_stream};
use crate::reply::{Refusal, Reply};
use crate::state::State;

/// PutLogEvents, with its messages or only their lengths.
#[derive(Debug)]
pub(crate) enum PutEvents {
    Kept(Request<String>),
    Counted(Request<Length>),
}

/// An event that was stored.
#[derive(Debug, Clone)]
pub struct LogEvent {
    /// Milliseconds since the Unix epoch.
    pub timestamp: i64,
    /// Text.
    pub message: String,
    /// The session that put it.
    pub who: Arc<Session>,
}

/// A PutLogEvents that was taken.
#[derive(Debug, Clone)]
pub struct Put {
    /// Account of the session that put it.
    pub account: String,
    /// Region it was put in.
    pub region: String,
    /// Group.
    pub group: String,
    /// Stream.
    pub stream: String,
    /// Events in the call.
    pub events: usize,
    /// The number of events that were stored.
    pub stored: usize,
    /// Bytes as AWS counts them, 26 an event included.
    pub bytes: usize,
    /// The session that put it.
    pub who: Arc<Session>,
}

#[derive(Default)]
struct Group {
    /// The retention in days; `None` for ever.
    retention: Option<i64>,
    streams: BTreeMap<String, Vec<LogEvent>>,
}

/// All groups, by account, region and name.
#[derive(Default)]
pub(crate) struct Groups {
    groups: HashMap<(String, String, String), Group>,
    puts: Vec<Put>,
    /// The time that ages are judged by; `None` for the real time.
    now: Option<i64>,
}

fn key(account: &str, region: &str, group: &str) -> (String, String, String) {
    (account.to_owned(), region.to_owned(), group.to_owned())
}

pub(crate) fn input(call: &mut Call, keep: bool) -> Result<Input, Refusal> {
    if call.operation != "PutLogEvents" {
        let json = call.read_json()?;
        let name = |name: &str| json[name].as_str().unwrap_or("").to_owned();
        call.resource = format!("{}:{}", name("logGroupName"), name("logStreamName"));
        return Ok(Input::Json(json));
    }
    let events = if keep { PutEvents::Kept(read(call)?) } else { PutEvents::Counted(read(call)?) };
    Ok(Input::Events(events))
}

/// A field that is missing or of another type fails here, as it does at AWS.
fn read<M: DeserializeOwned>(call: &mut Call) -> Result<Request<M>, Refusal> {
    let request = serde_json::from_slice::<Request<M>>(&call.body);
    let request = request.map_err(|error| Refusal::bad("SerializationException", error.to_string()))?;
    call.resource = format!("{}:{}", request.log_group_name, request.log_stream_name);
    Ok(request)
}

pub(crate) fn run(state: &mut State, call: &mut Call, who: &Arc<Session>) -> Result<Reply, Refusal> {
    if call.operation == "PutLogEvents" {
        // Taken, so that messages are moved and not copied.
        return match std::mem::replace(&mut call.input, Ok(Input::None))? {
            Input::Events(PutEvents::Kept(request)) => put(state, call, who, request, Some),
            Input::Events(PutEvents::Counted(request)) => put(state, call, who, request, |_| None),
            _ => Err(Refusal::bad("SerializationException", "no events")),
        };
    }
    let name = |name: &str| call.json()[name].as_str().unwrap_or("").to_owned();
    let (group, stream) = (name("logGroupName"), name("logStreamName"));
    match call.operation.as_str() {
        "CreateLogGroup" => {
            state.demand(call, who, "logs:CreateLogGroup", &group)?;
            check_group(&group)?;
            let key = key(&who.account, call.region(), &group);
            if state.groups.groups.contains_key(&key) {
                return Err(exists("log group"));
            }
            state.groups.groups.insert(key, Group::default());
        }
        "CreateLogStream" => {
            state.demand(call, who, "logs:CreateLogStream", &group)?;
            check_group(&group)?;
            check_stream(&stream)?;
            let found = state.groups.groups.get_mut(&key(&who.account, call.region(), &group));
            let group = found.ok_or_else(|| missing("log group"))?;
            if group.streams.contains_key(&stream) {
                return Err(exists("log stream"));
            }
            group.streams.insert(stream, Vec::new());
        }
        other => return Err(Refusal::bad("UnknownOperationException", format!("{other} isn't played"))),
    }
    Ok(Reply::empty(200).header("content-type", "application/x-amz-json-1.1"))
}

fn put<M: Message>(
    state: &mut State,
    call: &Call,
    who: &Arc<Session>,
    request: Request<M>,
    keep: impl Fn(M) -> Option<String>,
) -> Result<Reply, Refusal> {
    state.demand(call, who, "logs:PutLogEvents", &request.log_group_name)?;
    let bytes = request.check()?;
    let groups = &mut state.groups;
    let now = groups.now.unwrap_or_else(clock::now);
    let found = groups.groups.get_mut(&key(&who.account, call.region(), &request.log_group_name));
    let group = found.ok_or_else(|| missing("log group"))?;
    let stream = group.streams.get_mut(&request.log_stream_name).ok_or_else(|| missing("log stream"))?;
    let (accepted, info) = request.accept(now, group.retention);
    groups.puts.push(Put {
        account: who.account.to_string(),
        region: call.region().to_owned(),
        group: request.log_group_name,
        stream: request.log_stream_name,
        events: request.log_events.len(),
        stored: accepted.len(),
        bytes,
        who: Arc::clone(who),
    });
    let events = request.log_events.into_iter().skip(accepted.start).take(accepted.len());
    stream.extend(events.filter_map(|event| {
        let (timestamp, message) = (event.timestamp, keep(event.message)?);
        Some(LogEvent { timestamp, message, who: Arc::clone(who) })
    }));
    let mut answer = json!({"nextSequenceToken": "0"});
    if info.as_object().is_some_and(|info| !info.is_empty()) {
        answer["rejectedLogEventsInfo"] = info;
    }
    Ok(Reply::json(&answer))
}

fn missing(what: &str) -> Refusal {
    Refusal::bad("ResourceNotFoundException", format!("The specified {what} does not exist."))
}

fn exists(what: &str) -> Refusal {
    Refusal::bad("ResourceAlreadyExistsException", format!("The specified {what} already exists"))
}

impl FakeAws {
    /// A log group, with its retention in days if it has one; if it is there, only the retention is set.
    pub fn add_log_group(&self, account: &str, region: &str, group: &str, retention_days: Option<i64>) {
        let mut state = self.state();
        state.groups.groups.entry(key(account, region, group)).or_default().retention = retention_days;
    }

    /// Whether a log group exists.
    pub fn has_log_group(&self, account: &str, region: &str, group: &str) -> bool {
        self.state().groups.groups.contains_key(&key(account, region, group))
    }

    /// Deletes a log group with its streams.
    pub fn remove_log_group(&self, account: &str, region: &str, group: &str) {
        self.state().groups.groups.remove(&key(account, region, group));
    }

    /// Streams of a log group, with how many events each has.
    pub fn log_streams(&self, account: &str, region: &str, group: &str) -> BTreeMap<String, usize> {
        let state = self.state();
        let group = state.groups.groups.get(&key(account, region, group));
        group.into_iter().flat_map(|group| &group.streams).map(|(name, events)| (name.clone(), events.len())).collect()
    }

    /// The events of a stream as they arrived; `None` if it doesn't exist.
    pub fn log_events(&self, account: &str, region: &str, group: &str, stream: &str) -> Vec<LogEvent> {
        let state = self.state();
        let group = state.groups.groups.get(&key(account, region, group));
        group.and_then(|group| group.streams.get(stream)).cloned().unwrap_or_default()
    }

    /// All PutLogEvents that were taken, in order.
    pub fn puts(&self) -> Vec<Put> {
        self.state().groups.puts.clone()
    }

    /// Sets the time that ages are judged by, in milliseconds since the Unix epoch; `None` for
    /// the real time.
    pub fn logs_now(&self, now: Option<i64>) {
        self.state().groups.now = now;
    }

    /// Whether stored events are kept (the default), or only counted in
    /// [`FakeAws::puts`]: a benchmark has no use for them.
    pub fn keep_events(&self, keep: bool) {
        self.shared().keep_events.store(keep, Ordering::Relaxed);
    }
}
