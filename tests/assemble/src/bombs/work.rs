//! Calls that take far more time than their fuel says. `size`: how much each turn does.

use super::{Bomb, Source, When, times};

pub(super) const ALL: &[Bomb] = &[
    call("loop", 1, |_| of("", "(br $l)")),
    call("cache-misses", 1023, |size| Source { pages: size + 1, ..of("(local $a i32)", CHASE) }),
    call("cache-misses-filled", 1023, |size| Source {
        pages: size + 1,
        ..of(
            &format!("(local $a i32) (memory.fill (i32.const 65536) (i32.const 7) (i32.const {}))", size * 65536),
            CHASE,
        )
    }),
    call("page-faults", 1023, |size| Source {
        pages: size + 1,
        ..of(
            "(local $a i32)",
            "(i32.store8 (i32.and (local.get $a) (i32.const 0x3ffffff)) (i32.const 1)) (local.set $a (i32.add (local.get $a) (i32.const 4096)))",
        )
    }),
    call("dividing", 1, |_| of("(local $a i64) (local.set $a (i64.const 0x7fffffffffffffff))", DIVIDE)),
    call("square-roots", 100, |size| {
        of(
            "(local $a f64) (local.set $a (f64.const 1e300))",
            &format!("(local.set $a (f64.add (local.get $a) (f64.const 1) {}))", times(size, "f64.sqrt ")),
        )
    }),
    call("denormals", 1, |_| {
        of(
            "(local $a f64) (local.set $a (f64.const 0x1p-1040))",
            "(local.set $a (f64.mul (f64.add (local.get $a) (f64.const 0x1p-1040)) (f64.const 0.5)))",
        )
    }),
    call("resource-new-drop", 1, |_| resources("", "(call $drop (call $new (i32.const 1)))")),
    call("resource-rep", 1, |_| {
        resources("(local $h i32) (local.set $h (call $new (i32.const 1)))", "(drop (call $rep (local.get $h)))")
    }),
    call("resources-destroyed", 1, |_| {
        let mut source = resources("", "(call $drop (call $new (i32.const 1)))");
        source.before = format!(
            r#"(core module $d (func (export "d") (param i32))) (core instance $d (instantiate $d))
            (alias core export $d "d" (core func $d)) {}"#,
            source.before.replace("(rep i32)", "(rep i32) (dtor (func $d))")
        );
        source
    }),
    call("resources-held", 9000, |size| {
        resources(&times(size, "(drop (call $new (i32.const 1)))"), "(call $drop (call $new (i32.const 1)))")
    }),
    call("resource-new-indirect", 1, |_| {
        let mut source = resources("", "(call_indirect (type $one) (i32.const 5) (i32.const 1)) (call $drop)");
        source.core =
            "(type $one (func (param i32) (result i32))) (table 2 funcref) (elem (i32.const 1) $new)".to_owned();
        source
    }),
    call("sibling-calls", 1, |_| {
        sibling(
            r#"(core module $m (func (export "f") (param i32))) (core instance $i (instantiate $m))
            (func (export "f") (param "a" u32) (canon lift (core func $i "f")))"#,
            r#"(import "f" (func $other (param "a" u32))) (core func $f (canon lower (func $other)))"#,
            "(param i32)",
            "(call $f (i32.const 1))",
        )
    }),
    call("sibling-strings", 65_536, |size| {
        sibling(
            r#"(core module $m (memory (export "m") 2) (func (export "f") (param i32 i32))
                (func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 1024)))
            (core instance $i (instantiate $m))
            (alias core export $i "m" (core memory $m)) (alias core export $i "r" (core func $r))
            (func (export "f") (param "a" string) (canon lift (core func $i "f") (memory $m) (realloc $r)))"#,
            r#"(import "f" (func $other (param "a" string)))
            (core module $mem (memory (export "m") 4)) (core instance $mem (instantiate $mem))
            (alias core export $mem "m" (core memory $mem))
            (core func $f (canon lower (func $other) (memory $mem)))"#,
            "(param i32 i32)",
            &format!("(call $f (i32.const 0) (i32.const {size}))"),
        )
    }),
    call("sibling-handles", 1, |_| {
        handles("(result (own $e))", "(param i32) (result i32) (local.get 0)", "own", "(result i32)")
    }),
    call("sibling-borrows", 1, |_| handles("", "(param i32)", "borrow", "")),
    call("table-grow-nothing", 0, |size| table(&format!("(drop (table.grow $t (ref.null func) (i32.const {size})))"))),
    call("table-grow-denied", 30_000, |size| {
        table(&format!("(drop (table.grow $t (ref.null func) (i32.const {size})))"))
    }),
    call("table-fill", 10_000, |size| {
        table(&format!("(table.fill $t (i32.const 0) (ref.func $f) (i32.const {size}))"))
    }),
    call("table-fill-nothing", 0, |size| {
        table(&format!("(table.fill $t (i32.const 0) (ref.func $f) (i32.const {size}))"))
    }),
    call("table-copy", 10_000, |size| {
        table(&format!("(table.copy $t $t (i32.const 0) (i32.const 1) (i32.const {size}))"))
    }),
    call("table-init", 1, |size| table(&format!("(table.init $t $e (i32.const 0) (i32.const 0) (i32.const {size}))"))),
    call("table-get", 1, |_| table("(drop (table.get $t (i32.const 1)))")),
    call("ref-func", 1, |_| table("(drop (ref.func $f))")),
    call("elem-drop", 1, |_| table("(elem.drop $e)")),
    call("memory-grow-nothing", 0, |size| of("", &format!("(drop (memory.grow (i32.const {size})))"))),
    call("memory-grow-denied", 60_000, |size| of("", &format!("(drop (memory.grow (i32.const {size})))"))),
    call("memory-fill", 65_536, |size| {
        of("", &format!("(memory.fill (i32.const 64) (i32.const 7) (i32.const {size}))"))
    }),
    call("memory-fill-nothing", 0, |size| {
        of("", &format!("(memory.fill (i32.const 64) (i32.const 7) (i32.const {size}))"))
    }),
    call("memory-copy", 64, |size| {
        of("", &format!("(memory.copy (i32.const 64) (i32.const 4096) (i32.const {size}))"))
    }),
    call("memory-init", 1, |size| Source {
        core: "(data $d \"x\")".to_owned(),
        ..of("", &format!("(memory.init $d (i32.const 64) (i32.const 0) (i32.const {size}))"))
    }),
    call("tail-calls", 1, |_| Source { core: "(func $t (return_call $t))".to_owned(), ..of("", "(call $t)") }),
    call("recursion", 4000, |size| Source {
        core: "(func $r (param i32) (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1))))))"
            .to_owned(),
        ..of("", &format!("(call $r (i32.const {size}))"))
    }),
    call("calling-indirect", 1, |_| table("(call_indirect $t (type $v) (i32.const 0))")),
    call("calls-wide", 1000, |size| {
        let (params, zeros) = (times(size, " i32"), times(size, "(i32.const 0)"));
        Source {
            core: format!("(func $w (param{params}) (result{params}) {zeros})"),
            ..of("", &format!("{zeros} (call $w) {}", times(size, "drop ")))
        }
    }),
];

const CHASE: &str =
    "(local.set $a (i32.add (i32.mul (local.get $a) (i32.const 1664525)) (i32.add (i32.const 1013904223)
    (i32.load (i32.and (i32.shr_u (local.get $a) (i32.const 6)) (i32.const 0x3fffffc))))))";
const DIVIDE: &str = "(local.set $a (i64.or (i64.div_u (i64.const 0x7ffffffffffffff3) (local.get $a)) (i64.const 3)))";

const fn call(name: &'static str, size: usize, make: fn(usize) -> Source) -> Bomb {
    Bomb { name, when: When::Call, size, make }
}

/// Does the first once, and the second for ever.
fn of(first: &str, again: &str) -> Source {
    Source { body: format!("{first} (loop $l {again} (br $l))"), ..Source::default() }
}

fn table(again: &str) -> Source {
    let core = "(table $t 10001 20000 funcref) (type $v (func)) (func $f) (elem $e func $f) (elem (table $t) (i32.const 0) func $f)";
    Source { core: core.to_owned(), ..of("", again) }
}

/// With functions that make a resource, drop it, and look at it.
fn resources(first: &str, again: &str) -> Source {
    Source {
        before: "(type $r (resource (rep i32))) (core func $new (canon resource.new $r))
            (core func $drop (canon resource.drop $r)) (core func $rep (canon resource.rep $r))"
            .to_owned(),
        imports: r#"(import "h" "new" (func $new (param i32) (result i32))) (import "h" "drop" (func $drop (param i32)))
            (import "h" "rep" (func $rep (param i32) (result i32)))"#
            .to_owned(),
        with: r#"(with "h" (instance (export "new" (func $new)) (export "drop" (func $drop)) (export "rep" (func $rep))))"#
            .to_owned(),
        ..of(first, again)
    }
}

/// With a component beside it, whose function `f` is called.
fn sibling(beside: &str, import: &str, kind: &str, again: &str) -> Source {
    Source {
        beside: format!(r#"(component $b {beside}) (instance $b (instantiate $b))"#),
        given: r#"(with "f" (func $b "f"))"#.to_owned(),
        before: import.to_owned(),
        imports: format!(r#"(import "h" "f" (func $f {kind}))"#),
        with: r#"(with "h" (instance (export "f" (func $f))))"#.to_owned(),
        ..of("", again)
    }
}

/// With a component beside it whose function takes a handle of its own resource.
fn handles(result: &str, core: &str, kind: &str, core_result: &str) -> Source {
    let again = "(call $f (local.get $h))";
    let again = if result.is_empty() { again.to_owned() } else { format!("(local.set $h {again})") };
    Source {
        beside: format!(
            r#"(component $b (type $r (resource (rep i32))) (core func $new (canon resource.new $r))
            (core module $m (import "h" "new" (func $new (param i32) (result i32)))
                (func (export "make") (result i32) (call $new (i32.const 1)))
                (func (export "f") {core}))
            (core instance $i (instantiate $m (with "h" (instance (export "new" (func $new))))))
            (export $e "r" (type $r))
            (func (export "make") (result (own $e)) (canon lift (core func $i "make")))
            (func (export "f") (param "h" ({kind} $e)) {result} (canon lift (core func $i "f"))))
            (instance $b (instantiate $b))"#
        ),
        given: r#"(with "b" (instance $b))"#.to_owned(),
        before: format!(
            r#"(import "b" (instance $b (export "r" (type $e (sub resource))) (export "make" (func (result (own $e))))
            (export "f" (func (param "h" ({kind} $e)) {result}))))
            (core func $make (canon lower (func $b "make"))) (core func $f (canon lower (func $b "f")))"#
        ),
        imports: format!(
            r#"(import "h" "make" (func $make (result i32))) (import "h" "f" (func $f (param i32) {core_result}))"#
        ),
        with: r#"(with "h" (instance (export "make" (func $make)) (export "f" (func $f))))"#.to_owned(),
        ..of("(local $h i32) (local.set $h (call $make))", &again)
    }
}
