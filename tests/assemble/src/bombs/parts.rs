//! Modules, types, instances and sections by the thousand.

use super::{Bomb, Source, When, each, times};

pub(super) const ALL: &[Bomb] = &[
    load("components-doubled", 17, |size| {
        let first = "(component $c0 (core module $m) (core instance (instantiate $m)))";
        let next = |at: usize| {
            let two = format!("(instance (instantiate $c{at}))").repeat(2);
            format!("(component $c{} (alias outer 1 $c{at} (component $c{at})) {two})", at + 1)
        };
        after(format!("{first} {} (instance (instantiate $c{size}))", each(size, next)))
    }),
    load("components-nested", 90, |size| after(times(size, "(component ") + &times(size, ")"))),
    load("components", 1000, |size| after(times(size, "(component)"))),
    load("modules", 1000, |size| after(times(size, "(core module (func))"))),
    load("core-instances", 32, |size| {
        let module = "(core module $many (memory 0) (table 20000 funcref) (func))";
        after(format!("{module} {}", times(size, "(core instance (instantiate $many))")))
    }),
    load("instances-of-exports", 100_000, |size| after(times(size, "(instance)"))),
    load("aliases", 100_000, |size| after(times(size, r#"(alias export $types "failure" (type))"#))),
    load("aliases-outer", 100_000, |size| {
        after(format!("(component {})", times(size, "(alias outer 1 $failure (type))")))
    }),
    load("lowered", 100_000, |size| {
        let lowered = "(core func (canon lower (func $log)))";
        Source { before: format!("{LOG} {}", times(size, lowered)), ..Source::default() }
    }),
    load("lifted", 100_000, |size| {
        after(format!(
            "(type $empty (func)) {}",
            times(size, r#"(func (type $empty) (canon lift (core func $i "none")))"#)
        ))
        .with_core(r#"(func (export "none"))"#)
    }),
    load("resources", 100_000, |size| after(times(size, "(type (resource (rep i32)))"))),
    load("resource-functions", 100_000, |size| {
        after("(type $r (resource (rep i32)))".to_owned() + &times(size, "(core func (canon resource.new $r))"))
    }),
    load("types", 500_000, |size| after(times(size, "(type (func))"))),
    load("types-doubled", 20, |size| {
        let next = |at: usize| format!("(type $t{} (tuple $t{at} $t{at}))", at + 1);
        let last = format!(r#"(type $f (func (param "a" $t{size}))) (component (import "f" (func (type 0))))"#);
        after(format!("(type $t0 (tuple u8 u8)) {} {}", each(size, next), last.replace("(type 0)", "")))
    }),
    load("types-lifted", 12, |size| {
        let next = |at: usize| format!("(type $t{} (tuple $t{at} $t{at}))", at + 1);
        let lifted = format!(r#"(type $f (func (param "a" $t{size}))) {}"#, times(40, LIFTED));
        after(format!("(type $t0 (tuple u8 u8)) {} {lifted}", each(size, next))).with_core(TAKES)
    }),
    load("types-deep", 90, |size| {
        let next = |at: usize| format!("(type $t{} (list $t{at}))", at + 1);
        after(format!("(type $t0 (list u8)) {} (type $f (func (param \"a\" $t{size}))) {LIFTED}", each(size, next)))
            .with_core(TAKES)
    }),
    load("variants", 10, |size| {
        let next = |at: usize| format!(r#"(type $t{} (variant (case "a" $t{at}) (case "b" $t{at})))"#, at + 1);
        let last = format!(r#"(type $f (func (param "a" $t{size}))) {LIFTED}"#);
        after(format!("(type $t0 (variant (case \"a\" u64) (case \"b\" f64))) {} {last}", each(size, next)))
            .with_core(TAKES)
    }),
    load("record-fields", 50_000, |size| {
        after(format!("(type (record {}))", each(size, |at| format!("(field \"f{at}\" u8)"))))
    }),
    load("enum-cases", 50_000, |size| after(format!("(type (enum {}))", each(size, |at| format!("\"c{at}\" "))))),
    load("instance-types", 3000, |size| {
        let inner = each(30, |at| format!("(export \"e{at}\" (func))"));
        after(times(size, &format!("(type (instance {inner}))")))
    }),
    load("instance-types-doubled", 20, |size| {
        let next = |at: usize| {
            let export = |name| format!("(export \"{name}\" (instance (type $outer{at})))");
            format!(
                "(type $i{} (instance (alias outer 1 $i{at} (type $outer{at})) {} {}))",
                at + 1,
                export("a"),
                export("b")
            )
        };
        after(format!("(type $i0 (instance (export \"a\" (func)))) {}", each(size, next)))
    }),
    load("long-names", 300_000, |size| {
        after(String::new()).with_core(&format!(r#"(func (export "{}"))"#, times(size, "n")))
    }),
    load("custom-sections", 100_000, |size| of(times(size, r#"(@custom "name" "x")"#))),
    load("core-types", 1_000_000, |size| of(times(size, "(type (func))"))),
    load("core-types-wide", 1000, |size| {
        of(each(size, |at| format!("(type (func (param{}) (result{})))", wide(at), " i64".repeat(1000))))
    }),
    load("exports", 100_000, |size| {
        of(format!("(func $f) {}", each(size, |at| format!("(export \"e{at}\" (func $f))"))))
    }),
    load("imports", 100_000, |size| {
        let exports = each(size, |at| format!("(export \"e{at}\" (func $f))"));
        let imports = each(size, |at| format!("(import \"h\" \"e{at}\" (func))"));
        let before = format!(r#"(core module $h (func $f) {exports}) (core instance $h (instantiate $h))"#);
        Source { before, imports, with: r#"(with "h" (instance $h))"#.to_owned(), ..Source::default() }
    }),
    load("tables", 30, |size| of(times(size, "(table 20000 funcref)"))),
    load("tables-filled", 30, |size| of(format!("(func $f) {}", times(size, "(table 20000 funcref (ref.func $f))")))),
    load("tables-declared", 100, |size| of(times(size, "(table 0 funcref)"))),
    load("memories", 100, |size| of(times(size, "(memory 1)"))),
    load("memory-large", 1024, |size| Source { pages: size, ..Source::default() }),
    load("globals", 1_000_000, |size| of(times(size, "(global i32 (i32.const 0))"))),
    load("constant-expressions", 1_000_000, |size| {
        of(format!("(global i32 (i32.const 1) {})", times(size, "(i32.const 1) i32.add ")))
    }),
    load("constant-expressions-started", 100_000, |size| {
        let first = "(global $a i32 (i32.const 1))".to_owned();
        of(first + &format!("(global i32 (global.get $a) {})", times(size, "(global.get $a) i32.add ")))
    }),
    load("data-segments", 100_000, |size| of(times(size, "(data (i32.const 64) \"x\")"))),
    load("data-segments-far", 100_000, |size| {
        let mut source = of(each(size, |at| format!("(data (i32.const {}) \"x\")", (at % 1023) * 65536 + 100)));
        source.pages = 1024;
        source
    }),
    load("data-passive", 100_000, |size| of(times(size, "(data \"x\")"))),
    load("element-segments", 100_000, |size| {
        of(format!("(table 9 funcref) (func $f) {}", times(size, "(elem (i32.const 0) $f)")))
    }),
    load("elements", 400_000, |size| of(format!("(table 20000 funcref) (func $f) (elem func {})", times(size, "$f ")))),
    load("elements-applied", 100, |size| {
        let applied = format!("(elem (i32.const 0) {})", times(20_000, "$f "));
        of(format!("(table 20000 funcref) (func $f) {}", times(size, &applied)))
    }),
    load("element-expressions", 200_000, |size| {
        of(format!("(table 20000 funcref) (func $f) (elem funcref {})", times(size, "(ref.func $f) ")))
    }),
    load("atomics", 10, |size| {
        of(format!("(func {})", times(size, "(drop (i32.atomic.rmw.add (i32.const 0) (i32.const 1)))")))
    }),
    load("start-loop", 1, |_| of("(func $s (loop $l (br $l))) (start $s)".to_owned())),
    load("start-grows", 1, |_| {
        of("(func $s (loop $l (drop (memory.grow (i32.const 1))) (br $l))) (start $s)".to_owned())
    }),
];

/// The contract's log, as a component's function that takes no text.
const LOG: &str = r#"(import "wasi:cli/exit@0.2.0" (instance $exit (export "exit" (func (param "status" (result))))))
    (alias export $exit "exit" (func $log))"#;
const LIFTED: &str = r#"(func (type $f) (canon lift (core func $i "takes") (memory $memory) (realloc $realloc)))"#;
const TAKES: &str = r#"(func (export "takes") (param i32))"#;

const fn load(name: &'static str, size: usize, make: fn(usize) -> Source) -> Bomb {
    Bomb { name, when: When::Load, size, make }
}

fn of(core: String) -> Source {
    Source { core, ..Source::default() }
}

fn after(after: String) -> Source {
    Source { after, ..Source::default() }
}

impl Source {
    fn with_core(mut self, core: &str) -> Self {
        self.core += core;
        self
    }
}

/// A thousand types that differ by number.
fn wide(number: usize) -> String {
    each(1000, |at| if number >> (at % 16) & 1 == 1 { " i32".to_owned() } else { " f32".to_owned() })
}
