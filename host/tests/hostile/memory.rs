//! Memory, stack, traps.

use crate::assemble::filter;
use crate::beside::Beside;

#[test]
fn a_memory_bomb() {
    for function in ["wants", "begin", "transform"] {
        let seen = Beside::hostile(&format!("{function}:memory"));
        seen.fails("guest-memory", &["67108864 bytes", "PLUGIN_MEMORY_BYTES", &format!("in {function}")]);
    }
}

#[test]
fn a_memory_bomb_within_a_lower_limit_of_the_item() {
    let limits = serde_json::json!({"M": {"memory_bytes": {"N": "4194304"}}});
    Beside::hostile("transform:memory").field("limits", limits).fails("guest-memory", &["4194304 bytes"]);
}

#[test]
fn memory_in_the_start_that_is_never_freed() {
    let start = "(func $start (drop (memory.grow (i32.const 60000))) unreachable) (start $start)";
    Beside::component(&filter("", start)).fails("component-refused", &["memory limit in start"]);
}

#[test]
fn a_table_bomb() {
    Beside::component(&filter("", "(table 30000 funcref)")).fails("component-refused", &["table", "20000"]);
    let grow = "(loop (br_if 0 (i32.ne (table.grow (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
    Beside::component(&filter(grow, "(table 10 funcref)")).fails("guest-trap", &["unreachable"]);
}

#[test]
fn deep_recursion() {
    for function in ["wants", "begin", "transform"] {
        let says = ["call stack exhausted", &format!("in {function}")];
        Beside::hostile(&format!("{function}:recursion")).fails("guest-trap", &says);
    }
    let start = "(func $start (call $start)) (start $start)";
    Beside::component(&filter("", start)).fails("component-refused", &["call stack exhausted"]);
}

#[test]
fn unreachable_and_panics() {
    for fault in ["unreachable", "panic"] {
        Beside::hostile(&format!("transform:{fault}")).fails("guest-trap", &["unreachable", "in transform"]);
    }
    let start = "(func $start unreachable) (start $start)";
    Beside::component(&filter("", start)).fails("component-refused", &["trapped in start", "unreachable"]);
}
