//! What a component is made of: too many parts, types too deep, handles without end.

use std::fmt::Write;

use super::beside::Beside;
use super::guest::Guest;
use assemble::{Parts, wants};

/// A component's text, with nothing in it but this.
fn component(text: &str) -> Guest {
    Guest::of(&wat::parse_str(format!("(component {text})")).unwrap())
}

#[test]
fn more_parts_than_one_may_have() {
    let instances = |count: usize| format!("(core module $m) {}", "(core instance (instantiate $m))".repeat(count));
    let tables = "(core module $m (table 1 funcref) (table 1 funcref))".to_owned();
    let tables = tables + &"(core instance (instantiate $m))".repeat(17);
    let memories = r#"(core module $m (memory 1)) (core instance (instantiate $m)) (core instance (instantiate $m))
        (instance $i) (export "log-router:plugin/log-filter@0.1.0" (instance $i))"#;
    Beside::new()
        .fails("instances", component(&instances(33)), "component-refused", &["too many parts", "33 core", "32"])
        // These are not too many: it is refused for what it lacks.
        .fails("allowed", component(&instances(32)), "component-refused", &["exports no interface"])
        .fails("tables", component(&tables), "component-refused", &["too many parts", "34 tables", "32"])
        .fails("memories", component(memories), "component-refused", &["2 memories", "one is the limit"])
        .run();
}

#[test]
fn types_and_components_within_each_other() {
    // Each of them is twice the one before it.
    let mut doubled = "(type $t0 (tuple u8 u8))".to_owned();
    (1..90).for_each(|n| write!(doubled, "(type $t{n} (tuple $t{before} $t{before}))", before = n - 1).unwrap());
    let mut deep = "(type $t0 (list u8))".to_owned();
    (1..2_000).for_each(|n| write!(deep, "(type $t{n} (list $t{}))", n - 1).unwrap());
    let nested = format!("{}{}", "(component ".repeat(90), ")".repeat(90));
    // Each makes two of the one before it.
    let mut bomb = "(core module $m) (component $c0 (core module $m) (core instance (instantiate $m)))".to_owned();
    (1..30).for_each(|n| {
        let twice = format!("(instance (instantiate $c{before})) (instance (instantiate $c{before}))", before = n - 1);
        write!(bomb, "(component $c{n} (alias outer 1 $c{before} (component $c{before})) {twice})", before = n - 1)
            .unwrap();
    });
    bomb += "(instance (instantiate $c29))";
    Beside::new()
        .fails("bomb", component(&bomb), "component-refused", &["too many parts", "200000 is the limit"])
        .fails("doubled", component(&doubled), "component-refused", &["can't be compiled", "type size"])
        .fails("deep", component(&deep), "component-refused", &["can't be compiled", "too deep"])
        .fails("nested", component(&nested), "component-refused", &["exports no interface"])
        .run();
}

#[test]
fn handles_of_its_own_without_end() {
    let core = wants("(loop (drop (call $new (i32.const 1))) (br 0))")
        + r#"(func (export "acme:parts/things#[constructor]thing") (result i32) (i32.const 1))"#;
    let guest = Parts {
        world: "export acme:parts/things; export log-router:plugin/log-filter@0.1.0;",
        packages: "package acme:parts { interface things { resource thing { constructor(); } } }",
        imports: r#"(import "[export]acme:parts/things" "[resource-new]thing" (func $new (param i32) (result i32)))"#,
        core: &core,
        ..Parts::default()
    };
    Beside::new().fails("handles", Guest::of(&guest.build()), "guest-trap", &["handle", "in wants"]).run();
}

#[test]
fn a_return_that_points_outside_of_its_memory() {
    let parts = |body: &str| {
        Parts {
            world: "export log-router:plugin/log-filter@0.1.0;",
            core: &format!(
                r#"(func (export "log-router:plugin/log-filter@0.1.0#wants") (param i32) (result i32) {body})"#
            ),
            ..Parts::default()
        }
        .build()
    };
    let contract = |beside: Beside, name, body: &str| {
        beside.fails(name, Guest::of(&parts(body)), "guest-contract", &["broke the contract in wants"])
    };
    let beside = contract(Beside::new(), "outside", "(i32.const -8)");
    let beside = contract(beside, "edge", "(i32.const 131068)");
    let beside = contract(beside, "odd", "(i32.const 7)");
    // An error whose text is as long as all of memory and more; a case that there isn't.
    let beside = contract(
        beside,
        "text",
        "(i32.store (i32.const 8) (i32.const 1)) (i32.store (i32.const 20) (i32.const -1)) (i32.const 8)",
    );
    contract(beside, "case", "(i32.store (i32.const 8) (i32.const 77)) (i32.const 8)").run();
}
