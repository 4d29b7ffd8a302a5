//! Output that says what can't be: each breaks the contract, and nothing of it goes out.

use super::beside::Beside;
use super::guest::Guest;

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
    let beside = lies.iter().fold(Beside::new(), |beside, (mode, says)| {
        beside.fails(mode, Guest::hostile(mode), "guest-contract", &["broke the contract in transform", says])
    });
    beside.run();
}

#[test]
fn of_the_transformer_about_lines_that_were_settled_or_are_blank() {
    // Chunks of a line or two, and a line that is blank.
    let lines = |tenant: &str| {
        format!("{}\n{}", crate::common::aws::records(tenant, 3), crate::common::aws::records(tenant, 3))
    };
    let lies = [("event-blank", "is blank"), ("event-blank-late", "is blank")];
    let beside =
        lies.iter().fold(Beside::new(), |beside, (mode, _)| beside.with(mode, Guest::hostile(mode), &lines(mode)));
    let seen = beside.run();
    for (mode, says) in lies {
        seen.failed(mode, "guest-contract", &[says]);
        seen.waits(mode);
    }
}

#[test]
fn of_the_rewriter() {
    let lies = [
        ("invalid-json", "is no JSON"),
        ("no-newline", "needs a newline and a source"),
        ("newline-inside", "needs a newline and a source"),
        ("sources-short", "needs a newline and a source"),
        ("sources-descending", "sources must ascend"),
        ("source-ahead", "is reported, but only"),
        ("source-max", "18446744073709551615"),
        ("note-over-output", "both output and a note"),
        ("pending-ahead", "pending-from"),
    ];
    let beside = lies.iter().fold(Beside::new(), |beside, (mode, says)| {
        beside.fails(mode, Guest::rewriter(mode), "guest-contract", &["broke the contract in rewrite", says])
    });
    beside.run();
}

#[test]
fn lines_that_are_never_let_go() {
    let holds = Guest::hostile("hold-everything").limit("held_back_bytes", 1_024);
    Beside::new()
        .fails("holds", holds, "guest-held-back", &["are held back", "1024", "PLUGIN_MAX_HELD_BYTES"])
        .fails("pending", Guest::hostile("pending-at-end"), "guest-contract", &["after the last one"])
        .run();
}
