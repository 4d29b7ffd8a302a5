use super::super::parse;
use super::*;
use model::DestinationKind;
use proptest::prelude::*;

fn read(metadata: Value) -> Resume {
    Resume::read(metadata.as_object().unwrap()).unwrap()
}

fn refused(metadata: Value) -> String {
    Resume::read(metadata.as_object().unwrap()).unwrap_err()
}

#[test]
fn the_references_metadata_is_read() {
    let metadata = json!({
        "offset": 1500, "retry_count": 2, "original_receipt_handle": "AQEB", "requeued_at": "2025-06-01T10:00:00.123456Z",
    });
    assert_eq!(read(metadata), Resume { offset: 1500, retry_count: 2, ..Resume::default() });
}

#[test]
fn odd_fields_count_as_missing() {
    let checkpoints = [json!(null), json!({}), json!({ "etag": "e" }), json!({ "etag": "e", "guests": 1 }), json!([])];
    for odd in [json!(-1), json!(1.0), json!("1"), json!(null), json!([]), json!({}), json!(true)] {
        let metadata = json!({ "offset": odd, "retry_count": odd, "first_failed_at": odd, "last_error": 7 });
        assert_eq!(read(metadata), Resume::default());
        // An offset means nothing without what it belongs to.
        let without = json!({ "offset": 7, "checkpoint": odd });
        assert_eq!(read(without).offset, if odd.is_null() { 7 } else { 0 }, "{odd}");
    }
    for checkpoint in checkpoints {
        assert_eq!(read(json!({ "checkpoint": checkpoint })), Resume::default());
    }
    assert_eq!(read(json!({ "retry_count": 4_294_967_296_u64 })).retry_count, 0);
    assert_eq!(
        read(json!({ "last_error": "ä".repeat(1000) })).last_error.unwrap().len(),
        crate::notification::text::MAX_ERROR_BYTES
    );
}

#[test]
fn a_message_is_never_about_more_than_it_says() {
    assert_eq!(read(json!({ "delivery": null, "item": null })).scope, Scope::All);
    assert_eq!(read(json!({ "delivery": "s3" })).scope, Scope::Delivery(DestinationKind::S3));
    assert_eq!(read(json!({ "item": "S3" })).scope, Scope::Item("S3".to_owned()));
    assert!(
        refused(json!({ "delivery": "kinesis" }))
            .contains(r#"names the delivery "\"kinesis\"", and there are cloudwatch"#)
    );
    for odd in [json!("S3"), json!(""), json!(1), json!(true), json!([]), json!({})] {
        refused(json!({ "delivery": odd }));
    }
    for odd in [json!(1), json!([]), json!({}), json!(false)] {
        refused(json!({ "item": odd }));
    }
    refused(json!({ "delivery": "s3", "item": "S3" }));
    for metadata in ["1", "\"s3\"", "[]", "true"] {
        let body = format!(r#"{{"Event": "s3:TestEvent", "processing_metadata": {metadata}}}"#);
        assert!(parse(&body).unwrap().unclear.is_some(), "{metadata}");
    }
}

#[test]
fn an_item_is_found_as_it_is() {
    for item in ["S3", " s3", "CloudWatch", "cloud-watch", "kinesis", ""] {
        let scope = Scope::of_item(item);
        assert!(scope.has_item(item) && !scope.has_item("s3") && !scope.has_item("cloudwatch"), "{item}");
    }
    assert_eq!(Scope::of_item("s3"), Scope::Delivery(DestinationKind::S3));
    assert!(Scope::All.has_item("anything"));
}

#[test]
fn a_requeue_is_in_snss_form_with_the_references_fields() {
    let record =
        json!({ "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } }, "more": [1, { "kept": null }] });
    let checkpoint = Some(Checkpoint { etag: "e".to_owned(), guests: "ab".to_owned() });
    let first_failed_at = Some(1_748_771_999_000);
    let last_error = Some("denied".to_owned());
    let scope = Scope::Delivery(DestinationKind::S3);
    let refused = Some(PriorRefusals { from: Some(5), counts: [("too-old".to_owned(), 2)].into(), settled: true });
    let resume = Resume { offset: 7, retry_count: 1, scope, checkpoint, first_failed_at, last_error, refused };
    let body: Value = serde_json::from_str(&requeue(&record, &resume, "AQEB\"", 1_748_772_000_123)).unwrap();
    let message: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
    assert_eq!(message, json!({ "Records": [record] }));
    let metadata = json!({
        "offset": 7, "retry_count": 1, "original_receipt_handle": "AQEB\"", "requeued_at": "2025-06-01T10:00:00.123Z",
        "delivery": "s3", "checkpoint": { "etag": "e", "guests": "ab" },
        "first_failed_at": "2025-06-01T09:59:59.000Z", "last_error": "denied",
        "refused": { "from": 5, "counts": { "too-old": 2 }, "settled": true },
    });
    assert_eq!(body, json!({ "Message": body["Message"], "processing_metadata": metadata }));
    let plain: Value = serde_json::from_str(&requeue(&record, &Resume::default(), "", 0)).unwrap();
    assert_eq!(plain["processing_metadata"].as_object().unwrap().len(), 4);
}

#[test]
fn what_was_refused_is_read_as_far_as_it_is_ours() {
    let of = |refused: Value| read(json!({ "refused": refused })).refused;
    for odd in [json!(null), json!(1), json!({}), json!({ "from": 1 }), json!({ "from": 1, "counts": [] })] {
        assert_eq!(of(odd), None);
    }
    let long = "x".repeat(33);
    let counts = json!({ "too-old": 2, "Too Old": 3, long: 4, "text": "5", "": 6 });
    let expected: BTreeMap<_, _> = [("too-old".to_owned(), 2), (String::new(), 6)].into();
    assert_eq!(
        of(json!({ "from": 1, "counts": counts })),
        Some(PriorRefusals { from: Some(1), counts: expected, settled: false })
    );
    let many: Map<String, Value> =
        ('a'..='z').flat_map(|a| [(a.to_string(), json!(1)), (format!("{a}{a}"), json!(1))]).collect();
    assert_eq!(of(json!({ "from": 1, "counts": many })).unwrap().counts.len(), MAX_REASONS);
}

fn resumes() -> impl Strategy<Value = Resume> {
    let scope = prop_oneof![
        Just(Scope::All),
        Just(Scope::Delivery(DestinationKind::CloudWatch)),
        Just(Scope::Delivery(DestinationKind::S3)),
        ".{0,64}".prop_map(|kind| Scope::of_item(&kind)),
    ];
    let checkpoint = ("\\PC{0,20}", "[0-9a-f]{64}").prop_map(|(etag, guests)| Checkpoint { etag, guests });
    let failed = proptest::option::of(0_i64..4_000_000_000_000);
    let error = proptest::option::of(".{0,100}".prop_map(|text| truncate_error(&text)));
    let counts = proptest::collection::btree_map("[a-z-]{1,32}", any::<u64>(), 0..4);
    let refused = (any::<Option<u64>>(), counts, any::<bool>());
    let refused = refused.prop_map(|(from, counts, settled)| PriorRefusals { from, counts, settled });
    let (checkpoint, refused) = (proptest::option::of(checkpoint), proptest::option::of(refused));
    (any::<u64>(), any::<u32>(), scope, checkpoint, failed, error, refused).prop_map(
        |(offset, retry_count, scope, checkpoint, first_failed_at, last_error, refused)| Resume {
            offset,
            retry_count,
            scope,
            checkpoint,
            first_failed_at,
            last_error,
            refused,
        },
    )
}

/// SQS refuses two characters that JSON takes.
#[test]
fn what_sqs_refuses_in_a_message_is_escaped() {
    let record = json!({ "note": "\u{fffe}\u{ffff}\u{fffd}\u{1fffe}", "s3": {} });
    let body = requeue(&record, &Resume::default(), "\u{fffe}", 0);
    assert!(!body.contains(['\u{fffe}', '\u{ffff}']), "{body}");
    let outer: Value = serde_json::from_str(&body).unwrap();
    let inner: Value = serde_json::from_str(outer["Message"].as_str().unwrap()).unwrap();
    assert_eq!(inner["Records"][0], record);
}

proptest! {
    #[test]
    fn what_is_sent_back_is_what_comes(
        bucket in "\\PC{1,20}", key in ".{1,40}", etag in any::<String>(), size in any::<u64>(),
        other in any::<Vec<(String, i64)>>(), resume in resumes(), receipt in any::<String>(), now in any::<i64>(),
    ) {
        // Every other field of the record stays as it is, whatever its name.
        let mut record: Value = other.into_iter().map(|(name, value)| (format!("x-{name}"), json!(value))).collect();
        record["s3"] = json!({
            "bucket": { "name": bucket },
            "object": { "key": super::super::key::encode(&key), "size": size, "eTag": etag },
        });
        let direct = json!({ "Records": [&record], "processing_metadata": null }).to_string();
        let first = parse(&direct).unwrap();
        let announced = first.records[0].as_ref().unwrap();
        prop_assert_eq!(&announced.record, &record);
        prop_assert_eq!(&announced.object.key, &key);

        let again = parse(&requeue(&announced.record, &resume, &receipt, now)).unwrap();
        prop_assert_eq!(again.records, first.records);
        prop_assert_eq!(again.resume, Some(resume));
    }

    #[test]
    fn event_bridges_objects_come_back(bucket in "\\PC{1,20}", key in ".{1,40}", resume in resumes()) {
        let detail = json!({ "bucket": { "name": bucket }, "object": { "key": key } });
        let event = json!({ "detail-type": "Object Created", "source": "aws.s3", "detail": detail }).to_string();
        let first = parse(&event).unwrap();
        let announced = first.records[0].as_ref().unwrap();
        prop_assert_eq!(&announced.object.key, &key);
        prop_assert_eq!(parse(&requeue(&announced.record, &resume, "", 0)).unwrap().records, first.records);
    }
}

#[test]
fn a_list_of_records_goes_back_as_it_is() {
    let records = json!([{}, "no record", { "eventSource": "aws:ses" }]);
    let body: Value = serde_json::from_str(&requeue(&records, &Resume::default(), "", 0)).unwrap();
    let event: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
    assert_eq!(event["Records"], records);
    let read = parse(&body.to_string()).unwrap();
    assert!(read.records.len() == 3 && read.records.iter().all(Result::is_err), "{read:?}");
}
