//! Guests that answer at random: whatever the host believes, the lines add up.

use std::collections::BTreeMap;

use log_processor::pipeline::End;

use super::harness::{Came, Case, record};

const CASES: u64 = 1_500;

/// Runs many; says how often each end came.
fn ends(run: impl Fn(u64) -> Came) -> BTreeMap<&'static str, u64> {
    let mut ends = BTreeMap::new();
    for seed in 0..CASES {
        let came = run(seed);
        // The harness has seen that the lines add up; here that none was lost.
        let end = match &came.delivered.end {
            End::Complete => "complete",
            End::Rejected(reason) => reason.name(),
            End::Failed(failure) => {
                let name = failure.kind.name();
                assert!(["guest-contract", "guest-output"].contains(&name), "seed {seed}: {failure}");
                assert_eq!(came.delivered.lines.delivered, 0, "seed {seed}: no window was full");
                name
            }
            End::Interrupted => "interrupted",
        };
        *ends.entry(end).or_default() += 1;
    }
    ends
}

fn input(seed: u64) -> String {
    let line = |n| match (seed + n) % 7 {
        0 => "\n".to_owned(),
        1 => "  \n".to_owned(),
        2 => "nonsense\n".to_owned(),
        n => record(&format!("{n}")) + "\n",
    };
    (0..seed % 23).map(line).collect()
}

fn chunk_bytes(seed: u64) -> usize {
    [1, 60, 200, 1 << 16][seed as usize % 4]
}

#[test]
fn a_transformer() {
    let ends = ends(|seed| {
        let case = Case::hostile("random").set("hold", &seed.to_string());
        case.input(input(seed)).chunks(chunk_bytes(seed)).run()
    });
    assert!(ends["complete"] > CASES / 5 && ends["guest-contract"] > CASES / 10, "{ends:?}");
}

#[test]
fn a_rewriter_before_the_default_guest() {
    let case = |seed: u64| {
        let case = Case::rewriter("random").set("word", &seed.to_string());
        case.input(input(seed)).chunks(chunk_bytes(seed))
    };
    let ends_of_events = ends(|seed| case(seed).run());
    assert!(ends_of_events["complete"] > CASES / 5, "{ends_of_events:?}");
    assert!(ends_of_events["guest-contract"] > CASES / 20, "{ends_of_events:?}");
    let ends_of_uploads = ends(|seed| case(seed).run_upload());
    assert!(ends_of_uploads["complete"] > CASES / 5, "{ends_of_uploads:?}");
}
