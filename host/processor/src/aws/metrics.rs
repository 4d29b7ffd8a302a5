//! CloudWatch metrics.

use std::borrow::Cow;
use std::time::SystemTime;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::operation::Operation;
use super::service::{Access, Service};
use super::{AwsError, AwsErrorKind};
use model::Digest;

/// Data in a call. Source: API_PutMetricData.
const MAX_DATA_PER_CALL: usize = 1000;

/// Characters of a dimension's value. Source: API_Dimension.
const MAX_VALUE_CHARS: usize = 1024;

/// The largest number, of either sign. Source: API_MetricDatum.
const MAX_NUMBER: f64 = 2.348_542_582_773_833_4e108; // 2^360

/// What an encoded value begins with, as an encoded log stream's name does; and one
/// that had to be cut.
const ENCODED_PREFIX: &str = "%-";
const CUT_PREFIX: &str = "%~";

/// What is encoded of a value that is encoded.
const ENCODED_CHARS: &AsciiSet = &CONTROLS.add(b'%').add(b':').add(b' ');

/// One metric of one tenant, aggregated since the last flush. Unit: Count.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// Such as `LogCount/s3/successful_delivery`.
    pub name: String,
    /// Dimension `Tenant`.
    pub tenant: String,
    /// Values that were seen, summed up: minimum, maximum, sum, how many.
    /// (A statistic set: SUM, AVERAGE, MIN and MAX come out as from single values.)
    pub minimum: f64,
    /// See `minimum`.
    pub maximum: f64,
    /// See `minimum`.
    pub sum: f64,
    /// See `minimum`.
    pub samples: f64,
}

impl Datum {
    /// Whether CloudWatch takes these numbers: it refuses all data of a call for one
    /// that is none, or too large.
    pub fn is_valid(&self) -> bool {
        let numbers = [self.minimum, self.maximum, self.sum, self.samples];
        numbers.iter().all(|number| number.abs() <= MAX_NUMBER) && self.minimum <= self.maximum && self.samples > 0.0
    }
}

/// Whether CloudWatch refused what a call held: the same data will never be taken. All
/// other failures say nothing about them.
pub fn refuses_data(error: &AwsError) -> bool {
    matches!(error.kind, AwsErrorKind::Other | AwsErrorKind::TooLarge) && !error.effect_unknown
}

/// PutMetricData. `Clone` is cheap.
#[derive(Clone)]
pub struct MetricsClient {
    cloudwatch: Service<Client>,
}

impl MetricsClient {
    pub(super) fn new(access: Access) -> Self {
        let cloudwatch = Service::new(access, |access| {
            let config = aws_sdk_cloudwatch::config::Builder::from(&access.config);
            Client::from_conf(config.retry_partition(access.retry_partition()).build())
        });
        Self { cloudwatch }
    }

    /// Puts data to a namespace, in as few calls as AWS's limits allow (1,000 a call).
    ///
    /// # Errors
    /// After the SDK's attempts.
    pub async fn put(&self, namespace: &str, data: &[Datum]) -> Result<(), AwsError> {
        let now = DateTime::from(SystemTime::now());
        for data in data.chunks(MAX_DATA_PER_CALL) {
            let data = data.iter().map(|datum| metric(datum, now)).collect();
            let request = self.cloudwatch.client().await?.put_metric_data().namespace(namespace);
            request.set_metric_data(Some(data)).send().await.map_err(|error| {
                self.cloudwatch.call(Operation::PutMetricData).classify(format!("namespace {namespace}"), error)
            })?;
        }
        Ok(())
    }
}

fn metric(datum: &Datum, now: DateTime) -> MetricDatum {
    let values = StatisticSet::builder()
        .minimum(datum.minimum)
        .maximum(datum.maximum)
        .sum(datum.sum)
        .sample_count(datum.samples)
        .build();
    MetricDatum::builder()
        .metric_name(&datum.name)
        .dimensions(Dimension::builder().name("Tenant").value(dimension(&datum.tenant)).build())
        .unit(StandardUnit::Count)
        .timestamp(now)
        .statistic_values(values)
        .build()
}

/// A tenant as a dimension's value: as it is, where CloudWatch takes it (US-ASCII without
/// control characters, not only white space, no colon at the beginning); else `%-` and
/// the name with what is odd percent-encoded, which can be undone. A name that begins
/// like an encoded one is encoded, so that no two tenants share a value.
fn dimension(tenant: &str) -> Cow<'_, str> {
    let plain = tenant.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && !tenant.trim().is_empty()
        && !tenant.starts_with([':', '%'])
        && tenant.len() <= MAX_VALUE_CHARS;
    if plain {
        return Cow::Borrowed(tenant);
    }
    let encoded = format!("{ENCODED_PREFIX}{}", utf8_percent_encode(tenant, ENCODED_CHARS));
    if encoded.len() <= MAX_VALUE_CHARS {
        return Cow::Owned(encoded);
    }
    let digest = Digest::of(tenant.as_bytes()).to_string();
    let room = MAX_VALUE_CHARS.saturating_sub(CUT_PREFIX.len() + 1 + digest.len());
    let beginning: String = encoded.chars().skip(ENCODED_PREFIX.len()).take(room).collect();
    Cow::Owned(format!("{CUT_PREFIX}{beginning}~{digest}"))
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
