//! Components that are small and take much: of the validator, the compiler, an
//! instantiation, or a call, far more than their bytes or their fuel say. Each is of the
//! contract (it exports `log-filter`), so that it gets as far as the limits let it.
//!
//! - `code`: functions that are hard to compile.
//! - `parts`: modules, types, instances and sections by the thousand.
//! - `work`: calls that take far more time than their fuel says.
//!
//! CAREFUL: at their usual size some take gigabytes. Run them under limits only.

mod code;
mod parts;
mod work;

/// When a bomb goes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// When the component is validated, compiled or started.
    Load,
    /// When `wants` is called: it never ends by itself.
    Call,
}

/// A way to make much of little.
#[derive(Debug, Clone, Copy)]
pub struct Bomb {
    /// The name, for reports.
    pub name: &'static str,
    /// When it goes off.
    pub when: When,
    /// The size at which it hurts, where any does; what it counts is the bomb's own.
    pub size: usize,
    make: fn(usize) -> Source,
}

impl Bomb {
    /// The bytes of the component, at this size.
    pub fn build(&self, size: usize) -> Vec<u8> {
        wat::parse_str((self.make)(size).text()).unwrap()
    }
}

/// All bombs.
pub fn all() -> impl Iterator<Item = Bomb> {
    [code::ALL, parts::ALL, work::ALL].into_iter().flatten().copied()
}

/// The bomb of this name.
pub fn named(name: &str) -> Option<Bomb> {
    all().find(|bomb| bomb.name == name)
}

/// A component whose `wants` runs `body`. `before`: what is defined before its module, which
/// has `imports` and is instantiated `with` these arguments.
pub fn component(before: &str, imports: &str, with: &str, body: &str) -> Vec<u8> {
    let [before, imports, with, body] = [before, imports, with, body].map(str::to_owned);
    wat::parse_str(Source { before, imports, with, body, ..Source::default() }.text()).unwrap()
}

/// What makes a component of a bomb, as text.
#[derive(Default)]
struct Source {
    /// Items of the component before its module.
    before: String,
    /// The module's imports.
    imports: String,
    /// The module's fields beside `wants`.
    core: String,
    /// What `wants` does before it answers.
    body: String,
    /// Arguments of the module's instantiation.
    with: String,
    /// Items of the component after all else.
    after: String,
    /// Items of a component around it, which has another beside it.
    beside: String,
    /// What the component around it gives it.
    given: String,
    /// Pages of memory, at least two.
    pages: usize,
}

impl Source {
    /// A component's text: the contract's types, a module with `wants`, its export.
    fn text(&self) -> String {
        let Self { before, imports, core, body, with, after, beside, given, pages } = self;
        let pages = (*pages).max(2);
        let common = crate::COMMON;
        let component = format!(
            r#"(component {TYPES} {before}
            (core module $m {imports} (memory (export "memory") {pages}) {common}
              (data (i32.const 8) "\00\00\00\00\01")
              (func (export "wants") (param i32) (result i32) {body} (i32.const 8)) {core})
            (core instance $i (instantiate $m {with}))
            (alias core export $i "memory" (core memory $memory))
            (alias core export $i "cabi_realloc" (core func $realloc))
            (type $answer (result bool (error $failure)))
            (type $wants (func (param "context" $context) (result $answer)))
            (func $f (type $wants) (canon lift (core func $i "wants") (memory $memory) (realloc $realloc)))
            (instance $exports (export "wants" (func $f)))
            (export "log-router:plugin/log-filter@0.1.0" (instance $exports)) {after})"#
        );
        if beside.is_empty() {
            return component;
        }
        let inner = component.replacen("(component", "(component $a", 1);
        format!(
            r#"(component {TYPES} {beside} {inner}
            (instance $a (instantiate $a (with "log-router:plugin/types@0.1.0" (instance $types)) {given}))
            (alias export $a "log-router:plugin/log-filter@0.1.0" (instance $filter))
            (export "log-router:plugin/log-filter@0.1.0" (instance $filter)))"#
        )
    }
}

/// The contract's types that `wants` takes and gives.
const TYPES: &str = r#"
  (type $types_i (instance
    (type $o (record (field "cluster-id" string) (field "namespace" string) (field "tenant-id" string)
        (field "application" string) (field "pod-name" string) (field "environment" string)))
    (export "origin" (type $origin (eq $o)))
    (type $ls (list string))
    (type $d (record (field "id" string) (field "destination" string) (field "desired-logs" $ls) (field "groups" $ls)))
    (export "delivery" (type $delivery (eq $d)))
    (type $p (tuple string string))
    (type $lp (list $p))
    (type $c (record (field "origin" $origin) (field "delivery" $delivery) (field "bucket" string) (field "key" string)
        (field "settings" $lp) (field "more" $lp)))
    (export "context" (type $context (eq $c)))
    (type $f (variant (case "rejected" string) (case "internal" string)))
    (export "failure" (type $failure (eq $f)))))
  (import "log-router:plugin/types@0.1.0" (instance $types (type $types_i)))
  (alias export $types "context" (type $context))
  (alias export $types "failure" (type $failure))
"#;

/// A text so many times.
fn times(count: usize, text: &str) -> String {
    text.repeat(count)
}

/// A text for each number below.
fn each(count: usize, text: impl Fn(usize) -> String) -> String {
    (0..count).map(text).collect()
}
