//! A component exports what it likes; the default guest does the rest.

use std::sync::Arc;

use model::{ObjectId, Origin};
use sandbox::{Component, Exports, GuestError, Version};

use super::harness::{Case, WORLD, limits, origin, record};
use assemble::{Parts, filter, parser};

const KEY: &str = "c/payment/api/api-1/f.json";

fn load(bytes: &[u8]) -> Component {
    WORLD.engine.load("subset", bytes, limits()).unwrap()
}

#[test]
fn only_a_filter() {
    let yes = load(&filter("", ""));
    assert_eq!(yes.exports(), Exports { log_filter: Some(Version::V0_1_0), ..Exports::default() });
    let case = Case::of(Some(&yes)).lines(&[&record("a"), "nonsense"]);
    assert_eq!(case.wants(), Ok(true));
    // The default guest transforms.
    let came = case.run();
    assert_eq!(came.is_complete().messages(), ["a"]);
    assert_eq!(came.counts(), [1, 0, 1, 0, 0]);
    let no = load(&filter("(i32.store8 (i32.const 12) (i32.const 0))", ""));
    assert_eq!(Case::of(Some(&no)).wants(), Ok(false));
    let refuses =
        load(&filter("(i32.store8 (i32.const 8) (i32.const 1)) (i32.store8 (i32.const 12) (i32.const 0))", ""));
    let error = Case::of(Some(&refuses)).wants().unwrap_err();
    assert!(matches!(error, GuestError::Rejected { function: "wants", .. }), "{error}");
}

#[test]
fn what_a_component_answers_is_checked_for_sense() {
    // Neither ok nor error; a bool that is none; a place outside of its memory.
    let cases = [
        ("(i32.store8 (i32.const 8) (i32.const 7))", "discriminant"),
        ("(return (i32.const 131068))", "out of bounds"),
        ("(return (i32.const 9))", "aligned"),
    ];
    for (body, says) in cases {
        let error = Case::of(Some(&load(&filter(body, "")))).wants().unwrap_err();
        assert_eq!(error.name(), "guest-contract", "{error}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

fn refine(tenant: &Component, key: &str) -> Result<Arc<Origin>, GuestError> {
    let object = ObjectId { bucket: "logs".to_owned(), key: key.to_owned() };
    Case::of(Some(tenant))
        .plan()
        .refine(&Arc::new(origin()), &object, 0, &log_processor::memory::DeliveryMemory::default())
        .0
}

#[test]
fn only_a_key_parser() {
    let parse = |body: &str, fields: [&str; 6]| {
        let tenant = load(&parser(body, fields));
        assert_eq!(tenant.exports(), Exports { key_parser: Some(Version::V0_1_0), ..Exports::default() });
        refine(&tenant, KEY)
    };
    let refined = parse("", ["c", "payment", "payment", "web", "web-7", "staging"]).unwrap();
    assert_eq!((&*refined.application, &*refined.pod_name, &*refined.environment), ("web", "web-7", "staging"));
    assert_eq!(refined.tenant_id, origin().tenant_id);
    let broken = [
        (["c", "payment", "other", "web", "w", "staging"], "it changed tenant-id"),
        (["x", "payment", "payment", "web", "w", "staging"], "it changed cluster-id"),
        (["c", "other", "payment", "web", "w", "staging"], "it changed namespace"),
        (["c", "payment", "payment", "../web", "w", "staging"], "application"),
        (["c", "payment", "payment", "web", "..", "staging"], "pod-name"),
        (["c", "payment", "payment", "web", "w", ""], "environment"),
    ];
    for (fields, says) in broken {
        let error = parse("", fields).unwrap_err();
        assert_eq!(error.name(), "guest-contract");
        assert!(error.to_string().contains(says), "{error}");
    }
    let error = parse("unreachable", ["", "", "", "", "", ""]).unwrap_err();
    assert_eq!(error.name(), "guest-trap");
    let error = parse("(loop (br 0))", ["", "", "", "", "", ""]).unwrap_err();
    assert_eq!(error.name(), "guest-fuel");
    let tenant = load(&parser("unreachable", ["", "", "", "", "", ""]));
    let came = Case::of(Some(&tenant)).lines(&[&record("a")]).run();
    assert_eq!(came.is_complete().messages(), ["a"]);
}

#[test]
fn only_a_settings_check() {
    let core =
        r#"(func (export "log-router:plugin/settings-check@0.1.0#check") (param i32 i32) (result i32) (i32.const 8))"#;
    let world = "export log-router:plugin/settings-check@0.1.0;";
    let checker = load(&Parts { world, core, ..Parts::default() }.build());
    assert_eq!(checker.exports(), Exports { settings_check: Some(Version::V0_1_0), ..Exports::default() });
    let came = Case::of(Some(&checker)).lines(&[&record("a")]).run();
    assert_eq!(came.is_complete().messages(), ["a"]);
}

#[test]
fn no_component_at_all() {
    let came = Case::of(None).lines(&[&record("a"), "", "nonsense"]).run();
    assert_eq!(came.is_complete().messages(), ["a"]);
    assert_eq!((came.counts(), came.delivered.lines.blank), ([1, 0, 1, 0, 0], 1));
}
