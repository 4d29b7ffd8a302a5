//! Components that tenants' items name, and those of the operator for all of them.

mod words;

use fake_aws::scene::{CENTRAL_ROLE, CloudWatchTenant, SOURCE};
use fake_aws::{PROCESSOR_ACCOUNT, Permissions, Service};
use model::Digest;
use serde_json::{Value, json};

use super::support::{metadata, sent_back, stream};
use crate::common::aws::{CANARY, Lab, Process, gzip, key, now, pod, record, records, text, texts};
use assemble::{filter, parser};

/// Where the components lie.
const BUCKET: &str = "components";

/// A lab whose processor may take components from [`BUCKET`], and remembers no items.
fn lab() -> Lab {
    let lab = Lab::new().set("PLUGIN_SOURCES", format!("s3://{BUCKET}/")).set("TENANT_CACHE_SECONDS", 0);
    lab.aws.add_bucket(PROCESSOR_ACCOUNT, BUCKET);
    let permissions = Permissions::none()
        .allow("sts:AssumeRole", "*")
        .allow("s3:GetObject", &format!("{SOURCE}/*"))
        .allow("s3:GetObject", &format!("{BUCKET}/*"))
        .allow("s3:ListBucket", BUCKET)
        .allow("s3:PutObject", "tenant-*");
    lab.aws.set_permissions(CENTRAL_ROLE, permissions);
    lab
}

fn fixture(name: &str) -> Vec<u8> {
    crate::shared::read(&format!("fixtures/{name}-guest.wasm"))
}

/// Puts a component where components lie; its reference and digest.
fn shelve(lab: &Lab, name: &str, bytes: &[u8]) -> (String, String) {
    lab.aws.put_object(BUCKET, name, bytes.to_vec());
    (format!("s3://{BUCKET}/{name}"), Digest::of(bytes).to_string())
}

/// An item's `plugin`, with these fields beside the component.
fn plugin(lab: &Lab, name: &str, bytes: &[u8], fields: &Value) -> Value {
    let (component, sha256) = shelve(lab, name, bytes);
    let mut map = json!({"component": {"S": component}, "sha256": {"S": sha256}});
    for (name, value) in fields.as_object().into_iter().flatten() {
        map[name] = value.clone();
    }
    json!({ "M": map })
}

/// The rewriter that takes the word `number` out.
fn redacting(lab: &Lab) -> Value {
    let settings = json!({"M": {"mode": {"S": "redact"}, "word": {"S": "number"}}});
    plugin(lab, "redact.wasm", &fixture("rewriter"), &json!({"settings": settings}))
}

fn redacted(count: usize) -> Vec<String> {
    texts(count).iter().map(|text| text.replace("number", "***")).collect()
}

/// Has a tenant's item name a component.
fn name(lab: &Lab, tenant: &CloudWatchTenant, plugin: &Value) {
    let fields = json!({
        "log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group}, "plugin": plugin,
    });
    lab.scene.add_delivery(&tenant.name, "cloudwatch", fields);
}

fn of(tenant: &str) -> String {
    format!("tenant=\"{tenant}\"")
}

#[track_caller]
fn outcome(process: &Process, key: &str) -> String {
    let line = process.line("an object's line", |line| line["message"] == "object" && line["key"] == key);
    line["deliveries"].as_str().unwrap().to_owned()
}

#[test]
fn each_tenant_has_a_component_of_its_own() {
    let lab = lab();
    let [masks, wants_none, plain] = ["masks", "none", "plain"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    name(&lab, &masks, &redacting(&lab));
    let no = filter("(i32.store8 (i32.const 12) (i32.const 0))", "");
    name(&lab, &wants_none, &plugin(&lab, "no.wasm", &no, &json!({})));
    let keys = [&masks, &wants_none, &plain].map(|tenant| lab.announced(&tenant.name, "1", &records(&tenant.name, 10)));
    let process = lab.sqs();
    process.empties_the_queue();
    let outcomes = keys.map(|key| outcome(&process, &key));
    assert_eq!(outcomes, ["cloudwatch=delivered", "cloudwatch=filtered", "cloudwatch=delivered"]);
    assert_eq!(lab.messages(&masks), redacted(10));
    assert!(lab.messages(&wants_none).is_empty());
    assert_eq!(lab.messages(&plain), texts(10));

    let metric = |metric: &str, labels: &[&str]| process.metric(&format!("log_processor_plugin_{metric}"), labels);
    let digest = Digest::of(&fixture("rewriter")).short();
    let labels = [of("masks"), format!("digest=\"{digest}\"")];
    let labels = [labels[0].as_str(), labels[1].as_str()];
    assert!(metric("calls_total", &labels) >= 3.0);
    assert_eq!(metric("records_total", &[&of("masks"), "direction=\"in\""]), 10.0);
    assert_eq!(metric("records_total", &[&of("masks"), "direction=\"out\""]), 10.0);
    assert_eq!(metric("calls_total", &[&of("none")]), 1.0, "one question, and no line");
    assert_eq!(metric("calls_total", &[&of("plain")]), 0.0);
    assert!(metric("cpu_seconds_total", &labels) > 0.0);
    assert!(metric("peak_memory_bytes", &labels) >= 65536.0);
    let line = process.line("its line", |line| line["tenant"] == "masks" && line["message"] == "object");
    let components = line["components"].as_str().unwrap();
    assert!(components.starts_with(&format!("cloudwatch={digest}(calls ")), "{components}");
    process.terminate();
}

#[test]
fn a_change_of_the_item_takes_effect_without_a_restart() {
    let lab = lab();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "1", &records("acme", 5));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(5));
    name(&lab, &tenant, &redacting(&lab));
    lab.announced("acme", "2", &records("acme", 5));
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), [texts(5), redacted(5)].concat());
    process.terminate();
}

#[test]
fn what_cannot_be_verified_waits_and_the_others_go_on() {
    let lab = lab();
    let [bad, good] = ["bad", "good"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    let mut wrong = redacting(&lab);
    wrong["M"]["sha256"] = json!({"S": Digest::of(b"something else").to_string()});
    name(&lab, &bad, &wrong);
    let waits = lab.announced("bad", "1", &records("bad", 5));
    let goes = lab.announced("good", "1", &records("good", 5));
    let process = lab.sqs();
    assert_eq!(outcome(&process, &goes), "cloudwatch=delivered");
    assert_eq!(outcome(&process, &waits), "cloudwatch=failed(component-digest)");
    assert_eq!((lab.messages(&good), lab.messages(&bad).len()), (texts(5), 0));
    let failures = process.metric("log_processor_plugin_failures_total", &[&of("bad"), "kind=\"component-digest\""]);
    assert!(failures >= 1.0);
    // Mended, it is delivered as it should have been.
    name(&lab, &bad, &redacting(&lab));
    process.empties_the_queue();
    assert_eq!(lab.messages(&bad), redacted(5));
    process.terminate();
}

#[test]
fn without_it_on_error_default_delivers_unfiltered() {
    let lab = lab();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let item = plugin(&lab, "gone.wasm", &fixture("rewriter"), &json!({"on_error": {"S": "default"}}));
    lab.aws.remove_object(BUCKET, "gone.wasm");
    name(&lab, &tenant, &item);
    lab.announced("acme", "1", &records("acme", 5));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(5));
    assert_eq!(process.metric("log_processor_plugin_replaced_total", &[&of("acme")]), 1.0);
    let line = process.line("its line", |line| line["message"] == "object");
    assert_eq!(line["level"], "WARN", "{line}");
    assert!(line["error"].as_str().unwrap().contains("as on_error says"), "{line}");
    process.terminate();
}

#[test]
fn what_keeps_failing_is_left_alone_until_it_is_another() {
    let lab = lab();
    let [bad, good] = ["bad", "good"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    let settings = json!({"M": {"mode": {"S": "transform:panic"}}});
    name(&lab, &bad, &plugin(&lab, "bad.wasm", &fixture("hostile"), &json!({"settings": settings})));
    let process = lab.sqs();
    for number in 0..3 {
        let key = lab.announced("bad", &number.to_string(), &records("bad", 5));
        assert_eq!(outcome(&process, &key), "cloudwatch=failed(guest-trap)");
    }
    let suspended = || process.metric("log_processor_plugin_suspended", &[&of("bad")]);
    assert_eq!(suspended(), 1.0);
    let waits = lab.announced("bad", "waits", &records("bad", 5));
    assert_eq!(outcome(&process, &waits), "cloudwatch=failed(component-suspended)");
    let line = process.line("its line", |line| line["key"] == waits.as_str());
    assert!(line["error"].as_str().unwrap().contains("the guest trapped in transform"), "{line}");
    // It had no turn: that is no retry. The destination is not to blame.
    process.wait("it is sent back", || {
        sent_back(&lab.aws)
            .iter()
            .any(|message| message.body.contains("waits") && metadata(message)["retry_count"] == 0)
    });
    process.line("why", |line| line["message"] == "sent back to the queue" && line["why"] == "suspended");
    assert_eq!(process.metric("log_processor_breakers_open", &[]), 0.0);
    let goes = lab.announced("good", "1", &records("good", 5));
    assert_eq!(outcome(&process, &goes), "cloudwatch=delivered");
    assert_eq!((lab.messages(&good), lab.messages(&bad).len()), (texts(5), 0));
    // A new digest clears it at once: as soon as the old item is forgotten.
    name(&lab, &bad, &redacting(&lab));
    let numbers = 100..105;
    let lines: String = numbers.clone().map(|number| record("bad", &text(number), now() - 1000)).collect();
    let mut attempt = 0;
    process.wait("the new component", || {
        attempt += 1;
        let outcome = outcome(&process, &lab.announced("bad", &format!("new-{attempt}"), &lines));
        assert!(["cloudwatch=delivered", "cloudwatch=failed(component-suspended)"].contains(&&*outcome), "{outcome}");
        outcome == "cloudwatch=delivered"
    });
    // What had failed may have come again by now.
    let mut arrived = lab.messages(&bad);
    arrived.retain(|message| message.contains("*** 10"));
    assert_eq!(arrived, redacted(105)[numbers]);
    assert_eq!(suspended(), 0.0);
    process.kill();
}

#[test]
fn the_rest_of_a_component_that_cannot_be_had_is_no_destinations() {
    let lab = lab();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let other = json!({"sha256": {"S": Digest::of(b"something else").to_string()}});
    name(&lab, &tenant, &plugin(&lab, "a.wasm", &fixture("rewriter"), &other));
    let process = lab.sqs();
    for number in 0..3 {
        let key = lab.announced("acme", &number.to_string(), &records("acme", 5));
        assert_eq!(outcome(&process, &key), "cloudwatch=failed(component-digest)");
    }
    let line = process.line("the third", |line| {
        line["message"] == "sent back to the queue" && line["delay_seconds"].as_u64() > Some(20)
    });
    assert_eq!(line["why"], "failed", "it was tried: {line}");
    assert_eq!(process.metric("log_processor_requeues_total", &["breaker"]), 0.0);
    process.kill();
}

/// A key-parser that makes this of every key of a tenant's.
fn refining(tenant: &str, application: &str, pod: &str) -> Vec<u8> {
    parser("", ["prod-1", tenant, tenant, application, pod, "production"])
}

#[test]
fn what_a_tenants_key_parser_refines_decides_stream_and_key() {
    let lab = lab();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let s3 = lab.scene.add_s3_tenant("acme");
    let item = plugin(&lab, "key.wasm", &refining("acme", "refined-app", "refined-pod"), &json!({}));
    name(&lab, &tenant, &item);
    let fields = json!({"bucket_name": {"S": s3.bucket}, "bucket_prefix": {"S": s3.prefix}, "plugin": item});
    lab.scene.add_delivery("acme", "s3", fields);
    lab.announced("acme", "1", &records("acme", 5));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(stream(&lab.aws, &tenant, "refined-pod"), texts(5));
    assert!(lab.messages(&tenant).is_empty(), "nothing in the stream that the key itself names");
    let [copied] = lab.aws.keys(&s3.bucket).try_into().unwrap();
    assert!(copied.contains("/refined-app/refined-pod/"), "{copied}");
    process.terminate();
}

#[test]
fn one_that_names_another_tenant_is_stopped() {
    let lab = lab();
    let [acme, other] = ["acme", "other"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    name(&lab, &acme, &plugin(&lab, "key.wasm", &refining("other", "app", "pod"), &json!({})));
    let key = lab.announced("acme", "1", &records("acme", 5));
    let process = lab.sqs();
    assert_eq!(outcome(&process, &key), "cloudwatch=failed(guest-contract)");
    assert!(lab.messages(&acme).is_empty() && lab.messages(&other).is_empty());
    assert_eq!(lab.count(Service::Logs, "PutLogEvents"), 0);
    process.kill();
}

#[test]
fn the_operators_default_is_for_those_who_name_none() {
    let lab = lab();
    let (component, sha256) = shelve(&lab, "default.wasm", &fixture("rewriter"));
    let settings = json!({"mode": "redact", "word": "number"});
    let default = json!({"component": component, "sha256": sha256, "settings": settings});
    let lab = lab.set("DEFAULT_PLUGIN", default);
    let [own, none] = ["own", "none"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    name(&lab, &own, &plugin(&lab, "yes.wasm", &filter("", ""), &json!({})));
    lab.announced("own", "1", &records("own", 5));
    lab.announced("none", "1", &records("none", 5));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!((lab.messages(&own), lab.messages(&none)), (texts(5), redacted(5)));
    process.terminate();
}

#[test]
fn the_operators_key_parser_reads_all_keys() {
    let lab = lab();
    let (component, sha256) = shelve(&lab, "key.wasm", &refining("acme", "app", "its-pod"));
    let lab = lab.set("KEY_PARSER", format!("{component}@sha256:{sha256}"));
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    // Nothing that the default guest could read.
    lab.scene.put_object("dt=2026/whatever", gzip(records("acme", 5).as_bytes()));
    lab.scene.send(&lab.scene.notify("dt=2026/whatever"));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(stream(&lab.aws, &tenant, "its-pod"), texts(5));
    assert!(process.metric("log_processor_plugin_calls_total", &["tenant=\"*\""]) >= 1.0);
    process.terminate();
}

#[test]
fn without_the_operators_key_parser_everything_waits() {
    let lab = lab();
    let (component, _) = shelve(&lab, "key.wasm", &refining("acme", "app", "its-pod"));
    let lab = lab.set("KEY_PARSER", format!("{component}@sha256:{}", Digest::of(b"something else")));
    lab.scene.add_cloudwatch_tenant("acme");
    let key = lab.announced("acme", "1", &records("acme", 5));
    let process = lab.sqs();
    process.says("KEY_PARSER can't be loaded");
    assert_eq!(outcome(&process, &key), "object=failed(component-digest)");
    assert_eq!(lab.count(Service::DynamoDb, "Query"), 0, "nobody knows whose it is");
    process.kill();
}

#[test]
fn guests_are_heard_where_the_item_says_so() {
    let lab = lab();
    let [heard, silent] = ["heard", "silent"].map(|name| lab.scene.add_cloudwatch_tenant(name));
    let settings = json!({"M": {"mode": {"S": "passthrough"}}});
    let fields = json!({"settings": settings, "log": {"S": "operator"}});
    name(&lab, &heard, &plugin(&lab, "a.wasm", &fixture("rewriter"), &fields));
    name(&lab, &silent, &plugin(&lab, "a.wasm", &fixture("rewriter"), &json!({"settings": settings})));
    let key = lab.announced("heard", "1", &records("heard", 5));
    lab.announced("silent", "1", &records("silent", 5));
    let process = lab.sqs();
    process.empties_the_queue();
    let line = process.says("guest log");
    assert_eq!((&line["tenant"], &line["level"], &line["text"]), (&json!("heard"), &json!("INFO"), &json!("begun")));
    assert_eq!(line["digest"], Digest::of(&fixture("rewriter")).short());
    assert!(line["object"].as_str().unwrap().ends_with(&key), "{line}");
    let lines = process.lines();
    assert!(!lines.iter().any(|line| line["message"] == "guest log" && line["tenant"] == "silent"));
    for tenant in ["heard", "silent"] {
        assert!(process.metric("log_processor_plugin_log_lines_total", &[&of(tenant)]) >= 1.0, "counted all the same");
    }
    process.terminate();
}

#[test]
fn a_shadow_is_compared_and_never_delivered() {
    let lab = lab();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let s3 = lab.scene.add_s3_tenant("acme");
    let mut shadow = redacting(&lab);
    shadow["M"]["mode"] = json!({"S": "shadow"});
    name(&lab, &tenant, &shadow);
    let fields = json!({"bucket_name": {"S": s3.bucket}, "bucket_prefix": {"S": s3.prefix}, "plugin": shadow});
    lab.scene.add_delivery("acme", "s3", fields);
    lab.announced("acme", "1", &records("acme", 5));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(lab.messages(&tenant), texts(5));
    let changed = process.metric("log_processor_plugin_shadow_lines_total", &[&of("acme"), "result=\"changed\""]);
    assert_eq!(changed, 10.0, "five in each delivery, the copy included");
    let line = process.line("its line", |line| line["message"] == "shadow" && line["delivery"] == "cloudwatch");
    assert_eq!((&line["changed"], &line["same"]), (&json!(5), &json!(0)));
    let samples = line["samples"].as_str().unwrap();
    assert!(samples.contains("changed") && !samples.contains(CANARY), "{samples}");
    process.terminate();
}
