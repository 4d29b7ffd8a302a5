use model::{AwsErrorKind, Failure, FailureKind, Fault, Reason, Stop};

use super::in_memory::{Call, Injected, Policy};
use super::testing::{Lab, NOW, POLICIES, failure, object, outcome, record, rewriter, six_lines, to_bucket};
use crate::report::Outcome;

/// With a plugin that drops each line that has `word`.
fn rewritten(policy: Policy, word: &str) -> Lab {
    Lab::new(policy, to_bucket(), &six_lines()).with_plugin(rewriter("drop", word))
}

fn copied(policy: Policy) -> Lab {
    Lab::new(policy, to_bucket(), &six_lines())
}

#[test]
fn a_copy_is_the_object_as_it_is_and_says_whose_copy_it_replaced() {
    for policy in POLICIES {
        let lab = copied(policy);
        let came = lab.run();
        assert_eq!(outcome(&came), (Outcome::Delivered, None));
        let copy = lab.memory.object(&lab.target()).unwrap();
        assert_eq!((copy.bytes, came.entry().counts.bytes), (six_lines().into_bytes(), six_lines().len() as u64));
        assert_eq!((came.entry().counts.lines_seen, came.entry().warnings.len()), (0, 0));
        let other = object("other/payment/api/api-1/f.json");
        lab.memory.write(&other, six_lines(), NOW);
        let came = Lab { object: other.into(), ..lab }.run();
        assert!(came.entry().warnings[0].contains("replaces the copy of another object"), "{:?}", came.entry());
    }
}

#[test]
fn a_copy_that_fails_is_charged_to_whom_the_port_says_and_tried_again() {
    for policy in POLICIES {
        for (kind, charged) in [(AwsErrorKind::Denied, Fault::Destination), (AwsErrorKind::Archived, Fault::Source)] {
            let lab = copied(policy);
            let denied = failure(kind).with_fault(charged).with_effect_unknown(true);
            lab.memory.inject(Call::Copy, 0, Injected::Fails(denied));
            let came = lab.run();
            assert_eq!((came.failure(), came.entry().fault), (kind.into(), Some(charged)));
            assert!(came.entry().warnings[0].contains("arrive twice"), "{:?}", came.entry());
            assert!(lab.memory.object(&lab.target()).is_none() && lab.done().is_none());
            assert_eq!(lab.run().entry().outcome, Outcome::Delivered);
        }
    }
}

#[test]
fn a_copy_of_an_object_that_changed_is_none() {
    let lab = copied(Policy::AWS);
    lab.memory.inject(Call::Copy, 0, Injected::Fails(failure(FailureKind::Changed).with_fault(Fault::Source)));
    let came = lab.run();
    assert!(came.entry().has_changed(), "{:?}", came.entry());
    assert_eq!(lab.memory.dead_letters()[0].reason, Reason::Changed);
}

#[test]
fn a_copy_that_hangs_ends_when_it_is_abandoned() {
    let (lab, stop) = (copied(Policy::AWS), Stop::default());
    let abandoned = stop.clone();
    lab.memory.inject(Call::Copy, 0, Injected::hangs(move |_| abandoned.abandon()));
    assert_eq!(outcome(&lab.run_until(&stop)), (Outcome::Interrupted, None));
}

#[test]
fn a_copy_is_compared_with_what_a_shadow_would_have_left() {
    for policy in POLICIES {
        let lab = copied(policy).with_shadow("m3");
        let came = lab.run();
        let shadow = came.entry().shadow.clone().unwrap();
        assert_eq!((came.entry().outcome, shadow.same, shadow.dropped), (Outcome::Delivered, 5, 1), "{shadow:?}");
        assert!(lab.memory.object(&lab.target()).is_some());
    }
}

#[test]
fn what_cannot_be_read_for_a_shadow_alone_fails_nothing_and_leaves_no_letter() {
    for kind in [FailureKind::Source, FailureKind::Changed] {
        let lab = copied(Policy::AWS).with_shadow("m3");
        lab.memory.inject(Call::Open, 0, Injected::Fails(failure(kind)));
        let came = lab.run();
        assert_eq!((outcome(&came), came.entry().shadow.is_none()), ((Outcome::Delivered, None), true));
        assert_eq!((lab.memory.dead_letters().len(), lab.done().as_deref()), (0, Some("delivered")));
    }
}

#[test]
fn a_rewritten_object_is_what_the_plugin_made_of_it() {
    for policy in POLICIES {
        let lab = rewritten(policy, "m1");
        let came = lab.run();
        assert_eq!((came.entry().outcome, came.entry().counts.filtered), (Outcome::Delivered, 1), "{:?}", came.entry());
        let written = String::from_utf8(lab.memory.object(&lab.target()).unwrap().bytes).unwrap();
        assert_eq!((written.lines().count(), written.contains("m1")), (5, false), "{written}");
        assert_eq!(came.entry().counts.bytes, written.len() as u64);
        assert_eq!((came.entry().guest_log_lines, lab.memory.guest_log_lines()), (1, 1), "it says that it has begun");
        assert_eq!(lab.done().as_deref(), Some("delivered"));
    }
}

#[test]
fn an_object_that_is_rewritten_to_nothing_leaves_none() {
    for policy in POLICIES {
        let lab = Lab::new(policy, to_bucket(), &record(0, "gone")).with_plugin(rewriter("drop", "gone"));
        let came = lab.run();
        assert_eq!((outcome(&came), came.entry().counts.bytes), ((Outcome::Delivered, None), 0));
        assert!(lab.memory.object(&lab.target()).is_none());
    }
}

#[test]
fn an_upload_that_fails_leaves_nothing_and_is_tried_again() {
    for policy in POLICIES {
        for call in [Call::Open, Call::Read, Call::Write, Call::Finish] {
            let (lab, at) = (rewritten(policy, "m1"), format!("{policy:?} {call:?}"));
            let denied: Failure = failure(AwsErrorKind::Denied).with_fault(Fault::Destination);
            lab.memory.inject(call, 0, Injected::Fails(denied));
            let came = lab.run();
            if call != Call::Read {
                assert_eq!(came.failure(), FailureKind::Aws(AwsErrorKind::Denied), "{at}");
                assert_eq!(came.entry().fault, Some(Fault::Destination), "{at}");
            }
            assert_eq!((came.entry().outcome, came.entry().counts.bytes), (Outcome::Failed, 0), "{at}");
            assert!(lab.memory.object(&lab.target()).is_none() && lab.done().is_none(), "{at}");
            assert_eq!(lab.run().entry().outcome, Outcome::Delivered, "{at}");
        }
    }
}
