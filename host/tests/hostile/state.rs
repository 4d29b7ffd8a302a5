//! What a guest keeps, the next object, delivery or tenant never sees.

use crate::aws::records;
use crate::beside::Beside;

#[test]
fn state_does_not_outlive_its_object() {
    // Counts the objects that its instance has seen, and reports the number.
    let beside = Beside::hostile("count-objects");
    for object in 2..6 {
        beside.lab.announced("evil", &object.to_string(), &records("evil", 1));
    }
    let seen = beside.run();
    seen.process.empties_the_queue();
    let messages = beside.lab.messages(&beside.evil);
    assert_eq!(messages.len(), 10 + 4);
    assert!(messages.iter().all(|message| message == "1"), "{messages:?}");
}

#[test]
fn memory_and_globals_are_fresh_for_each_instance() {
    // Writes a mark to the end of its memory and to a global; if it finds either
    // there already, it wants nothing.
    let more = "(global $mark (mut i32) (i32.const 0))";
    let body = "(if (i32.or (global.get $mark) (i32.load (i32.const 131068)))
            (then (i32.store8 (i32.const 12) (i32.const 0))))
        (global.set $mark (i32.const 1)) (i32.store (i32.const 131068) (i32.const 1))";
    let beside = Beside::component(&crate::assemble::filter(body, more));
    for object in 2..20 {
        beside.lab.announced("evil", &object.to_string(), &records("evil", 1));
    }
    let seen = beside.run();
    seen.process.empties_the_queue();
    assert_eq!(beside.lab.messages(&beside.evil).len(), 10 + 18, "wanted every time");
}
