//! What can never be delivered, or nobody wants: who is told, and where it is.

use std::time::Duration;

use fake_aws::scene::{DEAD_LETTERS, QUEUE};
use fake_aws::{PROCESSOR_ACCOUNT, Service};
use serde_json::{Value, json};

use crate::common::aws::{Lab, Process, gzip, key, now, pod, record, records, text, texts};

const DAY: i64 = 86_400_000;

/// So many lines, of which those of these numbers are too old for CloudWatch Logs.
fn some_too_old(count: usize, old: &[usize]) -> String {
    let at = |number: usize| now() - 1000 - if old.contains(&number) { 15 * DAY } else { 0 };
    (0..count).map(|number| record("acme", &text(number), at(number))).collect()
}

/// The warnings so far that hold this.
fn warnings(process: &Process, part: &str) -> Vec<Value> {
    let mut lines = process.lines();
    lines.retain(|line| line["level"] == "WARN" && line["message"].as_str().unwrap().contains(part));
    lines
}

#[test]
fn without_a_place_the_start_says_what_is_dropped_and_no_outcome_says_delivered() {
    let lab = Lab::new();
    lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &some_too_old(7, &[0, 1, 2, 3, 4, 5, 6]));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["cloudwatch=rejected(too-old)"]);
    let line = &process.objects()[0];
    assert_eq!((&line["level"], &line["dead_lettered"]), (&json!("WARN"), &json!(7)), "{line}");
    assert_eq!(line["error"], "lines that can never be delivered: too-old 7");
    assert_eq!(line["refused"], "dropped: DEAD_LETTER is not set");
    assert_eq!(
        warnings(&process, "DEAD_LETTER is not set: what can never be delivered is counted and dropped").len(),
        1
    );
    assert_eq!(process.metric("log_processor_deliveries_total", &["rejected", "too-old"]), 1.0);
    process.terminate();
    let process = lab.set("DEAD_LETTER", "none").sqs();
    process.get("/healthz");
    assert!(warnings(&process, "DEAD_LETTER").is_empty(), "it was asked for");
    process.terminate();
}

#[test]
fn a_lambda_without_a_queue_says_who_retries() {
    let lab = Lab::new().dead_letters().unset("SQS_QUEUE_URL");
    let process = lab.lambda();
    process.says("SQS_QUEUE_URL is not set: what fails is retried by Lambda alone");
    process.kill();
}

#[test]
fn with_fail_the_rest_is_delivered_once_and_the_queue_keeps_what_is_refused() {
    let lab = Lab::new().set("DEAD_LETTER", "fail").redrive_after(2);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &some_too_old(10, &[3, 4]));
    let process = lab.sqs();
    process.redrives(1);
    let outcomes = process.outcomes();
    assert_eq!(outcomes[0], "cloudwatch=partial(too-old)");
    assert_eq!(process.objects()[0]["refused"], "left to the queue's dead-letter queue (DEAD_LETTER=fail)");
    assert!(outcomes[1..].iter().all(|outcome| outcome == "object=failed(refused)"), "{outcomes:?}");
    let sent: usize = lab.aws.puts().iter().map(|put| put.events).sum();
    assert_eq!(sent, 10, "nothing is put twice");
    assert_eq!(process.metric("log_processor_requeues_total", &["refused"]), 1.0);
    process.terminate();
    let body = lab.redriven().remove(0);
    let metadata = serde_json::from_str::<Value>(&body).unwrap()["processing_metadata"].clone();
    let refused = json!({"from": 0, "counts": {"too-old": 2}, "settled": true});
    assert_eq!((&metadata["delivery"], &metadata["refused"]), (&json!("cloudwatch"), &refused));
    // The operator wants letters now, and sends the message to the queue again.
    let lab = lab.dead_letters();
    lab.aws.add_queue(PROCESSOR_ACCOUNT, QUEUE, Duration::from_secs(30), Some((2, DEAD_LETTERS)));
    lab.scene.send(&body);
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.outcomes().last().unwrap(), "cloudwatch=partial(too-old)");
    let mut kept: Vec<_> = lab.letters().iter().map(|letter| letter["data"].as_str().unwrap().to_owned()).collect();
    kept.sort();
    assert_eq!(kept, [text(3), text(4)]);
    let mut all = lab.messages(&tenant);
    all.extend(kept);
    all.sort();
    all.dedup();
    let mut expected = texts(10);
    expected.sort();
    assert_eq!(all, expected);
    process.terminate();
}

#[test]
fn with_fail_what_announces_nothing_fails_as_it_is() {
    let lab = Lab::new().set("DEAD_LETTER", "fail").redrive_after(1);
    lab.scene.put_object("few/segments.json.gz", gzip(b"x"));
    let bodies =
        ["no JSON at all".to_owned(), lab.scene.notify("few/segments.json.gz"), json!({"Records": [{}]}).to_string()];
    bodies.iter().for_each(|body| drop(lab.scene.send(body)));
    let process = lab.sqs();
    process.redrives(3);
    let mut redriven = lab.redriven();
    redriven.sort();
    let mut expected = bodies.to_vec();
    expected.sort();
    assert_eq!(redriven, expected);
    process.terminate();
}

/// Else the objects beside it would be delivered again by each process that the message
/// comes to.
#[test]
fn with_fail_a_bad_record_fails_alone() {
    let lab = Lab::new().set("DEAD_LETTER", "fail").redrive_after(2);
    let tenants = ["one", "two"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    let mut all: Vec<_> = tenants
        .iter()
        .map(|tenant| lab.scene.record(&lab.object(&tenant.name, "1", &records(&tenant.name, 3))))
        .collect();
    let mut of_no_tenant = lab.scene.record("x");
    of_no_tenant["s3"]["object"] = json!({"key": "few/segments"});
    let bad = [json!({}), of_no_tenant, json!("no record")];
    all.extend(bad.clone());
    let id = lab.scene.send(&json!({"Records": all}).to_string());
    let process = lab.sqs();
    process.wait("the acknowledgement", || lab.aws.deleted(QUEUE).contains(&id));
    process.redrives(1);
    process.terminate();
    for tenant in &tenants {
        assert_eq!(lab.messages(tenant), texts(3), "{}", tenant.name);
    }
    let body: Value = serde_json::from_str(&lab.redriven()[0]).unwrap();
    let mut left = serde_json::from_str::<Value>(body["Message"].as_str().unwrap()).unwrap()["Records"].clone();
    left.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    let mut bad = json!(bad);
    bad.as_array_mut().unwrap().sort_by_key(ToString::to_string);
    assert_eq!(left, bad);
}

#[test]
fn with_fail_the_rest_of_a_damaged_object_is_kept_by_the_queue() {
    let lab = Lab::new().set("DEAD_LETTER", "fail").redrive_after(1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let mut bytes = gzip(records("acme", 2000).as_bytes());
    bytes.truncate(bytes.len() / 2);
    let key = key("acme", "a");
    lab.scene.put_object(&key, bytes);
    lab.scene.send(&lab.scene.notify(&key));
    let process = lab.sqs();
    process.redrives(1);
    assert_eq!(process.outcomes()[0], "cloudwatch=partial(damaged)");
    let arrived = lab.messages(&tenant);
    assert_eq!(arrived, texts(arrived.len()), "each once");
    let metadata = serde_json::from_str::<Value>(&lab.redriven()[0]).unwrap()["processing_metadata"].clone();
    assert_eq!(metadata["refused"]["counts"], json!({"damaged": 1}));
    process.terminate();
}

#[test]
fn with_fail_and_no_queue_the_message_fails_and_nothing_is_put_again() {
    let lab = Lab::new().set("DEAD_LETTER", "fail").unset("SQS_QUEUE_URL");
    lab.scene.add_cloudwatch_tenant("acme");
    let body = lab.scene.notify(&lab.object("acme", "a", &some_too_old(10, &[3, 4])));
    let process = lab.lambda();
    for _ in 0..3 {
        assert_eq!(lab.invoke(&process, &[("m-1", &body)], Duration::from_secs(60)), ["m-1"]);
    }
    assert_eq!(lab.aws.puts().iter().map(|put| put.events).sum::<usize>(), 10);
    assert_eq!(
        process.outcomes(),
        ["cloudwatch=partial(too-old)", "cloudwatch=failed(refused)", "cloudwatch=failed(refused)"]
    );
    process.kill();
}

#[test]
fn fail_needs_a_queue() {
    let ended = Lab::new().set("DEAD_LETTER", "fail").set("SOURCE_BUCKET", "source-logs").scan().ended();
    assert_eq!(ended.code, 3);
    assert!(ended.stderr.contains("scan mode has no queue"), "{}", ended.stderr);
}

#[test]
fn events_of_other_services_are_kept_and_those_of_s3_are_worked_or_counted() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let object = lab.object("acme", "a", &records("acme", 10));
    let record = lab.scene.record(&object);
    let event = |records: Value| json!({"Records": records}).to_string();
    let sns = |message: &str| json!({"Type": "Notification", "Message": message}).to_string();
    let named = |name: &str| {
        let mut record = record.clone();
        record["eventName"] = json!(name);
        event(json!([record]))
    };
    let bridged = json!({
        "version": "0", "source": "aws.s3", "detail-type": "AWS API Call via CloudTrail",
        "detail": {"eventSource": "s3.amazonaws.com", "eventName": "PutObject", "requestParameters": {"key": object}},
    });
    let foreign = [
        event(json!([])),
        event(json!([{"eventVersion": "1.05", "eventSource": "iam.amazonaws.com", "eventName": "ListRoles"}])),
        event(json!([{"eventSource": "aws:ses", "eventVersion": "1.0", "ses": {}}])),
        event(json!([{"eventSource": "aws:dynamodb", "eventName": "INSERT", "dynamodb": {}}])),
        event(json!([{"eventName": "INSERT", "dynamodb": {}}])),
        sns(&json!({"s3Bucket": "source-logs", "s3ObjectKey": [object]}).to_string()),
        bridged.to_string(),
        json!({"Type": "SubscriptionConfirmation", "Token": "x", "Message": "You have chosen"}).to_string(),
    ];
    foreign.iter().for_each(|body| drop(lab.scene.send(body)));
    for other in ["ObjectRestore:Completed", "ObjectRemoved:Delete", "ObjectTagging:Put", "s3:TestEvent"] {
        lab.scene.send(&named(other));
    }
    let process = lab.sqs();
    process.empties_the_queue();
    let mut kept: Vec<_> = lab.letters().iter().map(|letter| letter["data"].as_str().unwrap().to_owned()).collect();
    kept.sort();
    let mut expected = foreign.to_vec();
    expected.sort();
    assert_eq!(kept, expected);
    assert_eq!(warnings(&process, "rejected: not a notification").len(), foreign.len());
    for event in ["restored", "removed", "tagging", "test"] {
        assert_eq!(process.metric("log_processor_other_events_total", &[event]), 1.0, "{event}");
    }
    assert!(lab.messages(&tenant).is_empty());
    let direct = event(json!([record]));
    let wrapped = [
        named("s3:ObjectCreated:CompleteMultipartUpload"),
        sns(&sns(&direct)),
        event(json!([{"eventSource": "aws:sqs", "messageId": "1", "body": direct}])),
    ];
    let sequencer = record["s3"]["object"]["sequencer"].as_str().unwrap();
    for (count, body) in (1..).zip(&wrapped) {
        // As if it were written again each time.
        let body = &body.replace(sequencer, &format!("{count:018X}"));
        lab.scene.send(body);
        process.empties_the_queue();
        assert_eq!(lab.messages(&tenant).len(), 10 * count, "{body}");
    }
    assert_eq!(lab.letters().len(), foreign.len());
    process.terminate();
}

#[test]
fn what_a_message_costs_does_not_grow_with_its_bad_records() {
    let lab = Lab::new().set("DEAD_LETTER", "s3://dead-letters/kept").may("s3:PutObject", "dead-letters/*");
    lab.aws.add_bucket(PROCESSOR_ACCOUNT, "dead-letters");
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let good = lab.scene.record(&lab.object("acme", "a", &records("acme", 10)));
    let count: u32 = 500;
    let mut of_no_tenant = lab.scene.record("x");
    of_no_tenant["s3"]["object"] = json!({"key": "few/segments"});
    let mut all = vec![json!({}); count as usize];
    all.extend((0..count).map(|number| {
        // Of the same state of an object once would be enough.
        of_no_tenant["s3"]["object"]["sequencer"] = json!(format!("{number:018X}"));
        of_no_tenant.clone()
    }));
    all.push(good);
    lab.scene.send(&json!({"Records": all}).to_string());
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(10));
    assert_eq!(lab.count(Service::S3, "PutObject"), 1, "all letters of a message at once");
    let stored = lab.aws.object("dead-letters", &lab.aws.keys("dead-letters")[0]).unwrap();
    let letters = crate::common::aws::ndjson(std::str::from_utf8(stored.bytes.as_ref().unwrap()).unwrap());
    assert_eq!(letters.len(), 11);
    let rest = letters.last().unwrap();
    assert_eq!(rest["data"].as_str().unwrap().lines().count() as u32, 2 * count - 10);
    assert!(rest["detail"].as_str().unwrap().starts_with("990 more records"), "{rest}");
    let named = warnings(&process, "rejected: a record").len() + process.objects().len();
    assert_eq!(named, 11, "ten that came to nothing, and the good one");
    let more = &warnings(&process, "came to nothing")[0];
    assert_eq!(more["unnamed"], 990);
    assert_eq!(
        process.metric("log_processor_deliveries_total", &["rejected", "invalid-notification"]),
        f64::from(count)
    );
    assert_eq!(process.metric("log_processor_deliveries_total", &["rejected", "invalid-key"]), f64::from(count));
    process.terminate();
}

#[test]
fn logs_that_nobody_wants_are_said_to_be_gone_once_a_minute_and_tenant() {
    let lab = Lab::new().dead_letters();
    lab.scene.add_delivery("sleeping", "cloudwatch", json!({"enabled": {"BOOL": false}}));
    let past = (now() / 1000 - 3600).to_string();
    lab.scene.add_delivery("late", "s3", json!({"bucket_name": {"S": "late-logs"}, "ttl": {"N": past}}));
    for tenant in ["nobody", "sleeping", "late"] {
        for name in ["a", "b", "c"] {
            lab.announced(tenant, name, &records(tenant, 1));
        }
    }
    let process = lab.sqs();
    process.empties_the_queue();
    process.done(9);
    for (tenant, reason) in [("nobody", "unknown-tenant"), ("sleeping", "none-enabled"), ("late", "expired")] {
        let mut said = warnings(&process, "nobody wants are acknowledged and gone");
        said.retain(|line| line["tenant"] == tenant);
        assert_eq!((said.len(), &said[0]["reason"]), (1, &json!(reason)));
        assert_eq!(process.metric("log_processor_deliveries_total", &["ignored", reason]), 3.0);
    }
    assert!(!process.objects().is_empty() && pod("late").name.len() > 1);
    process.terminate();
}

#[test]
fn what_tools_write_in_another_type_is_delivered() {
    let lab = Lab::new();
    let slips = [
        ("on-text", json!({"enabled": {"S": "true"}})),
        ("on-title", json!({"enabled": {"S": "True"}})),
        ("on-number", json!({"enabled": {"N": "1"}})),
        ("text", json!({"desired_logs": {"S": "other, app"}})),
        ("groups", json!({"desired_logs": {"L": [{"S": "app"}]}, "groups": {"SS": ["API"]}})),
        ("later", json!({"ttl": {"N": "4102444800"}})),
        ("no-time", json!({"ttl": {"S": "soon"}})),
    ];
    let mut tenants = Vec::new();
    for (name, slip) in &slips {
        let tenant = lab.scene.add_cloudwatch_tenant(name);
        let mut fields =
            json!({"log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group}});
        fields.as_object_mut().unwrap().extend(slip.as_object().unwrap().clone());
        lab.scene.add_delivery(name, "cloudwatch", fields);
        lab.announced(name, "a", &records(name, 3));
        tenants.push(tenant);
    }
    let process = lab.sqs();
    process.empties_the_queue();
    for tenant in &tenants {
        assert_eq!(lab.messages(tenant), texts(3), "{}", tenant.name);
    }
    assert_eq!(warnings(&process, "make it a boolean").len(), 3);
    process.terminate();
}
