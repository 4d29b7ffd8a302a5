//! Endless loops, in every export and in the start; and what else only ends by a limit.

use super::beside::Beside;
use super::guest::Guest;
use assemble::{Parts, filter, parser};

/// `record-rewrite`, whose functions answer `ok` with nothing, each after its body.
fn rewriter(begin: &str, rewrite: &str, end: &str) -> Guest {
    let core = format!(
        r#"(data (i32.const 8) "\00")
        (func (export "log-router:plugin/record-rewrite@0.1.0#begin") (param i32) (result i32) {begin} (i32.const 8))
        (func (export "log-router:plugin/record-rewrite@0.1.0#rewrite") (param i64 i32 i32) (result i32)
            {rewrite} (i32.const 64))
        (func (export "log-router:plugin/record-rewrite@0.1.0#end") (result i32) {end} (i32.const 64))"#
    );
    let world = "export log-router:plugin/record-rewrite@0.1.0;";
    Guest::of(&Parts { world, core: &core, ..Parts::default() }.build())
}

const FOREVER: &str = "(loop (br 0))";

#[test]
fn in_every_export_and_in_the_start() {
    let start = filter("", &format!("(func $start {FOREVER}) (start $start)"));
    let key = parser(FOREVER, ["c", "parse-key", "parse-key", "a", "p", "production"]);
    let endless = "an endless loop";
    let seen = Beside::new()
        .fails("start", Guest::of(&start), "component-refused", &["can't be started", "fuel limit in start"])
        .fails("check", Guest::hostile("check:loop"), "component-settings", &["fuel limit in check"])
        .fails("parse-key", Guest::of(&key), "guest-fuel", &["in parse-key", endless, "PLUGIN_START_FUEL"])
        .fails("wants", Guest::of(&filter(FOREVER, "")), "guest-fuel", &["in wants", endless, "PLUGIN_START_FUEL"])
        .fails("begin-rewrite", rewriter(FOREVER, "", ""), "guest-fuel", &["in begin", endless, "PLUGIN_START_FUEL"])
        .fails("rewrite", rewriter("", FOREVER, ""), "guest-fuel", &["in rewrite", endless, "PLUGIN_FUEL_PER_MIB"])
        .fails("end-rewrite", rewriter("", "", FOREVER), "guest-fuel", &["in end", endless, "PLUGIN_FUEL_PER_MIB"])
        .fails("begin", Guest::hostile("begin:loop"), "guest-fuel", &["in begin", endless, "PLUGIN_START_FUEL"])
        .fails("transform", Guest::hostile("transform:loop"), "guest-fuel", &["in transform", "PLUGIN_FUEL_PER_MIB"])
        // What came before the end is delivered already, or is put again: never lost.
        .add("end", Guest::hostile("end:loop"))
        .run();
    seen.failed("end", "guest-fuel", &["in end", endless, "PLUGIN_FUEL_PER_MIB"]);
    // What it cost is seen, wherever it was spent.
    for tenant in ["parse-key", "wants", "begin-rewrite", "rewrite", "end-rewrite", "begin", "transform", "end"] {
        assert!(seen.metric("calls_total", tenant, &[]) > 0.5, "{tenant}");
        assert!(seen.metric("cpu_seconds_total", tenant, &[]) > 0.001, "{tenant}");
        assert!(seen.metric("peak_memory_bytes", tenant, &[]) > 65_535.0, "{tenant}");
    }
}

#[test]
fn work_that_is_paid_for_by_the_byte_the_page_and_the_element() {
    let fill = "(loop (memory.fill (i32.const 0) (i32.const 0) (i32.const 131072)) (br 0))";
    let copy = "(loop (memory.copy (i32.const 0) (i32.const 65536) (i32.const 65536)) (br 0))";
    let grow = "(loop (drop (memory.grow (i32.const 0))) (br 0))";
    let table = "(loop (table.fill 0 (i32.const 0) (ref.null func) (i32.const 19000)) (br 0))";
    let mut beside = Beside::new();
    for (name, body) in [("fill", fill), ("copy", copy), ("grow", grow), ("table", table)] {
        let guest = Guest::of(&filter(body, "(table 19000 funcref)"));
        beside = beside.fails(name, guest, "guest-fuel", &["in wants", "PLUGIN_START_FUEL"]);
    }
    beside.run();
}

#[test]
fn within_less_fuel_as_the_item_says() {
    let wants = Guest::of(&filter(FOREVER, "")).limit("start_fuel", 1_000_000);
    let transform = Guest::hostile("transform:loop").limit("fuel_per_mib", 40_000_000);
    Beside::new()
        .fails("wants", wants, "guest-fuel", &["1000000 units", "PLUGIN_START_FUEL"])
        .fails("transform", transform, "guest-fuel", &["10000000 units", "PLUGIN_FUEL_PER_MIB"])
        .run();
}
