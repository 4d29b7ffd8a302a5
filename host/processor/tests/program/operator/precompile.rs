//! `guest precompile`.

use fake_aws::scene::{CENTRAL_ROLE, TABLE};
use fake_aws::{PROCESSOR_ACCOUNT, Permissions};
use serde_json::json;

use super::support::{EMPTY, Folder, SECRET, item, rewriter, said, sha256};
use crate::common::aws::Lab;

#[test]
fn each_component_of_a_file_once_and_one_that_fails_stops_no_other() {
    let folder = Folder::new();
    let digest = folder.file("a.wasm", rewriter());
    let settings = format!(", settings: {{word: {SECRET}}}");
    let items = [
        item("a", "a.wasm", &digest, ""),
        item("b", "a.wasm", &digest, &settings),
        // Of bytes that the cache doesn't have: what it has needn't lie anywhere.
        item("c", "none.wasm", &sha256(b"none"), ""),
    ];
    folder.file("tenants.yaml", items[..2].concat());
    let ended = folder.run(&["guest", "precompile", "--tenants", "tenants.yaml"], &[]);
    let bytes = format!("{} bytes, ", rewriter().len());
    said(&ended, 0, &[&digest, "tenant \"a\" (cloudwatch), tenant \"b\" (cloudwatch)", &bytes]);
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    let compiled = || folder.cached().iter().filter(|name| name.ends_with(".cwasm")).count();
    assert_eq!(compiled(), 1);

    let other = folder.file("b.wasm", EMPTY);
    let last = item("d", "b.wasm", &other, "");
    folder.file("tenants.yaml", [&items.concat(), &last].map(String::as_str).concat());
    let ended = folder.run(&["guest", "precompile", "--tenants", "tenants.yaml"], &[]);
    said(&ended, 1, &["none.wasm", "named by tenant \"c\" (cloudwatch)", "exports no interface"]);
    assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
    let one = folder.run(&["guest", "precompile", "--tenants", "tenants.yaml", "--tenant", "a"], &[]);
    said(&one, 0, &["tenant \"a\""]);
}

#[test]
fn components_by_reference_and_what_can_t_be_understood() {
    let folder = Folder::new();
    let digest = folder.file("a.wasm", rewriter());
    let pinned = format!("file:{}@sha256:{digest}", folder.path("a.wasm").display());
    said(&folder.run(&["guest", "precompile", &pinned], &[folder.source()]), 0, &["the command line", &digest]);
    said(&folder.run(&["guest", "precompile", &pinned], &[]), 1, &["PLUGIN_SOURCES"]);
    said(&folder.run(&["guest", "precompile", "file:/a.wasm"], &[]), 3, &["REFERENCE@sha256"]);
    said(&folder.run(&["guest", "precompile", &pinned, "--publish", "bucket"], &[]), 2, &["s3://BUCKET/PREFIX"]);
    said(&folder.run(&["guest", "precompile", &pinned, "--publish", "s3://bucket"], &[]), 3, &["PLUGIN_CACHE_KEY"]);
    said(&folder.run(&["guest", "precompile", &pinned, "--tenant", "a"], &[]), 2, &["--tenant"]);
    said(&folder.run(&["guest", "precompile"], &[]), 4, &["credentials"]);
}

#[test]
fn what_the_table_names_is_compiled_and_published() {
    let lab = Lab::new().set("PLUGIN_SOURCES", "s3://components/").set("PLUGIN_CACHE_KEY", "0123456789abcdef-canary");
    let lab = lab.may("dynamodb:Scan", TABLE);
    lab.aws.add_bucket(PROCESSOR_ACCOUNT, "components");
    lab.aws.add_bucket(PROCESSOR_ACCOUNT, "compiled");
    let central = Permissions::none().allow("s3:GetObject", "components/*").allow("s3:PutObject", "compiled/*");
    lab.aws.set_permissions(CENTRAL_ROLE, central);
    lab.aws.put_object("components", "a.wasm", rewriter());
    let digest = sha256(&rewriter());
    for tenant in ["acme", "bank"] {
        let tenant = lab.scene.add_cloudwatch_tenant(tenant);
        let plugin = json!({"M": {"component": {"S": "s3://components/a.wasm"}, "sha256": {"S": digest}}});
        let fields = json!({
            "log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group}, "plugin": plugin,
        });
        lab.scene.add_delivery(&tenant.name, "cloudwatch", fields);
    }
    lab.aws.page_size(TABLE, 1);
    let ended = lab.start(&["guest", "precompile", "--publish", "s3://compiled/fleet"], None).ended();
    said(&ended, 0, &[&digest, "tenant \"acme\"", "tenant \"bank\"", "published at s3://compiled/fleet/"]);
    assert!(!ended.stdout.contains("0123456789abcdef"), "{ended:?}");
    let keys = lab.aws.keys("compiled");
    assert!(keys.len() == 1 && keys[0].contains(&digest), "{keys:?}");
}

#[test]
fn without_scan_it_says_so() {
    let lab = Lab::new();
    let ended = lab.start(&["guest", "precompile"], None).ended();
    said(&ended, 1, &["dynamodb:Scan", "--tenant"]);
}
