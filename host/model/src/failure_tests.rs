use std::collections::BTreeSet;
use std::io;

use super::*;

#[test]
fn a_name_means_one_thing() {
    let names: Vec<&str> = FailureKind::all().map(FailureKind::name).collect();
    let different: BTreeSet<&str> = names.iter().copied().collect();
    // A precondition of a call of the source's is how it is found out that an object changed.
    assert_eq!(names.len(), different.len() + 1, "{names:?}");
    assert_eq!(FailureKind::Changed.name(), FailureKind::Aws(AwsErrorKind::Precondition).name());
    for name in names {
        assert!(name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{name}");
    }
}

#[test]
fn only_what_a_guest_did_is_its_fault() {
    for kind in FailureKind::all() {
        let expected = match kind {
            FailureKind::Guest(GuestErrorKind::Rejected | GuestErrorKind::Timeout | GuestErrorKind::Host) => false,
            kind => kind.name().starts_with("guest-"),
        };
        assert_eq!(kind.is_guests_fault(), expected, "{kind:?}");
    }
}

#[test]
fn what_is_behind_a_failure_is_kept_and_said_once() {
    let error = || io::Error::other("the disk is gone");
    let plain = Failure::of(FailureKind::Destination, error());
    assert_eq!(plain.to_string(), "the disk is gone");
    let words = plain.clone().in_words("can't write: the disk is gone");
    assert_eq!(words.to_string(), "can't write: the disk is gone");
    let source = Error::source(&words).and_then(|source| source.downcast_ref::<io::Error>());
    assert_eq!(source.map(io::Error::to_string), Some("the disk is gone".to_owned()));
    assert!(Error::source(&plain).is_none(), "its own words are its source's");
    let wrapped = Failure::of(FailureKind::Read, io::Error::other(words.clone()));
    assert_eq!(wrapped.to_string(), words.to_string());
}

#[test]
fn failures_are_the_same_where_nobody_can_tell_them_apart() {
    let failure = || Failure::new(AwsErrorKind::Denied, "no").with_fault(Fault::Destination);
    assert_eq!(failure(), Failure::of(AwsErrorKind::Denied, io::Error::other("no")).with_fault(Fault::Destination));
    for other in [
        Failure { kind: FailureKind::Internal, ..failure() },
        failure().with_fault(Fault::Host),
        failure().with_effect_unknown(true),
        failure().in_words("yes"),
    ] {
        assert_ne!(failure(), other);
    }
}

#[test]
fn all_kinds_are_there() {
    // A new kind doesn't compile here before it has its place in `PLAIN`.
    let place = |kind| match kind {
        FailureKind::Aws(_) | FailureKind::Guest(_) | FailureKind::Component(_) => 0,
        FailureKind::Suspended => 1,
        FailureKind::BreakerOpen => 2,
        FailureKind::Source => 3,
        FailureKind::Read => 4,
        FailureKind::Unreadable => 5,
        FailureKind::Changed => 6,
        FailureKind::Destination => 7,
        FailureKind::DeadLetter => 8,
        FailureKind::TenantTable => 9,
        FailureKind::InvalidDelivery => 10,
        FailureKind::Refused => 11,
        FailureKind::OffsetBeyond => 12,
        FailureKind::LinesDoNotAddUp => 13,
        FailureKind::Internal => 14,
    };
    assert!(FailureKind::PLAIN.into_iter().map(place).eq(1..=14));
}
