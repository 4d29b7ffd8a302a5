use super::*;

fn s3(object: Value) -> Value {
    json!({ "eventName": "ObjectCreated:Put", "s3": { "bucket": { "name": "logs" }, "object": object } })
}

fn read(record: Value) -> Announced {
    read_record(record).unwrap()
}

fn bad(record: Value) -> InvalidRecord {
    read_record(record).unwrap_err()
}

#[test]
fn every_field_is_read() {
    let mut record = s3(json!({
        "key": "c1/payment/app+one/pod%2B1/x%C3%BC.json.gz", "size": 1024, "versionId": "v.1", "sequencer": "00AB",
        "eTag": "\"d41d8cd98f00b204e9800998ecf8427e-2\"",
    }));
    record["eventTime"] = json!("2025-06-01T10:00:00.500Z");
    assert_eq!(
        read(record.clone()),
        Announced {
            object: ObjectId { bucket: "logs".to_owned(), key: "c1/payment/app one/pod+1/xü.json.gz".to_owned() },
            version_id: Some("v.1".to_owned()),
            etag: Some("d41d8cd98f00b204e9800998ecf8427e-2".to_owned()),
            size: Some(1024),
            event_time: Some(1_748_772_000_500),
            record,
        }
    );
}

#[test]
fn optional_fields_of_another_form_count_as_missing() {
    for odd in [json!(null), json!({}), json!([1]), json!(true), json!(-1), json!(1.5), json!("null"), json!("")] {
        let mut record = s3(json!({ "key": "k", "versionId": odd, "size": odd }));
        record["eventTime"] = odd;
        let found = read(record);
        assert_eq!((found.version_id, found.size, found.event_time), (None, None, None));
    }
    for odd in [json!(null), json!({}), json!(7), json!(""), json!("\"\"")] {
        assert_eq!(read(s3(json!({ "key": "k", "eTag": odd }))).etag, None);
    }
    assert_eq!(read(s3(json!({ "key": "k", "size": "77" }))).size, Some(77));
}

#[test]
fn a_record_without_an_object_is_bad_and_says_why() {
    let text = |record: Value| bad(record).what;
    assert_eq!(text(s3(json!({}))), "the record names no key");
    assert_eq!(text(s3(json!({ "key": "" }))), "the record names no key");
    assert_eq!(text(s3(json!({ "key": 5 }))), "the record names no key");
    for record in [json!(null), json!("x"), json!([]), json!({ "s3": 1 })] {
        assert_eq!(text(record), "the record names no key");
    }
    for bucket in [json!(null), json!({}), json!({ "name": "" }), json!({ "name": 1 })] {
        let record = json!({ "s3": { "bucket": bucket, "object": { "key": "a/b" } } });
        assert_eq!(text(record), "the key \"a/b\" comes without a bucket");
    }
    let broken = s3(json!({ "key": "a/100%" }));
    let found = bad(broken.clone());
    assert_eq!(found.to_string(), "the key \"a/100%\" is not form-encoded: % without two hex digits");
    assert_eq!(found.record, broken.to_string());
    assert_eq!(text(s3(json!({ "key": "%FF" }))), "the key \"%FF\" is not UTF-8 once decoded");
    let long = text(s3(json!({ "key": format!("%{}", "x".repeat(5000)) })));
    assert!(long.len() < 300, "{long}");
}

fn event_bridge() -> Value {
    json!({
        "version": "0", "id": "17793124-05d4-b198-2fde-7ededc63b103", "account": "111122223333",
        "detail-type": "Object Created", "source": "aws.s3", "time": "2025-06-01T10:00:00Z", "region": "ca-central-1",
        "resources": ["arn:aws:s3:::logs"],
        "detail": {
            "version": "0", "bucket": { "name": "logs" },
            "object": {
                "key": "c1/payment/a+b %41/pod/é.json.gz", "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184",
                "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e", "sequencer": "617f08299329d189",
            },
            "request-id": "N4N7GDK58NMKJ12R", "reason": "CompleteMultipartUpload",
        },
    })
}

#[test]
fn event_bridges_keys_are_not_encoded_and_its_event_becomes_a_record() {
    let found = from_event_bridge(&event_bridge()).unwrap();
    assert_eq!(
        found.record,
        json!({
            "eventVersion": "2.1", "eventSource": "aws:s3", "eventName": "ObjectCreated:CompleteMultipartUpload",
            "eventTime": "2025-06-01T10:00:00Z", "awsRegion": "ca-central-1",
            "s3": {
                "bucket": { "name": "logs" },
                "object": {
                    "key": "c1/payment/a%2Bb%20%2541/pod/%C3%A9.json.gz", "size": 5,
                    "eTag": "b1946ac92492d2347c6235b4d2611184", "versionId": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e",
                    "sequencer": "617f08299329d189",
                },
            },
        })
    );
    assert_eq!(found.object.key, "c1/payment/a+b %41/pod/é.json.gz");
    assert_eq!(found.version_id.as_deref(), Some("IYV3p45BT0ac8hjHg1houSdS1a.Mro8e"));
    assert_eq!(found.etag.as_deref(), Some("b1946ac92492d2347c6235b4d2611184"));
    assert_eq!((found.size, found.event_time), (Some(5), Some(1_748_772_000_000)));
}

#[test]
fn what_the_reference_could_not_read_is_left_out_of_a_translated_record() {
    let mut event = event_bridge();
    event["time"] = json!("yesterday");
    event["detail"]["object"] = json!({ "key": "k", "size": "x", "etag": 1, "version-id": null });
    event["detail"]["reason"] = json!(3);
    let found = from_event_bridge(&event).unwrap();
    assert_eq!(found.record["s3"]["object"], json!({ "key": "k" }));
    assert_eq!(found.record["eventName"], "ObjectCreated:Put");
    assert_eq!(found.record.get("eventTime"), None);
    event["detail"] = json!({ "object": { "key": "k" } });
    let bad = from_event_bridge(&event).unwrap_err();
    assert_eq!((bad.what.as_str(), bad.record), ("the key \"k\" comes without a bucket", event.to_string()));
}
