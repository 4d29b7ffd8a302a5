//! What a guest keeps, the next object, delivery or tenant never sees.

use super::beside::{Beside, THEIRS};
use super::guest::Guest;
use crate::common::aws::records;
use assemble::filter;

#[test]
fn state_does_not_outlive_its_object() {
    // Counts the objects that its instance has seen, and reports the number.
    let counts = || Guest::hostile("count-objects");
    // Writes a mark to the end of its memory and to a global; if it finds either
    // there already, it wants nothing.
    let more = "(global $mark (mut i32) (i32.const 0)) (table 10 funcref) (elem declare func $mark) (func $mark)";
    let body = "(if (i32.or (global.get $mark) (i32.or (i32.load (i32.const 131068))
            (i32.eqz (ref.is_null (table.get 0 (i32.const 5))))))
            (then (i32.store8 (i32.const 12) (i32.const 0))))
        (table.set 0 (i32.const 5) (ref.func $mark))
        (global.set $mark (i32.const 1)) (i32.store (i32.const 131068) (i32.const 1))";
    let marks = Guest::of(&filter(body, more));
    // Two tenants with the same component: also between these nothing is left.
    let tenants = [("one", counts()), ("two", counts()), ("marks", marks.clone()), ("finds", marks)];
    let beside = tenants.into_iter().fold(Beside::new(), |beside, (name, guest)| beside.add(name, guest));
    for tenant in ["one", "two", "marks", "finds"] {
        for object in 2..8 {
            beside.lab.announced(tenant, &object.to_string(), &records(tenant, 1));
        }
    }
    let seen = beside.run();
    seen.process.empties_the_queue();
    for tenant in ["one", "two"] {
        let messages = seen.messages(tenant);
        assert_eq!(messages.len(), THEIRS + 6, "{tenant}");
        assert!(messages.iter().all(|message| message == "1"), "{messages:?}");
    }
    for tenant in ["marks", "finds"] {
        assert_eq!(seen.messages(tenant).len(), THEIRS + 6, "{tenant} wanted every time");
    }
}
