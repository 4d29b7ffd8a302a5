//! The context that a guest is given.

use model::{Delivery, ObjectId, Origin, TimestampNumbers};
use serde::{Deserialize, Serialize};

/// The context of a guest's work: object, delivery, settings.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Origin of the object, as its key says.
    pub origin: &'a Origin,
    /// Delivery that the object is processed for.
    pub delivery: &'a Delivery,
    /// Bucket and key.
    pub object: &'a ObjectId,
    /// Settings that the tenant gives its component.
    pub settings: &'a [(String, String)],
    /// Time, in milliseconds since the Unix epoch: the guest's only clock.
    pub now: i64,
    /// Time at which the object was modified last, in milliseconds since the Unix epoch.
    pub last_modified: i64,
    /// Most bytes of a line (MAX_LINE_BYTES).
    pub max_line_bytes: usize,
    /// How numbers are read as timestamps (TIMESTAMP_NUMBERS).
    pub timestamp_numbers: TimestampNumbers,
}

/// The context as it crosses to a guest, or to the worker that runs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextData {
    /// Origin of the object.
    pub origin: Origin,
    /// The delivery's name: `cloudwatch` or `s3`.
    pub delivery: String,
    /// The kind of its destination.
    pub destination: String,
    /// Applications whose logs the delivery wants.
    pub desired_logs: Vec<String>,
    /// Groups of applications whose logs it wants.
    pub groups: Vec<String>,
    /// The object's bucket.
    pub bucket: String,
    /// The object's key.
    pub key: String,
    /// Settings that the tenant gives its component.
    pub settings: Vec<(String, String)>,
    /// Time, in milliseconds since the Unix epoch.
    pub now: i64,
    /// Time at which the object was modified last, in milliseconds since the Unix epoch.
    pub last_modified: i64,
    /// Most bytes of a line.
    pub max_line_bytes: u64,
    /// More settings of the operator's, by name.
    pub more: Vec<(String, String)>,
}

impl From<&Context<'_>> for ContextData {
    fn from(context: &Context<'_>) -> Self {
        let Context { origin, delivery, object, settings, now, last_modified, max_line_bytes, timestamp_numbers } =
            *context;
        Self {
            origin: origin.clone(),
            delivery: delivery.id().name().to_owned(),
            destination: delivery.destination.kind().name().to_owned(),
            desired_logs: delivery.desired_logs.clone(),
            groups: delivery.groups.clone(),
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            settings: settings.to_vec(),
            now,
            last_modified,
            max_line_bytes: u64::try_from(max_line_bytes).unwrap_or(u64::MAX),
            more: timestamp_numbers.context_entry().into_iter().collect(),
        }
    }
}
