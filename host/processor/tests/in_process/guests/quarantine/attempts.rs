//! Several attempts at an object, several instances, and a search that is stopped.

use super::*;

#[test]
fn an_attempt_goes_on_from_any_event() {
    let all = lines(12, &[0, 3, 4, 11]);
    let case = |name: &str| match name {
        "records" => hostile("records").set("hold", "102"),
        _ => both().set("poison-transform", "bad"),
    };
    for name in ["records", "both"] {
        let run = |from: u64| case(name).lines(&strs(&all)).chunks(30).resume_from(from).run();
        let whole = run(0);
        for from in 0..=8 {
            let came = run(from);
            assert_eq!(came.is_complete().messages(), whole.messages()[from as usize..], "{name}");
            assert_eq!(came.sink.letters, whole.sink.letters);
            assert_eq!((came.counts(), came.component()), (whole.counts(), whole.component()));
        }
    }
}

#[test]
fn the_number_of_an_event_holds_only_for_what_decides_events() {
    let digest_of = |case: &Case, numbers, change: fn(&mut Origin, &mut Delivery)| {
        let job = case.job(cloudwatch());
        let (mut origin, mut delivery) = (Origin::clone(&job.origin), Delivery::clone(&job.delivery));
        change(&mut origin, &mut delivery);
        case.plan().digest(1 << 20, numbers, &origin, &delivery)
    };
    let digest = |case: &Case, change| digest_of(case, TimestampNumbers::Magnitude, change);
    let case = || Case::of(Some(&WORLD.both)).set("poison", "hunter2");
    let other = Limits { fuel_per_mib: 7_000_000, ..limits() };
    let all = [
        digest(&case(), |_, _| ()),
        digest(&case().on_error(OnError::Quarantine), |_, _| ()),
        digest(&case().on_error(OnError::Default), |_, _| ()),
        digest(&case().set("more", ""), |_, _| ()),
        digest(&Case::of(Some(&WORLD.both.with_limits(other))).set("poison", "hunter2"), |_, _| ()),
        digest(&Case::of(Some(&WORLD.hostile)).set("poison", "hunter2"), |_, _| ()),
        digest(&Case::of(None), |_, _| ()),
        digest(&case(), |origin, _| origin.application = "other".to_owned()),
        digest(&case(), |_, delivery| delivery.groups = vec!["other".to_owned()]),
        digest(&case(), |_, delivery| delivery.desired_logs = vec!["other".to_owned()]),
        digest_of(&case(), TimestampNumbers::Reference, |_, _| ()),
    ];
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
    assert!(all.iter().all(|digest| digest.len() == 64 && !digest.contains("hunter2")));
    assert_eq!(all[0], digest(&case(), |_, _| ()));
    // What only a shadow does, and who sees its log, decides nothing.
    assert_eq!(all[0], digest(&case().shadow(&WORLD.hostile, &[]), |_, _| ()));
}

#[test]
fn the_logs_of_all_instances_together_are_bounded() {
    let all = lines(100, &[50]);
    let log = hostile("transform:log-some").lines(&strs(&all)).run().is_complete().delivered.guest_log.clone();
    assert!(log.lines > 5_000, "{}", log.lines);
    assert_eq!(log.kept.len(), 10);
}

/// Asks to stop as soon as it gets a letter.
struct StopsAtALetter(Stop);

impl EventSink for StopsAtALetter {
    async fn put(&self, _: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        Ok(Vec::new())
    }

    async fn dead_letters(&self, _: &[DeadLetter]) -> Result<(), Failure> {
        self.0.request();
        Ok(())
    }

    async fn checkpoint(&self, _: u64) -> Result<(), Failure> {
        Ok(())
    }
}

#[test]
fn a_search_ends_where_it_is_asked_to() {
    let poison: Vec<usize> = (0..60).collect();
    let all = lines(60, &poison);
    let (case, stop) = (hostile("honest").lines(&strs(&all)), Stop::default());
    let sink = StopsAtALetter(stop.clone());
    let delivered = block_on(case.deliver(stop, &sink));
    assert_eq!(delivered.end, End::Interrupted);
    let dead = delivered.lines.dead_lettered[&Reason::Poison];
    assert!((1..50).contains(&dead), "{dead}");
    assert_eq!(delivered.lines.left, 60 - dead);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is poison, whatever is held back, wherever chunks are cut: what is
    /// delivered and the poison are the input, in order, each once.
    #[test]
    fn only_the_poison_is_ever_missing(
        poison in prop::collection::vec(prop::bool::weighted(0.3), 1..60),
        hold in "[0-4]{1,4}",
        held in (0_usize..4, 0_usize..4),
        chunk_bytes in prop_oneof![Just(1_usize), 1_usize..300],
    ) {
        let poison: Vec<usize> = (0..).zip(&poison).filter(|(_, is)| **is).map(|(at, _)| at).collect();
        let all = lines(60, &poison);
        only_the_poison_is_missing(&hostile("records").set("hold", &hold).lines(&strs(&all)).chunks(chunk_bytes).run(), &all);
        let late = hostile("hold-everything").set("late", "1").lines(&strs(&all)).chunks(chunk_bytes).run();
        only_the_poison_is_missing(&late, &all);
        for part in ["poison-rewrite", "poison-transform"] {
            let case = both().set(part, "bad").set("hold-rewrite", &held.0.to_string());
            let case = case.set("hold-transform", &held.1.to_string());
            only_the_poison_is_missing(&case.lines(&strs(&all)).chunks(chunk_bytes).run(), &all);
        }
    }
}
