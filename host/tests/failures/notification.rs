//! What announces objects, and is not as it should be.

use fake_aws::Service;
use serde_json::json;

use crate::aws::{Lab, records, texts};

#[test]
fn other_events_are_acknowledged_and_nothing_else() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let mut removed = lab.scene.record("prod-1/acme/app/pod/gone.json.gz");
    removed["eventName"] = "ObjectRemoved:Delete".into();
    lab.scene.send(&json!({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "source-logs"}).to_string());
    lab.scene.send(&json!({"Records": [removed]}).to_string());
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!((lab.count(Service::DynamoDb, "Query"), lab.count(Service::S3, "GetObject")), (0, 0));
    lab.announced("acme", "a", &records("acme", 10));
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(10));
    assert!(lab.letters().is_empty());
    process.terminate();
}
