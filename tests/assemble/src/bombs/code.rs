//! Functions that are hard to compile.

use super::{Bomb, Source, When, each, times};

/// Values that a function of this file has at once, where it has many: as many as a
/// function may return.
const WIDE: usize = 1000;

pub(super) const ALL: &[Bomb] = &[
    load("joined-results", 2000, |size| wide_type(&(zeros(WIDE) + &times(size, JOIN) + &times(WIDE, "drop ")))),
    load("joined-results-nested", 400, |size| {
        let (open, close) = (times(size, "(i32.const 1) if (type $wide) "), times(size, "else end "));
        wide_type(&(zeros(WIDE) + &open + &close + &times(WIDE, "drop ")))
    }),
    load("joined-single", 100_000, |size| {
        function(
            "(param i32)",
            &times(size, "(if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2))) drop "),
        )
    }),
    load("loop-params", 2000, |size| {
        wide_type(
            &(zeros(WIDE) + &times(size, "loop (type $wide) (br_if 0 (i32.const 0)) end ") + &times(WIDE, "drop ")),
        )
    }),
    load("operand-stack", 10_000, |size| {
        function("(param i32)", &(times(size, "(local.get 0) ") + &times(size / 2, BRANCH) + &times(size, "drop ")))
    }),
    load("operand-stack-added", 10_000, |size| {
        let loads = times(size, "(i32.load (local.get 0)) ");
        function("(param i32)", &(loads + &times(size / 2, BRANCH) + &times(size - 1, "i32.add ") + "drop"))
    }),
    load("wide-calls", 1000, |size| {
        let call = format!("(call $wide) {}", times(WIDE, "drop "));
        of(format!("(func $wide (result{}) unreachable) (func {})", i32s(WIDE), times(size, &call)))
    }),
    load("wide-calls-kept", 20, |size| {
        let calls = times(size, "(call $wide) ") + &times(size * WIDE, "drop ");
        of(format!("(func $wide (result{}) unreachable) (func {calls})", i32s(WIDE)))
    }),
    load("wide-arguments", 1000, |size| {
        let call = format!("{} (call $wide) ", times(WIDE, "(local.get 0) "));
        of(format!("(func $wide (param{})) (func (param i32) {})", i32s(WIDE), times(size, &call)))
    }),
    load("wide-types-called", 5000, |size| {
        let call = "(call_indirect (type $wide))";
        wide_type_with(
            "(table $t 1 funcref)",
            &(zeros(WIDE) + &times(size, &format!("(i32.const 0) {call} ")) + &times(WIDE, "drop ")),
        )
    }),
    load("br-table", 100_000, |size| {
        function("(param i32)", &format!("(block (br_table {} (local.get 0)))", times(size, "0 ")))
    }),
    load("br-table-blocks", 7000, |size| {
        let targets = each(size, |target| format!("{target} "));
        let blocks = times(size, "block ") + &format!("(br_table {targets} (local.get 0)) ") + &times(size, "end ");
        function("(param i32)", &blocks)
    }),
    load("br-table-results", 2000, |size| {
        let targets = each(size, |target| format!("{target} "));
        let open = times(size, "block (type $results) ");
        let close = times(size, "end ");
        let body =
            format!("{open} {} (br_table {targets} (local.get 0)) {close} {}", zeros(WIDE), times(WIDE, "drop "));
        of(format!("(type $results (func (result{}))) (func (param i32) {body})", i32s(WIDE)))
    }),
    load("br-tables", 1000, |size| {
        let table = format!("(br_table {} (local.get 0))", each(50, |target| format!("{} ", target % 40)));
        let body = times(40, "block ") + &times(size, &format!("(block {table})")) + &times(40, "end ");
        function("(param i32)", &body)
    }),
    load("locals-in-loops", 12_000, |size| {
        let locals = each(300, |local| format!("(local.set {local} (i32.add (local.get {local}) (i32.const 1)))"));
        let nest = size.min(2000);
        let body = times(nest, "loop ") + &locals + &times(nest, "(br_if 0 (local.get 0)) end ");
        of(format!("(func (local{}) {body})", i32s(300)))
    }),
    load("locals-in-loops-beside", 1300, |size| {
        let locals = each(300, |local| format!("(local.set {local} (i32.add (local.get {local}) (i32.const 1)))"));
        let group = times(60, "loop ") + &locals + &times(60, "(br_if 0 (local.get 0)) end ");
        of(format!("(func (local{}) {})", i32s(300), times(size / 60, &group)))
    }),
    load("locals-in-branches", 9000, |size| {
        let set = |at: usize| {
            format!(
                "(if (local.get {}) (then (local.set {} (local.get {}))))",
                at % 400,
                (at * 7) % 400,
                (at * 13) % 400
            )
        };
        of(format!("(func (local{}) {})", i32s(400), each(size, set)))
    }),
    load("live-locals", 100_000, |size| {
        let count = 20_000;
        let set = each(count, |local| format!("(local.set {local} (i32.load (i32.const {local})))"));
        let read = each(count, |local| format!("(i32.store (i32.const 0) (local.get {local}))"));
        let middle = times(size.min(190), BRANCH);
        of(format!("(func (local{}) {set} {middle} {read})", i32s(count)))
    }),
    load("vector-locals", 190, |size| {
        let count = 20_000;
        let set = each(count, |local| format!("(local.set {local} (v128.load (i32.const {local})))"));
        let read = each(count, |local| format!("(v128.store (i32.const 0) (local.get {local}))"));
        of(format!("(func (local{}) {set} {} {read})", times(count, " v128"), times(size, BRANCH)))
    }),
    load("deep-blocks", 300_000, |size| function("", &(times(size, "block ") + &times(size, "end ")))),
    load("deep-expression", 300_000, |size| {
        function(
            "(param i32) (result i32)",
            &format!("(local.get 0) {} {}", times(size, "(local.get 0) "), times(size, "i32.xor ")),
        )
    }),
    load("long-sum", 300_000, |size| {
        function("(param i32) (result i32)", &format!("(local.get 0) {}", times(size, "(local.get 0) i32.add ")))
    }),
    load("long-doubling", 200_000, |size| {
        let step = "(local.set 0 (i32.add (local.get 0) (local.get 0)))";
        function("(param i32) (result i32)", &(times(size, step) + "(local.get 0)"))
    }),
    load("selects", 150_000, |size| {
        let step = "(local.set 0 (select (local.get 0) (local.get 1) (i32.eqz (local.get 0))))";
        function("(param i32 i32) (result i32)", &(times(size, step) + "(local.get 0)"))
    }),
    load("loads", 200_000, |size| {
        function("(param i32)", &each(size, |at| format!("(drop (i32.load offset={at} (local.get 0)))")))
    }),
    load("divisions", 200_000, |size| {
        function("(param i64) (result i64)", &("(local.get 0) ".to_owned() + &times(size, "(local.get 0) i64.div_s ")))
    }),
    load("float-constants", 100_000, |size| {
        function("(result f64)", &format!("(f64.const 1) {}", each(size, |at| format!("(f64.const {at}.5) f64.add "))))
    }),
    load("vector-constants", 50_000, |size| {
        let add = |at| format!("(v128.const i32x4 {at} 2 3 {at}) i32x4.add ");
        function("(result v128)", &format!("(v128.const i32x4 1 2 3 4) {}", each(size, add)))
    }),
    load("shuffles", 50_000, |size| {
        let shuffle = |at: usize| {
            let lanes = each(16, |lane| format!(" {}", (at * 31 + lane * 7) % 32));
            format!("(local.get 1) i8x16.shuffle{lanes} ")
        };
        function("(param v128 v128) (result v128)", &format!("(local.get 0) {}", each(size, shuffle)))
    }),
    load("vector-arithmetic", 150_000, |size| {
        function("(param v128) (result v128)", &format!("(local.get 0) {}", times(size, "(local.get 0) i64x2.mul ")))
    }),
    load("truncations", 100_000, |size| {
        function("(param f64)", &times(size, "(drop (i64.trunc_f64_u (local.get 0)))"))
    }),
    load("calls", 200_000, |size| of(format!("(func $f) (func {})", times(size, "(call $f)")))),
    load("calls-indirect", 100_000, |size| {
        of(format!(
            "(table 1 funcref) (type $v (func)) (func {})",
            times(size, "(call_indirect (type $v) (i32.const 0))")
        ))
    }),
    load("memory-copies", 100_000, |size| {
        function("(param i32)", &times(size, "(memory.copy (local.get 0) (local.get 0) (local.get 0))"))
    }),
    load("table-inits", 100_000, |size| {
        let init = "(table.init 0 (local.get 0) (local.get 0) (local.get 0))";
        of(format!("(table 1 funcref) (func $f) (elem func $f) (func (param i32) {})", times(size, init)))
    }),
    load("globals-set", 200_000, |size| {
        of(format!("(global $g (mut i64) (i64.const 0)) (func {})", times(size, "(global.set $g (global.get $g))")))
    }),
    load("unreachable", 500_000, |size| function("", &("unreachable ".to_owned() + &times(size, "i32.add ") + "drop"))),
    load("functions", 300_000, |size| of(times(size, "(func)"))),
    load("functions-with-locals", 100_000, |size| {
        of(times(size, "(func (local i32 i64 f32) (br_if 0 (i32.const 0)))"))
    }),
    load("locals-unused", 100, |size| {
        of(times(size, &format!("(func (local{}) {})", i32s(10_000), times(190, BRANCH))))
    }),
    load("functions-wide", 3000, |size| {
        wide_type_with(&times(size, "(func (type $wide) unreachable)"), &(zeros(WIDE) + &times(WIDE, "drop ")))
    }),
    load("functions-wide-returned", 500, |size| {
        let body = each(WIDE, |local| format!("(local.get {local})"));
        wide_type_with(&times(size, &format!("(func (type $wide) {body})")), &(zeros(WIDE) + &times(WIDE, "drop ")))
    }),
];

/// A branch that is never taken: it ends a block.
const BRANCH: &str = "(block (br_if 0 (i32.const 0)))";
/// An `if` that takes all values of the wide type and gives as many.
const JOIN: &str = "(i32.const 1) if (type $wide) else end ";

const fn load(name: &'static str, size: usize, make: fn(usize) -> Source) -> Bomb {
    Bomb { name, when: When::Load, size, make }
}

fn of(core: String) -> Source {
    Source { core, ..Source::default() }
}

fn function(kind: &str, body: &str) -> Source {
    of(format!("(func {kind} {body})"))
}

/// A function, where `$wide` takes many values and gives as many.
fn wide_type(body: &str) -> Source {
    wide_type_with("", body)
}

fn wide_type_with(more: &str, body: &str) -> Source {
    of(format!("(type $wide (func (param{0}) (result{0}))) {more} (func {body})", i32s(WIDE)))
}

fn zeros(count: usize) -> String {
    times(count, "(i32.const 0) ")
}

fn i32s(count: usize) -> String {
    times(count, " i32")
}
