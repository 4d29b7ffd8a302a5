//! Tenants: cached, all pages, lists and sets.

use std::time::Duration;

use fake_aws::Service;
use fake_aws::scene::TABLE;
use serde_json::json;

use crate::common::aws::{Lab, records};

#[test]
fn many_objects_of_a_tenant_are_one_query() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.latency(Service::DynamoDb, Duration::from_millis(300));
    let keys: Vec<_> = (0..30).map(|n| lab.object("acme", &n.to_string(), &records("acme", 1))).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    lab.scene.send(&lab.scene.announce(&keys));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant).len(), 30);
    assert_eq!(lab.count(Service::DynamoDb, "Query"), 1);
    process.terminate();
}

#[test]
fn a_delivery_that_is_disabled_stops_when_the_cache_ends() {
    let lab = Lab::new().set("TENANT_CACHE_SECONDS", 1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "1", &records("acme", 1));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=delivered"]);
    let fields = json!({
        "enabled": {"BOOL": false}, "log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group},
    });
    lab.scene.add_delivery("acme", "cloudwatch", fields);
    let mut objects = 1;
    process.wait("the end of what is cached", || {
        objects += 1;
        lab.announced("acme", &objects.to_string(), &records("acme", 1));
        let outcome = process.done(objects).pop().unwrap();
        assert!(["cloudwatch=delivered", "object=ignored(none-enabled)"].contains(&&*outcome), "{outcome}");
        outcome == "object=ignored(none-enabled)"
    });
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant).len(), objects - 1, "all but the last");
    assert_eq!(lab.count(Service::DynamoDb, "Query"), 2);
    process.terminate();
}

#[test]
fn wanted_applications_may_be_a_set_or_a_list() {
    let lab = Lab::new();
    let cases = [
        ("set", json!({"SS": ["app", "other"]}), "cloudwatch=delivered"),
        ("list", json!({"L": [{"S": "app"}]}), "cloudwatch=delivered"),
        ("not-set", json!({"SS": ["other"]}), "cloudwatch=filtered"),
        ("not-list", json!({"L": [{"S": "other"}, {"S": "another"}]}), "cloudwatch=filtered"),
    ];
    for (name, wanted, _) in &cases {
        let tenant = lab.scene.add_cloudwatch_tenant(name);
        let fields = json!({
            "log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group},
            "desired_logs": wanted,
        });
        lab.scene.add_delivery(name, "cloudwatch", fields);
        lab.announced(name, "1", &records(name, 1));
    }
    let process = lab.sqs();
    process.done(cases.len());
    for line in process.objects() {
        let (_, _, outcome) = cases.iter().find(|(name, ..)| line["tenant"] == *name).unwrap();
        assert_eq!(line["deliveries"], *outcome, "{line}");
    }
    process.empties_the_queue();
    process.terminate();
}

#[test]
fn deliveries_on_all_pages_are_found() {
    let lab = Lab::new();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let s3 = lab.scene.add_s3_tenant("acme");
    lab.aws.page_size(TABLE, 1);
    lab.announced("acme", "1", &records("acme", 1));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!((lab.messages(&tenant).len(), lab.aws.keys(&s3.bucket).len()), (1, 1));
    assert!(lab.count(Service::DynamoDb, "Query") >= 2);
    process.terminate();
}
