use super::super::parse;
use super::*;
use proptest::prelude::*;

fn read(metadata: Value) -> Resume {
    Resume::read(metadata.as_object().unwrap())
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
        let metadata = json!({ "offset": odd, "retry_count": odd, "delivery": odd, "checkpoint": odd });
        assert_eq!(read(metadata), Resume::default());
    }
    for checkpoint in checkpoints {
        assert_eq!(read(json!({ "checkpoint": checkpoint })), Resume::default());
    }
    assert_eq!(read(json!({ "retry_count": 4_294_967_296_u64 })).retry_count, 0);
    assert_eq!(read(json!({ "delivery": "kinesis" })).delivery, None);
}

#[test]
fn a_requeue_is_in_snss_form_with_the_references_fields() {
    let record =
        json!({ "s3": { "bucket": { "name": "b" }, "object": { "key": "k" } }, "more": [1, { "kept": null }] });
    let checkpoint = Some(Checkpoint { etag: "e".to_owned(), guests: "ab".to_owned() });
    let refused = Some(Refused { from: Some(5), counts: [("too-old".to_owned(), 2)].into(), settled: true });
    let resume = Resume { offset: 7, retry_count: 1, delivery: Some("s3".to_owned()), checkpoint, refused };
    let body: Value = serde_json::from_str(&requeue(&record, &resume, "AQEB\"", 1_748_772_000_123)).unwrap();
    let message: Value = serde_json::from_str(body["Message"].as_str().unwrap()).unwrap();
    assert_eq!(message, json!({ "Records": [record] }));
    let metadata = json!({
        "offset": 7, "retry_count": 1, "original_receipt_handle": "AQEB\"", "requeued_at": "2025-06-01T10:00:00.123Z",
        "delivery": "s3", "checkpoint": { "etag": "e", "guests": "ab" },
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
        Some(Refused { from: Some(1), counts: expected, settled: false })
    );
    let many: Map<String, Value> =
        ('a'..='z').flat_map(|a| [(a.to_string(), json!(1)), (format!("{a}{a}"), json!(1))]).collect();
    assert_eq!(of(json!({ "from": 1, "counts": many })).unwrap().counts.len(), MOST_REASONS);
}

fn resumes() -> impl Strategy<Value = Resume> {
    let delivery = proptest::option::of(prop_oneof![Just("cloudwatch".to_owned()), Just("s3".to_owned())]);
    let checkpoint = ("\\PC{0,20}", "[0-9a-f]{64}").prop_map(|(etag, guests)| Checkpoint { etag, guests });
    let counts = proptest::collection::btree_map("[a-z-]{1,32}", any::<u64>(), 0..4);
    let refused = (any::<Option<u64>>(), counts, any::<bool>());
    let refused = refused.prop_map(|(from, counts, settled)| Refused { from, counts, settled });
    (any::<u64>(), any::<u32>(), delivery, proptest::option::of(checkpoint), proptest::option::of(refused)).prop_map(
        |(offset, retry_count, delivery, checkpoint, refused)| Resume {
            offset,
            retry_count,
            delivery,
            checkpoint,
            refused,
        },
    )
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
