use super::*;
use proptest::prelude::*;
use serde_json::json;

/// As S3 sends it.
const DIRECT: &str = r#"{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"us-east-1",
"eventTime":"2025-06-01T10:00:00.123Z","eventName":"ObjectCreated:Put",
"userIdentity":{"principalId":"AWS:AROAEXAMPLE:vector"},"requestParameters":{"sourceIPAddress":"10.0.0.1"},
"responseElements":{"x-amz-request-id":"C3D13FE58DE4C810","x-amz-id-2":"FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S"},
"s3":{"s3SchemaVersion":"1.0","configurationId":"logs","bucket":{"name":"logs","ownerIdentity":{"principalId":"A3NL1KOZZKExample"},
"arn":"arn:aws:s3:::logs"},"object":{"key":"prod-1/payment/api/api-0/2025%2F06+01.json.gz","size":2048,
"eTag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"0055AED6DCD90281E5"}}}]}"#;

const TEST_EVENT: &str = r#"{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2025-06-01T10:00:00.000Z",
"Bucket":"logs","RequestId":"5582815E1AEA5ADF","HostId":"8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"}"#;

const EVENT_BRIDGE: &str = r#"{"version":"0","detail-type":"Object Created","source":"aws.s3","time":"2025-06-01T10:00:00Z",
"detail":{"bucket":{"name":"logs"},"object":{"key":"prod-1/payment/api/api-0/2025/06 01.json.gz","size":2048}}}"#;

fn sns(message: &str) -> Value {
    json!({
        "Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "Subject": "Amazon S3 Notification",
        "TopicArn": "arn:aws:sns:us-east-1:123456789012:logs", "Message": message, "Timestamp": "2025-06-01T10:00:00.999Z",
        "SignatureVersion": "1", "Signature": "EXAMPLE", "SigningCertURL": "https://sns.us-east-1.amazonaws.com/x.pem",
    })
}

fn keys(body: &str) -> Vec<String> {
    let found = parse(body).unwrap();
    assert!(found.ignored.is_empty());
    found.records.into_iter().map(|record| record.unwrap().object.to_string()).collect()
}

#[test]
fn every_envelope_leads_to_its_object() {
    for body in [DIRECT, EVENT_BRIDGE] {
        let expected = ["s3://logs/prod-1/payment/api/api-0/2025/06 01.json.gz"];
        assert_eq!(keys(body), expected, "{body}");
        assert_eq!(keys(&sns(body).to_string()), expected, "{body}");
        assert_eq!(parse(body).unwrap().resume, None);
    }
}

fn by_sqs(bodies: &[&str]) -> String {
    let record = |body: &&str| json!({ "messageId": "1", "eventSource": "aws:sqs", "body": body });
    json!({ "Records": bodies.iter().map(record).collect::<Vec<_>>() }).to_string()
}

#[test]
fn an_event_is_found_however_it_is_wrapped() {
    let expected = ["s3://logs/prod-1/payment/api/api-0/2025/06 01.json.gz"];
    let in_sns = sns(DIRECT).to_string();
    let by_sns = json!({ "Records": [{ "EventSource": "aws:sns", "Sns": { "Message": DIRECT } }] }).to_string();
    for body in [
        format!("\u{feff}{DIRECT}"),
        json!(DIRECT).to_string(),
        sns(&in_sns).to_string(),
        by_sqs(&[DIRECT]),
        by_sqs(&[&in_sns]),
        sns(&by_sqs(&[&in_sns])).to_string(),
        by_sns,
    ] {
        assert_eq!(keys(&body), expected, "{body}");
    }
    let deep = (0..MAX_WRAPPINGS).fold(DIRECT.to_owned(), |body, _| sns(&body).to_string());
    assert_eq!(keys(&deep), expected);
    assert_eq!(parse(&sns(&deep).to_string()).unwrap_err().what, "it is wrapped more than 4 times");
}

#[test]
fn what_is_known_of_an_earlier_attempt_is_the_outermosts_and_of_one_message_only() {
    let with = |offset: u64| {
        let mut direct: Value = serde_json::from_str(DIRECT).unwrap();
        direct["processing_metadata"] = json!({ "offset": offset });
        direct.to_string()
    };
    let offset = |body: &str| parse(body).unwrap().resume.map(|resume| resume.offset);
    assert_eq!(offset(&by_sqs(&[&with(7)])), Some(7));
    assert_eq!(offset(&by_sqs(&[&with(7), &with(8)])), None);
    let mut outer: Value = serde_json::from_str(&by_sqs(&[&with(7)])).unwrap();
    outer["processing_metadata"] = json!({ "offset": 9 });
    assert_eq!(offset(&outer.to_string()), Some(9));
}

#[test]
fn other_services_records_are_bad_ones_beside_those_of_s3() {
    let mut body: Value = serde_json::from_str(DIRECT).unwrap();
    let good = body["Records"][0].clone();
    body["Records"] = json!([{ "eventSource": "aws:ses" }, good, { "eventSource": "aws:sqs", "body": "x" }]);
    let found = parse(&body.to_string()).unwrap();
    let what: Vec<_> = found.records.iter().map(|record| record.as_ref().err().map(|bad| bad.what.as_str())).collect();
    let text = "the body of its record is not JSON: expected value at line 1 column 1";
    assert_eq!(what, [Some("it is a record of \"aws:ses\", and none of S3's"), None, Some(text)]);
}

#[test]
fn test_events_and_other_events_need_no_work() {
    let deleted = EVENT_BRIDGE.replace("Object Created", "Object Deleted");
    let removed = DIRECT.replace("ObjectCreated:Put", "ObjectRemoved:Delete");
    for (body, kind) in [(TEST_EVENT, "test"), (&deleted, "removed"), (&removed, "removed")] {
        for body in [body.to_owned(), sns(body).to_string()] {
            let expected = Notification { ignored: [(kind, 1)].into(), ..Notification::default() };
            assert_eq!(parse(&body).unwrap(), expected, "{body}");
        }
    }
}

#[test]
fn records_are_judged_one_by_one_in_their_order() {
    let record = |name: &str, key: &str| json!({ "eventName": name, "s3": { "bucket": { "name": "b" }, "object": { "key": key } } });
    let body = json!({ "Records": [
        record("ObjectCreated:Put", "one"), record("ObjectCreated:Put", "%zz"), record("ObjectRemoved:Delete", "gone"),
        7, record("s3:ObjectCreated:Copy", "two"),
    ]});
    let found = parse(&body.to_string()).unwrap();
    let keys: Vec<Option<String>> = found.records.into_iter().map(|r| r.ok().map(|a| a.object.key)).collect();
    assert_eq!(keys, [Some("one".to_owned()), None, None, Some("two".to_owned())]);
    assert_eq!(found.ignored, [("removed", 1)].into());
}

#[test]
fn metadata_is_read_beside_the_message_and_in_a_direct_event() {
    let metadata = json!({ "offset": 9, "retry_count": 2 });
    let expected = Some(Resume { offset: 9, retry_count: 2, ..Resume::default() });
    let mut direct: Value = serde_json::from_str(DIRECT).unwrap();
    direct["processing_metadata"] = metadata.clone();
    let direct = direct.to_string();
    let mut outside = sns(DIRECT);
    outside["processing_metadata"] = metadata;
    for body in [direct.clone(), outside.to_string(), sns(&direct).to_string()] {
        assert_eq!(parse(&body).unwrap().resume, expected, "{body}");
    }
    let mut both = sns(&direct);
    both["processing_metadata"] = json!({ "offset": 10 });
    assert_eq!(parse(&both.to_string()).unwrap().resume.unwrap().offset, 10);
    for (odd, is_clear) in [(json!(null), true), (json!("x"), false), (json!([1]), false)] {
        let mut body = sns(DIRECT);
        body["processing_metadata"] = odd;
        let found = parse(&body.to_string()).unwrap();
        assert_eq!((found.resume, found.unclear.is_none()), (None, is_clear), "not all because it can't be read");
    }
    let mut inner: Value = serde_json::from_str(DIRECT).unwrap();
    inner["processing_metadata"] = json!({ "delivery": "S3" });
    for body in [inner.to_string(), sns(&inner.to_string()).to_string(), by_sqs(&[&inner.to_string(), DIRECT])] {
        assert!(parse(&body).unwrap().unclear.is_some(), "{body}");
    }
}

#[test]
fn unknown_fields_never_matter() {
    let mut direct: Value = serde_json::from_str(DIRECT).unwrap();
    direct["Message"] = json!("not looked at");
    direct["detail-type"] = json!(["x"]);
    direct["Records"][0]["requestParameters"] = json!(1);
    direct["Records"][0]["s3"]["configurationId"] = json!({ "a": [] });
    assert_eq!(keys(&direct.to_string()).len(), 1);
    let mut outer = sns(DIRECT);
    outer["Records"] = json!("x");
    outer["Timestamp"] = json!({});
    assert_eq!(keys(&outer.to_string()).len(), 1);
}

#[test]
fn what_is_no_notification_says_so_with_its_beginning() {
    let shape = "but neither an S3 event with a list of Records, nor an EventBridge event, nor a test event";
    for (body, what) in [
        ("", "it is empty".to_owned()),
        (" \n", "it is empty".to_owned()),
        ("hello", "it is not JSON: expected value at line 1 column 1".to_owned()),
        ("[]", format!("it is JSON, {shape}")),
        ("null", format!("it is JSON, {shape}")),
        (r#"{"Records":null}"#, format!("it is JSON, {shape}")),
        (r#"{"Message":{"Records":[]}}"#, format!("it is JSON, {shape}")),
        (r#"{"Event":"s3:Other"}"#, format!("it is JSON, {shape}")),
        (r#"{"Records":[]}"#, "its list of Records is empty".to_owned()),
        (r#"{"Records":[{"eventSource":"aws:ses"}]}"#, "it holds a record of \"aws:ses\", and none of S3's".to_owned()),
        (
            r#"{"Records":[{"eventName":"INSERT"},{"eventSource":"aws:dynamodb"}]}"#,
            "it holds a record of the event \"INSERT\", and none of S3's".to_owned(),
        ),
        (
            r#"{"source":"aws.s3","detail-type":"AWS API Call via CloudTrail"}"#,
            "it is an event of \"aws.s3\", \"AWS API Call via CloudTrail\", and none of S3's own".to_owned(),
        ),
        (
            r#"{"Type":"SubscriptionConfirmation","Message":"{}"}"#,
            "it is SNS's \"SubscriptionConfirmation\", which announces no object".to_owned(),
        ),
        (r#""hello""#, "it is a text, which is not JSON: expected value at line 1 column 1".to_owned()),
        (r#"{"Message":"You have chosen"}"#, "its Message is not JSON: expected value at line 1 column 1".to_owned()),
        (r#"{"Message":""}"#, "its Message is not JSON: EOF while parsing a value at line 1 column 0".to_owned()),
        (r#"{"Message":"{}"}"#, format!("its Message is JSON, {shape}")),
        (r#"{"Message":"{\"Message\":\"{}\"}"}"#, format!("its Message is JSON, {shape}")),
    ] {
        let error = parse(body).unwrap_err();
        assert_eq!(error, NotificationError { what, beginning: format!("{body:?}") });
    }
    let long = parse(&"é\n".repeat(1000)).unwrap_err();
    assert_eq!(long.beginning, format!("\"{}é\"…", "é\\n".repeat(66)));
    assert_eq!(
        parse("{").unwrap_err().to_string(),
        "the message is no S3 notification (it is not JSON: EOF while parsing an object at line 1 column 1); it begins with \"{\""
    );
    assert!(parse(&"[".repeat(100_000)).unwrap_err().what.contains("recursion limit"));
}

/// JSON of which many have the names and values that are looked at.
fn anything() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        "[a%+0-9/]{0,8}".prop_map(Value::from),
        prop_oneof![Just("Object Created"), Just("aws.s3"), Just("s3:TestEvent"), Just("ObjectCreated:Put")]
            .prop_map(Value::from),
    ];
    let name = prop_oneof![
        Just("Records"),
        Just("Message"),
        Just("processing_metadata"),
        Just("s3"),
        Just("bucket"),
        Just("name"),
        Just("object"),
        Just("key"),
        Just("size"),
        Just("eTag"),
        Just("eventName"),
        Just("eventTime"),
        Just("detail"),
        Just("detail-type"),
        Just("source"),
        Just("time"),
        Just("Event"),
        Just("offset"),
        Just("checkpoint"),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        let text = inner.clone().prop_map(|value: Value| Value::from(value.to_string()));
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::vec((name.clone(), prop_oneof![4 => inner, 1 => text]), 0..6)
                .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        ]
    })
}

proptest! {
    #[test]
    fn no_text_panics_it(body in any::<String>()) {
        let _ = parse(&body);
    }

    #[test]
    fn no_json_panics_it_and_every_record_is_accounted_for(value in anything()) {
        let found = parse(&value.to_string());
        if let (Ok(found), Some(records)) = (found, value.get("Records").and_then(Value::as_array)) {
            let ignored: u64 = found.ignored.values().sum();
            prop_assert_eq!(found.records.len() as u64 + ignored, records.len() as u64);
        }
    }
}
