//! The reference's metrics, aggregated until they are flushed.
//!
//! Namespace `HCPLF/LogForwarding`, dimension `Tenant`, unit Count, names
//! `LogCount/<destination>/<name>`.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::future::Future;
use std::mem::take;
use std::sync::{Mutex, MutexGuard};

use super::finished_delivery::FinishedDelivery;
use crate::aws::{AwsError, Datum, MetricsClient, refuses_data};
use crate::report::{Cause, Entry, Outcome};
use model::{DestinationKind, Reason, lock};

const NAMESPACE: &str = "HCPLF/LogForwarding";

/// The most data that one call takes. Source: API_PutMetricData.
const MAX_DATA_PER_CALL: usize = 1000;

/// The most series that are kept: ten for each of 2,000 tenants, a few MiB. A tenant has at
/// most ten: five names for each of two destinations.
const MAX_SERIES: usize = 20_000;

/// The most calls per flush that look for refused data among others: to find one datum in a
/// thousand takes twenty.
const MAX_SEARCHES: usize = 256;

const SUCCESSFUL_EVENTS: &str = "successful_events";
const FAILED_EVENTS: &str = "failed_events";
const SUCCESSFUL_DELIVERY: &str = "successful_delivery";
const FAILED_DELIVERY: &str = "failed_delivery";
const DELIVERY_LATENCY: &str = "delivery_latency";

/// A receiver of metric data: CloudWatch, or a test's.
pub(super) trait MetricSink {
    fn put(&self, data: &[Datum]) -> impl Future<Output = Result<(), AwsError>> + Send;
}

impl MetricSink for MetricsClient {
    fn put(&self, data: &[Datum]) -> impl Future<Output = Result<(), AwsError>> + Send {
        MetricsClient::put(self, NAMESPACE, data)
    }
}

/// The result of a flush.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// Nothing was sent, for there was nothing to send.
    Nothing,
    /// Everything was sent except what CloudWatch will never take.
    Sent,
}

/// Values that were dropped, by reason.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct DroppedValues {
    /// Values for which no series was free.
    pub(super) no_room: u64,
    /// Values that CloudWatch doesn't take as numbers (NaN, infinite, too large).
    pub(super) no_number: u64,
    /// Values that CloudWatch refused.
    pub(super) refused: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct SeriesKey {
    tenant: String,
    destination: DestinationKind,
    name: &'static str,
}

/// The values of a series, aggregated as CloudWatch's statistic sets are.
#[derive(Debug, Clone, Copy, PartialEq)]
struct StatisticSet {
    minimum: f64,
    maximum: f64,
    sum: f64,
    samples: f64,
}

impl StatisticSet {
    fn of(value: f64) -> Self {
        Self { minimum: value, maximum: value, sum: value, samples: 1.0 }
    }

    fn add(&mut self, other: Self) {
        self.minimum = self.minimum.min(other.minimum);
        self.maximum = self.maximum.max(other.maximum);
        self.sum += other.sum;
        self.samples += other.samples;
    }
}

/// The tenants' metrics since the last flush.
#[derive(Debug, Default)]
pub struct TenantMetrics {
    series: Mutex<HashMap<SeriesKey, StatisticSet>>,
    dropped: Mutex<DroppedValues>,
}

impl TenantMetrics {
    /// Records a delivery that ended.
    pub(super) fn record_delivery(&self, done: &FinishedDelivery<'_>) {
        let (Some(tenant), Some(destination)) = (&done.entry.tenant, done.entry.delivery) else {
            return;
        };
        let values = values(destination, done);
        let named = values.into_iter().map(|(name, value)| {
            let key = SeriesKey { tenant: tenant.clone(), destination, name };
            (key, StatisticSet::of(value))
        });
        self.merge(named);
    }

    /// Takes the counts of values that were dropped since the last call.
    pub(super) fn take_dropped(&self) -> DroppedValues {
        take(&mut *self.dropped())
    }

    /// Sends everything. What isn't sent, because a call failed or the caller gave up, is
    /// kept. What CloudWatch refuses is found, dropped and counted, and the rest of its call
    /// is sent: one bad datum must never hold the others back.
    pub(super) async fn flush(&self, sink: &impl MetricSink) -> Result<Flush, AwsError> {
        let mut series: Vec<_> = self.lock().drain().collect();
        if series.is_empty() {
            return Ok(Flush::Nothing);
        }
        let all = series.len();
        series.retain(|(key, sum)| datum(key, *sum).is_valid());
        self.dropped().no_number += count(all.saturating_sub(series.len()));
        let mut unsent = UnsentSeries { of: self, fresh: Vec::new(), refused: Vec::new() };
        while !series.is_empty() {
            let rest = series.split_off(series.len().min(MAX_DATA_PER_CALL));
            unsent.fresh.push(std::mem::replace(&mut series, rest));
        }
        unsent.fresh.reverse();
        // Calls that succeed as a whole go first, because a search may take long.
        while let Some(piece) = unsent.fresh.last() {
            let put = put(sink, piece).await;
            let piece = unsent.fresh.pop().unwrap_or_default();
            if let Err(error) = put {
                unsent.refused.push(piece);
                ignore_refusal(error)?;
            }
        }
        self.search(sink, &mut unsent).await?;
        Ok(Flush::Sent)
    }

    /// Halves what was refused until a single datum is left, which is dropped.
    async fn search(&self, sink: &impl MetricSink, unsent: &mut UnsentSeries<'_>) -> Result<(), AwsError> {
        let mut searches = 0;
        while let Some(mut piece) = unsent.refused.pop() {
            // A datum that was refused alone is the culprit.
            if let [(key, _)] = piece.as_slice() {
                tracing::warn!(
                    tenant = key.tenant,
                    metric = key.name,
                    destination = key.destination.name(),
                    "CloudWatch refuses this metric; it is dropped, and counted"
                );
                self.dropped().refused += 1;
                continue;
            }
            let half = piece.split_off(piece.len() / 2);
            unsent.fresh.extend([piece, half]);
            while let Some(piece) = unsent.fresh.last() {
                if searches == MAX_SEARCHES {
                    // The next flush goes on from here: what was found so far is gone by then.
                    return Ok(());
                }
                searches += 1;
                let put = put(sink, piece).await;
                let piece = unsent.fresh.pop().unwrap_or_default();
                if let Err(error) = put {
                    unsent.refused.push(piece);
                    ignore_refusal(error)?;
                }
            }
        }
        Ok(())
    }

    fn merge(&self, series: impl IntoIterator<Item = (SeriesKey, StatisticSet)>) {
        let mut dropped = 0;
        {
            let mut all = self.lock();
            for (key, sum) in series {
                let room = all.len() < MAX_SERIES;
                match all.entry(key) {
                    Slot::Occupied(mut slot) => slot.get_mut().add(sum),
                    Slot::Vacant(slot) if room => drop(slot.insert(sum)),
                    Slot::Vacant(_) => dropped += 1,
                }
            }
        }
        self.dropped().no_room += dropped;
    }

    fn dropped(&self) -> MutexGuard<'_, DroppedValues> {
        lock(&self.dropped)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<SeriesKey, StatisticSet>> {
        lock(&self.series)
    }
}

/// Series that are being sent, in pieces of one call each. What is still here when it is
/// dropped goes back to the metrics.
struct UnsentSeries<'a> {
    of: &'a TenantMetrics,
    /// Pieces that are still to be sent.
    fresh: Vec<Vec<(SeriesKey, StatisticSet)>>,
    /// Pieces that were refused as a whole.
    refused: Vec<Vec<(SeriesKey, StatisticSet)>>,
}

impl Drop for UnsentSeries<'_> {
    fn drop(&mut self) {
        let pieces = self.fresh.drain(..).chain(self.refused.drain(..));
        self.of.merge(pieces.flatten());
    }
}

async fn put(sink: &impl MetricSink, piece: &[(SeriesKey, StatisticSet)]) -> Result<(), AwsError> {
    let data: Vec<Datum> = piece.iter().map(|(key, sum)| datum(key, *sum)).collect();
    sink.put(&data).await
}

/// Returns the error unless it is about the data, which the search deals with.
fn ignore_refusal(error: AwsError) -> Result<(), AwsError> {
    if refuses_data(&error) { Ok(()) } else { Err(error) }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn datum(key: &SeriesKey, sum: StatisticSet) -> Datum {
    let StatisticSet { minimum, maximum, sum, samples } = sum;
    let name = format!("LogCount/{}/{}", key.destination, key.name);
    Datum { name, tenant: key.tenant.clone(), minimum, maximum, sum, samples }
}

/// The values that the reference would put for a delivery.
fn values(destination: DestinationKind, done: &FinishedDelivery<'_>) -> Vec<(&'static str, f64)> {
    let counts = &done.entry.counts;
    match done.entry.outcome {
        Outcome::Delivered | Outcome::Partial | Outcome::Rejected | Outcome::Failed => {}
        // The delivery goes on later; what has arrived by now has arrived.
        Outcome::Interrupted => {
            let events = Some(counts.events).filter(|events| *events > 0 && destination == DestinationKind::CloudWatch);
            return events.map(|events| (SUCCESSFUL_EVENTS, float(events))).into_iter().collect();
        }
        // Nothing was tried.
        Outcome::Filtered | Outcome::Ignored | Outcome::AlreadyDelivered => return Vec::new(),
    }
    let mut values = Vec::new();
    let mut whole = done.entry.outcome == Outcome::Delivered;
    if destination == DestinationKind::CloudWatch {
        let failed = failed_events(done.entry);
        if counts.events == 0 && failed == 0 {
            return values;
        }
        values.extend([(SUCCESSFUL_EVENTS, float(counts.events)), (FAILED_EVENTS, float(failed))]);
        whole = failed == 0;
    }
    if !whole {
        values.push((FAILED_DELIVERY, 1.0));
        return values;
    }
    values.push((SUCCESSFUL_DELIVERY, 1.0));
    // S3's clock may be ahead of this one.
    values.extend(done.latency.map(|ms| (DELIVERY_LATENCY, float(u64::try_from(ms).unwrap_or(0)))));
    values
}

/// Events that should have arrived and didn't: refused for good, or left; at least one if the
/// delivery is incomplete. A malformed line was never an event, so it doesn't count.
fn failed_events(entry: &Entry) -> u64 {
    let failed = entry.counts.left + entry.counts.dead_lettered.sum();
    match entry.outcome {
        Outcome::Delivered => failed,
        Outcome::Partial if entry.reason == Some(Cause::Refused(Reason::Malformed)) => failed,
        _ => failed.max(1),
    }
}

/// Converts a count; exact for every number that one object can have.
fn float(n: u64) -> f64 {
    f64::from(u32::try_from(n).unwrap_or(u32::MAX))
}

#[cfg(test)]
#[path = "cloudwatch_tests.rs"]
mod tests;
