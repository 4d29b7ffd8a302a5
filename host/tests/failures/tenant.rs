//! The tenant's own side refuses: what can't be delivered ends in the dead-letter
//! queue, and the destination is left alone after three failures in a row.

use std::time::Duration;

use fake_aws::scene::{CENTRAL_ROLE, DEAD_LETTERS, QUEUE};
use fake_aws::{Rule, Service, Trust, What};
use serde_json::Value;

use crate::aws::{Lab, records, texts};

/// Three messages of `acme` whose retries are spent fail with `outcome` and `says`;
/// the fourth is not tried. Another tenant's arrive all the while.
fn opens_the_breaker(lab: &Lab, outcome: &str, says: &[&str], tries: impl Fn(&Lab) -> u64) {
    let other = lab.scene.add_cloudwatch_tenant("other");
    for name in ["a", "b", "c"] {
        lab.last_try(&lab.object("acme", name, &records("acme", 10)));
    }
    let process = lab.sqs();
    assert_eq!(process.done(3), [outcome; 3]);
    let line = &process.objects()[0];
    for part in says {
        assert!(line["error"].as_str().unwrap().contains(part), "no {part:?} in {line}");
    }
    let line = process.says("the destination keeps failing");
    assert_eq!((line["tenant"].as_str(), line["seconds"].as_u64()), (Some("acme"), Some(30)));
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 1.0);
    let before = tries(lab);
    assert!(before > 0);
    lab.announced("acme", "d", &records("acme", 10));
    let kind = outcome.split('=').next().unwrap();
    assert_eq!(process.done(4)[3], format!("{kind}=failed(breaker-open)"));
    lab.announced("other", "a", &records("other", 10));
    assert_eq!(process.done(5)[4], "cloudwatch=delivered");
    assert_eq!(lab.messages(&other), texts(10));
    process.wait("three in the dead-letter queue", || lab.aws.messages(DEAD_LETTERS).len() == 3);
    // The fourth waits in the queue, for as long as the destination is left alone.
    let waiting =
        process.until("what is sent back", || lab.aws.messages(QUEUE).into_iter().find(|it| it.receives == 0));
    assert!(waiting.delay > Duration::from_secs(20), "{:?}", waiting.delay);
    let body: Value = serde_json::from_str(&waiting.body).unwrap();
    assert_eq!(body["processing_metadata"]["delivery"], kind);
    assert_eq!(tries(lab), before, "neither the fourth nor a failed one that came again was tried");
    process.kill();
}

#[test]
fn a_group_that_may_not_be_made() {
    let lab = Lab::new().redrive_after(1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(&tenant.role, "logs:CreateLogGroup");
    let tries = move |lab: &Lab| {
        let calls = lab.aws.log();
        calls.iter().filter(|call| call.operation == "PutLogEvents" && call.resource.starts_with(&tenant.group)).count()
            as u64
    };
    opens_the_breaker(&lab, "cloudwatch=failed(denied)", &["CreateLogGroup", "not authorized"], tries);
}

#[test]
fn a_put_that_is_denied() {
    let lab = Lab::new().redrive_after(1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(&tenant.role, "logs:PutLogEvents");
    let tries = move |lab: &Lab| {
        let calls = lab.aws.log();
        calls.iter().filter(|call| call.operation == "PutLogEvents" && call.resource.starts_with(&tenant.group)).count()
            as u64
    };
    opens_the_breaker(&lab, "cloudwatch=failed(denied)", &["PutLogEvents", "not authorized"], tries);
}

#[test]
fn a_role_that_may_not_be_assumed() {
    let lab = Lab::new().redrive_after(1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let trust = Trust::of(CENTRAL_ROLE).external_id("another");
    lab.aws.add_role(&tenant.role, trust, fake_aws::Permissions::all());
    let role = tenant.role.clone();
    let tries = move |lab: &Lab| {
        let calls = lab.aws.log();
        calls.iter().filter(|call| call.operation == "AssumeRole" && call.resource == role).count() as u64
    };
    opens_the_breaker(&lab, "cloudwatch=failed(denied)", &["AssumeRole", &tenant.role], tries);
}

fn copies(lab: &Lab) -> u64 {
    lab.count(Service::S3, "CopyObject")
}

#[test]
fn a_bucket_that_is_not_there() {
    let lab = Lab::new().redrive_after(1);
    let tenant = lab.scene.add_s3_tenant("acme");
    lab.aws.remove_bucket(&tenant.bucket);
    opens_the_breaker(&lab, "s3=failed(no-bucket)", &["CopyObject", &tenant.bucket], copies);
}

#[test]
fn a_bucket_that_refuses() {
    let lab = Lab::new().redrive_after(1);
    lab.scene.add_s3_tenant("acme");
    lab.aws.deny(CENTRAL_ROLE, "s3:PutObject");
    opens_the_breaker(&lab, "s3=failed(denied)", &["CopyObject", "AccessDenied"], copies);
}

#[test]
fn a_failed_message_that_comes_again_arrives_when_the_tenant_has_mended_it() {
    let lab = Lab::new().redrive_after(3);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(&tenant.role, "logs:CreateLogGroup");
    lab.last_try(&lab.object("acme", "a", &records("acme", 10)));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=failed(denied)"]);
    lab.aws.allow_again(&tenant.role);
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(10));
    assert!(lab.redriven().is_empty());
    process.terminate();
}

#[test]
fn a_copy_that_fails_with_status_200_is_retried() {
    let lab = Lab::new();
    let tenant = lab.scene.add_s3_tenant("acme");
    lab.aws.fault(Rule::new(What::ErrorIn200("InternalError".to_owned())).operation("CopyObject").times(2));
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["s3=failed(unavailable)"]);
    process.empties_the_queue();
    assert_eq!(process.outcomes()[1..], ["s3=delivered"]);
    assert_eq!(lab.aws.keys(&tenant.bucket).len(), 1);
    process.terminate();
}

#[test]
fn sessions_that_end_before_their_time_are_replaced_within_the_attempt() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let process = lab.sqs();
    lab.announced("acme", "a", &records("acme", 10));
    process.empties_the_queue();
    lab.aws.expire_sessions();
    lab.announced("acme", "b", &records("acme", 10));
    process.empties_the_queue();
    assert_eq!(process.done(2), ["cloudwatch=delivered"; 2]);
    assert_eq!(lab.messages(&tenant).len(), 20);
    assert_eq!(lab.aws.messages(QUEUE).len(), 0);
    assert_eq!(lab.aws.receives(QUEUE).len(), 2, "nothing was sent back");
    process.terminate();
}
