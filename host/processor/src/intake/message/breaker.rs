//! Tenants whose destinations keep failing are left alone for a while, so that they cost
//! the others nothing, and their own messages are not received again and again for
//! nothing: a circuit breaker for each tenant and kind of destination.

use crate::report::{Entry, Outcome};
use crate::telemetry::Metrics;
use model::{BreakerChange, CircuitBreakers, Delivery, Destination, DestinationKind, Fault};

/// Destinations that are remembered; only those that fail are.
const MAX_BREAKERS: usize = 10_000;

/// Tenant, and kind of destination.
pub(super) type BreakerKey = (String, DestinationKind);

/// What its item says of it: where that changes, it begins anew.
pub(super) type ItemVersion = (Destination, String);

/// The circuit breakers of all destinations.
pub(super) type Breakers = CircuitBreakers<BreakerKey, ItemVersion>;

/// All closed. Opening and closing is logged and counted.
pub(super) fn breakers(metrics: Metrics) -> Breakers {
    CircuitBreakers::new(MAX_BREAKERS, move |(tenant, destination): &BreakerKey, _, change| {
        let destination = destination.name();
        match change {
            BreakerChange::Opened { retry_after, cause } => {
                let seconds = retry_after.as_secs();
                tracing::warn!(
                    tenant,
                    destination,
                    seconds,
                    why = cause,
                    "the destination keeps failing: it is left alone"
                );
                metrics.add_open_breaker(1);
            }
            BreakerChange::Closed => {
                tracing::info!(tenant, destination, "the destination works again");
                metrics.add_open_breaker(-1);
            }
            BreakerChange::Forgotten => {
                tracing::info!(tenant, destination, "the destination is no longer left alone");
                metrics.add_open_breaker(-1);
            }
        }
    })
}

/// What a delivery's destination is known by.
pub(super) fn breaker_key(delivery: &Delivery) -> (BreakerKey, ItemVersion) {
    let key = (delivery.tenant_id.clone(), delivery.id());
    (key, (delivery.destination.clone(), delivery.target_region.clone()))
}

/// What a delivery that ended says of its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DestinationSignal {
    /// It took something.
    Success,
    /// It failed.
    Failure,
    /// Nothing: it was not asked.
    Unknown,
}

impl DestinationSignal {
    /// By its entry. What the filter doesn't want, a guest that failed before something
    /// was put, an object that can't be read, an object without events: none of that is
    /// about the destination.
    pub(super) fn from_entry(entry: &Entry) -> Self {
        let copied = entry.delivery == Some(DestinationKind::S3)
            && matches!(entry.outcome, Outcome::Delivered | Outcome::Partial);
        match entry.outcome {
            Outcome::Failed if entry.fault == Some(Fault::Destination) => Self::Failure,
            _ if entry.counts.batches > 0 || copied => Self::Success,
            _ => Self::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::report::Cause;
    use model::{AwsErrorKind, CircuitBreaker, FailureKind, GuestErrorKind, ObjectId, Plugins, Reason};

    fn delivery(bucket: &str) -> Delivery {
        Delivery {
            tenant_id: "acme".to_owned(),
            desired_logs: Vec::new(),
            groups: Vec::new(),
            target_region: "eu-west-1".to_owned(),
            destination: Destination::S3 { bucket: bucket.to_owned(), prefix: String::new(), account: None },
            plugins: Plugins::default(),
        }
    }

    fn open(breakers: &Breakers, delivery: &Delivery, now: Instant) {
        for _ in 0..CircuitBreaker::FAILURE_THRESHOLD {
            let (key, version) = breaker_key(delivery);
            breakers.admit(key, version, now).unwrap().record_failure("no such bucket", now);
        }
    }

    fn gauge(metrics: &Metrics) -> String {
        let text = metrics.render();
        let line = text.lines().find(|line| line.starts_with("log_processor_breakers_open")).unwrap();
        line.rsplit_once(' ').unwrap().1.to_owned()
    }

    #[test]
    fn the_gauge_rises_and_falls_and_another_item_begins_anew() {
        let metrics = Metrics::new();
        let (breakers, start) = (breakers(metrics.clone()), Instant::now());
        open(&breakers, &delivery("gone"), start);
        assert_eq!(gauge(&metrics), "1");
        let (key, version) = breaker_key(&delivery("gone"));
        assert_eq!(breakers.check_open(&key, &version, start).unwrap().cause, "no such bucket");
        // The tenant's operator mends the item: that is tried at once.
        let (_, other) = breaker_key(&delivery("there"));
        breakers.admit(key.clone(), other, start).unwrap().release();
        assert_eq!(gauge(&metrics), "0");
        open(&breakers, &delivery("gone"), start);
        let over = start + CircuitBreaker::FIRST_OPEN;
        breakers.admit(key, version, over).unwrap().record_success(over + Duration::from_secs(1));
        assert_eq!(gauge(&metrics), "0");
    }

    #[test]
    fn only_what_asked_the_destination_says_something_of_it() {
        let object = ObjectId { bucket: "logs".to_owned(), key: "k".to_owned() };
        let entry = |kind, outcome, reason: Option<Cause>, batches| {
            let mut entry = Entry::new(&object, Some("acme"), Some(kind), outcome);
            (entry.reason, entry.counts.batches) = (reason, batches);
            entry.fault = match reason {
                Some(Cause::Failed(FailureKind::Aws(_))) => Some(Fault::Destination),
                Some(Cause::Failed(FailureKind::Source)) => Some(Fault::Source),
                Some(Cause::Failed(FailureKind::Guest(_))) => Some(Fault::Component),
                _ => None,
            };
            DestinationSignal::from_entry(&entry)
        };
        let failed = |kind| Some(Cause::Failed(kind));
        let refused = |reason| Some(Cause::Refused(reason));
        let trap = failed(GuestErrorKind::Trap.into());
        let denied = failed(AwsErrorKind::Denied.into());
        for (kind, outcome, reason, batches, shows) in [
            (DestinationKind::CloudWatch, Outcome::Delivered, None, 1, DestinationSignal::Success),
            (DestinationKind::CloudWatch, Outcome::Delivered, None, 0, DestinationSignal::Unknown),
            (DestinationKind::CloudWatch, Outcome::Interrupted, None, 2, DestinationSignal::Success),
            (DestinationKind::CloudWatch, Outcome::Failed, trap, 2, DestinationSignal::Success),
            (DestinationKind::CloudWatch, Outcome::Failed, trap, 0, DestinationSignal::Unknown),
            (DestinationKind::CloudWatch, Outcome::Failed, denied, 2, DestinationSignal::Failure),
            (DestinationKind::CloudWatch, Outcome::Failed, failed(FailureKind::Source), 0, DestinationSignal::Unknown),
            (DestinationKind::CloudWatch, Outcome::Filtered, None, 0, DestinationSignal::Unknown),
            (DestinationKind::CloudWatch, Outcome::Rejected, refused(Reason::Malformed), 0, DestinationSignal::Unknown),
            (DestinationKind::S3, Outcome::Delivered, None, 0, DestinationSignal::Success),
            (DestinationKind::S3, Outcome::Partial, refused(Reason::Damaged), 0, DestinationSignal::Success),
            (DestinationKind::S3, Outcome::Rejected, refused(Reason::Malformed), 0, DestinationSignal::Unknown),
            (
                DestinationKind::S3,
                Outcome::Failed,
                failed(AwsErrorKind::NoBucket.into()),
                0,
                DestinationSignal::Failure,
            ),
            (DestinationKind::S3, Outcome::Ignored, refused(Reason::Changed), 0, DestinationSignal::Unknown),
        ] {
            assert_eq!(entry(kind, outcome, reason, batches), shows, "{kind} {outcome:?} {reason:?}");
        }
    }
}
