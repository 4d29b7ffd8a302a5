//! One delivery of one object, as the report has it.

use serde::{Serialize, Serializer};

use super::component;
use super::entry_counts::{EntryCounts, by_reason};
use super::outcome::{Cause, Outcome};
use crate::pipeline::{ComponentRun, Delivered, End, ShadowRun};
use model::{DestinationKind, Failure, FailureKind, Fault, ObjectId, Reason};

/// One delivery of one object, or an object that has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// The tenant, where the key names one.
    pub tenant: Option<String>,
    /// The delivery; `None` if the object has none.
    #[serde(serialize_with = "delivery_name")]
    pub delivery: Option<DestinationKind>,
    /// How the delivery ended.
    pub outcome: Outcome,
    /// The cause of the outcome, if the outcome needs one.
    pub reason: Option<Cause>,
    /// The cause in words, with the remedy.
    pub error: Option<String>,
    /// Whose failure it is, if that is known.
    #[serde(skip)]
    pub fault: Option<Fault>,
    /// Line and event counts.
    #[serde(flatten)]
    pub counts: EntryCounts,
    /// Events that an earlier run had delivered.
    pub resumed_from_event: u64,
    /// Lines that its guests logged.
    pub guest_log_lines: u64,
    /// The work of the tenant's component, if there is one.
    #[serde(serialize_with = "component::component")]
    pub component: Option<ComponentRun>,
    /// The differences of the shadow, if there is one.
    #[serde(serialize_with = "component::shadow")]
    pub shadow: Option<ShadowRun>,
    /// Milliseconds of wall-clock time.
    pub milliseconds: u64,
    /// Warnings about the object.
    pub warnings: Vec<String>,
    /// The output's path below the output folder.
    #[serde(skip)]
    pub output: String,
}

/// For serde: a delivery, by name.
fn delivery_name<S: Serializer>(delivery: &Option<DestinationKind>, to: S) -> Result<S::Ok, S::Error> {
    delivery.map(DestinationKind::name).serialize(to)
}

impl Entry {
    /// An entry without numbers.
    pub fn new(object: &ObjectId, tenant: Option<&str>, delivery: Option<DestinationKind>, outcome: Outcome) -> Self {
        Self {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            tenant: tenant.map(str::to_owned),
            delivery,
            outcome,
            reason: None,
            error: None,
            fault: None,
            counts: EntryCounts::default(),
            resumed_from_event: 0,
            guest_log_lines: 0,
            component: None,
            shadow: None,
            milliseconds: 0,
            warnings: Vec::new(),
            output: String::new(),
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_reason(mut self, reason: impl Into<Cause>, error: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self.error = Some(error.into());
        self
    }

    /// A call had no answer that says what it did.
    #[must_use]
    pub fn with_effect_unknown(mut self) -> Self {
        self.warnings.push(EFFECT_UNKNOWN.to_owned());
        self
    }

    /// Marks the delivery as failed, to be tried again.
    #[must_use]
    pub fn failed(self, failure: &Failure) -> Self {
        let entry = Self { outcome: Outcome::Failed, fault: Some(failure.fault), ..self };
        let entry = entry.with_reason(failure.kind, failure.to_string());
        if failure.effect_unknown { entry.with_effect_unknown() } else { entry }
    }

    /// The kind of failure, if the delivery failed.
    pub fn failure(&self) -> Option<FailureKind> {
        match (self.outcome, self.reason) {
            (Outcome::Failed, Some(Cause::Failed(kind))) => Some(kind),
            _ => None,
        }
    }

    /// Whether the object turned out to be another than the announced one.
    pub fn has_changed(&self) -> bool {
        (self.outcome, self.reason) == (Outcome::Ignored, Some(Cause::Refused(Reason::Changed)))
    }

    /// Sets whose failure it is.
    #[must_use]
    pub fn fault(mut self, fault: Fault) -> Self {
        self.fault = Some(fault);
        self
    }

    /// Counts a failure of its component's, which may have none of its own yet.
    pub fn component_failed(&mut self, digest: &str, kind: FailureKind) {
        let none = || ComponentRun { digest: digest.to_owned(), ..ComponentRun::default() };
        self.component.get_or_insert_with(none).failures.add(kind, 1);
    }

    /// Adds the result of the delivery.
    #[must_use]
    pub fn with(mut self, delivered: Delivered) -> Self {
        self.counts = EntryCounts {
            events: delivered.events,
            batches: delivered.batches,
            bytes: delivered.bytes,
            bytes_read: delivered.read_bytes,
            ..EntryCounts::new(delivered.lines)
        };
        self.guest_log_lines = delivered.guest_log.lines;
        (self.component, self.shadow) = (delivered.component, delivered.shadow);
        self.warnings = delivered.warnings;
        if delivered.effect_unknown {
            self = self.with_effect_unknown();
        }
        self.outcome = match delivered.end {
            End::Complete => return self.complete(),
            End::Interrupted => Outcome::Interrupted,
            End::Rejected(reason) => {
                self = self.with_reason(reason, cut_short(reason));
                if self.counts.has_deliveries() { Outcome::Partial } else { Outcome::Rejected }
            }
            // Whether its effect is unknown is said above.
            End::Failed(failure) => return self.failed(&failure.with_effect_unknown(false)),
        };
        self
    }

    /// Every line has its outcome; whether that is a delivery of all of them is another
    /// matter. The reason is that of most lines.
    fn complete(self) -> Self {
        let refused = self.counts.refused();
        let Some(reason) = refused.most() else {
            return Self { outcome: Outcome::Delivered, ..self };
        };
        let outcome = if self.counts.has_deliveries() { Outcome::Partial } else { Outcome::Rejected };
        let words = format!("lines that can never be delivered: {}", by_reason(&refused));
        Self { outcome, ..self.with_reason(reason, words) }
    }
}

/// Added to the error of a put whose answer doesn't say what it did.
const EFFECT_UNKNOWN: &str = "a put had no answer that says what it did, and its effect is unknown: what it held may \
                              arrive twice";

/// Why an object couldn't be taken as a whole, in words.
fn cut_short(reason: Reason) -> &'static str {
    match reason {
        Reason::Damaged => "the gzip stream is damaged or cut short; what comes before is delivered, the rest can't be",
        Reason::ObjectTooLarge => {
            "the object is larger than MAX_OBJECT_BYTES; what fits is delivered, the rest can't be"
        }
        Reason::LineTooLong => "a line of it has no end; what comes before is delivered, the rest can't be",
        Reason::Malformed => "no line of it is a record",
        _ => "the guest rejected it; what came before is delivered, the rest can't be",
    }
}
