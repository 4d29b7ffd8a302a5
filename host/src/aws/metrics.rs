//! CloudWatch metrics.

use std::time::SystemTime;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};

use super::AwsError;
use super::service::{Access, Service};

/// Data in a call. Source: API_PutMetricData.
const MAX_DATA: usize = 1000;

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
        for data in data.chunks(MAX_DATA) {
            let data = data.iter().map(|datum| metric(datum, now)).collect();
            let request = self.cloudwatch.client().await?.put_metric_data().namespace(namespace);
            request.set_metric_data(Some(data)).send().await.map_err(|error| {
                self.cloudwatch.call("PutMetricData").failed(format!("namespace {namespace}"), error)
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
        .dimensions(Dimension::builder().name("Tenant").value(&datum.tenant).build())
        .unit(StandardUnit::Count)
        .timestamp(now)
        .statistic_values(values)
        .build()
}

#[cfg(test)]
#[path = "metrics_tests.rs"]
mod tests;
