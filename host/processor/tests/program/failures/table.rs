//! The table of tenants can't be asked.

use fake_aws::scene::TABLE;
use fake_aws::{Effect, PROCESSOR_ARN, Rule, Service};

use crate::common::aws::{Lab, Process, records, texts};

fn status(status: u16, code: &str) -> Effect {
    Effect::Status { status, code: code.to_owned(), message: "on purpose".to_owned() }
}

/// The lookup fails as often as the SDK tries; what is left comes back and is delivered.
fn is_retried(what: Effect) {
    let lab = if matches!(what, Effect::Hang) { Lab::new().impatient() } else { Lab::new() }.dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(Rule::new(what.clone()).operation("Query").times(2));
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["object=failed(tenant-table)"], "{what:?}");
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(10));
    assert_eq!(process.outcomes()[1..], ["cloudwatch=delivered"]);
    assert_eq!(lab.count(Service::DynamoDb, "Query"), 3, "{what:?}: two attempts, and the next message's");
    assert!(lab.letters().is_empty());
    assert_eq!(process.get("/readyz").0, 200);
    process.terminate();
}

#[test]
fn throttled_is_retried() {
    is_retried(Effect::Throttle);
    is_retried(status(400, "ProvisionedThroughputExceededException"));
}

#[test]
fn unreachable_is_retried() {
    is_retried(Effect::ResetBefore);
}

#[test]
fn a_hanging_table_is_retried() {
    is_retried(Effect::Hang);
}

#[test]
fn an_error_of_aws_is_retried() {
    is_retried(status(500, "InternalServerError"));
}

/// /readyz says that it is the table, and the log why; the message ends in the
/// dead-letter queue.
fn is_told(lab: &Lab, process: &Process, says: &[&str]) {
    process.done(1);
    let (status, text) = process.get("/readyz");
    assert!(status == 503 && text.starts_with("tenant table:"), "{text}");
    let line = process.says("it can't be reached");
    assert_eq!(line["part"], "tenant table");
    for part in says {
        assert!(line["error"].as_str().unwrap().contains(part), "no {part:?} in {line}");
        assert!(!text.contains(part), "{part:?} in {text}");
    }
    process.redrives(1);
    assert_eq!(lab.count(Service::S3, "GetObject"), 0);
}

#[test]
fn denied_is_told_by_readyz_and_ends_in_the_dead_letter_queue() {
    let lab = Lab::new().redrive_after(1);
    lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(PROCESSOR_ARN, "dynamodb:Query");
    lab.last_try(&lab.object("acme", "a", &records("acme", 1)));
    let process = lab.sqs();
    is_told(&lab, &process, &[TABLE, "not authorized", "dynamodb:Query"]);
    process.terminate();
}

#[test]
fn no_such_table_is_told_by_readyz_and_mends_itself() {
    let lab = Lab::new().redrive_after(1).set("TENANT_CONFIG_TABLE", "elsewhere").may("dynamodb:Query", "elsewhere");
    lab.last_try(&lab.object("acme", "a", &records("acme", 1)));
    let process = lab.sqs();
    is_told(&lab, &process, &["elsewhere", "TENANT_CONFIG_TABLE"]);
    lab.aws.add_table("elsewhere", "tenant_id", Some("type"));
    lab.announced("acme", "b", &records("acme", 1));
    assert_eq!(process.done(2)[1], "object=ignored(unknown-tenant)");
    assert_eq!(process.get("/readyz").0, 200);
    process.terminate();
}
