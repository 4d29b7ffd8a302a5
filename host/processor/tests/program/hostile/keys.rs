//! Key-parsers that want more than they may have.

use super::beside::Beside;
use super::guest::Guest;
use crate::common::aws::{pod, records};
use assemble::parser;

const CLUSTER: &str = "prod-1";

#[test]
fn one_that_names_another_tenant() {
    let broken = [
        ("tenant", ["prod-1", "tenant", "good", "app", "pod", "production"], "it changed tenant-id"),
        ("namespace", ["prod-1", "good", "namespace", "app", "pod", "production"], "it changed namespace"),
        ("cluster", ["another", "cluster", "cluster", "app", "pod", "production"], "it changed cluster-id"),
        ("application", ["prod-1", "application", "application", "../good", "pod", "production"], "application"),
        ("parent", ["prod-1", "parent", "parent", "app", "..", "production"], "pod-name"),
        ("slash", ["prod-1", "slash", "slash", "app", "a/b", "production"], "pod-name"),
        ("environment", ["prod-1", "environment", "environment", "app", "pod", ""], "environment"),
    ];
    let beside = broken.iter().fold(Beside::new(), |beside, (name, fields, says)| {
        let guest = Guest::of(&parser("", *fields));
        beside.fails(name, guest, "guest-contract", &["in parse-key", says])
    });
    beside.run();
}

#[test]
fn one_that_traps_and_one_that_goes_on_without() {
    let traps = || Guest::of(&parser("unreachable", [""; 6]));
    let seen = Beside::new()
        .fails("retry", traps(), "guest-trap", &["in parse-key", "unreachable"])
        // There is no line to look for.
        .fails("quarantine", traps().says("on_error", "quarantine"), "guest-trap", &["in parse-key"])
        .add("default", traps().says("on_error", "default"))
        .run();
    let line = seen.came("default", "cloudwatch=delivered");
    assert!(line["error"].as_str().unwrap().contains("the default guest's reading of the key stands"), "{line}");
    assert_eq!(seen.messages("default"), crate::common::aws::texts(10), "in the stream that the key itself names");
}

#[test]
fn one_whose_names_are_odd_stays_within_its_tenant() {
    // A stream's name may have neither `:` nor `*`: that is the destination's answer.
    let long = "p".repeat(600);
    let odd = [("colon", "a:b*"), ("spaces", "a  b"), ("long", &long)];
    let beside = odd.iter().fold(Beside::new(), |beside, (name, pod)| {
        beside.add(name, Guest::of(&parser("", [CLUSTER, name, name, "app", pod, "production"])))
    });
    let seen = beside.run();
    for (name, _) in odd {
        let line = seen.line(name);
        let came = line["deliveries"].as_str().unwrap();
        assert!(came.starts_with("cloudwatch=failed(") || came == "cloudwatch=delivered", "{line}");
        assert!(line.to_string().len() < 6_000, "{}", line.to_string().len());
    }
}

#[test]
fn the_operators_that_fails_on_one_tenants_keys_only() {
    // Traps over keys that have an `x` in the tenant's place; answers `good` to all others.
    let pod = pod("good").name;
    let body = "(if (i32.eq (i32.load8_u (i32.add (local.get 0) (i32.const 7))) (i32.const 120)) (then unreachable))";
    let parser = parser(body, [CLUSTER, "good", "good", "app", &pod, "production"]);
    let beside = Beside::new();
    let plugin = Guest::of(&parser).json(&beside.lab);
    let beside = beside.set("KEY_PARSER", plugin);
    for object in 0..4 {
        beside.lab.announced("xevil", &object.to_string(), &records("xevil", 1));
    }
    // Whatever it fails on, the others' keys are read.
    let seen = beside.run();
    seen.process.wait("four failures", || {
        seen.process.outcomes().iter().filter(|outcome| *outcome == "object=failed(guest-trap)").count() >= 4
    });
    let line = seen.line("xevil");
    assert!(line["error"].as_str().unwrap().contains("KEY_PARSER: the guest trapped in parse-key"), "{line}");
    let labels = ["tenant=\"*\"", "kind=\"guest-trap\""];
    assert!(seen.process.metric("log_processor_plugin_failures_total", &labels) > 3.5);
    assert!(seen.process.metric("log_processor_plugin_suspended", &["tenant=\"*\""]) < 0.5);
}
