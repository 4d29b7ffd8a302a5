//! What is left to do of a message, and what is to become of it: how long it waits, what
//! counts as a retry, when it has waited long enough.

use std::time::Duration;

use serde_json::{Value, json};

use super::memory::Key;
use super::{Message, delivery};
use crate::aws::OutgoingMessage;
use crate::notification::{self, Only, Resume, bounded};

/// Times that a delivery is tried again without having come further: the reference's 3.
pub(super) const MOST_RETRIES: u32 = 3;

/// As long as SQS can hold a message back.
const LONGEST_DELAY: Duration = Duration::from_secs(900);

/// Bytes of a message's body that SQS takes, but for its attributes.
/// Source: SQS quotas, 1,048,576 bytes a message.
pub(super) const MOST_BODY: usize = 1_048_576 - 1024;

/// A record is sent back as it came, up to so many bytes; of a larger one what names the
/// object and its state.
const MOST_RECORD: usize = 128 * 1024;

/// Why something is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cause {
    /// It was tried, and failed.
    Failed,
    /// It was begun, and stopped before its end.
    Stopped,
    /// Nothing was tried.
    Waits(Waits),
    /// All is done of it that can be, and it is only there to fail (DEAD_LETTER=fail).
    Refused,
}

/// What something waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Waits {
    /// Its destination's circuit breaker.
    Breaker,
    /// Its component's.
    Suspension,
    /// Its turn, which didn't come before the end.
    Turn,
    /// The operator, who is to mend the tenant's item.
    Item,
}

/// Something that is left to do, a delivery of an object as a rule, and all that its next
/// attempt needs.
#[derive(Debug, Clone)]
pub(super) struct Left {
    /// The S3 record that announced the object; or a list of such as announce none.
    pub(super) record: Value,
    /// How far it came. `retry_count` is that of the attempt which ended.
    pub(super) resume: Resume,
    /// Why.
    pub(super) cause: Cause,
    /// It came further than the attempt before: that is no retry.
    pub(super) progress: bool,
    /// Not to be tried before that.
    pub(super) wait: Duration,
    /// Why, in words.
    pub(super) error: String,
    /// Nothing is left to do but to fail, as a whole and for good.
    pub(super) fails: bool,
    /// What it is remembered by.
    pub(super) key: Option<Key>,
}

impl Left {
    /// After an attempt that failed.
    pub(super) fn failed(record: Value, resume: Resume, error: String) -> Self {
        Self {
            record,
            resume,
            cause: Cause::Failed,
            progress: false,
            wait: Duration::ZERO,
            error,
            fails: false,
            key: None,
        }
    }

    /// After nothing was tried: it waits for this, not less than `wait`.
    #[must_use]
    pub(super) fn waits(self, what: Waits, wait: Duration) -> Self {
        Self { cause: Cause::Waits(what), wait, ..self }
    }

    /// `retry_count` of the next attempt: only attempts that came no further count.
    pub(super) fn retries(&self) -> u32 {
        let attempt = matches!(self.cause, Cause::Failed | Cause::Stopped) && !self.progress;
        self.resume.retry_count.saturating_add(u32::from(attempt))
    }

    /// Since when it fails or waits without having come further.
    fn failing_since(&self, now: i64) -> Option<i64> {
        let before = self.resume.first_failed_at.map(|at| at.min(now));
        match (self.cause, self.progress) {
            (Cause::Stopped, true) => None,
            (Cause::Failed, true) => Some(now),
            (Cause::Waits(Waits::Turn) | Cause::Refused, _) => before,
            _ => before.or(Some(now)),
        }
    }

    /// What its next attempt is to know. `now`: milliseconds since the Unix epoch.
    pub(super) fn next(&self, now: i64) -> Resume {
        let last_error = match self.cause {
            Cause::Failed | Cause::Stopped if !self.error.is_empty() => Some(bounded(&self.error)),
            _ => self.resume.last_error.clone(),
        };
        Resume {
            retry_count: self.retries(),
            first_failed_at: self.failing_since(now),
            last_error,
            ..self.resume.clone()
        }
    }

    /// Why it is not to be tried again by itself, if so: its retries are spent, or it has
    /// failed or waited for `window`.
    pub(super) fn spent(&self, now: i64, window: Duration) -> Option<String> {
        let age = self.age(now);
        match self.cause {
            Cause::Failed | Cause::Stopped if self.retries() > MOST_RETRIES => {
                Some(format!("after {MOST_RETRIES} retries: {}", self.error))
            }
            Cause::Stopped | Cause::Refused | Cause::Waits(Waits::Turn) => None,
            Cause::Failed if self.progress => None,
            Cause::Failed | Cause::Waits(_) if age >= window => {
                let last = match self.cause {
                    Cause::Failed => None,
                    _ => self.resume.last_error.as_deref(),
                };
                let minutes = age.as_secs() / 60;
                let last = last.unwrap_or(&self.error);
                Some(format!("after {minutes} minutes of failing or waiting, more than RETRY_WINDOW: {last}"))
            }
            Cause::Failed | Cause::Waits(_) => None,
        }
    }

    /// For how long it fails or waits.
    fn age(&self, now: i64) -> Duration {
        let since = self.failing_since(now).unwrap_or(now);
        Duration::from_millis(u64::try_from(now.saturating_sub(since)).unwrap_or_default())
    }

    /// Until the next attempt, in whole seconds: as the reference's, or as long as nothing
    /// is let through; none where it was only stopped.
    pub(super) fn delay(&self) -> Duration {
        let delay = match self.cause {
            Cause::Stopped | Cause::Refused | Cause::Waits(Waits::Turn) => Duration::ZERO,
            // The probe is taken soon after the time is over, and not before.
            Cause::Waits(Waits::Breaker | Waits::Suspension | Waits::Item) => self.wait.max(Duration::from_secs(1)),
            Cause::Failed => {
                let backoff = 2_u64.saturating_pow(self.resume.retry_count.saturating_add(1));
                self.wait.max(Duration::from_secs(backoff))
            }
        };
        let delay = delay.min(LONGEST_DELAY);
        Duration::from_secs(delay.as_secs() + u64::from(delay.subsec_nanos() > 0))
    }

    /// As logs and metrics name the cause.
    pub(super) fn why(&self) -> &'static str {
        match self.cause {
            Cause::Failed => "failed",
            Cause::Refused => "refused",
            Cause::Stopped | Cause::Waits(Waits::Turn) => "interrupted",
            Cause::Waits(Waits::Breaker) => "breaker",
            Cause::Waits(Waits::Suspension) => "suspended",
            Cause::Waits(Waits::Item) => "item",
        }
    }

    /// The message that it goes back in.
    ///
    /// # Errors
    /// It is larger than SQS takes.
    pub(super) fn outgoing(&self, message: &Message, now: i64) -> Result<OutgoingMessage, String> {
        let resume = self.next(now);
        let numbers = vec![("ProcessingOffset", resume.offset), ("RetryCount", u64::from(resume.retry_count))];
        let body = notification::requeue(&small(&self.record), &resume, &message.receipt_handle, now);
        if body.len() > MOST_BODY {
            return Err(format!("its record makes a message of {} bytes, and SQS takes {MOST_BODY}", body.len()));
        }
        let delay_seconds = u32::try_from(self.delay().as_secs()).unwrap_or(u32::MAX);
        Ok(OutgoingMessage { body, delay_seconds, numbers })
    }

    /// What it is about, as logs name it; none: all that the record announces.
    pub(super) fn only(&self) -> Option<&str> {
        self.resume.only.name()
    }
}

impl super::object::Work<'_> {
    /// What is left when nothing new was settled; `delivery`: of the item of this type.
    pub(super) fn left(&self, delivery: Option<&str>, error: String) -> Left {
        let mut resume = self.resume.cloned().unwrap_or_default();
        if let Some(kind) = delivery {
            resume.only = Only::of_item(kind);
        }
        let key = super::memory::key(self, "*", resume.only.name().unwrap_or("*"));
        Left { key: Some(key), ..Left::failed(self.announced.record.clone(), resume, error) }
    }
}

/// A record, or of a large one what the next attempt needs.
fn small(record: &Value) -> Value {
    // A list is as large as its message was.
    if record.is_array() || record.to_string().len() <= MOST_RECORD {
        return record.clone();
    }
    let of = |value: &Value, fields: &[&str]| -> Value {
        let kept = fields.iter().filter_map(|field| Some(((*field).to_owned(), value.get(field)?.clone())));
        Value::Object(kept.collect())
    };
    let at = |path| record.pointer(path).cloned().unwrap_or_default();
    let mut small = of(record, &["eventVersion", "eventSource", "awsRegion", "eventTime", "eventName"]);
    let object = of(&at("/s3/object"), &["key", "size", "eTag", "versionId", "sequencer"]);
    if let Some(small) = small.as_object_mut() {
        small.insert("s3".to_owned(), json!({ "bucket": of(&at("/s3/bucket"), &["name"]), "object": object }));
    }
    small
}

/// Now, in milliseconds since the Unix epoch.
pub(super) fn now() -> i64 {
    delivery::now()
}

#[cfg(test)]
#[path = "left_tests.rs"]
mod tests;
