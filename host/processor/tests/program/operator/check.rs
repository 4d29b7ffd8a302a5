//! `check` of the table.

use fake_aws::scene::{SOURCE, TABLE};
use fake_aws::{PROCESSOR_ACCOUNT, PROCESSOR_ARN, Service, Trust};
use serde_json::json;

use super::support::{json as output, rewriter, said, sha256};
use crate::common::aws::Lab;

fn lab() -> Lab {
    Lab::new().may("dynamodb:Scan", TABLE)
}

#[test]
fn all_that_is_good_and_nothing_is_changed() {
    let lab = lab().set("SOURCE_BUCKETS", SOURCE).set("SOURCE_BUCKET_OWNER", PROCESSOR_ACCOUNT);
    let tenants = ["a", "b", "c"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    let bucket = lab.scene.add_s3_tenant("c");
    let fields = json!({"bucket_name": {"S": bucket.bucket}, "account_id": {"S": bucket.account}});
    lab.scene.add_delivery("c", "s3", fields);
    lab.aws.page_size(TABLE, 2);
    let lab = lab.set("DEAD_LETTER", "none");
    let ended = lab.start(&["check"], None).ended();
    said(&ended, 0, &["tenants 3, deliveries 4, roles 3, components 0; problems 0, warnings 0"]);
    // Each tenant's role, and the central one: assumed, and not used.
    assert_eq!(lab.count(Service::Sts, "AssumeRole"), 4);
    let changes = [(Service::Logs, "PutLogEvents"), (Service::Logs, "CreateLogStream"), (Service::S3, "PutObject")];
    for (service, operation) in changes {
        assert_eq!(lab.count(service, operation), 0, "{operation}");
    }
    assert!(tenants.iter().all(|tenant| lab.messages(tenant).is_empty()));
}

/// What is as the reference has it, and could be bounded.
#[test]
fn buckets_that_anybody_may_own_and_name_are_odd() {
    let lab = lab().set("DEAD_LETTER", "s3://letters/x").set("DEAD_LETTER_OWNER", "any");
    lab.scene.add_s3_tenant("a");
    let ended = lab.start(&["check", "--json"], None).ended();
    said(&ended, 0, &[]);
    let warnings = output(&ended)["warnings"].clone();
    let about: Vec<&str> = warnings.as_array().unwrap().iter().map(|w| w["about"].as_str().unwrap()).collect();
    assert_eq!(
        about,
        ["SOURCE_BUCKETS", "SOURCE_BUCKET_OWNER", "DEAD_LETTER_OWNER", "tenant \"a\" (s3)"],
        "{warnings}"
    );
    assert!(warnings[3]["what"].as_str().unwrap().contains("account_id"), "{warnings}");
}

#[test]
fn what_would_be_lost_or_mistaken_is_said() {
    let lab = lab().unset("SQS_QUEUE_URL");
    lab.scene.add_cloudwatch_tenant("a");
    let fields = json!({"bucket_name": {"S": "b-logs"}, "enabled": {"S": "True"}, "desired_logs": {"S": "app,other"}});
    lab.scene.add_delivery("b", "s3", fields);
    lab.scene.add_delivery("c", "s3", json!({"bucket_name": {"S": "c-logs"}, "ttl": {"N": "1700000000"}}));
    lab.scene.add_delivery("d", "s3", json!({"enabled": {"S": "false"}}));
    let ended = lab.start(&["check"], None).ended();
    let parts = [
        "DEAD_LETTER is not set: what can never be delivered is counted and dropped",
        "SQS_QUEUE_URL is not set: what fails is retried by Lambda alone",
        "field enabled: found the text \"True\", taken for true",
        "field desired_logs: found the text \"app,other\", taken for a list of 2",
        "field ttl: its item of type \"s3\" has expired",
        "field enabled: found the text \"false\", taken for false",
        "deliveries 2, roles 1, components 0; problems 0, warnings 9",
    ];
    said(&ended, 0, &parts);
    let lab = lab.set("DEAD_LETTER", "fail");
    let ended = lab.start(&["check", "--mode", "sqs"], None).ended();
    said(&ended, 1, &["problem: settings: sqs mode needs SQS_QUEUE_URL", "problems 1, warnings 7"]);
    let ended = lab.start(&["check", "--mode", "scan"], None).ended();
    said(&ended, 1, &["problem: settings: DEAD_LETTER=fail leaves to the queue's", "problems 1, warnings 7"]);
    let ended = lab.unset("SOURCE_BUCKET").start(&["check", "--mode", "scan"], None).ended();
    said(&ended, 1, &["problem: settings: scan mode needs SOURCE_BUCKET", "problems 1, warnings 7"]);
}

#[test]
fn roles_and_items_that_are_wrong() {
    let lab = lab();
    lab.scene.add_cloudwatch_tenant("good");
    let closed = lab.scene.add_cloudwatch_tenant("closed");
    let elsewhere = Trust::of(&format!("arn:aws:iam::{PROCESSOR_ACCOUNT}:role/Other"));
    lab.aws.add_role(&closed.role, elsewhere, fake_aws::Permissions::none());
    lab.scene.add_delivery("odd", "s3", json!({"bucket_name": {"S": "NOT A BUCKET"}, "colour": {"S": "red"}}));
    let ended = lab.start(&["check", "--json"], None).ended();
    said(&ended, 1, &[]);
    let problems = output(&ended)["problems"].clone();
    let about: Vec<&str> = problems.as_array().unwrap().iter().map(|p| p["about"].as_str().unwrap()).collect();
    assert_eq!(about, ["tenant \"odd\" (s3)", "tenant \"closed\" (cloudwatch)"], "{problems}");
    assert!(problems[0]["what"].as_str().unwrap().contains("bucket_name"), "{problems}");
    assert!(problems[1]["what"].as_str().unwrap().contains("trust policy"), "{problems}");
    let warnings = output(&ended)["warnings"].clone();
    assert!(warnings.as_array().unwrap().iter().any(|w| w["about"] == "tenant \"odd\""), "{warnings}");
}

#[test]
fn quarantine_needs_a_place_for_dead_letters() {
    let lab = lab().set("PLUGIN_SOURCES", "file:/");
    let path = lab.path("a.wasm");
    std::fs::write(&path, rewriter()).unwrap();
    let tenant = lab.scene.add_cloudwatch_tenant("a");
    let plugin = json!({"M": {
        "component": {"S": format!("file:{}", path.display())}, "sha256": {"S": sha256(&rewriter())},
        "on_error": {"S": "quarantine"},
    }});
    let fields = json!({
        "log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group}, "plugin": plugin,
    });
    lab.scene.add_delivery("a", "cloudwatch", fields);
    let ended = lab.start(&["check"], None).ended();
    said(&ended, 1, &["tenant \"a\" (cloudwatch)", "DEAD_LETTER", "good: file:"]);
    let lab = lab.dead_letters();
    said(&lab.start(&["check"], None).ended(), 0, &["components 1; problems 0"]);
}

#[test]
fn a_table_that_can_t_be_read() {
    let lab = Lab::new();
    lab.scene.add_cloudwatch_tenant("a");
    said(&lab.start(&["check"], None).ended(), 1, &["dynamodb:Scan", "--tenant"]);
    said(&lab.start(&["check", "--tenant", "a"], None).ended(), 0, &["tenants 1, deliveries 1, roles 1"]);
    said(&lab.start(&["check", "--tenant", "b"], None).ended(), 1, &["no item of the tenant \"b\""]);
    lab.aws.deny(PROCESSOR_ARN, "dynamodb:*");
    said(&lab.start(&["check", "--tenant", "a"], None).ended(), 1, &["dynamodb:Query"]);
    let lab = Lab::new().set("TENANT_CONFIG_TABLE", "no-such-table").may("dynamodb:Query", "no-such-table");
    said(&lab.start(&["check", "--tenant", "a"], None).ended(), 1, &["TENANT_CONFIG_TABLE"]);
}
