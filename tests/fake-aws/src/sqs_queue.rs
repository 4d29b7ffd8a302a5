//! One queue: what is visible, in flight, delayed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::call::md5_hex;
use crate::clock;
use crate::reply::Refusal;

/// The longest that a message can be invisible, from its first receive.
pub(crate) const MAX_VISIBILITY: u64 = 43_200;

/// A message that is in a queue.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    pub(crate) id: String,
    pub(crate) body: Arc<str>,
    pub(crate) md5: String,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) sent: i64,
    pub(crate) first_received: i64,
    pub(crate) receives: u32,
    /// The receipt handle of the latest receive.
    pub(crate) handle: Option<String>,
    /// The delay that it was sent with.
    pub(crate) delay: Duration,
    pub(crate) visible: Instant,
}

impl Held {
    pub(crate) fn new(body: &str, attributes: Map<String, Value>, delay: Duration) -> Self {
        Self {
            id: Uuid::new_v4().to_string(),
            body: body.into(),
            md5: md5_hex(body.as_bytes()),
            attributes,
            sent: clock::now(),
            first_received: 0,
            receives: 0,
            handle: None,
            delay,
            visible: Instant::now() + delay,
        }
    }
}

/// A queue.
#[derive(Debug)]
pub(crate) struct Queue {
    pub(crate) url: String,
    pub(crate) visibility: Duration,
    /// A message that was received that often goes to this queue at the next receive.
    pub(crate) redrive: Option<(u32, String)>,
    /// The messages in the order in which they were sent.
    pub(crate) messages: BTreeMap<u64, Held>,
    next: u64,
    /// The number of receives of each message, by ID, also of deleted ones.
    pub(crate) receives: BTreeMap<String, u32>,
    /// IDs of messages that were deleted.
    pub(crate) deleted: Vec<String>,
}

impl Queue {
    pub(crate) fn new(url: String, visibility: Duration, redrive: Option<(u32, String)>) -> Self {
        let (messages, receives) = (BTreeMap::new(), BTreeMap::new());
        Self { url, visibility, redrive, messages, next: 0, receives, deleted: Vec::new() }
    }

    pub(crate) fn push(&mut self, message: Held) {
        self.messages.insert(self.next, message);
        self.next += 1;
    }

    /// Messages that are visible now, at most `most`, invisible from now on for
    /// `visibility`; and those whose receives are used up.
    pub(crate) fn receive(&mut self, most: usize, visibility: Duration) -> (Vec<Held>, Vec<Held>) {
        let now = Instant::now();
        let (mut received, mut dead) = (Vec::new(), Vec::new());
        for (number, message) in &mut self.messages {
            if received.len() == most {
                break;
            }
            if message.visible > now {
                continue;
            }
            if self.redrive.as_ref().is_some_and(|(most, _)| message.receives >= *most) {
                dead.push(*number);
                continue;
            }
            message.receives += 1;
            if message.first_received == 0 {
                message.first_received = clock::now();
            }
            message.handle = Some(format!("fake-{number}-{}", Uuid::new_v4().simple()));
            message.visible = now + visibility;
            *self.receives.entry(message.id.clone()).or_default() += 1;
            received.push(message.clone());
        }
        (received, dead.iter().filter_map(|number| self.messages.remove(number)).collect())
    }

    /// The time at which the next message becomes visible by itself.
    pub(crate) fn next_visible(&self) -> Option<Instant> {
        self.messages.values().map(|message| message.visible).min()
    }

    /// The message of a handle, and whether the handle is of its latest receive.
    /// None: it is gone.
    fn find(&self, handle: &str) -> Result<Option<(u64, bool)>, Refusal> {
        let number = handle.strip_prefix("fake-").and_then(|rest| rest.split_once('-')?.0.parse::<u64>().ok());
        let number = number
            .filter(|number| *number < self.next)
            .ok_or_else(|| Refusal::bad("ReceiptHandleIsInvalid", "The input receipt handle is invalid."))?;
        let found = self.messages.get(&number);
        Ok(found.map(|message| (number, message.handle.as_deref() == Some(handle))))
    }

    /// Deletes a message. As at AWS, an older handle succeeds and deletes nothing.
    pub(crate) fn delete(&mut self, handle: &str) -> Result<(), Refusal> {
        if let Some((number, true)) = self.find(handle)?
            && let Some(message) = self.messages.remove(&number)
        {
            self.deleted.push(message.id);
        }
        Ok(())
    }

    pub(crate) fn change_visibility(&mut self, handle: &str, seconds: u64) -> Result<(), Refusal> {
        if seconds > MAX_VISIBILITY {
            return Err(invalid("VisibilityTimeout", "Must be between 0 and 43200."));
        }
        let Some((number, true)) = self.find(handle)? else {
            let reason = "Message does not exist or is not available for visibility timeout change.";
            return Err(invalid("ReceiptHandle", reason));
        };
        let message = self.messages.get_mut(&number).expect("it was found");
        if message.visible <= Instant::now() {
            return Err(Refusal::bad("MessageNotInflight", "The specified message isn't in flight."));
        }
        if clock::now() + (seconds * 1000) as i64 > message.first_received + (MAX_VISIBILITY * 1000) as i64 {
            let reason = "Total VisibilityTimeout for the message is beyond the limit [43200 seconds].";
            return Err(invalid("VisibilityTimeout", reason));
        }
        message.visible = Instant::now() + Duration::from_secs(seconds);
        Ok(())
    }
}

pub(crate) fn invalid(parameter: &str, reason: &str) -> Refusal {
    Refusal::bad("InvalidParameterValue", format!("Value for parameter {parameter} is invalid. Reason: {reason}"))
}
