//! Numbers: /metrics, and the reference's CloudWatch metrics.

use std::time::Duration;

use fake_aws::{Effect, Metric, Rule, Service};

use super::support::denied;
use crate::common::aws::{Lab, NEVER, Process, records, texts};

const MINUTE: Duration = Duration::from_secs(60);

#[track_caller]
fn is(process: &Process, name: &str, labels: &[&str], value: f64) {
    let found = process.metric(&format!("log_processor_{name}"), labels);
    assert!((found - value).abs() < 1e-6, "{name} {labels:?} is {found}, not {value}\n{}", process.get("/metrics").1);
}

#[test]
fn metrics_hold_what_was_done() {
    let lab = Lab::new().set("MAX_BATCH_SIZE", 10).set("TENANT_CACHE_SECONDS", 3600);
    for name in ["acme", "denied"] {
        lab.scene.add_cloudwatch_tenant(name);
    }
    let s3 = lab.scene.add_s3_tenant("acme");
    lab.aws.deny("arn:aws:iam::000000000001:role/none", "*");
    let denied_account = lab.scene.add_cloudwatch_tenant("denied").account;
    lab.aws.fault(denied("PutLogEvents").account(&denied_account));
    lab.announced("acme", "1", &(records("acme", 25) + "not a record\n"));
    let process = lab.sqs();
    process.empties_the_queue();
    lab.announced("denied", "1", &records("denied", 1));
    process.done(2);
    process.wait("what is sent back", || lab.count(Service::Sqs, "SendMessageBatch") == 1);
    process.wait("nothing at work", || process.metric("log_processor_messages_in_flight", &[]) < 0.5);

    let delivered = "outcome=\"delivered\"";
    let partial = ["destination=\"cloudwatch\"", "outcome=\"partial\"", "reason=\"malformed\""];
    is(&process, "deliveries_total", &partial, 1.0);
    is(&process, "deliveries_total", &["destination=\"s3\"", delivered], 1.0);
    is(&process, "deliveries_total", &["outcome=\"failed\"", "reason=\"denied\""], 1.0);
    is(&process, "lines_total", &["destination=\"cloudwatch\"", delivered], 25.0);
    is(&process, "lines_total", &["outcome=\"malformed\""], 1.0);
    is(&process, "dead_letters_total", &["reason=\"malformed\""], 1.0);
    is(&process, "events_total", &["destination=\"cloudwatch\""], 25.0);
    is(&process, "batches_total", &["destination=\"cloudwatch\""], 3.0);
    let bytes: usize = texts(25).iter().map(String::len).sum();
    is(&process, "bytes_total", &["destination=\"cloudwatch\""], bytes as f64);
    let [copied] = lab.aws.keys(&s3.bucket).try_into().unwrap();
    let size = lab.aws.object(&s3.bucket, &copied).unwrap().size;
    is(&process, "bytes_total", &["destination=\"s3\""], size as f64);
    is(&process, "delivery_latency_seconds_count", &["destination=\"cloudwatch\""], 1.0);
    is(&process, "delivery_latency_seconds_count", &["destination=\"s3\""], 1.0);
    is(&process, "messages_total", &["outcome=\"acknowledged\""], 2.0);
    is(&process, "requeues_total", &["why=\"failed\""], 1.0);
    is(&process, "tenant_lookups_total", &["result=\"miss\""], 2.0);
    assert!(process.metric("log_processor_guest_seconds_total", &[]) > 0.0);
    lab.aws.clear_faults();
    process.empties_the_queue();
    is(&process, "tenant_lookups_total", &["result=\"hit\""], 1.0);
    is(&process, "messages_total", &["outcome=\"acknowledged\""], 3.0);
    assert_eq!(process.get("/readyz").0, 200);
    assert_eq!(process.get("/healthz").0, 200);
    process.terminate();
}

/// The metric of this name, which must be there once.
#[track_caller]
fn one(metrics: &[Metric], tenant: &str, name: &str) -> (f64, f64) {
    let found = metrics.iter().filter(|metric| {
        metric.name == format!("LogCount/{name}") && metric.dimensions == [("Tenant".to_owned(), tenant.to_owned())]
    });
    let [metric] =
        found.collect::<Vec<_>>().try_into().unwrap_or_else(|found| panic!("{name}: {found:?} of {metrics:?}"));
    assert_eq!((metric.namespace.as_str(), metric.unit.as_str()), ("HCPLF/LogForwarding", "Count"));
    (metric.samples, metric.sum)
}

#[test]
fn an_invocation_puts_the_references_metrics_once() {
    let lab = Lab::new();
    let tenants = ["acme", "bad"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    lab.scene.add_s3_tenant("acme");
    lab.aws.fault(denied("PutLogEvents").account(&tenants[1].account));
    let body = |tenant: &str, name: &str| lab.scene.notify(&lab.object(tenant, name, &records(tenant, 10)));
    let bodies = [body("acme", "1"), body("acme", "2"), body("bad", "1")];
    let process = lab.lambda();
    let messages: Vec<_> = ["1", "2", "3"].into_iter().zip(bodies.iter().map(String::as_str)).collect();
    assert_eq!(lab.invoke(&process, &messages, MINUTE), [""; 0]);
    assert_eq!(lab.count(Service::CloudWatch, "PutMetricData"), 1);
    let metrics = lab.aws.metrics();
    assert_eq!(one(&metrics, "acme", "cloudwatch/successful_events"), (2.0, 20.0));
    assert_eq!(one(&metrics, "acme", "cloudwatch/failed_events"), (2.0, 0.0));
    assert_eq!(one(&metrics, "acme", "cloudwatch/successful_delivery"), (2.0, 2.0));
    assert_eq!(one(&metrics, "acme", "s3/successful_delivery"), (2.0, 2.0));
    assert!(one(&metrics, "acme", "cloudwatch/delivery_latency").0 > 1.0);
    assert!(one(&metrics, "acme", "s3/delivery_latency").0 > 1.0);
    assert_eq!(one(&metrics, "bad", "cloudwatch/failed_delivery"), (1.0, 1.0));
    assert!(one(&metrics, "bad", "cloudwatch/failed_events").1 >= 1.0);
    process.kill();
}

#[test]
fn a_flush_that_fails_fails_nothing_and_goes_with_the_next() {
    let lab = Lab::new().set("REQUEST_TIMEOUT", NEVER);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let body = |name: &str| lab.scene.notify(&lab.object("acme", name, &records("acme", 10)));
    let (one_body, two_body, three_body) = (body("1"), body("2"), body("3"));
    lab.aws.fault(denied("PutMetricData").service(Service::CloudWatch).times(1));
    let process = lab.lambda();
    assert_eq!(lab.invoke(&process, &[("1", &one_body)], MINUTE), [""; 0]);
    assert!(lab.aws.metrics().is_empty());
    // One that hangs holds the answer up for a second at most, and not as long as it hangs.
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutMetricData").times(1));
    assert_eq!(lab.invoke(&process, &[("2", &two_body)], MINUTE), [""; 0]);
    assert_eq!(lab.invoke(&process, &[("3", &three_body)], MINUTE), [""; 0]);
    assert_eq!(lab.messages(&tenant).len(), 30);
    assert_eq!(one(&lab.aws.metrics(), "acme", "cloudwatch/successful_events"), (3.0, 30.0));
    process.kill();
}

/// A tenant that is no dimension of CloudWatch's is encoded, and holds nobody's back.
#[test]
fn a_tenant_whose_name_cloudwatch_does_not_take_is_encoded() {
    let lab = Lab::new();
    let acme = lab.scene.add_cloudwatch_tenant("acme");
    let fields = serde_json::json!({
        "log_distribution_role_arn": {"S": acme.role}, "log_group_name": {"S": acme.group},
    });
    lab.scene.add_delivery("z\u{fc}rich", "cloudwatch", fields);
    let body = |tenant: &str| lab.scene.notify(&lab.object(tenant, "1", &records(tenant, 10)));
    let bodies = [body("acme"), body("z\u{fc}rich")];
    let process = lab.lambda();
    let messages: Vec<_> = ["1", "2"].into_iter().zip(bodies.iter().map(String::as_str)).collect();
    assert_eq!(lab.invoke(&process, &messages, MINUTE), [""; 0]);
    let metrics = lab.aws.metrics();
    assert_eq!(one(&metrics, "acme", "cloudwatch/successful_events"), (1.0, 10.0));
    assert_eq!(one(&metrics, "%-z%C3%BCrich", "cloudwatch/successful_events"), (1.0, 10.0));
    assert_eq!(lab.count(Service::CloudWatch, "PutMetricData"), 1);
    process.kill();
}

/// What the last minute brought is sent at the end, and CloudWatch can't hold it up.
#[test]
fn the_last_metrics_are_sent_at_the_end_or_given_up() {
    let lab = Lab::new();
    lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "1", &records("acme", 10));
    let process = lab.sqs();
    process.empties_the_queue();
    process.terminate();
    assert_eq!(one(&lab.aws.metrics(), "acme", "cloudwatch/successful_events"), (1.0, 10.0));
    let lab = Lab::new().set("REQUEST_TIMEOUT", 300);
    lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutMetricData"));
    lab.announced("acme", "1", &records("acme", 10));
    let process = lab.sqs();
    process.empties_the_queue();
    // It ends long before a request of 300 s does.
    process.terminate();
}
