//! Output that says what can't be: each breaks the contract, and nothing of it goes out.

use crate::beside::Beside;

#[test]
fn of_the_transformer() {
    let lies = [
        ("event-ahead", "is reported, but only"),
        ("event-max", "18446744073709551615"),
        ("event-descending", "sources must ascend"),
        ("event-held", "is reported, but only"),
        ("note-ahead", "a note over lines"),
        ("note-reversed", "a note over lines"),
        ("note-overlap", "out of order"),
        ("note-descending", "out of order"),
        ("note-over-event", "both output and a note"),
        ("note-max", "out of order, or outside"),
        ("pending-ahead", "pending-from"),
        ("pending-max", "pending-from"),
        ("not-utf8", "utf-8"),
    ];
    for (mode, says) in lies {
        Beside::hostile(mode).fails("guest-contract", &["broke the contract in transform", says]);
    }
}

#[test]
fn of_the_rewriter() {
    let lies = [
        ("invalid-json", "is no JSON"),
        ("no-newline", "needs a newline and a source"),
        ("sources-short", "needs a newline and a source"),
        ("sources-descending", "sources must ascend"),
        ("source-ahead", "is reported, but only"),
        ("source-max", "18446744073709551615"),
        ("note-over-output", "both output and a note"),
        ("pending-ahead", "pending-from"),
    ];
    for (mode, says) in lies {
        Beside::rewriter(mode).fails("guest-contract", &["broke the contract in rewrite", says]);
    }
}

#[test]
fn lines_that_are_never_let_go() {
    let limits = serde_json::json!({"M": {"held_back_bytes": {"N": "64"}}});
    let seen = Beside::hostile("hold-everything").field("limits", limits);
    seen.fails("guest-held-back", &["are held back", "64"]);
    Beside::hostile("pending-at-end").fails("guest-contract", &["after the last one"]);
}
