//! What a run did: one entry per object and delivery, the totals, and a table by tenant.
//!
//! - `component`: what components did.
//! - `table`: for a person to read.

mod component;
mod table;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use crate::pipeline::{ComponentRun, Delivered, End, Lines, ShadowRun};
use model::{Counts, Failure, FailureKind, Fault, Named, ObjectId, Reason, named};

/// How an object's delivery ended, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// All of it is delivered, but for what the delivery doesn't want.
    Delivered,
    /// Some of it is delivered; the rest never can be.
    Partial,
    /// Nothing of it is delivered, or ever can be.
    Rejected,
    /// The delivery doesn't want it.
    Filtered,
    /// Nobody wants it: no such tenant, or none enabled.
    Ignored,
    /// An earlier run delivered it.
    AlreadyDelivered,
    /// To be tried again.
    Failed,
    /// Stopped by request; a later run goes on.
    Interrupted,
}

impl Outcome {
    /// The name in reports, logs and metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Partial => "partial",
            Self::Rejected => "rejected",
            Self::Filtered => "filtered",
            Self::Ignored => "ignored",
            Self::AlreadyDelivered => "already-delivered",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether something is left to do.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Failed | Self::Interrupted)
    }
}

/// Why an entry has its outcome.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Something of it can never be delivered.
    Refused(Reason),
    /// Something failed, and is tried again.
    Failed(FailureKind),
    /// Nobody wants it.
    Unwanted(Unwanted),
    /// It was stopped by request.
    Interrupted,
}

impl Cause {
    /// The name in reports, logs and metrics: a bounded set.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused(reason) => reason.name(),
            Self::Failed(kind) => kind.name(),
            Self::Unwanted(why) => why.name(),
            Self::Interrupted => "interrupted",
        }
    }
}

impl Serialize for Cause {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.name())
    }
}

impl From<Reason> for Cause {
    fn from(reason: Reason) -> Self {
        Self::Refused(reason)
    }
}

impl From<FailureKind> for Cause {
    fn from(kind: FailureKind) -> Self {
        Self::Failed(kind)
    }
}

impl From<Unwanted> for Cause {
    fn from(why: Unwanted) -> Self {
        Self::Unwanted(why)
    }
}

named! {
    /// Why nobody wants an object.
    pub enum Unwanted {
        /// The directory has no item of the tenant.
        UnknownTenant = "unknown-tenant",
        /// No delivery of the tenant is enabled.
        NoneEnabled = "none-enabled",
        /// What the directory has of the tenant has expired (`ttl`).
        Expired = "expired",
    }
}

/// Numbers of an entry, or of all. Lines: `lines_seen` is the sum of `blank`,
/// `delivered`, `filtered`, `malformed`, all of `dead_lettered`, and `left`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Numbers {
    /// Lines of the object, blank ones included.
    pub lines_seen: u64,
    /// Nothing but white space.
    pub blank: u64,
    /// Lines that are delivered.
    pub delivered: u64,
    /// Lines that the guest dropped, `empty` ones included.
    pub filtered: u64,
    /// Of `filtered`: lines whose message is empty.
    pub empty: u64,
    /// Lines that are no record.
    pub malformed: u64,
    /// Lines that can never be delivered, by reason.
    #[serde(serialize_with = "by_name")]
    pub dead_lettered: Counts<Reason>,
    /// Lines that are left for another attempt.
    pub left: u64,
    /// Events that were put.
    pub events: u64,
    /// Puts.
    pub batches: u64,
    /// Bytes of the messages put, or of the object written.
    pub bytes: u64,
    /// Bytes read, decompressed; 0 for a plain copy.
    pub bytes_read: u64,
}

impl Numbers {
    fn new(lines: Lines) -> Self {
        Self {
            lines_seen: lines.seen,
            blank: lines.blank,
            delivered: lines.delivered,
            filtered: lines.filtered,
            empty: lines.empty,
            malformed: lines.malformed,
            // Of an object that broke off between two lines no line is lost: that counts for nothing.
            dead_lettered: lines.dead_lettered.into_iter().collect(),
            left: lines.left,
            ..Self::default()
        }
    }

    fn add(&mut self, other: &Self) {
        let Self {
            lines_seen,
            blank,
            delivered,
            filtered,
            empty,
            malformed,
            left,
            events,
            batches,
            bytes,
            bytes_read,
            ..
        } = self;
        for (sum, more) in [
            (lines_seen, other.lines_seen),
            (blank, other.blank),
            (delivered, other.delivered),
            (filtered, other.filtered),
            (empty, other.empty),
            (malformed, other.malformed),
            (left, other.left),
            (events, other.events),
            (batches, other.batches),
            (bytes, other.bytes),
            (bytes_read, other.bytes_read),
        ] {
            *sum += more;
        }
        self.dead_lettered.add_all(&other.dead_lettered);
    }

    fn dead(&self) -> u64 {
        self.dead_lettered.sum()
    }

    /// Lines that can never be delivered, by reason, malformed ones included. What is
    /// blank, empty or filtered is no loss.
    pub fn refused(&self) -> Counts<Reason> {
        let mut refused = self.dead_lettered.clone();
        refused.add(Reason::Malformed, self.malformed);
        refused
    }

    /// Whether anything of it arrived: of an array of records, which is one line, some may
    /// have, though the line as a whole has not.
    fn some(&self) -> bool {
        self.delivered > 0 || self.events > 0
    }
}

/// Numbers by reason, in a line: `too-old 2, malformed 1`.
pub fn by_reason(refused: &Counts<Reason>) -> String {
    refused.by_name().map(|(reason, count)| format!("{reason} {count}")).collect::<Vec<_>>().join(", ")
}

/// For serde: counts, by name.
fn by_name<K: Named, S: Serializer>(counts: &Counts<K>, to: S) -> Result<S::Ok, S::Error> {
    to.collect_map(counts.by_name())
}

/// One delivery of one object, or an object that has none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Bucket.
    pub bucket: String,
    /// Key.
    pub key: String,
    /// The tenant, where the key names one.
    pub tenant: Option<String>,
    /// `cloudwatch` or `s3`; none where the object has no delivery.
    pub delivery: Option<&'static str>,
    /// How it ended.
    pub outcome: Outcome,
    /// Why, where `outcome` asks for it.
    pub reason: Option<Cause>,
    /// Why, in words, with the remedy.
    pub error: Option<String>,
    /// Whose failure it is, where that is known.
    #[serde(skip)]
    pub fault: Option<Fault>,
    /// Its numbers.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// Events that an earlier run had delivered.
    pub resumed_from_event: u64,
    /// Lines that its guests logged.
    pub guest_log_lines: u64,
    /// What the tenant's component did, where there is one.
    #[serde(serialize_with = "component::component")]
    pub component: Option<ComponentRun>,
    /// How its shadow differs, where there is one.
    #[serde(serialize_with = "component::shadow")]
    pub shadow: Option<ShadowRun>,
    /// Milliseconds of wall-clock time.
    pub milliseconds: u64,
    /// What is odd about the object.
    pub warnings: Vec<String>,
    /// Where its output lies, below the output folder.
    #[serde(skip)]
    pub output: String,
}

impl Entry {
    /// An entry without numbers.
    pub fn new(object: &ObjectId, tenant: Option<&str>, delivery: Option<&'static str>, outcome: Outcome) -> Self {
        Self {
            bucket: object.bucket.clone(),
            key: object.key.clone(),
            tenant: tenant.map(str::to_owned),
            delivery,
            outcome,
            reason: None,
            error: None,
            fault: None,
            numbers: Numbers::default(),
            resumed_from_event: 0,
            guest_log_lines: 0,
            component: None,
            shadow: None,
            milliseconds: 0,
            warnings: Vec::new(),
            output: String::new(),
        }
    }

    /// With why.
    #[must_use]
    pub fn because(mut self, reason: impl Into<Cause>, error: impl Into<String>) -> Self {
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

    /// That failed: to be tried again.
    #[must_use]
    pub fn failed(self, failure: &Failure) -> Self {
        let entry = Self { outcome: Outcome::Failed, fault: Some(failure.fault), ..self };
        let entry = entry.because(failure.kind, failure.to_string());
        if failure.effect_unknown { entry.with_effect_unknown() } else { entry }
    }

    /// What failed, if it did.
    pub fn failure(&self) -> Option<FailureKind> {
        match (self.outcome, self.reason) {
            (Outcome::Failed, Some(Cause::Failed(kind))) => Some(kind),
            _ => None,
        }
    }

    /// Whether its object turned out to be another than the one that was announced.
    pub fn has_changed(&self) -> bool {
        (self.outcome, self.reason) == (Outcome::Ignored, Some(Cause::Refused(Reason::Changed)))
    }

    /// Whose failure it is.
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

    /// With what came of it.
    #[must_use]
    pub fn with(mut self, delivered: Delivered) -> Self {
        self.numbers = Numbers {
            events: delivered.events,
            batches: delivered.batches,
            bytes: delivered.bytes,
            bytes_read: delivered.read_bytes,
            ..Numbers::new(delivered.lines)
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
                self = self.because(reason, cut_short(reason));
                if self.numbers.some() { Outcome::Partial } else { Outcome::Rejected }
            }
            // Whether its effect is unknown is said above.
            End::Failed(failure) => return self.failed(&failure.with_effect_unknown(false)),
        };
        self
    }

    /// Every line has its outcome; whether that is a delivery of all of them is another
    /// matter. The reason is that of most lines.
    fn complete(self) -> Self {
        let refused = self.numbers.refused();
        let Some(reason) = refused.most() else {
            return Self { outcome: Outcome::Delivered, ..self };
        };
        let outcome = if self.numbers.some() { Outcome::Partial } else { Outcome::Rejected };
        let words = format!("lines that can never be delivered: {}", by_reason(&refused));
        Self { outcome, ..self.because(reason, words) }
    }
}

/// All of a run.
#[derive(Debug, Serialize)]
pub struct Report {
    /// By bucket, key and delivery.
    pub entries: Vec<Entry>,
    /// Their sums.
    pub totals: Totals,
}

/// Sums over all entries.
#[derive(Debug, Default, Serialize)]
pub struct Totals {
    /// Objects, each once.
    pub objects: u64,
    /// Entries by outcome.
    pub outcomes: BTreeMap<Outcome, u64>,
    /// Sums of all numbers.
    #[serde(flatten)]
    pub numbers: Numbers,
    /// Milliseconds of wall-clock time of the run.
    pub milliseconds: u64,
}

impl Report {
    /// Sorts the entries and sums them up.
    pub fn new(mut entries: Vec<Entry>, milliseconds: u64) -> Self {
        entries.sort_by(|a, b| (&a.bucket, &a.key, a.delivery).cmp(&(&b.bucket, &b.key, b.delivery)));
        let mut totals = Totals { milliseconds, ..Totals::default() };
        let objects: BTreeSet<_> = entries.iter().map(|entry| (&entry.bucket, &entry.key)).collect();
        totals.objects = objects.len() as u64;
        for entry in &entries {
            *totals.outcomes.entry(entry.outcome).or_default() += 1;
            totals.numbers.add(&entry.numbers);
        }
        Self { entries, totals }
    }

    /// Whether something is left to do.
    pub fn is_open(&self) -> bool {
        self.entries.iter().any(|entry| entry.outcome.is_open())
    }

    /// A sentence a tenant whose objects nobody wants.
    pub fn ignored(&self) -> Vec<String> {
        let mut tenants: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        for entry in self.entries.iter().filter(|entry| entry.outcome == Outcome::Ignored) {
            let (tenant, why) = (entry.tenant.as_deref(), entry.error.as_deref());
            *tenants.entry((tenant.unwrap_or_default(), why.unwrap_or_default())).or_default() += 1;
        }
        tenants
            .into_iter()
            .map(|((tenant, why), count)| format!("tenant {tenant:?}: {why}; objects ignored: {count}"))
            .collect()
    }

    /// A sentence a tenant, delivery and component, where there is something to say.
    pub fn components(&self) -> Vec<String> {
        component::sentences(&self.entries)
    }
}

/// Of a put that got no answer, or none that says what was done.
const EFFECT_UNKNOWN: &str = "a put had no answer that says what it did, and its effect is unknown: what it held may \
                              arrive twice";

/// Why an object could not be taken as a whole.
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

#[cfg(test)]
#[path = "report_tests.rs"]
mod tests;
