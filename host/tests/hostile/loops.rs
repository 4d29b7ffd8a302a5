//! Endless loops, in every export and in the start; and what else only ends by a limit.

use std::time::Duration;

use crate::assemble::{Parts, filter, parser};
use crate::beside::Beside;

/// `record-rewrite`, whose functions answer `ok` with nothing, each after its body.
fn rewriter(begin: &str, rewrite: &str, end: &str) -> Vec<u8> {
    let core = format!(
        r#"(data (i32.const 8) "\00")
        (func (export "log-router:plugin/record-rewrite@0.1.0#begin") (param i32 i64) (result i32) {begin} (i32.const 8))
        (func (export "log-router:plugin/record-rewrite@0.1.0#rewrite") (param i64 i32 i32) (result i32)
            {rewrite} (i32.const 64))
        (func (export "log-router:plugin/record-rewrite@0.1.0#end") (result i32) {end} (i32.const 64))"#
    );
    Parts { world: "export log-router:plugin/record-rewrite@0.1.0;", core: &core, ..Parts::default() }.build()
}

const FOREVER: &str = "(loop (br 0))";

#[test]
fn in_wants() {
    let seen = Beside::component(&filter(FOREVER, "")).fails("guest-fuel", &["in wants", "an endless loop"]);
    assert!(seen.line["error"].as_str().unwrap().contains("PLUGIN_START_FUEL"), "{}", seen.line);
}

#[test]
fn in_the_start() {
    let start = filter("", &format!("(func $start {FOREVER}) (start $start)"));
    Beside::component(&start).fails("component-refused", &["can't be started", "fuel limit in start"]);
}

#[test]
fn in_parse_key() {
    let component = parser(FOREVER, ["c", "evil", "evil", "a", "p", "production"]);
    Beside::component(&component).fails("guest-fuel", &["in parse-key"]);
}

#[test]
fn in_the_rewriter_s_begin_rewrite_and_end() {
    let bodies = [
        ("begin", rewriter(FOREVER, "", "")),
        ("rewrite", rewriter("", FOREVER, "")),
        ("end", rewriter("", "", FOREVER)),
    ];
    for (function, component) in bodies {
        Beside::component(&component).fails("guest-fuel", &[&format!("in {function}")]);
    }
}

#[test]
fn in_the_transformer_s_begin_transform_and_end() {
    for function in ["begin", "transform"] {
        Beside::hostile(&format!("{function}:loop")).fails("guest-fuel", &[&format!("in {function}")]);
    }
    // What came before the end is delivered already, or is put again: never lost.
    let beside = Beside::hostile("end:loop");
    beside.run().failed("guest-fuel", &["in end", "an endless loop"]);
}

#[test]
fn in_the_settings_check() {
    Beside::hostile("check:loop").fails("component-settings", &["fuel limit in check"]);
}

#[test]
fn bulk_work_is_paid_for_by_the_byte() {
    let fill = "(loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 131072)) (br 0))";
    Beside::component(&filter(fill, "")).fails("guest-fuel", &["in wants"]);
}

#[test]
fn an_endless_loop_within_endless_fuel_ends_by_the_clock_and_is_nobody_s_fault() {
    let beside = Beside::hostile("transform:loop").set("PLUGIN_FUEL_PER_MIB", 1_000_000_000_000_000_u64);
    let beside = beside.set("PLUGIN_TIMEOUT", 2);
    let seen = beside.run();
    let line = &seen.line;
    assert_eq!(line["deliveries"], "cloudwatch=failed(guest-timeout)", "{line}");
    assert!(line["error"].as_str().unwrap().contains("PLUGIN_TIMEOUT"), "{line}");
    // Time says nothing about a guest: it is never suspended for it.
    std::thread::sleep(Duration::from_secs(1));
    assert!(seen.process.metric("log_processor_plugin_suspended", &["tenant=\"evil\""]) < 0.5);
}

#[test]
fn a_component_that_keeps_failing_is_suspended_and_another_digest_is_not() {
    let beside = Beside::hostile("transform:loop");
    for object in 2..6 {
        beside.lab.announced("evil", &object.to_string(), &crate::aws::records("evil", 1));
    }
    let seen = beside.run();
    seen.process
        .wait("its suspension", || seen.process.metric("log_processor_plugin_suspended", &["tenant=\"evil\""]) > 0.5);
    beside.lab.announced("evil", "last", &crate::aws::records("evil", 1));
    seen.process.wait("a delivery that is not tried", || {
        seen.process.outcomes().iter().any(|outcome| outcome == "cloudwatch=failed(component-suspended)")
    });
}
