//! A destination that failed again and again is left alone for a while, and is well
//! again when it works again: what waited arrives, and only attempts count.

use std::time::Duration;

use fake_aws::scene::{CENTRAL_ROLE, CloudWatchTenant, DEAD_LETTERS, QUEUE};
use fake_aws::{Effect, Rule, Service};
use serde_json::{Value, json};

use super::support::{calls, metadata, s3_denied, sent_back};
use crate::common::aws::{Lab, now, records, texts};

/// The tenant's role can't be assumed, until the faults are cleared.
fn role_is_gone(lab: &Lab, tenant: &CloudWatchTenant) {
    let code = "AccessDenied".to_owned();
    let what = Effect::Status { status: 403, code, message: "not authorized".to_owned() };
    lab.aws.fault(Rule::new(what).operation("AssumeRole").resource(&tenant.role));
}

fn assumed(lab: &Lab, tenant: &CloudWatchTenant) -> usize {
    let calls = calls(&lab.aws, Service::Sts, "AssumeRole");
    calls.iter().filter(|call| call.resource.contains(&tenant.role) && !call.resource.contains(CENTRAL_ROLE)).count()
}

/// Issue 11, A1: three failures, the role is mended, the open time passes, and all of it
/// arrives: no message fails, and nobody is asked in between.
#[test]
fn it_closes_again_and_what_waited_is_delivered() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    role_is_gone(&lab, &tenant);
    for object in 0..6 {
        lab.announced("acme", &object.to_string(), &records("acme", 1));
    }
    let process = lab.sqs();
    process.says("the destination keeps failing: it is left alone");
    // The tenant mends it at once.
    lab.aws.clear_faults();
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 1.0);
    let asked = assumed(&lab, &tenant);
    // One that is never tried before.
    lab.announced("acme", "late", &records("acme", 1));
    process.line("a refusal of it", |line| {
        let key = line["key"].as_str().unwrap_or_default();
        key.ends_with("late.json.gz") && line["deliveries"] == "cloudwatch=failed(breaker-open)"
    });
    process.wait("it waits in the queue", || {
        sent_back(&lab.aws).iter().any(|message| message.body.contains("late.json.gz"))
    });
    let late = sent_back(&lab.aws).into_iter().find(|message| message.body.contains("late.json.gz")).unwrap();
    let late = metadata(&late);
    assert_eq!(late["retry_count"], 0, "it was not tried: {late}");
    assert!(late["first_failed_at"].is_string() && late["last_error"].is_null(), "{late}");
    assert!(process.metric("log_processor_oldest_waiting_seconds", &[]) < 60.0);
    assert_eq!(assumed(&lab, &tenant), asked);

    process.says("the destination works again");
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant).len(), 7);
    assert!(lab.aws.messages(DEAD_LETTERS).is_empty());
    assert!(process.lines().iter().all(|line| line["message"] != "the message failed"));
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 0.0);
    assert_eq!(process.metric("log_processor_oldest_waiting_seconds", &[]), 0.0);
    process.terminate();
}

/// As [`crate::common::aws::retried`], with all that this project adds.
fn waited(record: &Value, metadata: Value) -> String {
    json!({"Message": json!({"Records": [record]}).to_string(), "processing_metadata": metadata}).to_string()
}

fn hours_ago(hours: i64) -> String {
    let at = now() - hours * 3_600_000;
    log_processor::notification::rfc3339(at)
}

/// Issue 11, A2: what waits is not sent back for ever.
#[test]
fn what_waited_for_longer_than_the_window_fails_with_the_last_attempts_reason() {
    let lab = Lab::new().redrive_after(2);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    role_is_gone(&lab, &tenant);
    // Three spend their last attempts, and open the breaker.
    for object in 0..3 {
        lab.last_try(&lab.object("acme", &object.to_string(), &records("acme", 1)));
    }
    let process = lab.sqs();
    process.says("the destination keeps failing: it is left alone");
    let asked = assumed(&lab, &tenant);
    let record = |name: &str| lab.scene.record(&lab.object("acme", name, &records("acme", 1)));
    let metadata = |hours| {
        json!({
            "offset": 0, "retry_count": 1, "delivery": "cloudwatch", "first_failed_at": hours_ago(hours),
            "last_error": "AssumeRole: the reason of the last attempt",
        })
    };
    let old = lab.scene.send(&waited(&record("old"), metadata(7)));
    let new = lab.scene.send(&waited(&record("new"), metadata(5)));
    let failed = process
        .line("its failure", |line| line["message"] == "the message failed" && line["message_id"] == old.as_str());
    let error = failed["error"].as_str().unwrap();
    assert!(error.contains("RETRY_WINDOW") && error.contains("the reason of the last attempt"), "{error}");
    process.wait("the other goes on waiting", || lab.aws.deleted(QUEUE).contains(&new));
    assert!(process.metric("log_processor_oldest_waiting_seconds", &[]) > 6.9 * 3600.0);
    assert!(
        process
            .lines()
            .iter()
            .all(|line| line["message_id"] != new.as_str() || line["message"] != "the message failed")
    );
    assert_eq!(assumed(&lab, &tenant), asked, "nobody tried them");
    // The queue brings it to its dead-letter queue.
    process.wait("it is in the dead-letter queue", || lab.redriven().iter().any(|body| body.contains("old.json.gz")));
    process.terminate();
}

/// An operator brings it back from there: where the destination works, it is delivered.
#[test]
fn what_is_redriven_after_the_window_is_tried() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let key = lab.object("acme", "old", &records("acme", 3));
    let metadata = json!({
        "offset": 0, "retry_count": 3, "delivery": "cloudwatch", "first_failed_at": hours_ago(70), "last_error": "denied",
    });
    lab.scene.send(&waited(&lab.scene.record(&key), metadata));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(3));
    process.terminate();
}

/// What says nothing about the destination is no attempt: the probe is left to the next.
#[test]
fn a_probe_that_is_not_tried_leaves_the_breaker_half_open() {
    let lab = Lab::new();
    let tenant = lab.scene.add_s3_tenant("acme");
    lab.aws.fault(s3_denied("CopyObject").times(3));
    let fields = |wanted: &str| {
        json!({
            "bucket_name": {"S": tenant.bucket}, "bucket_prefix": {"S": tenant.prefix}, "desired_logs": {"SS": [wanted]},
        })
    };
    lab.scene.add_delivery("acme", "s3", fields("app"));
    for object in 0..3 {
        lab.announced("acme", &object.to_string(), &records("acme", 1));
    }
    let process = lab.sqs();
    process.says("the destination keeps failing: it is left alone");
    // An object that the filter doesn't want, when the time is over: it may be the probe.
    let other = crate::common::aws::key("acme", "unwanted").replace("/app/", "/unwanted/");
    lab.scene.put_object(&other, crate::common::aws::gzip(records("acme", 1).as_bytes()));
    process.wait("three in the queue", || sent_back(&lab.aws).len() == 3);
    let soon = sent_back(&lab.aws).iter().filter_map(|message| message.invisible_for).max().unwrap_or_default();
    assert!(soon <= Duration::from_secs(30), "{soon:?}");
    lab.scene.send(&lab.scene.notify(&other));
    process.says("the destination works again");
    process.empties_the_queue();
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), 3);
    process.terminate();
}
