//! The process can't begin, or has to end before the work does.

use std::time::Duration;

use fake_aws::scene::{CloudWatchTenant, DEAD_LETTERS, QUEUE};
use fake_aws::{Effect, Gate, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Rule, Service};
use serde_json::Value;

use crate::common::aws::{Lab, NEVER, records, texts};

/// Until a Lambda's deadline. A fifth of it is for what is sent back: enough for a few
/// calls, on however busy a machine.
const TIME: Duration = Duration::from_secs(15);

/// What was sent back: offset, retries.
fn sent_back(lab: &Lab) -> (u64, u64) {
    let messages = lab.aws.messages(QUEUE);
    assert_eq!(messages.len(), 1, "{messages:?}");
    let body: Value = serde_json::from_str(&messages[0].body).unwrap();
    let metadata = &body["processing_metadata"];
    assert_eq!(metadata["delivery"], "cloudwatch", "{body}");
    (metadata["offset"].as_u64().unwrap(), metadata["retry_count"].as_u64().unwrap())
}

/// Puts of ten events, of which the fifth and those after it hang until the gate is open.
fn stuck() -> (Lab, Gate) {
    let (lab, gate) = (Lab::new().set("MAX_BATCH_SIZE", 10).set("REQUEST_TIMEOUT", NEVER), Gate::default());
    // A checkpoint holds for one MAX_LINE_BYTES, whose default follows this: a Lambda's memory,
    // or the machine's.
    let lab = lab.set("MEMORY_BUDGET", "512 MiB");
    // The first finds no stream.
    lab.aws.fault(Rule::new(Effect::Hold(gate.clone())).operation("PutLogEvents").after(5));
    (lab, gate)
}

/// What hangs is in flight, and each put before it has arrived.
fn is_stuck(process: &crate::common::aws::Process, lab: &Lab, gate: &Gate) {
    process.wait("puts to hang", || gate.held() > 0 && lab.aws.puts().len() >= 4);
}

/// All of 300 arrived, and again at most what was in flight when the work was given
/// up: two puts.
#[track_caller]
fn all_arrived(lab: &Lab, tenant: &CloudWatchTenant) {
    let mut messages = lab.messages(tenant);
    let mut expected = texts(300);
    expected.sort();
    messages.sort();
    let count = messages.len();
    messages.dedup();
    assert!(messages == expected, "{} of 300 arrived", messages.len());
    assert!(count <= 320, "{count} arrived");
}

#[test]
fn a_lease_that_is_lost_stops_the_work_before_the_next_put() {
    let (lab, gate) = stuck();
    let lab = lab.may_extend().set("VISIBILITY_TIMEOUT", 4);
    lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &records("acme", 400));
    let process = lab.sqs();
    is_stuck(&process, &lab, &gate);
    // Purged.
    lab.aws.add_queue(PROCESSOR_ACCOUNT, QUEUE, Duration::from_secs(30), Some((3, DEAD_LETTERS)));
    process.says("the lease of a message is lost");
    assert_eq!(process.done(1), ["cloudwatch=interrupted"]);
    process.says("was lost to another worker");
    gate.open();
    assert_eq!(process.metric("log_processor_messages_total", &["lost"]), 1.0);
    process.terminate();
    assert!(lab.count(Service::Logs, "PutLogEvents") <= 5 + 2, "no put begins beside the two that hung");
    for operation in ["DeleteMessage", "DeleteMessageBatch", "SendMessage", "SendMessageBatch"] {
        assert_eq!(lab.count(Service::Sqs, operation), 0, "{operation}");
    }
}

#[test]
fn a_lease_is_extended_as_long_as_the_work_takes() {
    let (lab, gate) = stuck();
    let lab = lab.may_extend().set("VISIBILITY_TIMEOUT", 6);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &records("acme", 300));
    let process = lab.sqs();
    let extended = || process.metric("log_processor_lease_extensions_total", &["extended"]);
    process.wait("extensions", || extended() >= 3.0);
    gate.open();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["cloudwatch=delivered"]);
    all_arrived(&lab, &tenant);
    process.terminate();
}

#[test]
fn a_lease_that_may_not_be_extended_ends_in_progress_that_is_sent_back() {
    // The last tenth of the time is for sending back what is left.
    let (lab, gate) = stuck();
    let lab = lab.set("VISIBILITY_TIMEOUT", 30);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &records("acme", 300));
    let process = lab.sqs();
    is_stuck(&process, &lab, &gate);
    assert_eq!(process.done(1), ["cloudwatch=interrupted"]);
    gate.open();
    process.empties_the_queue();
    assert_eq!(process.outcomes().last().unwrap(), "cloudwatch=delivered");
    all_arrived(&lab, &tenant);
    assert!(lab.aws.receives(QUEUE).values().all(|receives| *receives == 1));
    process.says("sqs:ChangeMessageVisibility");
    process.terminate();
}

#[test]
fn near_lambdas_deadline_progress_is_sent_back_and_acknowledged() {
    let (lab, gate) = stuck();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let key = lab.object("acme", "a", &records("acme", 300));
    let process = lab.lambda();
    let failures = lab.invoke(&process, &[("one", &lab.scene.notify(&key))], TIME);
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(process.done(1), ["cloudwatch=interrupted"]);
    let (offset, retries) = sent_back(&lab);
    assert!((10..290).contains(&offset), "{offset}");
    assert_eq!(retries, 0, "progress is no retry");
    process.kill();
    gate.open();
    let process = lab.sqs();
    process.empties_the_queue();
    all_arrived(&lab, &tenant);
    process.terminate();
}

#[test]
fn near_lambdas_deadline_what_hangs_is_given_up() {
    let lab = Lab::new().set("REQUEST_TIMEOUT", NEVER);
    lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.fault(Rule::new(Effect::Hang).operation("PutLogEvents"));
    let key = lab.object("acme", "a", &records("acme", 10));
    let process = lab.lambda();
    let failures = lab.invoke(&process, &[("one", &lab.scene.notify(&key))], TIME);
    assert!(failures.is_empty(), "{failures:?}");
    assert_eq!(sent_back(&lab), (0, 1), "without progress it is a retry");
    process.kill();
}

#[test]
fn lambda_reports_the_messages_that_failed_and_no_others() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let good = lab.scene.notify(&lab.object("acme", "a", &records("acme", 10)));
    let missing = lab.scene.record(&crate::common::aws::key("acme", "missing"));
    let (spent, fresh) = (crate::common::aws::retried(&missing, 3), crate::common::aws::retried(&missing, 0));
    let process = lab.lambda();
    let messages = [("good", good.as_str()), ("spent", &spent), ("fresh", &fresh), ("odd", "no JSON")];
    assert_eq!(lab.invoke(&process, &messages, Duration::from_secs(NEVER)), ["spent"]);
    assert_eq!(lab.messages(&tenant), texts(10));
    assert_eq!(sent_back(&lab), (0, 1), "the fresh one");
    process.kill();
}

#[test]
fn at_sigterm_progress_is_sent_back() {
    let (lab, gate) = stuck();
    let lab = lab.set("SHUTDOWN_GRACE_SECONDS", 10);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &records("acme", 300));
    let process = lab.sqs();
    is_stuck(&process, &lab, &gate);
    process.terminate();
    let (offset, retries) = sent_back(&lab);
    assert!((10..290).contains(&offset) && retries == 0, "{offset} {retries}");
    gate.open();
    let process = lab.sqs();
    process.empties_the_queue();
    all_arrived(&lab, &tenant);
    process.terminate();
}

#[test]
fn manual_mode_says_by_its_exit_code_whether_all_is_done() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let done = lab.manual(&lab.scene.notify(&lab.object("acme", "a", &records("acme", 10))));
    assert_eq!((done.code, lab.messages(&tenant)), (0, texts(10)), "{done:?}");
    let failed = lab.manual(&lab.scene.notify(&crate::common::aws::key("acme", "missing")));
    assert_eq!(failed.code, 1);
    assert!(failed.stderr.contains("NoSuchKey"), "{}", failed.stderr);
    let odd = lab.manual("no JSON");
    assert!(odd.code == 1 && odd.stderr.contains("no S3 notification"), "{odd:?}");
    assert!(lab.aws.messages(QUEUE).is_empty(), "nothing is sent to the queue that it did not come from");
}

#[test]
fn a_queue_that_can_not_be_read_is_told_by_readyz_and_mends_itself() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(PROCESSOR_ARN, "sqs:ReceiveMessage");
    lab.announced("acme", "a", &records("acme", 10));
    let process = lab.sqs();
    process.says("no messages can be received");
    let (status, text) = process.get("/readyz");
    assert!(status == 503 && text.starts_with("queue:") && !text.contains("ReceiveMessage"), "{text}");
    let line = process.says("it can't be reached");
    assert!(line["part"] == "queue" && line["error"].as_str().unwrap().contains("ReceiveMessage"), "{line}");
    lab.aws.allow_again(PROCESSOR_ARN);
    process.empties_the_queue();
    assert_eq!(process.get("/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(lab.messages(&tenant), texts(10));
    process.terminate();
}

/// It does not start: exit code, and what it says.
fn refuses(lab: &Lab, mode: &str, code: i32, says: &[&str]) {
    let ended = lab.start(&["--mode", mode], Some("{}")).ended();
    assert_eq!(ended.code, code, "{ended:?}");
    for part in says {
        assert!(ended.stderr.contains(part), "no {part:?} in {}", ended.stderr);
    }
    assert!(ended.lines().iter().any(|line| line["exit_code"] == code), "{}", ended.stdout);
    assert!(lab.aws.calls().is_empty(), "{:?}", lab.aws.calls());
}

#[test]
fn invalid_settings_are_told_all_at_once() {
    let lab = Lab::new()
        .set("MAX_LINE_BYTES", "many")
        .set("REQUEST_TIMEOUT", 0)
        .set("VISIBILITY_TIMEOUT", 1)
        .set("SQS_QUEUE_URL", "no-url")
        .set("CENTRAL_LOG_DISTRIBUTION_ROLE_ARN", "no-arn")
        .set("DEAD_LETTER", "s3://");
    for mode in ["sqs", "scan", "manual", "lambda"] {
        refuses(&lab, mode, 3, &["MAX_LINE_BYTES", "REQUEST_TIMEOUT"]);
        refuses(&lab, mode, 3, &["CENTRAL_LOG_DISTRIBUTION_ROLE_ARN", "DEAD_LETTER"]);
    }
    refuses(&lab, "sqs", 3, &["VISIBILITY_TIMEOUT", "SQS_QUEUE_URL"]);
    refuses(&lab, "lambda", 3, &["SQS_QUEUE_URL"]);
}

#[test]
fn a_component_that_does_not_load_ends_the_start() {
    let lab = Lab::new();
    let missing = lab.path("missing.wasm");
    refuses(
        &Lab::new().argument("--plugin").argument(missing.to_str().unwrap()),
        "sqs",
        3,
        &["--plugin", "missing.wasm"],
    );
    let damaged = lab.path("damaged.wasm");
    std::fs::write(&damaged, b"\0asm and no more").unwrap();
    refuses(
        &Lab::new().argument("--plugin").argument(damaged.to_str().unwrap()),
        "sqs",
        3,
        &["--plugin", "damaged.wasm"],
    );
}

#[test]
fn without_credentials_it_ends() {
    let lab = Lab::new().unset("AWS_ACCESS_KEY_ID").unset("AWS_SECRET_ACCESS_KEY");
    for mode in ["sqs", "scan", "manual"] {
        refuses(&lab, mode, 4, &["credentials"]);
    }
}
