//! A component that refuses, fails, or lies.

use std::path::PathBuf;

use fake_aws::Service;
use serde_json::json;

use crate::common::aws::{CANARY, Lab, record, text};

/// A lab whose tenants' component is the hostile guest in this mode: honest, it makes
/// each line an event as it is.
fn hostile(mode: &str) -> Lab {
    let guest = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest/fixtures/hostile-guest.wasm"));
    assert!(guest.is_file(), "{} is missing: run `make fixtures`", guest.display());
    let lab = Lab::new().argument("--plugin").argument(guest.to_str().unwrap());
    lab.argument("--plugin-setting").argument(&format!("mode={mode}"))
}

/// Two lines and between them one that asks to be rejected.
fn lines() -> [String; 3] {
    [0, 1, 2].map(|n| format!("{}{}", if n == 1 { "reject " } else { "" }, text(n)))
}

#[test]
fn rejected_lines_are_dead_lettered() {
    let lab = hostile("honest").dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &lines().join("\n"));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["cloudwatch=partial(guest-rejected)"]);
    assert_eq!(lab.messages(&tenant), [text(0), text(2)]);
    let letters = lab.letters();
    assert_eq!(letters.len(), 1);
    let letter = &letters[0];
    assert_eq!((letter["reason"].as_str(), &letter["data"]), (Some("guest-rejected"), &lines()[1].as_str().into()));
    assert_eq!(letter["component"].as_str().unwrap().len(), 64, "{letter}");
    process.terminate();
}

#[test]
fn rejected_lines_are_retried_without_a_place_for_them() {
    let lab = hostile("honest").redrive_after(1);
    lab.scene.add_cloudwatch_tenant("acme");
    lab.last_try(&lab.object("acme", "a", &lines().join("\n")));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=failed(dead-letter)"]);
    process.redrives(1);
    let line = &process.objects()[0];
    assert!(line["error"].as_str().unwrap().contains("set DEAD_LETTER"), "{line}");
    process.terminate();
}

#[test]
fn an_object_that_is_rejected_is_dead_lettered() {
    let lab = hostile("begin:rejected").dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.announced("acme", "a", &record("acme", CANARY, 0));
    let process = lab.sqs();
    process.empties_the_queue();
    assert_eq!(process.done(1), ["cloudwatch=rejected(guest-rejected)"]);
    assert_eq!(lab.letters()[0]["reason"], "guest-rejected");
    assert!(lab.messages(&tenant).is_empty());
    process.terminate();
}

/// It is sent back once, and at last in the dead-letter queue; nothing was put.
fn is_never_delivered(mode: &str, outcome: &str) {
    let lab = hostile(mode).dead_letters().redrive_after(1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let object = format!("{}\n{}\n{}", text(0), text(1), text(2));
    lab.announced("acme", "a", &object);
    lab.last_try(&lab.object("acme", "b", &object));
    let process = lab.sqs();
    assert_eq!(process.done(2), [outcome; 2], "{mode}");
    process.wait("one in the dead-letter queue", || !lab.redriven().is_empty());
    assert!(lab.redriven().iter().all(|body| body.contains("/b.json.gz")), "{mode}: {:?}", lab.redriven());
    // Perhaps more than once, by now.
    process.wait("the other, sent back", || process.metric("log_processor_requeues_total", &["failed"]) >= 1.0);
    assert_eq!(lab.count(Service::Logs, "PutLogEvents"), 0, "{mode}");
    assert!(lab.messages(&tenant).is_empty() && lab.letters().is_empty(), "{mode}");
    process.kill();
}

#[test]
fn a_trap_is_retried_and_nothing_goes_out_unfiltered() {
    is_never_delivered("transform:panic", "cloudwatch=failed(guest-trap)");
}

#[test]
fn a_trap_in_the_filter_is_no_yes() {
    is_never_delivered("wants:unreachable", "cloudwatch=failed(guest-trap)");
}

#[test]
fn a_guest_that_fails_by_its_own_word_is_retried() {
    is_never_delivered("end:internal", "cloudwatch=failed(guest-internal)");
}

#[test]
fn output_that_breaks_the_contract_is_a_trap() {
    is_never_delivered("event-descending", "cloudwatch=failed(guest-contract)");
}

#[test]
fn a_flood_is_a_trap() {
    is_never_delivered("flood-count", "cloudwatch=failed(guest-output)");
}

#[test]
fn a_component_of_the_tenants_own_that_is_not_there_lets_nothing_out() {
    let lab = Lab::new().dead_letters();
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let fields = json!({
        "log_distribution_role_arn": {"S": tenant.role}, "log_group_name": {"S": tenant.group},
        "plugin": {"S": "s3://components/mask.wasm"},
    });
    lab.scene.add_delivery("acme", "cloudwatch", fields);
    lab.announced("acme", "a", &record("acme", CANARY, 0));
    let process = lab.sqs();
    assert_eq!(process.done(1), ["cloudwatch=failed(invalid-delivery)"]);
    process.wait("a message that waits", || lab.waiting().len() == 1);
    assert_eq!((lab.count(Service::S3, "GetObject"), lab.count(Service::Logs, "PutLogEvents")), (0, 0));
    process.terminate();
}
