//! What these tests need beside the harness.

use std::collections::BTreeMap;
use std::time::Duration;

use fake_aws::scene::{CENTRAL_ROLE, CloudWatchTenant, QUEUE, SOURCE};
use fake_aws::{Effect, FakeAws, Logged, Message, Permissions, REGION, Rule, Service};
use serde_json::Value;

use crate::common::aws::{Lab, Process, now, record, text};

/// A refusal that is final for its attempt: the SDK doesn't retry it.
pub(crate) fn denied(operation: &str) -> Rule {
    let code = "AccessDeniedException".to_owned();
    Rule::new(Effect::Status { status: 400, code, message: "no".to_owned() }).operation(operation)
}

/// As [`denied`], in S3's words.
pub(crate) fn s3_denied(operation: &str) -> Rule {
    let code = "AccessDenied".to_owned();
    Rule::new(Effect::Status { status: 403, code, message: "Access Denied".to_owned() }).operation(operation)
}

/// Lines with [`crate::common::aws::texts`] at these milliseconds after a minute ago.
pub(crate) fn records_at(tenant: &str, times: impl IntoIterator<Item = i64>) -> String {
    let begin = now() - 60_000;
    times.into_iter().enumerate().map(|(number, at)| record(tenant, &text(number), begin + at)).collect()
}

/// How often each of [`crate::common::aws::texts`] arrived, by number.
pub(crate) fn arrivals(lab: &Lab, tenant: &CloudWatchTenant) -> BTreeMap<usize, usize> {
    let mut arrived = BTreeMap::new();
    for message in lab.messages(tenant) {
        let number = message.split(' ').nth(2).unwrap().parse().unwrap();
        *arrived.entry(number).or_default() += 1;
    }
    arrived
}

/// Each of `count` arrived; which of them more than once, or not at all is a failure.
#[track_caller]
pub(crate) fn repeated(lab: &Lab, tenant: &CloudWatchTenant, count: usize) -> Vec<usize> {
    let arrived = arrivals(lab, tenant);
    let missing: Vec<_> = (0..count).filter(|number| !arrived.contains_key(number)).collect();
    assert!(missing.is_empty(), "of {count} these never arrived: {missing:?}");
    assert!(arrived.values().all(|&times| times <= 2), "{arrived:?}");
    arrived.into_iter().filter(|(_, times)| *times > 1).map(|(number, _)| number).collect()
}

/// A message's `processing_metadata`.
pub(crate) fn metadata(message: &Message) -> Value {
    let body: Value = serde_json::from_str(&message.body).unwrap();
    body["processing_metadata"].clone()
}

/// The keys that a message announces, as they stand there.
pub(crate) fn announced(message: &Message) -> Vec<String> {
    let body: Value = serde_json::from_str(&message.body).unwrap();
    let event: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
    let records = event["Records"].as_array().unwrap();
    records.iter().map(|record| record["s3"]["object"]["key"].as_str().unwrap().to_owned()).collect()
}

/// Messages of the queue that were sent back.
pub(crate) fn sent_back(aws: &FakeAws) -> Vec<Message> {
    let mut messages = aws.messages(QUEUE);
    messages.retain(|message| metadata(message).is_object());
    messages
}

/// Waits for so many messages that were sent back.
#[track_caller]
pub(crate) fn until_sent_back(lab: &Lab, process: &Process, count: usize) -> Vec<Message> {
    process.until("messages that are sent back", || Some(sent_back(&lab.aws)).filter(|sent| sent.len() == count))
}

/// Requests of one operation.
pub(crate) fn calls(aws: &FakeAws, service: Service, operation: &str) -> Vec<Logged> {
    let mut log = aws.log();
    log.retain(|call| call.service == service && call.operation == operation);
    log
}

/// Calls of PutLogEvents for a tenant so far.
pub(crate) fn puts_of(lab: &Lab, tenant: &CloudWatchTenant) -> usize {
    let calls = calls(&lab.aws, Service::Logs, "PutLogEvents");
    calls.iter().filter(|call| call.who.as_ref().is_some_and(|who| *who.account == *tenant.account)).count()
}

/// Most of these calls at the same time, each of which takes `each`.
pub(crate) fn at_once<'a>(calls: impl Iterator<Item = &'a Logged>, each: Duration) -> usize {
    let begins: Vec<_> = calls.map(|call| call.when).collect();
    let during = |at| begins.iter().filter(|&&begin| begin <= at && at < begin + each).count();
    begins.iter().map(|&at| during(at)).max().unwrap_or(0)
}

/// The central role may also abort uploads in parts.
pub(crate) fn may_abort(lab: &Lab) {
    let permissions = Permissions::none()
        .allow("sts:AssumeRole", "*")
        .allow("s3:GetObject", &format!("{SOURCE}/*"))
        .allow("s3:PutObject", "tenant-*")
        .allow("s3:AbortMultipartUpload", "tenant-*");
    lab.aws.set_permissions(CENTRAL_ROLE, permissions);
}

/// Events of a stream of a tenant's.
pub(crate) fn stream(aws: &FakeAws, tenant: &CloudWatchTenant, stream: &str) -> Vec<String> {
    let events = aws.log_events(&tenant.account, REGION, &tenant.group, stream);
    events.into_iter().map(|event| event.message).collect()
}

/// The most memory that a process had, in MiB, as the kernel saw it (VmHWM), less the
/// pages of the program's own file (RssFile): how many of these are mapped depends on the
/// build and the machine, and on no object.
pub(crate) fn peak_mib(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let kib = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        line.split_whitespace().next().unwrap().parse::<u64>().unwrap()
    };
    (kib("VmHWM:") - kib("RssFile:")) / 1024
}
