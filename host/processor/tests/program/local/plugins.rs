//! Components that the tenant file names.

use std::path::{Path, PathBuf};

use model::Digest;
use serde_json::json;

use crate::common::local::{Lab, numbers, record, records};
use assemble::{filter, parser};

/// A tenant's delivery to CloudWatch, with these lines about its component.
fn item(tenant: &str, plugin: &str) -> String {
    format!(
        "- {{tenant_id: {tenant}, type: cloudwatch, enabled: true, log_group_name: /{tenant}/logs, \
         log_distribution_role_arn: 'arn:aws:iam::111122223333:role/Logs', plugin: {plugin}}}\n"
    )
}

fn rewriter() -> Vec<u8> {
    crate::shared::read("fixtures/rewriter-guest.wasm")
}

/// Puts a component beside the tenant file; what names it.
fn beside(lab: &Lab, name: &str, bytes: &[u8]) -> String {
    std::fs::write(lab.path(name), bytes).unwrap();
    format!("component: 'file:{name}', sha256: {}", Digest::of(bytes))
}

fn lab() -> Lab {
    let lab = Lab::new();
    let home = lab.path("home").to_str().unwrap().to_owned();
    lab.env("HOME", home)
}

#[test]
fn each_tenant_has_a_component_of_its_own() {
    let lab = lab();
    let masks = beside(&lab, "mask.wasm", &rewriter());
    let no = beside(&lab, "no.wasm", &filter("(i32.store8 (i32.const 12) (i32.const 0))", ""));
    let masks = item("n", &format!("{{{masks}, settings: {{mode: redact, word: secret}}}}"));
    lab.tenants(&(masks + &item("m", &format!("{{{no}}}"))));
    lab.object("c/n/a/p/1.json", record("a secret", -1));
    lab.object("c/m/a/p/1.json", records(3));
    let run = lab.done();
    assert_eq!(lab.messages("p"), ["a ***"]);
    assert_eq!(run.outcome("c/m/a/p/1.json"), "filtered");
    let component = &run.entry("c/n/a/p/1.json")["component"];
    assert_eq!(component["digest"], Digest::of(&rewriter()).to_string());
    assert_eq!((&component["records_in"], &component["records_out"]), (&json!(1), &json!(1)));
    assert!(component["calls"].as_u64().unwrap() >= 3, "{component}");
    assert_eq!(run.entry("c/m/a/p/1.json")["component"]["calls"], 1);
    // Neither the journal nor anything else keeps the settings.
    let written = files(&lab.output());
    assert!(written.len() >= 2, "output and journal: {written:?}");
    for path in written {
        let bytes = std::fs::read(&path).unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("secret"), "{}", path.display());
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// Fails when it is asked.
const FAILS: &str = "(unreachable)";

#[test]
fn who_is_replaced_before_the_first_line_is_warned_of_whatever_follows() {
    let lab = lab();
    let fails = beside(&lab, "fails.wasm", &filter(FAILS, ""));
    let plugin = format!("{{{fails}, on_error: default}}");
    let to_s3 = format!(
        "- {{tenant_id: n, type: s3, enabled: true, target_region: eu-west-1, bucket_name: theirs, \
         plugin: {plugin}}}\n"
    );
    lab.tenants(&(to_s3 + &item("n", &plugin)));
    lab.object("c/n/a/p/1.json", records(3));
    let run = lab.done();
    let entries = run.report["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    for entry in entries {
        let warnings = entry["warnings"].to_string();
        assert!(warnings.contains("default guest") && warnings.contains("unfiltered"), "{entry}");
        assert_eq!((&entry["outcome"], &entry["component"]["replaced"]), (&json!("delivered"), &json!(true)));
    }
}

#[test]
fn only_what_lies_beside_the_tenant_file_is_allowed() {
    let lab = lab();
    let elsewhere = tempfile::tempdir().unwrap();
    let path = elsewhere.path().join("mask.wasm");
    std::fs::write(&path, rewriter()).unwrap();
    let (path, digest) = (path.display(), Digest::of(&rewriter()));
    lab.tenants(&(item("n", &format!("{{component: 'file:{path}', sha256: {digest}}}")) + &item("m", "null")));
    lab.object("c/n/a/p/1.json", records(3));
    lab.object("c/m/a/p/1.json", records(3));
    let run = lab.run();
    assert_eq!(run.code, 1);
    assert_eq!(run.entry("c/n/a/p/1.json")["reason"], "component-forbidden");
    assert_eq!(run.outcome("c/m/a/p/1.json"), "delivered");
    assert!(lab.messages("p").is_empty(), "never unfiltered");
    // Where the operator allows it, it runs.
    let lab = lab.env("PLUGIN_SOURCES", format!("file:{}", elsewhere.path().display()));
    lab.done();
    assert_eq!(lab.messages("p"), numbers(3));
}

#[test]
fn what_the_operator_names_is_allowed_wherever_it_lies_and_nothing_else_there() {
    let lab = lab();
    let elsewhere = tempfile::tempdir().unwrap();
    let (own, other) = (elsewhere.path().join("own.wasm"), elsewhere.path().join("other.wasm"));
    std::fs::write(&own, rewriter()).unwrap();
    std::fs::write(&other, rewriter()).unwrap();
    let digest = Digest::of(&rewriter());
    let lab = lab.env("DEFAULT_PLUGIN", format!("file:{}@sha256:{digest}", own.display()));
    let others = format!("{{component: 'file:{}', sha256: {digest}}}", other.display());
    // The operator's place, and another digest: it might be in the cache.
    let digests = format!("{{component: 'file:{}', sha256: {}}}", own.display(), Digest::of(b""));
    lab.tenants(&(item("n", "null") + &item("m", &others) + &item("o", &digests)));
    for tenant in ["n", "m", "o"] {
        lab.object(&format!("c/{tenant}/a/p/1.json"), records(3));
    }
    let run = lab.run();
    assert_eq!(run.outcome("c/n/a/p/1.json"), "delivered");
    assert_eq!(run.entry("c/n/a/p/1.json")["component"]["digest"], digest.to_string());
    for key in ["c/m/a/p/1.json", "c/o/a/p/1.json"] {
        assert_eq!(run.entry(key)["reason"], "component-forbidden", "{key}");
    }
}

#[test]
fn with_on_error_default_the_default_guest_goes_on_and_says_so() {
    let lab = lab();
    let digest = Digest::of(b"");
    lab.tenants(&item("n", &format!("{{component: 'file:gone.wasm', sha256: {digest}, on_error: default}}")));
    lab.object("c/n/a/p/1.json", records(3));
    let run = lab.done();
    assert_eq!(lab.messages("p"), numbers(3));
    let entry = run.entry("c/n/a/p/1.json");
    assert_eq!(entry["component"]["replaced"], true, "{entry}");
    assert_eq!(entry["component"]["failures"], json!({"component-missing": 1}));
    run.says(&["gone.wasm", "as on_error says"]);
    assert!(run.stdout.contains("the default guest went on alone"), "{}", run.stdout);
}

#[test]
fn what_its_key_parser_refines_decides_the_stream_for_that_delivery_alone() {
    let lab = lab();
    let refines = beside(&lab, "key.wasm", &parser("", ["c", "n", "n", "a", "refined", "production"]));
    let s3 = "- {tenant_id: n, type: s3, enabled: true, bucket_name: theirs}\n";
    lab.tenants(&(item("n", &format!("{{{refines}}}")) + s3));
    lab.object("c/n/a/p/1.json", records(3));
    lab.done();
    assert_eq!((lab.messages("refined"), lab.messages("p").len()), (numbers(3), 0));
    assert!(
        lab.output().join("s3/theirs/ROSA/cluster-logs/n/a/p/1.json").is_file(),
        "the other delivery has the key's own pod"
    );
}

#[test]
fn the_operators_components_are_for_all() {
    let lab = lab();
    let (mask, key) = (lab.path("mask.wasm"), lab.path("key.wasm"));
    std::fs::write(&mask, rewriter()).unwrap();
    let parses = parser("", ["c", "n", "n", "a", "read", "production"]);
    std::fs::write(&key, &parses).unwrap();
    let settings = json!({"mode": "redact", "word": "secret"});
    let default = json!({
        "component": format!("file:{}", mask.display()), "sha256": Digest::of(&rewriter()).to_string(),
        "settings": settings,
    });
    let reads = format!("file:{}@sha256:{}", key.display(), Digest::of(&parses));
    let lab = lab.env("DEFAULT_PLUGIN", default).env("KEY_PARSER", reads);
    lab.object("any/key", record("a secret", -1));
    lab.done();
    assert_eq!(lab.messages("read"), ["a ***"]);
}

#[test]
fn a_shadow_is_told_of_beneath_the_table() {
    let lab = lab();
    let mask = beside(&lab, "mask.wasm", &rewriter());
    let shadow = format!("{{{mask}, mode: shadow, settings: {{mode: redact, word: secret}}}}");
    lab.tenants(&item("n", &shadow));
    lab.object("c/n/a/p/1.json", record("a secret", -2) + &record("none", -1));
    let run = lab.done();
    assert_eq!(lab.messages("p"), ["a secret", "none"], "only the active one's output is delivered");
    let shadow = &run.entry("c/n/a/p/1.json")["shadow"];
    let counts = ["same", "changed", "dropped", "added", "failed"].map(|name| shadow[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 0, 0, 0], "{shadow}");
    assert_eq!((&shadow["samples"][0]["line"], &shadow["samples"][0]["kind"]), (&json!(0), &json!("changed")));
    assert!(!shadow.to_string().contains("secret"), "hashes, no contents: {shadow}");
    assert!(run.stdout.contains("as a shadow: "), "{}", run.stdout);
}
