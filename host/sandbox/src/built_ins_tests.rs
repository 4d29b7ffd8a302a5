use model::Limits;

use super::*;
use crate::error::{GuestError, GuestLimit};
use crate::surroundings::Surroundings;
use crate::testing::{answer, filter, load};

/// A component as text, whose `wants` runs this body; `before`: what is defined before its
/// module, which has these imports, given so.
fn component(before: &str, imports: &str, given: &str, body: &str) -> Vec<u8> {
    assemble::bombs::component(before, imports, given, body)
}

const RESOURCE: &str = "(type $r (resource (rep i32)))
    (core func $new (canon resource.new $r)) (core func $rep (canon resource.rep $r)) (core func $drop (canon resource.drop $r))";
const IMPORTS: &str = r#"(import "h" "new" (func $new (param i32) (result i32)))
    (import "h" "rep" (func $rep (param i32) (result i32))) (import "h" "drop" (func $drop (param i32)))"#;
const GIVEN: &str =
    r#"(with "h" (instance (export "new" (func $new)) (export "rep" (func $rep)) (export "drop" (func $drop))))"#;

/// Fuel of a call, which answers yes.
fn fuel(bytes: &[u8]) -> u64 {
    let mut instance = crate::Instance::start(&load(bytes, Limits::default()).unwrap(), &Surroundings::none()).unwrap();
    let before = instance.used().fuel;
    assert!(crate::testing::ask(&mut instance).unwrap());
    instance.used().fuel - before
}

#[test]
fn what_makes_no_handles_stays_as_it_is() {
    let plain = filter("", "");
    assert!(matches!(charge_built_ins(&plain).unwrap(), Cow::Borrowed(bytes) if bytes == plain));
    for guest in ["default.wasm", "fixtures/hostile-guest.wasm", "fixtures/wasi-guest.wasm"] {
        let path = format!("{}/../../target/guest/{guest}", env!("CARGO_MANIFEST_DIR"));
        let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}: run `make fixtures`"));
        assert!(matches!(charge_built_ins(&bytes).unwrap(), Cow::Borrowed(_)), "{guest}");
    }
    assert!(matches!(charge_built_ins(b"\0asm").unwrap(), Cow::Borrowed(_)));
}

#[test]
fn handles_cost_fuel_each_time_they_are_made_or_asked_for() {
    let of = |body: &str| fuel(&component(RESOURCE, IMPORTS, GIVEN, body));
    let one = of("(call $drop (call $new (i32.const 7)))");
    let two = of("(call $drop (call $new (i32.const 7))) (call $drop (call $new (i32.const 7)))");
    assert!((u64::from(FUEL)..u64::from(FUEL) + 20).contains(&(two - one)), "{one}, {two}");
    let asked = of("(local $h i32) (local.set $h (call $new (i32.const 7)))
        (drop (call $rep (local.get $h))) (drop (call $rep (local.get $h))) (call $drop (local.get $h))");
    assert!((u64::from(FUEL) * 3..u64::from(FUEL) * 3 + 300).contains(&asked), "{asked}");
}

#[test]
fn handles_work_as_before() {
    let body = "(local $h i32) (local.set $h (call $new (i32.const 42)))
        (if (i32.ne (call $rep (local.get $h)) (i32.const 42)) (then unreachable)) (call $drop (local.get $h))";
    assert!(fuel(&component(RESOURCE, IMPORTS, GIVEN, body)) > 0);
    // A handle that was dropped is none.
    let twice = "(local $h i32) (local.set $h (call $new (i32.const 42))) (call $drop (local.get $h)) (call $drop (local.get $h))";
    let twice = load(&component(RESOURCE, IMPORTS, GIVEN, twice), Limits::default()).unwrap();
    let error = answer(&twice, &Surroundings::none()).unwrap_err();
    assert!(!matches!(error, GuestError::Limit { .. }), "{error}");
}

/// Between and after wrapped functions there is everything else that has a number.
#[test]
fn all_else_keeps_its_meaning() {
    let before = r#"(core module $one (func (export "d") (param i32)) (func (export "x") (result i32) (i32.const 5)))
        (core instance $one (instantiate $one)) (alias core export $one "d" (core func $d))
        (type $r (resource (rep i32) (dtor (func $d)))) (core func $new (canon resource.new $r))
        (core instance $again (instantiate $one)) (alias core export $again "x" (core func $x))
        (core func $rep (canon resource.rep $r)) (core func $drop (canon resource.drop $r))
        (component $inner (alias outer 1 $one (core module $outer)) (core instance $i (instantiate $outer))
            (type $s (resource (rep i32))) (core func $n (canon resource.new $s)) (core func (canon resource.drop $s))
            (core instance $given (export "x" (func $n)))
            (func (export "x") (result u32) (canon lift (core func $i "x"))))
        (instance $inner (instantiate $inner))"#;
    let imports = format!(r#"{IMPORTS} (import "more" "x" (func $x (result i32)))"#);
    let given = format!(r#"{GIVEN} (with "more" (instance (export "x" (func $x))))"#);
    let body = "(if (i32.ne (call $x) (i32.const 5)) (then unreachable)) (call $drop (call $new (i32.const 1)))";
    assert!(fuel(&component(before, &imports, &given, body)) > u64::from(FUEL));
}

#[test]
fn loops_of_handles_end_at_their_fuel() {
    for name in ["resource-new-drop", "resource-rep", "resource-new-indirect", "resources-destroyed"] {
        let bomb = assemble::bombs::named(name).unwrap();
        let limits = Limits { start_fuel: 3_000_000, ..Limits::default() };
        let mut instance =
            crate::Instance::start(&load(&bomb.build(bomb.size), limits).unwrap(), &Surroundings::none()).unwrap();
        let error = crate::testing::ask(&mut instance).unwrap_err();
        assert!(matches!(error, GuestError::Limit { limit: GuestLimit::Fuel, .. }), "{name}: {error}");
    }
}

#[test]
fn components_too_deep_within_each_other_are_refused() {
    let deep = |depth: usize| {
        let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
        for _ in 1..depth {
            // A section of a nested component: its length as five bytes.
            let mut around = b"\0asm\x0d\0\x01\0\x04".to_vec();
            let length = bytes.len();
            around.extend(
                (0..5).map(|at| u8::try_from((length >> (7 * at)) & 0x7f).unwrap() | if at < 4 { 0x80 } else { 0 }),
            );
            around.extend(&bytes);
            bytes = around;
        }
        charge_built_ins(&bytes).is_ok()
    };
    assert!(deep(100));
    assert!(!deep(101));
}
