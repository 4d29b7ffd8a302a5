//! PutMetricData.

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::types::{Dimension, MetricDatum, StandardUnit, StatisticSet};
use fake_aws::{FakeAws, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Service};

use crate::{code, config, status};

fn datum(name: &str) -> MetricDatum {
    let set = StatisticSet::builder().minimum(1.0).maximum(3.0).sum(4.5).sample_count(2.0).build();
    let dimension = Dimension::builder().name("Tenant").value("acme").build();
    let datum = MetricDatum::builder().metric_name(name).dimensions(dimension).statistic_values(set);
    datum.unit(StandardUnit::Count).build()
}

async fn put(client: &Client, data: usize) -> Result<(), String> {
    let data = (0..data).map(|number| datum(&format!("LogCount/{number}"))).collect();
    let put = client.put_metric_data().namespace("N").set_metric_data(Some(data)).send().await;
    if put.is_ok() { Ok(()) } else { Err(code(put)) }
}

#[tokio::test]
async fn data_are_recorded_compressed_or_not() {
    let fake = FakeAws::start().await;
    let client = Client::new(&config(&fake, fake.own()));
    put(&client, 1).await.unwrap();
    let metric = fake.metrics().remove(0);
    assert_eq!((metric.account.as_str(), metric.namespace.as_str()), (PROCESSOR_ACCOUNT, "N"));
    assert_eq!((metric.name.as_str(), metric.unit.as_str()), ("LogCount/0", "Count"));
    assert_eq!(metric.dimensions, [("Tenant".to_owned(), "acme".to_owned())]);
    assert_eq!((metric.minimum, metric.maximum, metric.sum, metric.samples), (1.0, 3.0, 4.5, 2.0));

    put(&client, 1000).await.unwrap();
    assert_eq!(fake.metrics().len(), 1001);
    let bytes = fake.log().last().unwrap().bytes;
    assert!(bytes < 50_000, "{bytes} bytes are not compressed");
    assert_eq!(fake.count(Service::CloudWatch, "PutMetricData"), 2);

    let value = MetricDatum::builder().metric_name("one").value(7.0).build();
    client.put_metric_data().namespace("N").metric_data(value).send().await.unwrap();
    assert_eq!(fake.metrics().pop().unwrap().sum, 7.0);
}

#[tokio::test]
async fn what_is_wrong_with_data_is_refused() {
    let fake = FakeAws::start().await;
    let client = Client::new(&config(&fake, fake.own()));
    assert_eq!(put(&client, 1001).await.unwrap_err(), "InvalidParameterValue");
    let put_one =
        |namespace: &str, datum: MetricDatum| client.put_metric_data().namespace(namespace).metric_data(datum).send();
    assert_eq!(code(put_one("AWS/Mine", datum("m")).await), "InvalidParameterValue");
    let mut both = datum("m");
    both.value = Some(1.0);
    assert_eq!(code(put_one("N", both).await), "InvalidParameterCombination");
    let nan = MetricDatum::builder().metric_name("m").value(f64::NAN).build();
    assert_eq!(code(put_one("N", nan).await), "InvalidParameterValue");
    assert!(fake.metrics().is_empty());
    fake.deny(PROCESSOR_ARN, "cloudwatch:PutMetricData");
    assert_eq!(status(put_one("N", datum("m")).await), 403);
}

/// One dimension that is none, and all of the call is refused.
#[tokio::test]
async fn what_is_no_dimension_is_refused_with_its_call() {
    let fake = FakeAws::start().await;
    let client = Client::new(&config(&fake, fake.own()));
    let with = |name: &str, value: &str| {
        let dimension = Dimension::builder().name(name).value(value).build();
        MetricDatum::builder().metric_name("m").dimensions(dimension).value(1.0).build()
    };
    let put_one = |datum: MetricDatum| client.put_metric_data().namespace("N").metric_data(datum);
    let (longest, long) = ("x".repeat(1024), "x".repeat(1025));
    for value in ["", " ", ":acme", "z\u{fc}rich", "a\nb", "a\u{7f}", &long] {
        let put = put_one(with("Tenant", value)).metric_data(datum("m")).send().await;
        assert_eq!(code(put), "InvalidParameterValue", "{value:?}");
    }
    assert_eq!(code(put_one(with(":Tenant", "acme")).send().await), "InvalidParameterValue");
    let large = MetricDatum::builder().metric_name("m").value(2f64.powi(361)).build();
    assert_eq!(code(put_one(large).send().await), "InvalidParameterValue");
    assert!(fake.metrics().is_empty());
    for value in ["a b", "a:b", "%-z%C3%BCrich", &longest] {
        put_one(with("Tenant", value)).send().await.unwrap();
    }
}
