//! SQS: receive, delete, change visibility, send; one by one and in batches.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::FakeAws;
use crate::call::{Call, Input, md5_hex};
use crate::identity::Session;
use crate::reply::{Refusal, Reply};
use crate::sqs_queue::{Held, MAX_VISIBILITY, Queue, invalid};
use crate::state::{State, Step};

/// The most bytes of a message with its attributes, and of a batch.
const MAX_BYTES: usize = 1_048_576;
const MAX_DELAY: u64 = 900;
const MAX_BATCH: usize = 10;
const MAX_WAIT: u64 = 20;
const MAX_ATTRIBUTES: usize = 10;

/// A message that is in a queue.
#[derive(Debug, Clone)]
pub struct Message {
    /// The message's ID.
    pub id: String,
    /// The message's body.
    pub body: Arc<str>,
    /// MessageAttributes as they were sent: name to `{"DataType", "StringValue"}`.
    pub attributes: Map<String, Value>,
    /// The number of receives.
    pub receives: u32,
    /// DelaySeconds that it was sent with.
    pub delay: Duration,
    /// The time until the message is visible; `None` if it is.
    pub invisible_for: Option<Duration>,
}

impl Message {
    fn of(held: &Held, now: Instant) -> Self {
        Self {
            id: held.id.clone(),
            body: Arc::clone(&held.body),
            attributes: held.attributes.clone(),
            receives: held.receives,
            delay: held.delay,
            invisible_for: held.visible.checked_duration_since(now).filter(|left| !left.is_zero()),
        }
    }
}

/// The numbers of messages in a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueCounts {
    /// Messages that can be received now.
    pub visible: usize,
    /// Received, and invisible.
    pub in_flight: usize,
    /// Never received, and not visible yet.
    pub delayed: usize,
}

/// All queues, by their names.
#[derive(Default)]
pub(crate) struct Queues(BTreeMap<String, Queue>);

pub(crate) fn input(call: &mut Call) -> Result<Input, Refusal> {
    let json = call.read_json()?;
    call.resource = json["QueueUrl"].as_str().unwrap_or("").rsplit('/').next().unwrap_or("").to_owned();
    Ok(Input::Json(json))
}

pub(crate) fn run(state: &mut State, call: &Call, who: &Session) -> Result<Step, Refusal> {
    let single = call.operation.strip_suffix("Batch").unwrap_or(&call.operation);
    state.demand(call, who, &format!("sqs:{single}"), &call.resource)?;
    let request = call.json();
    let queue = state.queues.0.get_mut(&call.resource);
    let queue = queue.filter(|queue| request["QueueUrl"].as_str() == Some(&queue.url));
    let queue = queue.ok_or_else(|| Refusal::bad("QueueDoesNotExist", "The specified queue does not exist."))?;
    let answer = match call.operation.as_str() {
        "ReceiveMessage" => return receive(&mut state.queues, call),
        "SendMessage" => send(queue, request)?,
        "DeleteMessage" => delete(queue, request)?,
        "ChangeMessageVisibility" => change_visibility(queue, request)?,
        "GetQueueAttributes" => attributes_of(queue, request),
        "SendMessageBatch" => batch(queue, call, send)?,
        "DeleteMessageBatch" => batch(queue, call, delete)?,
        "ChangeMessageVisibilityBatch" => batch(queue, call, change_visibility)?,
        other => return Err(Refusal::bad("UnsupportedOperation", format!("{other} isn't played"))),
    };
    Ok(Step::Done(Reply::json(&answer)))
}

fn receive(queues: &mut Queues, call: &Call) -> Result<Step, Refusal> {
    let request = call.json();
    let most = number(request, "MaxNumberOfMessages", 1..=MAX_BATCH as u64)?.unwrap_or(1) as usize;
    let wait = Duration::from_secs(number(request, "WaitTimeSeconds", 0..=MAX_WAIT)?.unwrap_or(0));
    let visibility = number(request, "VisibilityTimeout", 0..=MAX_VISIBILITY)?.map(Duration::from_secs);
    let queue = queues.0.get_mut(&call.resource).expect("it was found");
    let (received, dead) = queue.receive(most, visibility.unwrap_or(queue.visibility));
    let (next, redrive) = (queue.next_visible(), queue.redrive.as_ref().map(|(_, name)| name.clone()));
    if let Some(dead_letters) = redrive.and_then(|name| queues.0.get_mut(&name)) {
        for message in dead {
            dead_letters.push(Held {
                receives: 0,
                first_received: 0,
                handle: None,
                visible: Instant::now(),
                ..message
            });
        }
    }
    let end = call.arrived + wait;
    if received.is_empty() && Instant::now() < end {
        return Ok(Step::Wait(next.map_or(end, |next| next.min(end))));
    }
    if received.is_empty() {
        return Ok(Step::Done(Reply::json(&json!({}))));
    }
    let messages: Vec<_> = received.iter().map(|message| as_received(message, request)).collect();
    Ok(Step::Done(Reply::json(&json!({"Messages": messages}))))
}

/// The queue's attributes, of which only the redrive policy is implemented.
fn attributes_of(queue: &Queue, request: &Value) -> Value {
    let wanted = request["AttributeNames"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let wanted = wanted.into_iter().any(|name| name == "RedrivePolicy" || name == "All");
    match queue.redrive.as_ref().filter(|_| wanted) {
        None => json!({}),
        Some((most, to)) => {
            let target = format!("arn:aws:sqs:{}:{}:{to}", crate::REGION, crate::PROCESSOR_ACCOUNT);
            let policy = json!({"deadLetterTargetArn": target, "maxReceiveCount": most});
            json!({"Attributes": {"RedrivePolicy": policy.to_string()}})
        }
    }
}

/// Attributes come only where they were asked for.
fn as_received(message: &Held, request: &Value) -> Value {
    let mut answer = json!({
        "MessageId": message.id, "ReceiptHandle": message.handle, "MD5OfBody": message.md5, "Body": &*message.body,
    });
    let names = |field: &str| -> Vec<&str> {
        request[field].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let wanted = [names("AttributeNames"), names("MessageSystemAttributeNames")].concat();
    let system = [
        ("ApproximateReceiveCount", message.receives.to_string()),
        ("SentTimestamp", message.sent.to_string()),
        ("ApproximateFirstReceiveTimestamp", message.first_received.to_string()),
    ];
    let system = system.into_iter().filter(|(name, _)| wanted.contains(name) || wanted.contains(&"All"));
    let system: Map<_, _> = system.map(|(name, value)| (name.to_owned(), Value::String(value))).collect();
    if !system.is_empty() {
        answer["Attributes"] = system.into();
    }
    let wanted = names("MessageAttributeNames");
    let all = wanted.contains(&"All") || wanted.contains(&".*");
    let own = message.attributes.iter().filter(|(name, _)| all || wanted.contains(&name.as_str()));
    let own: Map<_, _> = own.map(|(name, value)| (name.clone(), value.clone())).collect();
    if !own.is_empty() {
        answer["MD5OfMessageAttributes"] = attributes_md5(&own).into();
        answer["MessageAttributes"] = own.into();
    }
    answer
}

fn send(queue: &mut Queue, entry: &Value) -> Result<Value, Refusal> {
    let body = entry["MessageBody"].as_str().filter(|body| !body.is_empty());
    let body =
        body.ok_or_else(|| Refusal::bad("MissingParameter", "The request must contain the parameter MessageBody."))?;
    if body.contains(|c: char| c < ' ' && !"\t\n\r".contains(c) || c == '\u{fffe}' || c == '\u{ffff}') {
        return Err(Refusal::bad("InvalidMessageContents", "Invalid characters found."));
    }
    let delay = number(entry, "DelaySeconds", 0..=MAX_DELAY)?.unwrap_or(0);
    if queue.url.ends_with(".fifo") {
        in_a_group(entry)?;
    }
    let attributes = attributes(entry)?;
    if bytes(entry) > MAX_BYTES {
        return Err(invalid("MessageBody", "Message must be shorter than 1048576 bytes."));
    }
    let attributes_md5 = (!attributes.is_empty()).then(|| attributes_md5(&attributes));
    let message = Held::new(body, attributes, Duration::from_secs(delay));
    let mut answer = json!({"MessageId": message.id, "MD5OfMessageBody": message.md5});
    if let Some(md5) = attributes_md5 {
        answer["MD5OfMessageAttributes"] = md5.into();
    }
    queue.push(message);
    Ok(answer)
}

/// Source: API_SendMessage, DelaySeconds and MessageGroupId.
fn in_a_group(entry: &Value) -> Result<(), Refusal> {
    if entry["MessageGroupId"].as_str().unwrap_or("").is_empty() {
        let message = "The request must contain the parameter MessageGroupId.";
        return Err(Refusal::bad("MissingParameter", message));
    }
    if !entry["DelaySeconds"].is_null() {
        return Err(invalid("DelaySeconds", "The request include parameter that is not valid for this queue type."));
    }
    Ok(())
}

fn delete(queue: &mut Queue, entry: &Value) -> Result<Value, Refusal> {
    queue.delete(entry["ReceiptHandle"].as_str().unwrap_or(""))?;
    Ok(json!({}))
}

fn change_visibility(queue: &mut Queue, entry: &Value) -> Result<Value, Refusal> {
    let seconds = entry["VisibilityTimeout"].as_u64();
    let seconds =
        seconds.ok_or_else(|| Refusal::bad("MissingParameter", "VisibilityTimeout is missing or no number"))?;
    queue.change_visibility(entry["ReceiptHandle"].as_str().unwrap_or(""), seconds)?;
    Ok(json!({}))
}

/// Each entry by itself; what is wrong with the batch refuses all of it.
fn batch(
    queue: &mut Queue,
    call: &Call,
    one: impl Fn(&mut Queue, &Value) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    let entries = call.json()["Entries"].as_array().map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        return Err(Refusal::bad("EmptyBatchRequest", "There should be at least one entry in the request."));
    }
    if entries.len() > MAX_BATCH {
        let message = format!("Maximum number of entries per request are 10. You have sent {}.", entries.len());
        return Err(Refusal::bad("TooManyEntriesInBatchRequest", message));
    }
    let ids: HashSet<_> = entries.iter().map(|entry| entry["Id"].as_str().unwrap_or("")).collect();
    if ids.len() != entries.len() {
        return Err(Refusal::bad(
            "BatchEntryIdsNotDistinct",
            "Two or more batch entries in the request have the same Id.",
        ));
    }
    let word = |id: &&str| id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if !ids.iter().all(|id| (1..=80).contains(&id.len()) && word(id)) {
        return Err(Refusal::bad("InvalidBatchEntryId", "A batch entry id can only contain 1 to 80 of [A-Za-z0-9_-]."));
    }
    if entries.iter().map(bytes).sum::<usize>() > MAX_BYTES {
        return Err(Refusal::bad("BatchRequestTooLong", "Batch requests cannot be longer than 1048576 bytes."));
    }
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    let taken = call.taken_of_batch.unwrap_or(usize::MAX);
    for (place, entry) in entries.iter().enumerate() {
        if place >= taken {
            failed.push(json!({
                "Id": entry["Id"], "SenderFault": false, "Code": "InternalError", "Message": "Try again later.",
            }));
            continue;
        }
        match one(queue, entry) {
            Ok(mut answer) => {
                answer["Id"] = entry["Id"].clone();
                successful.push(answer);
            }
            Err(refusal) => failed.push(json!({
                "Id": entry["Id"], "SenderFault": true, "Code": refusal.code, "Message": refusal.message,
            })),
        }
    }
    Ok(json!({"Successful": successful, "Failed": failed}))
}

/// Body and attributes (names, types, values), as AWS counts them.
fn bytes(entry: &Value) -> usize {
    let length = |value: &Value| value.as_str().map_or(0, str::len);
    let attributes = entry["MessageAttributes"].as_object().into_iter().flatten();
    let of_attribute = |(name, value): (&String, &Value)| {
        name.len() + length(&value["DataType"]) + length(&value["StringValue"]) + length(&value["BinaryValue"]) / 4 * 3
    };
    length(&entry["MessageBody"]) + attributes.map(of_attribute).sum::<usize>()
}

fn attributes(entry: &Value) -> Result<Map<String, Value>, Refusal> {
    let attributes = entry["MessageAttributes"].as_object().cloned().unwrap_or_default();
    if attributes.len() > MAX_ATTRIBUTES {
        return Err(invalid("MessageAttributes", "Number of message attributes exceeds the allowed maximum [10]."));
    }
    for (name, value) in &attributes {
        let text = value["StringValue"].as_str().filter(|text| !text.is_empty());
        let fits = match value["DataType"].as_str().map(|kind| kind.split('.').next().unwrap_or("")) {
            Some("String") => text.is_some(),
            Some("Number") => text.is_some_and(|text| text.parse::<f64>().is_ok()),
            _ => false,
        };
        if !fits {
            return Err(invalid(
                "MessageAttributes",
                &format!("{name} must be a String or a Number that is not empty."),
            ));
        }
    }
    Ok(attributes)
}

/// The MD5 over name, type and value of each attribute, each after its length; 1 stands for
/// text.
fn attributes_md5(attributes: &Map<String, Value>) -> String {
    let mut sorted: Vec<_> = attributes.iter().collect();
    sorted.sort_by_key(|(name, _)| name.as_str());
    let mut all = Vec::new();
    let part = |all: &mut Vec<u8>, text: &str| {
        all.extend_from_slice(&(text.len() as u32).to_be_bytes());
        all.extend_from_slice(text.as_bytes());
    };
    for (name, value) in sorted {
        part(&mut all, name);
        part(&mut all, value["DataType"].as_str().unwrap_or(""));
        all.push(1);
        part(&mut all, value["StringValue"].as_str().unwrap_or(""));
    }
    md5_hex(&all)
}

fn number(request: &Value, name: &str, range: std::ops::RangeInclusive<u64>) -> Result<Option<u64>, Refusal> {
    let value = &request[name];
    if value.is_null() {
        return Ok(None);
    }
    let number = value.as_u64().filter(|number| range.contains(number));
    number.map(Some).ok_or_else(|| invalid(name, &format!("Must be between {} and {}.", range.start(), range.end())))
}

impl FakeAws {
    /// A queue; messages that were received as often as `redrive` says go to
    /// the queue that it names, at the next receive. Its URL.
    pub fn add_queue(&self, account: &str, name: &str, visibility: Duration, redrive: Option<(u32, &str)>) -> String {
        let url = format!("{}/{account}/{name}", self.endpoint());
        let redrive = redrive.map(|(receives, queue)| (receives, queue.to_owned()));
        self.state().queues.0.insert(name.to_owned(), Queue::new(url.clone(), visibility, redrive));
        url
    }

    /// Lets long polls go on after their clients are gone, and take the messages that come
    /// until their time is up, as SQS is known to do (aws-sdk-js#2350).
    pub fn polls_outlive_clients(&self) {
        self.shared().polls_outlive_clients.store(true, std::sync::atomic::Ordering::Relaxed);
    }

    /// Sends a message; its ID.
    pub fn send_message(&self, queue: &str, body: &str) -> String {
        self.send_messages(queue, &[body]).remove(0)
    }

    /// Sends messages at once, so that one receive brings them all; their IDs.
    pub fn send_messages(&self, queue: &str, bodies: &[&str]) -> Vec<String> {
        let messages: Vec<_> = bodies.iter().map(|body| Held::new(body, Map::new(), Duration::ZERO)).collect();
        let ids = messages.iter().map(|message| message.id.clone()).collect();
        self.with_queue(queue, |queue| messages.into_iter().for_each(|message| queue.push(message)));
        self.shared().changed.notify_waiters();
        ids
    }

    /// All messages of a queue, in the order they were sent.
    pub fn messages(&self, queue: &str) -> Vec<Message> {
        let now = Instant::now();
        self.with_queue(queue, |queue| queue.messages.values().map(|held| Message::of(held, now)).collect())
    }

    /// Makes messages visible, whatever kept them invisible.
    pub fn make_visible(&self, queue: &str, fits: impl Fn(&Message) -> bool) {
        let now = Instant::now();
        self.with_queue(queue, |queue| {
            for held in queue.messages.values_mut().filter(|held| held.visible > now && fits(&Message::of(held, now))) {
                held.visible = now;
            }
        });
        self.shared().changed.notify_waiters();
    }

    /// Returns the numbers of messages in a queue.
    pub fn queue_counts(&self, queue: &str) -> QueueCounts {
        let messages = self.messages(queue);
        let count = |fits: fn(&Message) -> bool| messages.iter().filter(|message| fits(message)).count();
        QueueCounts {
            visible: count(|message| message.invisible_for.is_none()),
            in_flight: count(|message| message.invisible_for.is_some() && message.receives > 0),
            delayed: count(|message| message.invisible_for.is_some() && message.receives == 0),
        }
    }

    /// Returns the number of receives of each message of a queue, by ID, also of deleted ones.
    pub fn receives(&self, queue: &str) -> BTreeMap<String, u32> {
        self.with_queue(queue, |queue| queue.receives.clone())
    }

    /// IDs of the messages that were deleted, in order.
    pub fn deleted(&self, queue: &str) -> Vec<String> {
        self.with_queue(queue, |queue| queue.deleted.clone())
    }

    fn with_queue<T>(&self, name: &str, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(self.state().queues.0.get_mut(name).expect("a queue that was added"))
    }
}
