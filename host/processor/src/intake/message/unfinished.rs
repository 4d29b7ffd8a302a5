//! What is left to do of a message, and what is to become of it: how long it waits, what
//! counts as a retry, when it has waited long enough.

use std::time::Duration;

use model::{FailureKind, GuestErrorKind};
use serde_json::{Value, json};

use super::deduplication::DedupKey;
use super::message_types::Message;
use crate::aws::OutgoingMessage;
use crate::notification::{self, Resume, truncate_error};
use crate::plugin::PlanError;

/// Times that a delivery is tried again without having come further: the reference's 3.
pub(super) const MAX_RETRIES: u32 = 3;

/// As long as SQS can hold a message back.
const MAX_DELAY: Duration = Duration::from_secs(900);

/// Bytes of a message's body that SQS takes, but for its attributes.
/// Source: SQS quotas, 1,048,576 bytes a message.
pub(super) const MAX_BODY_BYTES: usize = 1_048_576 - 1024;

/// A record is sent back as it came, up to so many bytes; of a larger one what names the
/// object and its state.
const MAX_RECORD_BYTES: usize = 128 * 1024;

/// How long a delivery waits whose item somebody must mend, before it is looked at again.
const INVALID_ITEM_DELAY: Duration = Duration::from_secs(300);

/// How long a delivery waits that the host had no room for: others are to end meanwhile.
const NO_ROOM_DELAY: Duration = Duration::from_secs(10);

/// How it is with something that is left: why, and so what its next attempt is to know,
/// when it comes, and whether it comes at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DeliveryState {
    /// It was tried, came no further than the attempt before, and failed.
    Failed {
        /// Not to be tried before that: the failure opened a circuit breaker.
        retry_after: Duration,
    },
    /// It was tried, came further than the attempt before, and failed.
    FailedWithProgress {
        /// As of [`DeliveryState::Failed`].
        retry_after: Duration,
    },
    /// It was begun, and stopped before it came any further.
    Stopped,
    /// It was begun, came further than the attempt before, and was stopped.
    StoppedWithProgress,
    /// The host had no room for it, memory for one: nobody else's fault, however often.
    NoRoom,
    /// It was not begun: its turn didn't come before the end.
    NotStarted,
    /// It was not tried: the circuit breaker of its destination is open.
    BreakerOpen {
        /// Until it is half-open.
        retry_after: Duration,
    },
    /// It was not tried: its component is suspended.
    Suspended {
        /// Until it is tried again.
        retry_after: Duration,
    },
    /// It was not tried: the operator is to mend the tenant's item.
    InvalidItem,
    /// All of it is done that can be; a message of its own is to fail for what was refused
    /// (DEAD_LETTER=fail).
    Refused,
    /// It is that message: nothing is left to do but to fail, as a whole and for good.
    MustFail,
}

impl DeliveryState {
    /// After an attempt that failed in this way, if the host was the cause.
    pub(super) fn of_host(failure: Option<FailureKind>) -> Option<Self> {
        (failure == Some(FailureKind::Guest(GuestErrorKind::Host))).then_some(Self::NoRoom)
    }

    /// After an attempt that ended as failed or, if not, as interrupted.
    pub(super) fn after_attempt(failed: bool, progressed: bool, retry_after: Duration) -> Self {
        match (failed, progressed) {
            (true, false) => Self::Failed { retry_after },
            (true, true) => Self::FailedWithProgress { retry_after },
            (false, false) => Self::Stopped,
            (false, true) => Self::StoppedWithProgress,
        }
    }

    /// An attempt that failed at once.
    pub(super) const FAILED: Self = Self::Failed { retry_after: Duration::ZERO };

    /// After its component was asked for in vain.
    pub(super) fn of_plan(error: &PlanError) -> Self {
        let retry_after = error.wait;
        if error.is_suspended() { Self::Suspended { retry_after } } else { Self::Failed { retry_after } }
    }

    /// Whether it came further than the attempt before.
    pub(super) fn made_progress(self) -> bool {
        matches!(self, Self::FailedWithProgress { .. } | Self::StoppedWithProgress)
    }

    /// Whether it was tried, and has something left to do.
    fn was_tried(self) -> bool {
        matches!(
            self,
            Self::Failed { .. } | Self::FailedWithProgress { .. } | Self::Stopped | Self::StoppedWithProgress
        )
    }

    /// Whether what is left of it is only there to fail.
    pub(super) fn is_refused(self) -> bool {
        matches!(self, Self::Refused | Self::MustFail)
    }

    /// The name in logs and metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Failed { .. } | Self::FailedWithProgress { .. } => "failed",
            Self::Stopped | Self::StoppedWithProgress | Self::NotStarted => "interrupted",
            Self::NoRoom => "host",
            Self::BreakerOpen { .. } => "breaker",
            Self::Suspended { .. } => "suspended",
            Self::InvalidItem => "item",
            Self::Refused | Self::MustFail => "refused",
        }
    }
}

/// Something that is left to do, a delivery of an object as a rule, and all that its next
/// attempt needs.
#[derive(Debug, Clone)]
pub(super) struct UnfinishedDelivery {
    /// The S3 record that announced the object; or a list of such as announce none.
    pub(super) record: Value,
    /// How far it came. `retry_count` is that of the attempt which ended.
    pub(super) resume: Resume,
    /// How it is with it.
    pub(super) state: DeliveryState,
    /// Why, in words.
    pub(super) error: String,
    /// What it is remembered by.
    pub(super) key: Option<DedupKey>,
}

impl UnfinishedDelivery {
    /// `retry_count` of the next attempt: only attempts that came no further count.
    pub(super) fn retries(&self) -> u32 {
        let counts = self.state.was_tried() && !self.state.made_progress();
        self.resume.retry_count.saturating_add(u32::from(counts))
    }

    /// Since when it fails or waits without having come further.
    fn failing_since(&self, now: i64) -> Option<i64> {
        let before = self.resume.first_failed_at.map(|at| at.min(now));
        match self.state {
            DeliveryState::StoppedWithProgress => None,
            DeliveryState::FailedWithProgress { .. } => Some(now),
            DeliveryState::NoRoom | DeliveryState::NotStarted | DeliveryState::Refused | DeliveryState::MustFail => {
                before
            }
            DeliveryState::Failed { .. }
            | DeliveryState::Stopped
            | DeliveryState::BreakerOpen { .. }
            | DeliveryState::Suspended { .. }
            | DeliveryState::InvalidItem => before.or(Some(now)),
        }
    }

    /// What its next attempt is to know. `now`: milliseconds since the Unix epoch.
    pub(super) fn next(&self, now: i64) -> Resume {
        let last_error = match self.state.was_tried() && !self.error.is_empty() {
            true => Some(truncate_error(&self.error)),
            false => self.resume.last_error.clone(),
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
    pub(super) fn check_exhausted(&self, now: i64, window: Duration) -> Option<String> {
        if self.state.was_tried() && self.retries() > MAX_RETRIES {
            return Some(format!("after {MAX_RETRIES} retries: {}", self.error));
        }
        let last = match self.state {
            DeliveryState::FailedWithProgress { .. }
            | DeliveryState::Stopped
            | DeliveryState::StoppedWithProgress
            | DeliveryState::NoRoom
            | DeliveryState::NotStarted
            | DeliveryState::Refused
            | DeliveryState::MustFail => return None,
            DeliveryState::Failed { .. } => None,
            DeliveryState::BreakerOpen { .. } | DeliveryState::Suspended { .. } | DeliveryState::InvalidItem => {
                self.resume.last_error.as_deref()
            }
        };
        let age = self.age(now);
        (age >= window).then(|| {
            let (minutes, last) = (age.as_secs() / 60, last.unwrap_or(&self.error));
            format!("after {minutes} minutes of failing or waiting, more than RETRY_WINDOW: {last}")
        })
    }

    /// For how long it fails or waits.
    fn age(&self, now: i64) -> Duration {
        let since = self.failing_since(now).unwrap_or(now);
        Duration::from_millis(u64::try_from(now.saturating_sub(since)).unwrap_or_default())
    }

    /// Until the next attempt, in whole seconds: as the reference's, or as long as nothing
    /// is let through; none where it was only stopped.
    pub(super) fn delay(&self) -> Duration {
        let delay = match self.state {
            DeliveryState::Stopped
            | DeliveryState::StoppedWithProgress
            | DeliveryState::NotStarted
            | DeliveryState::Refused
            | DeliveryState::MustFail => Duration::ZERO,
            // The probe is taken soon after the time is over, and not before.
            DeliveryState::BreakerOpen { retry_after } | DeliveryState::Suspended { retry_after } => {
                retry_after.max(Duration::from_secs(1))
            }
            DeliveryState::InvalidItem => INVALID_ITEM_DELAY,
            DeliveryState::NoRoom => NO_ROOM_DELAY,
            DeliveryState::Failed { retry_after } | DeliveryState::FailedWithProgress { retry_after } => {
                let backoff = 2_u64.saturating_pow(self.resume.retry_count.saturating_add(1));
                retry_after.max(Duration::from_secs(backoff))
            }
        };
        let delay = delay.min(MAX_DELAY);
        Duration::from_secs(delay.as_secs() + u64::from(delay.subsec_nanos() > 0))
    }

    /// The message that it goes back in.
    ///
    /// # Errors
    /// It is larger than SQS takes.
    pub(super) fn to_message(&self, message: &Message, now: i64) -> Result<OutgoingMessage, String> {
        let resume = self.next(now);
        let numbers = vec![("ProcessingOffset", resume.offset), ("RetryCount", u64::from(resume.retry_count))];
        let body = notification::requeue(&shrink_record(&self.record), &resume, &message.receipt_handle, now);
        if body.len() > MAX_BODY_BYTES {
            return Err(format!("its record makes a message of {} bytes, and SQS takes {MAX_BODY_BYTES}", body.len()));
        }
        let delay_seconds = u32::try_from(self.delay().as_secs()).unwrap_or(u32::MAX);
        Ok(OutgoingMessage { body, delay_seconds, numbers })
    }

    /// What it is about, as logs name it; none: all that the record announces.
    pub(super) fn scope(&self) -> Option<&str> {
        self.resume.scope.name()
    }
}

/// A record, or of a large one what the next attempt needs.
fn shrink_record(record: &Value) -> Value {
    // A list is as large as its message was.
    if record.is_array() || record.to_string().len() <= MAX_RECORD_BYTES {
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

#[cfg(test)]
#[path = "unfinished_tests.rs"]
mod tests;
