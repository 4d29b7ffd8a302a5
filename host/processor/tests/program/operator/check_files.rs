//! `check` over a tenant file.

use super::support::{Folder, SECRET, item, json, rewriter, said};
use crate::shared::read;

#[test]
fn a_file_that_is_good() {
    let folder = Folder::new();
    let digest = folder.file("a.wasm", rewriter());
    let quarantine = format!(", on_error: quarantine, settings: {{word: {SECRET}}}");
    folder.file("tenants.yaml", item("a", "a.wasm", &digest, &quarantine));
    let ended = folder.run(&["check", "--tenants", "tenants.yaml"], &[]);
    said(
        &ended,
        0,
        &["good: file:", &digest, "record-rewrite@0.1.0", "tenants 1, deliveries 1, roles 0, components 1; problems 0"],
    );
    assert_eq!(folder.cached(), [""; 0], "checking keeps nothing");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let folder = Folder::new();
    let digest = folder.file("a.wasm", rewriter());
    let text = folder.file("text", "hello");
    let hostile = folder.file("hostile.wasm", read("fixtures/hostile-guest.wasm"));
    let refusing = format!(", settings: {{mode: 'check:refuse', word: {SECRET}}}");
    let items = [
        item("good", "a.wasm", &digest, ""),
        item("missing", "none.wasm", &digest, ""),
        item("other", "a.wasm", &text, ""),
        item("no-component", "text", &text, ""),
        item("above", "a.wasm", &digest, ", limits: {memory_bytes: 99999999999}"),
        item("unknown", "a.wasm", &digest, ", colour: red"),
        item("refusing", "hostile.wasm", &hostile, &refusing),
    ];
    folder.file("tenants.yaml", items.concat());
    let ended = folder.run(&["check", "--tenants", "tenants.yaml", "--json"], &[]);
    said(&ended, 1, &[]);
    let found = json(&ended);
    let problems = found["problems"].as_array().unwrap();
    let says = |tenant: &str, what: &str| {
        let about = format!("tenant {tenant:?} (cloudwatch)");
        let of_tenant = problems.iter().find(|problem| problem["about"] == about);
        let said =
            of_tenant.unwrap_or_else(|| panic!("nothing about {tenant}: {problems:?}"))["what"].as_str().unwrap();
        assert!(said.contains(what), "{tenant}: {said}");
    };
    says("missing", "component-missing");
    says("other", "component-digest");
    says("no-component", "component-refused");
    says("above", "memory_bytes");
    says("unknown", "colour");
    says("refusing", "mode is not to my liking");
    assert_eq!(problems.len(), 6, "{problems:?}");
    assert_eq!(found["components"].as_array().unwrap().len(), 1);
    assert_eq!(found["components"][0]["named_by"], serde_json::json!(["tenant \"good\" (cloudwatch)"]));
    assert_eq!((&found["looked_at"]["tenants"], &found["looked_at"]["deliveries"]), (&7.into(), &7.into()));
}

#[test]
fn one_tenant_alone() {
    let folder = Folder::new();
    let digest = folder.file("a.wasm", rewriter());
    folder.file("tenants.yaml", [item("a", "a.wasm", &digest, ""), item("b", "none.wasm", &digest, "")].concat());
    let check = |tenant| folder.run(&["check", "--tenants", "tenants.yaml", "--tenant", tenant], &[]);
    said(&check("a"), 0, &["tenants 1"]);
    said(&check("b"), 1, &["component-missing"]);
    said(&check("c"), 1, &["no item of the tenant \"c\""]);
}

#[test]
fn the_operator_s_own_components_are_looked_at() {
    let folder = Folder::new();
    let digest = folder.file("a.wasm", rewriter());
    folder.file("tenants.yaml", "tenants: []\n");
    let reference = format!("file:{}@sha256:{digest}", folder.path("a.wasm").display());
    let check =
        |name| folder.run(&["check", "--tenants", "tenants.yaml"], &[folder.source(), (name, reference.clone())]);
    said(&check("DEFAULT_PLUGIN"), 0, &["named by DEFAULT_PLUGIN", "no tenant is listed"]);
    said(&check("KEY_PARSER"), 1, &["problem: KEY_PARSER", "exports no key-parser"]);
}

#[test]
fn settings_and_files_that_can_t_be_used() {
    let folder = Folder::new();
    let wrong = [("PLUGIN_MEMORY_BYTES", "1".to_owned()), ("RETRY_ATTEMPTS", SECRET.replace("hunter2", "x"))];
    let ended = folder.run(&["check", "--json"], &wrong);
    said(&ended, 3, &["PLUGIN_MEMORY_BYTES", "RETRY_ATTEMPTS"]);
    assert_eq!(json(&ended)["problems"].as_array().unwrap().len(), 2);
    said(&folder.run(&["check", "--tenants", "none.yaml"], &[]), 3, &["none.yaml"]);
    folder.file("tenants.yaml", "- {tenant_id: a}\n");
    said(&folder.run(&["check", "--tenants", "tenants.yaml"], &[]), 3, &["tenants.yaml:1", "type"]);
    said(&folder.run(&["check"], &[]), 4, &["credentials"]);
}
