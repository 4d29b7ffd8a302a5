//! Components that are small and take much (`assemble::bombs`).

use assemble::bombs::{When, all, named};

use super::beside::Beside;
use super::guest::Guest;

/// A bomb at the size at which it hurts.
fn bomb(name: &str) -> Guest {
    let bomb = named(name).unwrap();
    Guest::of(&bomb.build(bomb.size))
}

#[test]
fn what_would_take_the_compiler_gigabytes_is_refused_for_its_numbers() {
    let kinds = [
        ("joined-results", "hand on more than 20000 values"),
        ("loop-params", "hand on more than 20000 values"),
        ("br-table-results", "hand on more than 20000 values"),
        ("operand-stack", "operands on its stack in 10001 blocks"),
        ("locals-in-loops", "loops change more than 30000 locals"),
        ("live-locals", "20000 locals in 381 blocks"),
        ("core-types-wide", "parameters and results in its types"),
        ("constant-expressions", "bytes of constant expressions"),
        ("elements", "elements in its segments"),
        ("functions", "functions; 100000 is the limit"),
        ("components-doubled", "with each instance and type written out"),
    ];
    let mut beside = Beside::new();
    for (name, says) in kinds {
        beside = beside.fails(name, bomb(name), "component-refused", &[says, "is the limit"]);
    }
    beside.run();
}

#[test]
fn work_without_end_ends_at_its_fuel() {
    let mut beside = Beside::new();
    for each in all().filter(|bomb| bomb.when == When::Call) {
        let (name, says) = match each.name {
            // Between two memories text would be copied for nothing.
            "sibling-strings" => ("component-refused", ["memories", "one is the limit"]),
            _ => ("guest-fuel", ["in wants", "PLUGIN_START_FUEL"]),
        };
        beside = beside.fails(each.name, bomb(each.name), name, &says);
    }
    beside.run();
}
