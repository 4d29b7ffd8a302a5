//! Memory, stack, tables, traps.

use super::beside::Beside;
use super::guest::Guest;
use assemble::filter;

#[test]
fn a_memory_bomb() {
    let mut beside = Beside::new();
    for function in ["wants", "begin", "transform"] {
        let says = ["67108864 bytes", "PLUGIN_MEMORY_BYTES", &format!("in {function}")];
        beside = beside.fails(function, Guest::hostile(&format!("{function}:memory")), "guest-memory", &says);
    }
    let lower = Guest::hostile("transform:memory").limit("memory_bytes", 4_194_304);
    let seen = beside.fails("lower", lower, "guest-memory", &["4194304 bytes"]).run();
    let peak = |tenant| seen.metric("peak_memory_bytes", tenant, &[]);
    assert!(peak("transform") > 60e6 && peak("transform") <= 67_108_864.0, "{}", peak("transform"));
    assert!(peak("lower") > 3e6 && peak("lower") <= 4_194_304.0, "{}", peak("lower"));
}

#[test]
fn memory_in_the_start() {
    // Asked for and never freed; and in the module's own declaration.
    let grows = "(func $start (drop (memory.grow (i32.const 60000))) unreachable) (start $start)";
    let grows = Guest::of(&filter("", grows));
    let has = |pages: u32| Guest::of(&declared(pages));
    Beside::new()
        .fails("grows", grows, "component-refused", &["memory limit in start", "PLUGIN_MEMORY_BYTES"])
        .fails("declares", has(2_000), "component-refused", &["memory"])
        .fails("item", has(100).limit("memory_bytes", 4_194_304), "component-refused", &["memory", "4194304"])
        // What fits, fits.
        .add("fits", has(100))
        .run()
        .came("fits", "cloudwatch=delivered");
}

/// A component whose module begins with so many pages.
fn declared(pages: u32) -> Vec<u8> {
    use assemble::{Parts, wants};
    let core = wants("");
    Parts { world: "export log-router:plugin/log-filter@0.1.0;", core: &core, pages, ..Parts::default() }.build()
}

#[test]
fn a_table_bomb() {
    let grow = "(loop (br_if 0 (i32.ne (table.grow (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
    Beside::new()
        .fails("declares", Guest::of(&filter("", "(table 30000 funcref)")), "component-refused", &["table", "20000"])
        .fails("grows", Guest::of(&filter(grow, "(table 10 funcref)")), "guest-trap", &["unreachable"])
        .run();
}

#[test]
fn deep_recursion() {
    let mut beside = Beside::new();
    for function in ["check", "wants", "begin", "transform"] {
        let guest = Guest::hostile(&format!("{function}:recursion"));
        let reason = if function == "check" { "component-settings" } else { "guest-trap" };
        beside = beside.fails(function, guest, reason, &["call stack exhausted", &format!("in {function}")]);
    }
    let start = Guest::of(&filter("", "(func $start (call $start)) (start $start)"));
    beside.fails("start", start, "component-refused", &["call stack exhausted", "in start"]).run();
}

#[test]
fn unreachable_and_panics() {
    let mut beside = Beside::new();
    for function in ["wants", "begin", "transform"] {
        for fault in ["unreachable", "panic"] {
            let guest = Guest::hostile(&format!("{function}:{fault}"));
            let says = ["unreachable", &format!("in {function}")];
            beside = beside.fails(&format!("{function}-{fault}"), guest, "guest-trap", &says);
        }
    }
    let start = Guest::of(&filter("", "(func $start unreachable) (start $start)"));
    let seen = beside
        .fails("start", start, "component-refused", &["trapped in start", "unreachable"])
        .fails("check", Guest::hostile("check:unreachable"), "component-settings", &["unreachable", "in check"])
        // Its words are shown where the item says so.
        .fails("refuses", Guest::hostile("check:refuse"), "component-settings", &["`log-processor check` shows why"])
        .fails(
            "heard",
            Guest::hostile("check:refuse").says("log", "operator"),
            "component-settings",
            &["mode is not to my liking"],
        )
        .fails("internal", Guest::hostile("transform:internal"), "guest-internal", &["in transform"])
        .add("end", Guest::hostile("end:panic"))
        .run();
    seen.failed("end", "guest-trap", &["unreachable", "in end"]);
}
