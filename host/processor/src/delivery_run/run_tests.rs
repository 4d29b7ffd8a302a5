use model::{AwsErrorKind, Delivery, FailureKind, Fault, GuestErrorKind, Reason, Stop};

use super::in_memory::{Call, InMemory, Injected, Policy, Recorded};
use super::testing::{
    GROUP, Lab, NOW, POLICIES, assembled, delivery, failure, missing_plugin, object, outcome, record, rewriter,
    six_lines, to_log_group,
};
use crate::report::Outcome;

fn five_messages() -> Vec<String> {
    (0..5).map(|second| format!("m{second}")).collect()
}

fn events(policy: Policy) -> Lab {
    Lab::new(policy, to_log_group(), &six_lines())
}

#[test]
fn events_arrive_in_order_with_dead_letters_before_and_progress_after() {
    for policy in POLICIES {
        let lab = events(policy);
        let came = lab.run();
        assert_eq!(outcome(&came), (Outcome::Partial, Some("malformed")));
        assert_eq!(lab.messages(), five_messages());
        let letters = lab.memory.dead_letters();
        assert_eq!(
            letters.iter().map(|letter| (letter.reason, letter.lines)).collect::<Vec<_>>(),
            [(Reason::Malformed, Some((5, 5)))]
        );
        assert_eq!((came.reached, lab.done().as_deref()), (Some(5), Some("malformed")));
        let calls: Vec<Call> = lab.memory.calls().into_iter().filter(|call| *call != Call::Read).collect();
        let puts = [Call::Put, Call::Progress].repeat(3);
        let before = [Call::ObjectTime, Call::Open, Call::Stream, Call::DeadLetters];
        assert_eq!(calls, [&before[..], &puts, &[Call::Verify, Call::Done]].concat());
    }
}

#[test]
fn what_is_done_is_not_done_again_where_that_is_known_before_the_object_is_open() {
    let lab = events(Policy::LOCAL);
    lab.run();
    let again = lab.run();
    assert_eq!(outcome(&again), (Outcome::AlreadyDelivered, None));
    assert_eq!(lab.messages(), five_messages());
    // Of another state of the object nothing is known.
    lab.memory.write(&lab.object, record(0, "new"), NOW);
    assert_eq!(outcome(&lab.run()), (Outcome::Delivered, None));
    assert_eq!(lab.messages().last().unwrap(), "new");
}

/// Whatever fails, the entry has the failure with whose it is, nothing is recorded as done,
/// and the next run brings the rest: what was put twice is only what had no checkpoint yet.
#[test]
fn after_each_steps_failure_the_next_run_goes_on() {
    let steps = [
        (Call::ObjectTime, 0, 0),
        (Call::Open, 0, 0),
        (Call::Stream, 0, 0),
        (Call::DeadLetters, 0, 0),
        (Call::Put, 0, 0),
        (Call::Put, 2, 0),
        (Call::Progress, 0, 2),
        (Call::Progress, 1, 2),
        (Call::Progress, 2, 1),
        (Call::Verify, 0, 0),
        (Call::Done, 0, 0),
    ];
    for policy in POLICIES {
        for (call, after, twice) in steps {
            let (lab, at) = (events(policy), format!("{policy:?} {call:?} {after}"));
            let kind = FailureKind::Aws(AwsErrorKind::Denied);
            lab.memory.inject(call, after, Injected::Fails(failure(kind).with_fault(Fault::Destination)));
            let came = lab.run();
            assert_eq!((came.failure(), came.entry().fault), (kind, Some(Fault::Destination)), "{at}");
            assert_eq!((came.entry().error.as_deref(), lab.done()), (Some("as it was said"), None), "{at}");
            let came = lab.run();
            assert_eq!(came.entry().outcome, Outcome::Partial, "{at}");
            let mut messages = lab.messages();
            assert_eq!(messages.len(), 5 + twice, "{at}: {messages:?}");
            messages.sort();
            messages.dedup();
            assert_eq!((messages, came.reached), (five_messages(), Some(5)), "{at}");
        }
    }
}

#[test]
fn an_object_that_breaks_off_is_read_again() {
    for policy in POLICIES {
        let lab = events(policy);
        lab.memory.inject(Call::Read, 1, Injected::Fails(failure(FailureKind::Source)));
        assert_eq!(lab.run().entry().outcome, Outcome::Failed);
        assert_eq!(lab.run().entry().outcome, Outcome::Partial);
        assert_eq!(lab.messages(), five_messages());
    }
}

#[test]
fn a_put_without_an_answer_may_arrive_twice_and_the_entry_says_so() {
    for policy in POLICIES {
        let lab = events(policy);
        let unanswered = failure(AwsErrorKind::Unreachable).with_fault(Fault::Destination).with_effect_unknown(true);
        lab.memory.inject(Call::Put, 1, Injected::FailsAfterEffect(unanswered));
        let came = lab.run();
        assert_eq!((came.failure(), came.reached), (FailureKind::Aws(AwsErrorKind::Unreachable), Some(2)));
        assert!(came.entry().warnings.iter().any(|text| text.contains("arrive twice")), "{:?}", came.entry().warnings);
        lab.run();
        assert_eq!(lab.messages(), ["m0", "m1", "m2", "m3", "m2", "m3", "m4"]);
    }
}

#[test]
fn a_run_goes_on_where_the_one_before_stood_and_says_so() {
    for policy in POLICIES {
        let lab = events(policy);
        lab.memory.inject(Call::Put, 2, Injected::Fails(failure(AwsErrorKind::Throttled)));
        assert_eq!(lab.run().reached, Some(4));
        let came = lab.run();
        assert_eq!((came.entry().resumed_from_event, came.entry().counts.events), (4, 1));
        assert_eq!(lab.messages(), five_messages());
    }
}

fn recorded(lab: &Lab, change: impl FnOnce(&mut Recorded)) {
    let key = ((*lab.object).clone(), lab.delivery.tenant_id.clone(), lab.delivery.id());
    let mut recorded = lab.memory.recorded(&key).unwrap();
    recorded.done = None;
    change(&mut recorded);
    lab.memory.record(key, recorded);
}

#[test]
fn progress_of_other_guests_or_another_state_counts_for_nothing() {
    let changes: [fn(&mut Recorded); 2] = [|recorded| recorded.events_from.push('x'), |recorded| recorded.version += 1];
    for policy in POLICIES {
        for change in changes {
            let lab = events(policy);
            lab.run();
            recorded(&lab, change);
            let came = lab.run();
            assert_eq!((came.entry().resumed_from_event, lab.messages().len()), (0, 10), "{policy:?}");
        }
    }
}

#[test]
fn progress_beyond_the_objects_end_is_forgotten_or_fails_and_nothing_is_put() {
    for policy in POLICIES {
        let lab = events(policy);
        lab.run();
        recorded(&lab, |recorded| recorded.settled = 6);
        let came = lab.run();
        if policy.forgets_progress {
            assert_eq!((came.entry().outcome, came.entry().resumed_from_event), (Outcome::Partial, 0));
            assert_eq!((lab.messages().len(), came.reached), (10, Some(5)));
        } else {
            assert_eq!((came.failure(), lab.messages().len()), (FailureKind::OffsetBeyond, 5));
        }
    }
}

fn changes(memory: &InMemory) {
    memory.write(&object("c/payment/api/api-1/f.json"), record(0, "changed"), NOW);
}

#[test]
fn an_object_that_changed_is_kept_or_fails_wherever_that_is_found_out() {
    for policy in POLICIES {
        for call in [Call::ObjectTime, Call::Open, Call::Put, Call::Verify] {
            let (lab, at) = (events(policy), format!("{policy:?} {call:?}"));
            lab.memory.inject(call, 0, Injected::first(changes));
            let came = lab.run();
            let letters: Vec<Reason> = lab.memory.dead_letters().iter().map(|letter| letter.reason).collect();
            assert_eq!((came.entry().fault, lab.done()), (Some(Fault::Source), None), "{at}");
            if policy.keeps_changed {
                assert!(came.entry().has_changed(), "{at}: {:?}", came.entry());
                assert_eq!(letters.last(), Some(&Reason::Changed), "{at}");
                assert_eq!(lab.memory.dead_letters().last().unwrap().data, b"as it was announced", "{at}");
            } else {
                assert_eq!((came.failure(), letters.contains(&Reason::Changed)), (FailureKind::Changed, false), "{at}");
            }
        }
    }
}

#[test]
fn an_object_that_changed_and_cannot_be_kept_fails() {
    let lab = events(Policy::AWS);
    lab.memory.inject(Call::Open, 0, Injected::first(changes));
    lab.memory.inject(Call::DeadLetters, 0, Injected::Fails(failure(FailureKind::DeadLetter)));
    assert_eq!(lab.run().failure(), FailureKind::DeadLetter);
}

#[test]
fn what_the_filter_does_not_want_is_not_even_opened() {
    for policy in POLICIES {
        let lab = events(policy);
        let wanted = Delivery { desired_logs: vec!["other".to_owned()], ..(*lab.delivery).clone() };
        let lab = Lab { delivery: wanted.into(), ..lab };
        assert_eq!(outcome(&lab.run()), (Outcome::Filtered, None));
        assert_eq!((lab.memory.calls(), lab.done()), (vec![Call::ObjectTime], None));
    }
}

/// A component whose `log-filter` does this instead.
fn filter(body: &str) -> crate::pipeline::LoadedPlugin {
    assembled(&assemble::filter(body, ""))
}

#[test]
fn a_filter_that_fails_is_charged_to_its_component() {
    for policy in POLICIES {
        let lab = events(policy).with_plugin(filter("unreachable"));
        let came = lab.run();
        assert_eq!(came.failure(), FailureKind::Guest(GuestErrorKind::Trap));
        assert_eq!(came.entry().fault, Some(Fault::Component));
        let run = came.entry().component.as_ref().unwrap();
        assert_eq!(run.failures.sum(), 1, "{run:?}");
        assert!(lab.messages().is_empty() && lab.done().is_none());
    }
}

/// Answers `err(rejected("no"))`.
fn refusing_parser() -> Vec<u8> {
    let core = r#"(data (i32.const 8) "\01\00\00\00\00\00\00\00\00\04\00\00\02\00\00\00") (data (i32.const 1024) "no")
        (func (export "log-router:plugin/key-parser@0.1.0#parse-key") (param i32 i32) (result i32) (i32.const 8))"#;
    assemble::Parts { world: "export log-router:plugin/key-parser@0.1.0;", core, ..assemble::Parts::default() }.build()
}

#[test]
fn what_the_plugin_refuses_by_its_key_is_kept_and_its_words_are_shown_where_they_may_be() {
    for policy in POLICIES {
        let lab = events(policy).with_plugin(assembled(&refusing_parser()));
        let came = lab.run();
        assert_eq!(outcome(&came), (Outcome::Rejected, Some("guest-rejected")), "{:?}", came.entry());
        let words = if policy.guest_words { "no" } else { "the guest says why in the dead letter" };
        assert_eq!((came.entry().error.as_deref(), lab.done().as_deref()), (Some(words), Some("guest-rejected")));
        let letters = lab.memory.dead_letters();
        assert_eq!((letters.len(), letters[0].reason), (1, Reason::GuestRejected));
        assert!(letters[0].detail.ends_with(": no"), "{}", letters[0].detail);
    }
}

#[test]
fn what_is_refused_and_cannot_be_kept_fails() {
    let lab = events(Policy::AWS).with_plugin(assembled(&refusing_parser()));
    lab.memory.inject(Call::DeadLetters, 0, Injected::Fails(failure(FailureKind::DeadLetter)));
    let came = lab.run();
    assert_eq!((came.failure(), lab.done()), (FailureKind::DeadLetter, None));
}

#[test]
fn a_key_parser_that_lies_about_the_tenant_fails_its_delivery() {
    let parser = assemble::parser("", ["c", "payment", "other", "a", "p", "production"]);
    let came = events(Policy::AWS).with_plugin(assembled(&parser)).run();
    assert_eq!(came.failure(), FailureKind::Guest(GuestErrorKind::Contract));
}

#[test]
fn a_refined_origin_names_the_stream() {
    let parser = assemble::parser("", ["c", "payment", "payment", "api", "refined", "production"]);
    for policy in POLICIES {
        let lab = events(policy).with_plugin(assembled(&parser));
        assert_eq!(lab.run().entry().outcome, Outcome::Partial);
        assert_eq!((lab.memory.messages(GROUP, "refined"), lab.messages()), (five_messages(), Vec::new()));
    }
}

#[test]
fn a_plugin_that_cannot_be_had_waits_and_is_suspended_in_the_end() {
    let mut mine = delivery(to_log_group());
    mine.plugins.active = Some(missing_plugin());
    let lab = Lab { delivery: mine.into(), ..events(Policy::AWS) };
    let first = lab.run();
    assert!(matches!(first.failure(), FailureKind::Component(_)), "{:?}", first.entry());
    assert!(first.ran.plan_error.is_some_and(|error| !error.is_suspended()));
    let suspended = std::iter::repeat_with(|| lab.run()).take(20).find(|came| came.failure() == FailureKind::Suspended);
    let error = suspended.unwrap().ran.plan_error.unwrap();
    assert!(error.is_suspended() && !error.wait.is_zero(), "{error:?}");
    assert_eq!(lab.memory.calls().iter().filter(|call| **call != Call::ObjectTime).count(), 0);
}

#[test]
fn a_run_that_is_asked_to_stop_ends_with_what_was_handed_over() {
    for policy in POLICIES {
        let (lab, stop) = (events(policy), Stop::default());
        let asked = stop.clone();
        lab.memory.inject(Call::Open, 0, Injected::first(move |_| asked.request()));
        let came = lab.run_until(&stop);
        assert_eq!((came.entry().outcome, lab.done()), (Outcome::Interrupted, None));
        assert_eq!(lab.run().entry().outcome, Outcome::Partial);
        assert_eq!(lab.messages(), five_messages());
    }
}

#[test]
fn a_run_that_is_abandoned_while_a_put_hangs_does_not_know_its_effect() {
    for policy in POLICIES {
        let (lab, stop) = (events(policy), Stop::default());
        let abandoned = stop.clone();
        lab.memory.inject(Call::Put, 1, Injected::hangs(move |_| abandoned.abandon()));
        let came = lab.run_until(&stop);
        assert_eq!((came.entry().outcome, came.reached), (Outcome::Interrupted, Some(2)));
        assert!(came.entry().warnings.iter().any(|text| text.contains("arrive twice")), "{:?}", came.entry().warnings);
        lab.run();
        assert_eq!(lab.messages(), five_messages());
    }
}

#[test]
fn a_guests_refusal_in_the_middle_keeps_the_rest() {
    for policy in POLICIES {
        let lab = events(policy).with_plugin(rewriter("begin-rejected", ""));
        let came = lab.run();
        assert_eq!(outcome(&came), (Outcome::Rejected, Some("guest-rejected")), "{:?}", came.entry());
        assert_eq!(lab.memory.dead_letters()[0].reason, Reason::GuestRejected);
    }
}

/// Compiles only where a run of any port can be done on any task.
#[test]
fn it_may_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let _ = |run: &mut super::DeliveryRun<'_, super::in_memory::MemoryPort>| is_send(run.attempt());
}
