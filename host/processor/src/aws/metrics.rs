//! CloudWatch metrics: putting data.

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

/// The most data per call. Source: API_PutMetricData.
const MAX_DATA_PER_CALL: usize = 1000;

/// The most characters of a dimension's value. Source: API_Dimension.
const MAX_VALUE_CHARS: usize = 1024;

/// The largest absolute value of a number. Source: API_MetricDatum.
const MAX_NUMBER: f64 = 2.348_542_582_773_833_4e108; // 2^360

/// The prefix of an encoded value (as of an encoded log stream's name), and of one that was also cut.
const ENCODED_PREFIX: &str = "%-";
const CUT_PREFIX: &str = "%~";

/// The characters that are percent-encoded in an encoded value.
const ENCODED_CHARS: &AsciiSet = &CONTROLS.add(b'%').add(b':').add(b' ');

/// One metric of one tenant, aggregated since the last flush. Unit: Count.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// The metric's name, such as `LogCount/s3/successful_delivery`.
    pub name: String,
    /// The tenant: the value of the dimension `Tenant`.
    pub tenant: String,
    /// The smallest value that was seen. The four numbers are a statistic set: CloudWatch computes
    /// SUM, AVERAGE, MIN and MAX from it as from the single values.
    pub minimum: f64,
    /// The largest value.
    pub maximum: f64,
    /// The sum of the values.
    pub sum: f64,
    /// The number of values.
    pub samples: f64,
}

impl Datum {
    /// Whether CloudWatch takes these numbers. It refuses all data of a call if one of them is not
    /// a number, or too large.
    pub fn is_valid(&self) -> bool {
        let numbers = [self.minimum, self.maximum, self.sum, self.samples];
        numbers.iter().all(|number| number.abs() <= MAX_NUMBER) && self.minimum <= self.maximum && self.samples > 0.0
    }
}

/// Whether an error means that CloudWatch refused the data of a call, and will never take them. Other
/// errors say nothing about the data.
pub fn refuses_data(error: &AwsError) -> bool {
    matches!(error.kind, AwsErrorKind::Other | AwsErrorKind::TooLarge) && !error.effect_unknown
}

/// The client for PutMetricData. `Clone` is cheap.
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

    /// Puts data into a namespace, 1,000 per call.
    ///
    /// # Errors
    /// A call failed after all attempts.
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

/// A tenant's name as a dimension's value: unchanged if CloudWatch takes it (US-ASCII without
/// control characters, not only white space, no colon at the beginning). Other names are
/// percent-encoded after `%-`, which can be undone. A name that begins like an encoded one is
/// encoded too, so that no two tenants share a value.
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
