use std::collections::BTreeMap;
use std::time::Duration;

use super::*;
use crate::aws::AwsErrorKind;
use crate::aws::Operation;
use crate::report::EntryCounts;
use model::{DestinationKind, ObjectId};

/// A sink that takes `takes` calls, and fails from then on.
struct Fake {
    takes: usize,
    calls: Mutex<Vec<Vec<Datum>>>,
}

impl Fake {
    fn new(takes: usize) -> Self {
        Self { takes, calls: Mutex::default() }
    }

    fn sent(&self) -> BTreeMap<(String, String), Datum> {
        let calls = self.calls.lock().unwrap();
        let all = calls.iter().flatten().map(|datum| ((datum.tenant.clone(), datum.name.clone()), datum.clone()));
        all.collect()
    }
}

fn throttled() -> AwsError {
    AwsError::new(Operation::PutMetricData, "a namespace", AwsErrorKind::Throttled, "")
}

impl MetricSink for Fake {
    async fn put(&self, data: &[Datum]) -> Result<(), AwsError> {
        let mut calls = self.calls.lock().unwrap();
        if calls.len() >= self.takes {
            return Err(throttled());
        }
        calls.push(data.to_vec());
        Ok(())
    }
}

fn record(
    metrics: &TenantMetrics,
    tenant: &str,
    delivery: DestinationKind,
    outcome: Outcome,
    counts: EntryCounts,
    ms: i64,
) {
    let object = ObjectId { bucket: "b".to_owned(), key: "k".to_owned() };
    let entry = Entry { counts, ..Entry::new(&object, Some(tenant), Some(delivery), outcome) };
    metrics.record_delivery(&FinishedDelivery { entry: &entry, latency: Some(ms), guest_time: Duration::ZERO });
}

/// (minimum, maximum, sum, samples) by name, of a single delivery.
fn single(delivery: DestinationKind, outcome: Outcome, counts: EntryCounts) -> Vec<(&'static str, f64)> {
    of(delivery, &entry(delivery, outcome, counts))
}

fn entry(delivery: DestinationKind, outcome: Outcome, counts: EntryCounts) -> Entry {
    let object = ObjectId { bucket: "b".to_owned(), key: "k".to_owned() };
    Entry { counts, ..Entry::new(&object, Some("t"), Some(delivery), outcome) }
}

fn of(delivery: DestinationKind, entry: &Entry) -> Vec<(&'static str, f64)> {
    values(delivery, &FinishedDelivery { entry, latency: Some(1_500), guest_time: Duration::ZERO })
}

fn events(events: u64) -> EntryCounts {
    EntryCounts { events, delivered: events, ..EntryCounts::default() }
}

#[test]
fn cloudwatch_deliveries_as_the_reference() {
    let one = |outcome, counts| single(DestinationKind::CloudWatch, outcome, counts);
    let success = [
        ("successful_events", 5.0),
        ("failed_events", 0.0),
        ("successful_delivery", 1.0),
        ("delivery_latency", 1_500.0),
    ];
    assert_eq!(one(Outcome::Delivered, events(5)), success);
    // A line that is no record is none of its events.
    let odd = entry(DestinationKind::CloudWatch, Outcome::Partial, EntryCounts { malformed: 2, ..events(5) });
    assert_eq!(of(DestinationKind::CloudWatch, &odd.with_reason(Reason::Malformed, "why")), success);
    assert_eq!(one(Outcome::Delivered, events(0)), []);
    let failure = |done, failed| [("successful_events", done), ("failed_events", failed), ("failed_delivery", 1.0)];
    let refused = EntryCounts { dead_lettered: [(Reason::TooOld, 2), (Reason::TooNew, 1)].into(), ..events(5) };
    assert_eq!(one(Outcome::Partial, refused), failure(5.0, 3.0));
    assert_eq!(one(Outcome::Partial, events(4)), failure(4.0, 1.0));
    assert_eq!(one(Outcome::Rejected, EntryCounts { malformed: 9, ..events(0) }), failure(0.0, 1.0));
    assert_eq!(one(Outcome::Failed, events(0)), failure(0.0, 1.0));
    assert_eq!(one(Outcome::Failed, EntryCounts { left: 7, ..events(2) }), failure(2.0, 7.0));
}

#[test]
fn s3_deliveries_as_the_reference() {
    let one = |outcome| single(DestinationKind::S3, outcome, EntryCounts::default());
    assert_eq!(one(Outcome::Delivered), [("successful_delivery", 1.0), ("delivery_latency", 1_500.0)]);
    for outcome in [Outcome::Partial, Outcome::Rejected, Outcome::Failed] {
        assert_eq!(one(outcome), [("failed_delivery", 1.0)]);
    }
}

#[test]
fn what_was_no_delivery_has_no_metric() {
    for outcome in [Outcome::Filtered, Outcome::Ignored, Outcome::AlreadyDelivered] {
        for delivery in DestinationKind::ALL {
            assert_eq!(single(delivery, outcome, EntryCounts { left: 3, ..events(3) }), []);
        }
    }
    // What was stopped goes on; what arrived before that counts.
    let stopped = |delivery, counts| single(delivery, Outcome::Interrupted, counts);
    assert_eq!(
        stopped(DestinationKind::CloudWatch, EntryCounts { left: 3, ..events(3) }),
        [("successful_events", 3.0)]
    );
    assert_eq!(stopped(DestinationKind::CloudWatch, events(0)), []);
    assert_eq!(stopped(DestinationKind::S3, events(3)), []);
}

#[tokio::test]
async fn values_are_summed_up_by_tenant_and_name() {
    let metrics = TenantMetrics::default();
    record(&metrics, "a", DestinationKind::CloudWatch, Outcome::Delivered, events(5), 100);
    record(&metrics, "a", DestinationKind::CloudWatch, Outcome::Delivered, events(9), 300);
    record(&metrics, "b", DestinationKind::S3, Outcome::Failed, events(0), 0);
    let sink = Fake::new(9);
    assert_eq!(metrics.flush(&sink).await.unwrap(), Flush::Sent);
    let sent = sink.sent();
    let sum = |tenant: &str, name: &str| {
        let datum = &sent[&(tenant.to_owned(), name.to_owned())];
        (datum.minimum, datum.maximum, datum.sum, datum.samples)
    };
    assert_eq!(sum("a", "LogCount/cloudwatch/successful_events"), (5.0, 9.0, 14.0, 2.0));
    assert_eq!(sum("a", "LogCount/cloudwatch/failed_events"), (0.0, 0.0, 0.0, 2.0));
    assert_eq!(sum("a", "LogCount/cloudwatch/successful_delivery"), (1.0, 1.0, 2.0, 2.0));
    assert_eq!(sum("a", "LogCount/cloudwatch/delivery_latency"), (100.0, 300.0, 400.0, 2.0));
    assert_eq!(sum("b", "LogCount/s3/failed_delivery"), (1.0, 1.0, 1.0, 1.0));
    assert_eq!(sent.len(), 5);
    assert_eq!(metrics.flush(&sink).await.unwrap(), Flush::Nothing);
}

#[tokio::test]
async fn what_can_not_be_sent_is_kept_and_grows() {
    let metrics = TenantMetrics::default();
    record(&metrics, "a", DestinationKind::CloudWatch, Outcome::Delivered, events(5), 100);
    assert!(metrics.flush(&Fake::new(0)).await.is_err());
    record(&metrics, "a", DestinationKind::CloudWatch, Outcome::Delivered, events(1), 50);
    let sink = Fake::new(1);
    metrics.flush(&sink).await.unwrap();
    let datum = &sink.sent()[&("a".to_owned(), "LogCount/cloudwatch/successful_events".to_owned())];
    assert_eq!((datum.minimum, datum.maximum, datum.sum, datum.samples), (1.0, 5.0, 6.0, 2.0));
}

#[tokio::test]
async fn only_what_was_not_sent_is_sent_again() {
    let metrics = TenantMetrics::default();
    for tenant in 0..2_500 {
        record(&metrics, &tenant.to_string(), DestinationKind::S3, Outcome::Failed, events(0), 0);
    }
    let (first, second) = (Fake::new(1), Fake::new(9));
    assert!(metrics.flush(&first).await.is_err());
    metrics.flush(&second).await.unwrap();
    let sizes = |fake: &Fake| fake.calls.lock().unwrap().iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!((sizes(&first), sizes(&second)), (vec![1_000], vec![1_000, 500]));
    let mut all = first.sent();
    all.extend(second.sent());
    assert_eq!(all.len(), 2_500, "each once");
}

/// CloudWatch, to which these tenants are poison: a call that holds one is refused whole.
struct Picky {
    poison: fn(&str) -> bool,
    calls: Mutex<usize>,
    taken: Mutex<Vec<Datum>>,
}

impl Picky {
    fn new(poison: fn(&str) -> bool) -> Self {
        Self { poison, calls: Mutex::default(), taken: Mutex::default() }
    }
}

impl MetricSink for Picky {
    async fn put(&self, data: &[Datum]) -> Result<(), AwsError> {
        *self.calls.lock().unwrap() += 1;
        if data.iter().any(|datum| (self.poison)(&datum.tenant)) {
            let error =
                AwsError::new(Operation::PutMetricData, "a namespace", AwsErrorKind::Other, "The value is invalid");
            return Err(AwsError { code: Some("InvalidParameterValue".to_owned()), ..error });
        }
        self.taken.lock().unwrap().extend_from_slice(data);
        Ok(())
    }
}

fn many(tenants: usize) -> TenantMetrics {
    let metrics = TenantMetrics::default();
    for tenant in 0..tenants {
        record(&metrics, &tenant.to_string(), DestinationKind::S3, Outcome::Failed, events(0), 0);
    }
    metrics
}

#[tokio::test]
async fn what_is_refused_is_dropped_alone_and_all_the_rest_is_sent() {
    let metrics = many(2_500);
    let sink = Picky::new(|tenant| matches!(tenant, "0" | "777" | "2499"));
    assert_eq!(metrics.flush(&sink).await.unwrap(), Flush::Sent);
    assert_eq!(sink.taken.lock().unwrap().len(), 2_497);
    assert!(*sink.calls.lock().unwrap() <= 3 + 3 * 20, "{} calls", sink.calls.lock().unwrap());
    assert_eq!(metrics.take_dropped(), DroppedValues { refused: 3, ..DroppedValues::default() });
    assert_eq!(metrics.flush(&sink).await.unwrap(), Flush::Nothing, "nothing is kept");
}

/// However much is refused: the calls are bounded, each flush finds some of it, and what
/// is good is sent in the end.
#[tokio::test]
async fn even_where_most_is_refused_the_rest_is_sent_in_the_end() {
    let metrics = many(1_000);
    let sink = Picky::new(|tenant| tenant != "500");
    let mut flushes = 0;
    while metrics.flush(&sink).await.unwrap() == Flush::Sent {
        flushes += 1;
        let calls = std::mem::take(&mut *sink.calls.lock().unwrap());
        assert!(calls <= 1 + MAX_SEARCHES, "{calls}");
        assert!(flushes < 20);
    }
    assert_eq!(sink.taken.lock().unwrap().len(), 1);
    assert_eq!(metrics.take_dropped().refused, 999);
}

/// A failure that says nothing about the data, in the middle of a search.
#[tokio::test]
async fn a_search_that_is_cut_short_loses_nothing() {
    struct Unsteady(Picky);
    impl MetricSink for Unsteady {
        async fn put(&self, data: &[Datum]) -> Result<(), AwsError> {
            let taken = self.0.put(data).await;
            match *self.0.calls.lock().unwrap() {
                6 => Err(AwsError { kind: AwsErrorKind::Throttled, ..taken.err().unwrap_or_else(throttled) }),
                _ => taken,
            }
        }
    }
    let metrics = many(1_000);
    let sink = Unsteady(Picky::new(|tenant| tenant == "77"));
    assert!(metrics.flush(&sink).await.is_err());
    let sent = sink.0.taken.lock().unwrap().len();
    assert!(metrics.lock().len() + sent >= 1_000, "{} and {sent}", metrics.lock().len());
    assert_eq!(metrics.flush(&sink).await.unwrap(), Flush::Sent);
    let tenants: std::collections::BTreeSet<_> =
        sink.0.taken.lock().unwrap().iter().map(|datum| datum.tenant.clone()).collect();
    assert_eq!(tenants.len(), 999);
    assert_eq!(metrics.take_dropped(), DroppedValues { refused: 1, ..DroppedValues::default() });
}

#[tokio::test]
async fn numbers_that_are_none_are_left_out_and_counted() {
    let metrics = many(3);
    let key =
        |tenant: &str| SeriesKey { tenant: tenant.to_owned(), destination: DestinationKind::S3, name: FAILED_DELIVERY };
    for (tenant, odd) in [("0", f64::NAN), ("1", f64::INFINITY)] {
        metrics.lock().insert(key(tenant), StatisticSet { sum: odd, ..StatisticSet::of(1.0) });
    }
    let sink = Picky::new(|_| false);
    assert_eq!(metrics.flush(&sink).await.unwrap(), Flush::Sent);
    assert_eq!(sink.taken.lock().unwrap().iter().map(|datum| datum.tenant.as_str()).collect::<Vec<_>>(), ["2"]);
    assert_eq!(metrics.take_dropped(), DroppedValues { no_number: 2, ..DroppedValues::default() });
}

/// Each tenant has so many series, whatever it does: none uses up the room of others.
#[test]
fn a_tenant_has_ten_series_at_most() {
    let metrics = TenantMetrics::default();
    for outcome in [Outcome::Delivered, Outcome::Partial, Outcome::Failed, Outcome::Interrupted] {
        for delivery in DestinationKind::ALL {
            for n in 0..50 {
                record(&metrics, "a", delivery, outcome, events(n), 7);
            }
        }
    }
    assert!(metrics.lock().len() <= 10);
}

#[tokio::test]
async fn a_flush_that_is_given_up_loses_nothing() {
    struct Never;
    impl MetricSink for Never {
        async fn put(&self, _: &[Datum]) -> Result<(), AwsError> {
            std::future::pending().await
        }
    }
    let metrics = TenantMetrics::default();
    record(&metrics, "a", DestinationKind::S3, Outcome::Failed, events(0), 0);
    assert!(tokio::time::timeout(Duration::from_millis(10), metrics.flush(&Never)).await.is_err());
    let sink = Fake::new(1);
    assert_eq!(metrics.flush(&sink).await.unwrap(), Flush::Sent);
    assert_eq!(sink.sent().len(), 1);
}

#[test]
fn series_are_bounded_and_known_ones_still_count() {
    let metrics = TenantMetrics::default();
    for tenant in 0..MAX_SERIES + 7 {
        record(&metrics, &tenant.to_string(), DestinationKind::S3, Outcome::Failed, events(0), 0);
    }
    record(&metrics, "0", DestinationKind::S3, Outcome::Failed, events(0), 0);
    assert_eq!(metrics.lock().len(), MAX_SERIES);
    assert_eq!(metrics.take_dropped(), DroppedValues { no_room: 7, ..DroppedValues::default() });
    assert_eq!(metrics.take_dropped(), DroppedValues::default());
    let key = SeriesKey { tenant: "0".to_owned(), destination: DestinationKind::S3, name: FAILED_DELIVERY };
    assert_eq!(metrics.lock()[&key].samples, 2.0);
}
