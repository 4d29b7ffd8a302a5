//! The tenant's own side refuses: what can't be delivered ends in the dead-letter
//! queue, and the destination is left alone after three failures in a row.

use std::time::Duration;

use fake_aws::scene::{CENTRAL_ROLE, DEAD_LETTERS, QUEUE};
use fake_aws::{Effect, PROCESSOR_ARN, REGION, Rule, Service, Trust};
use serde_json::{Value, json};

use crate::common::aws::{Lab, gzip, records, texts};

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
    lab.aws.fault(Rule::new(Effect::ErrorIn200("InternalError".to_owned())).operation("CopyObject").times(2));
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
    ended_sessions_are_replaced(fake_aws::FakeAws::expire_sessions);
}

#[test]
fn sessions_of_roles_that_were_made_anew_are_replaced_within_the_attempt() {
    ended_sessions_are_replaced(fake_aws::FakeAws::forget_sessions);
}

fn ended_sessions_are_replaced(end: fn(&fake_aws::FakeAws)) {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let process = lab.sqs();
    lab.announced("acme", "a", &records("acme", 10));
    process.empties_the_queue();
    end(&lab.aws);
    lab.announced("acme", "b", &records("acme", 10));
    process.empties_the_queue();
    assert_eq!(process.done(2), ["cloudwatch=delivered"; 2]);
    assert_eq!(lab.messages(&tenant).len(), 20);
    assert_eq!(lab.aws.messages(QUEUE).len(), 0);
    assert_eq!(lab.aws.receives(QUEUE).len(), 2, "nothing was sent back");
    process.terminate();
}

#[test]
fn a_bucket_whose_kms_key_refuses() {
    let lab = Lab::new().redrive_after(1);
    let tenant = lab.scene.add_s3_tenant("acme");
    lab.aws.set_bucket_key(&tenant.bucket, "arn:aws:kms:us-east-1:2:key/theirs");
    opens_the_breaker(&lab, "s3=failed(denied)", &["kms:GenerateDataKey", "in the target's bucket policy"], copies);
}

/// A bucket that was deleted, and made anew by a stranger, gets nothing of the tenant's.
#[test]
fn a_bucket_that_is_somebody_elses() {
    let lab = Lab::new().redrive_after(1);
    let tenant = lab.scene.add_s3_tenant("acme");
    let fields = json!({"bucket_name": {"S": tenant.bucket}, "account_id": {"S": tenant.account}});
    lab.scene.add_delivery("acme", "s3", fields);
    lab.aws.take_over(&tenant.bucket, "666666666666");
    let says = format!("must be of account {}", tenant.account);
    opens_the_breaker(&lab, "s3=failed(denied)", &["CopyObject", &says], copies);
    assert!(lab.aws.keys(&tenant.bucket).is_empty());
}

#[test]
fn a_success_that_copied_nothing_is_none() {
    for body in ["", " \n", "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CopyObjectRes"] {
        let lab = Lab::new();
        let tenant = lab.scene.add_s3_tenant("acme");
        lab.aws.fault(Rule::new(Effect::Empty200(body)).operation("CopyObject").times(1));
        lab.announced("acme", "a", &records("acme", 10));
        let process = lab.sqs();
        assert_eq!(process.done(1), ["s3=failed(no-proof)"]);
        let error = process.objects()[0]["error"].to_string();
        assert!(error.contains("its effect is unknown"), "{error}");
        process.empties_the_queue();
        assert_eq!(process.done(2)[1..], ["s3=delivered"]);
        assert_eq!(lab.aws.keys(&tenant.bucket).len(), 1);
        process.terminate();
    }
}

#[test]
fn a_success_that_stored_no_events_is_none() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(Rule::new(Effect::Empty200("")).operation("PutLogEvents").after(1).times(1));
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=failed(no-proof)"]);
    process.empties_the_queue();
    assert_eq!(process.done(2)[1..], ["cloudwatch=delivered"]);
    assert_eq!(lab.messages(&tenant), texts(10));
    process.terminate();
}

/// Several pods' first objects come at once, and one of them creates the group.
#[test]
fn a_group_that_is_being_created_is_waited_for() {
    let lab = Lab::new().set("MAX_CONCURRENT_PER_TENANT", 8);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let conflict = Effect::Status {
        status: 400,
        code: "OperationAbortedException".to_owned(),
        message: "A conflicting operation is currently in progress against this resource.".to_owned(),
    };
    lab.aws.fault(Rule::new(Effect::Delay(Duration::from_millis(300))).operation("CreateLogGroup").times(1));
    lab.aws.fault(Rule::new(conflict).operation("CreateLogGroup"));
    let keys: Vec<_> = (0..6).map(|number| format!("prod-1/acme/app/pod-{number}/a.json.gz")).collect();
    for key in &keys {
        lab.scene.put_object(key, gzip(records("acme", 1).as_bytes()));
    }
    lab.scene.send(&lab.scene.announce(&keys.iter().map(String::as_str).collect::<Vec<_>>()));
    let process = lab.sqs();
    assert_eq!(process.done(6), ["cloudwatch=delivered"; 6]);
    process.empties_the_queue();
    assert_eq!(process.metric("log_processor_requeues_total", &[]), 0.0);
    assert_eq!(lab.aws.log_streams(&tenant.account, REGION, &tenant.group).len(), 6);
    process.terminate();
}

/// What is nobody's destination opens nobody's breaker.
#[test]
fn a_central_role_that_can_not_be_assumed_is_not_the_tenants_fault() {
    let lab = Lab::new().redrive_after(1);
    let logs = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(PROCESSOR_ARN, "sts:AssumeRole");
    for name in ["a", "b", "c", "d"] {
        lab.last_try(&lab.object("acme", name, &records("acme", 10)));
    }
    let process = lab.sqs();
    assert_eq!(process.done(4), ["cloudwatch=failed(denied)"; 4]);
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 0.0);
    process.redrives(4);
    lab.aws.allow_again(PROCESSOR_ARN);
    lab.announced("acme", "e", &records("acme", 10));
    assert_eq!(process.done(5)[4], "cloudwatch=delivered");
    assert_eq!(lab.messages(&logs), texts(10));
    process.terminate();
}

/// This machine's clock is an hour off: what is signed is signed again by AWS's.
#[test]
fn a_clock_that_is_off_delivers_all_the_same() {
    for hours in [1, -1] {
        let lab = Lab::new();
        lab.aws.set_ahead(hours * 3600);
        let (logs, bucket) = (lab.scene.add_cloudwatch_tenant("acme"), lab.scene.add_s3_tenant("acme"));
        lab.announced("acme", "a", &records("acme", 10));
        let process = lab.sqs();
        assert_eq!(process.done(1), ["cloudwatch=delivered, s3=delivered"]);
        process.empties_the_queue();
        let roles = lab.count(Service::Sts, "AssumeRole");
        lab.announced("acme", "b", &records("acme", 10));
        assert_eq!(process.done(2)[1], "cloudwatch=delivered, s3=delivered");
        process.empties_the_queue();
        assert_eq!((lab.messages(&logs).len(), lab.aws.keys(&bucket.bucket).len()), (20, 2));
        assert_eq!(lab.count(Service::Sts, "AssumeRole"), roles, "sessions last as long as AWS says");
        process.terminate();
    }
}
