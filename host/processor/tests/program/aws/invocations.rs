//! A Lambda answers before its deadline whatever hangs, and takes what others than SQS send.

use std::time::Duration;

use fake_aws::scene::QUEUE;
use fake_aws::{Effect, Outcome, Rule, Service};
use serde_json::{Value, json};

use super::support::denied;
use crate::common::aws::{Lab, Process, key, records, texts};

const MINUTE: Duration = Duration::from_secs(60);

/// What the function answers to an event: or its error's words.
fn invoke(lab: &Lab, process: &Process, event: &Value) -> Result<Value, String> {
    let id = lab.aws.invoke(event.to_string(), MINUTE);
    process.until("an answer", || match lab.aws.outcome(&id) {
        Outcome::Response(bytes) => Some(Ok(serde_json::from_slice(&bytes).unwrap())),
        Outcome::Error(bytes) => Some(Err(String::from_utf8(bytes.to_vec()).unwrap())),
        Outcome::TimedOut => panic!("the answer came too late"),
        Outcome::Waiting | Outcome::Running => None,
    })
}

/// Each of these hangs, while another tenant's message is done: the answer comes in time,
/// and what hangs is either reported or sent back.
fn in_time_while(hang: &[Rule]) -> Vec<String> {
    let lab = Lab::new().set("REQUEST_TIMEOUT", 300).dead_letters();
    let good = lab.scene.add_cloudwatch_tenant("good");
    lab.scene.add_cloudwatch_tenant("hung");
    let done = lab.scene.notify(&lab.object("good", "0", &records("good", 2)));
    let hung = lab.scene.notify(&lab.object("hung", "0", &records("hung", 2)));
    let process = lab.lambda();
    // Sessions and the table are known by now, for the healthy one.
    assert_eq!(lab.invoke(&process, &[("first", &done)], MINUTE), [""; 0]);
    hang.iter().for_each(|rule| lab.aws.fault(rule.clone()));
    let other = lab.scene.notify(&lab.object("good", "1", &records("good", 2)));
    // Its last parts are seconds: enough on however busy a machine.
    let failures = lab.invoke(&process, &[("good", &other), ("hung", &hung)], Duration::from_secs(15));
    assert_eq!(lab.messages(&good).len(), 4, "{hang:?}");
    let sent_back = lab.aws.messages(QUEUE).len();
    assert_eq!(failures.len() + sent_back, 1, "reported or sent back, and never both: {failures:?}");
    process.kill();
    failures
}

fn hang(operation: &str) -> Rule {
    Rule::new(Effect::Hang).operation(operation)
}

#[test]
fn whatever_hangs_the_answer_comes_before_the_deadline() {
    std::thread::scope(|scope| {
        scope.spawn(|| assert_eq!(in_time_while(&[hang("AssumeRole")]), [""; 0], "it is sent back"));
        scope.spawn(|| assert_eq!(in_time_while(&[hang("Query")]), ["hung"], "nothing is known of it to send back"));
        let object = || hang("GetObject").resource("hung");
        scope.spawn(move || assert_eq!(in_time_while(&[object(), hang("PutMetricData")]), [""; 0]));
        scope.spawn(move || assert_eq!(in_time_while(&[object(), hang("SendMessageBatch")]), ["hung"]));
    });
}

#[test]
fn what_others_than_sqs_send_is_delivered_and_fails_as_an_invocation() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    // An object each: what is announced again is not delivered again.
    let record = |name: &str| lab.scene.record(&lab.object("acme", name, &records("acme", 2)));
    let s3 = |name: &str| json!({"Records": [record(name)]});
    let sns = |message: &Value, id: &str| {
        let sns = json!({"Type": "Notification", "MessageId": id, "Message": message.to_string()});
        json!({"Records": [{"EventSource": "aws:sns", "EventVersion": "1.0", "Sns": sns}]})
    };
    let size = record("bridge")["s3"]["object"]["size"].clone();
    let detail = json!({"bucket": {"name": "source-logs"}, "object": {"key": key("acme", "bridge"), "size": size}});
    let bridge = json!({"version": "0", "source": "aws.s3", "detail-type": "Object Created", "detail": detail});
    let process = lab.lambda();
    for (times, event) in [s3("s3"), sns(&s3("sns"), "a"), bridge].into_iter().enumerate() {
        let answer = invoke(&lab, &process, &event).unwrap();
        assert_eq!(answer, json!({"batchItemFailures": []}), "{event}");
        assert_eq!(lab.messages(&tenant).len(), 2 * (times + 1), "{event}");
    }
    let error = invoke(&lab, &process, &json!({"key1": "value1"})).unwrap_err();
    assert!(error.contains("a batch of SQS records") && error.contains("LogProcessor.Failed"), "{error}");
    assert!(!error.contains("value1"), "{error}");

    // What fails is repeated by whoever sent it; the queue knows nothing of it.
    lab.aws.fault(denied("PutLogEvents").times(1));
    let other = s3("other");
    let error = invoke(&lab, &process, &sns(&other, "b")).unwrap_err();
    assert!(error.contains("PutLogEvents"), "{error}");
    assert_eq!(lab.count(Service::Sqs, "SendMessageBatch"), 0);
    invoke(&lab, &process, &sns(&other, "b")).unwrap();
    assert_eq!(lab.messages(&tenant)[6..], texts(2));
    process.kill();
}

/// What null fields and numbers there are depends on who plays SQS.
#[test]
fn records_of_sqs_are_taken_whatever_is_missing() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let body = lab.scene.notify(&lab.object("acme", "0", &records("acme", 2)));
    let process = lab.lambda();
    let event = json!({"Records": [
        {"messageId": "a", "receiptHandle": "h", "attributes": {"ApproximateReceiveCount": "1"}},
        {"messageId": "b", "receiptHandle": "h", "body": body, "attributes": null},
        {"messageId": "c", "receiptHandle": "h", "body": body, "attributes": {"ApproximateReceiveCount": 1}},
    ]});
    assert_eq!(invoke(&lab, &process, &event).unwrap(), json!({"batchItemFailures": []}));
    assert!(lab.messages(&tenant).len() >= 2);
    process.kill();
}
