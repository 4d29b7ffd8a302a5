//! Names that try to lead astray: nothing escapes the output folder, and what
//! differs stays apart.

use crate::common::local::{Lab, numbers, record, records};
use crate::common::output;

#[test]
fn pods_keep_their_names_apart() {
    let long = "x".repeat(240);
    let pods = [
        "%2F",
        "%",
        "a b",
        "日本",
        "é",
        "e\u{301}",
        ":*?",
        "...",
        ".hidden",
        "a\\b",
        "-",
        "~",
        "p.ndjson",
        "p.batches.jsonl",
        "\t",
        &long,
    ];
    let lab = Lab::new();
    for pod in pods {
        lab.object(&format!("c/n/a/{pod}/f"), record(pod, -1));
    }
    let run = lab.run();
    let folder = lab.output().join(crate::common::local::GROUP);
    let files = output::files(&folder);
    let mut found = Vec::new();
    for (name, path) in files.iter().filter(|(name, _)| !name.ends_with(".batches.jsonl")) {
        assert!(!name.contains('/'), "{name}");
        found.extend(crate::common::stream::events(path).into_iter().map(|(_, message)| message));
    }
    // A pod that is blank is no pod.
    let mut expected: Vec<_> = pods.iter().filter(|pod| !pod.trim().is_empty()).map(|pod| (*pod).to_owned()).collect();
    assert_eq!(run.outcome("c/n/a/\t/f"), "rejected");
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "{files:?}");
    for (pod, name) in [("%2F", "%252F"), ("%", "%25"), ("日本", "日本"), ("a b", "a b"), ("a\\b", "a%5Cb")] {
        assert_eq!(lab.messages(name), [pod]);
    }
}

#[test]
fn tenants_groups_and_accounts_do_not_mix() {
    let item = |tenant: &str, account: &str, region: &str, group: &str| {
        format!(
            "- {{tenant_id: '{tenant}', type: cloudwatch, enabled: true, target_region: {region}, \
             log_distribution_role_arn: 'arn:aws:iam::{account}:role/r', log_group_name: '{group}'}}\n"
        )
    };
    let tenants = [
        ("a b", "111111111111", "us-east-1", "/same/group"),
        ("ünï", "222222222222", "us-east-1", "/same/group"),
        ("%2F", "111111111111", "eu-west-1", "same/group"),
        (".t", "111111111111", "us-east-1", "/same/group/p.ndjson"),
        ("t*:", "111111111111", "us-east-1", "/same/./../group"),
    ];
    let lab = Lab::new();
    lab.tenants(&tenants.map(|(tenant, account, region, group)| item(tenant, account, region, group)).concat());
    for (tenant, ..) in tenants {
        lab.object(&format!("c/{tenant}/a/p/f"), record(tenant, -1));
    }
    lab.done();
    let folders = [
        "111111111111/us-east-1/same/group",
        "222222222222/us-east-1/same/group",
        "111111111111/eu-west-1/same/group",
        "111111111111/us-east-1/same/group/p%2Endjson",
        "111111111111/us-east-1/same/%2E/%2E%2E/group",
    ];
    for ((tenant, ..), folder) in tenants.iter().zip(folders) {
        let path = lab.output().join("cloudwatch").join(folder).join("p.ndjson");
        assert_eq!(crate::common::stream::events(&path).len(), 1, "{tenant}");
        assert!(std::fs::read_to_string(path).unwrap().contains(&serde_json::json!(tenant).to_string()));
    }
}

#[test]
fn a_tenant_can_not_name_another_ones_folder() {
    // Groups that differ by the leading slash alone would be one folder.
    let lab = Lab::new();
    let item = |tenant: &str, group: &str| {
        crate::common::local::TENANT
            .replace("tenants:\n", "")
            .replace("tenant_id: n", &format!("tenant_id: {tenant}"))
            .replace("/n/logs", group)
    };
    lab.tenants(&(item("a", "/one") + &item("b", "one")));
    let run = lab.run();
    assert_eq!(run.code, 3);
    run.says(&["item 2, tenant \"b\"", "log_group_name", "leading slash"]);
    let lab = Lab::new();
    lab.tenants("- {tenant_id: n, type: s3, enabled: true, bucket_name: bbb, bucket_prefix: '../../../../x'}\n");
    lab.object("c/n/a/p/f", "content");
    lab.run();
    let names: Vec<_> = output::contents(&lab.output()).into_keys().collect();
    assert_eq!(names, ["s3/bbb/%2E%2E/%2E%2E/%2E%2E/%2E%2E/x/n/a/p/f"]);
    assert!(!lab.path("x").exists());
}

#[test]
fn the_objects_of_a_pod_keep_their_order() {
    let lab = Lab::new().env("MAX_CONCURRENT_OBJECTS", 8);
    for index in 0..60 {
        // The first ones take longest.
        let text = record(&index.to_string(), -1) + &records(if index % 10 == 0 { 2000 } else { 1 });
        lab.object(&format!("c/n/a/p{}/{:04}", index % 3, index), text);
    }
    lab.done();
    for pod in 0..3 {
        let path = lab.output().join(crate::common::local::GROUP).join(format!("p{pod}.batches.jsonl"));
        let batches = std::fs::read_to_string(path).unwrap();
        let objects: Vec<_> = batches.lines().map(|line| line.split('"').nth(3).unwrap().to_owned()).collect();
        assert_eq!(objects.len(), 20);
        assert!(objects.is_sorted(), "{objects:?}");
    }
}

/// Two clusters have a pod of one name, and the tenant one stream for it.
#[test]
fn pods_of_one_name_share_a_stream_put_by_put() {
    let lab = Lab::new().env("MAX_CONCURRENT_OBJECTS", 4).env("MAX_BATCH_SIZE", 100);
    for cluster in 0..8 {
        lab.object(&format!("c{cluster}/n/a/p/f"), records(1000));
    }
    let run = lab.done();
    // `done` has checked that the batches are the stream: no put is torn by another.
    let mut messages = lab.messages("p");
    messages.sort();
    let mut expected: Vec<_> = (0..8).flat_map(|_| numbers(1000)).collect();
    expected.sort();
    assert_eq!(messages, expected);
    assert_eq!(run.total("batches"), 80);
}

/// The reference's layout has neither the cluster nor the folders between pod and file.
#[test]
fn a_copy_that_replaces_another_objects_is_told() {
    let lab = Lab::new().env("MAX_CONCURRENT_OBJECTS", 1);
    lab.tenants("- {tenant_id: n, type: s3, enabled: true, bucket_name: theirs, bucket_prefix: p}\n");
    let keys = ["c1/n/a/pod/25/00.json", "c1/n/a/pod/26/00.json", "c2/n/a/pod/00.json", "c1/n/a/pod/other.json"];
    for key in keys {
        lab.object(key, record(key, -1));
    }
    let run = lab.run();
    assert_eq!(output::files(&lab.output().join("s3/theirs/p/n/a/pod")).len(), 2);
    let warned = keys.iter().filter(|key| {
        assert_eq!(run.outcome(key), "delivered");
        let warnings = &run.entry(key)["warnings"];
        warnings.as_array().unwrap().iter().any(|w| w.as_str().unwrap().contains("replaces the copy of another object"))
    });
    assert_eq!(warned.count(), 2, "all but the first of three, and none of what stands alone");
}
