use super::*;
use crate::guest::GuestError;
use crate::model::{ComponentRef, Digest, Limits, OnError};

fn place(tenant: &str) -> Place {
    Place { tenant: tenant.to_owned(), delivery: "cloudwatch", shadow: false }
}

fn which(bytes: &str) -> Which {
    Which::Named(Arc::new(Plugin {
        component: ComponentRef::File("/c.wasm".into()),
        sha256: Some(Digest::of(bytes.as_bytes())),
        settings: Arc::default(),
        on_error: OnError::Retry,
        limits: Limits::default(),
        logs_to_operator: false,
    }))
}

fn gauge(metrics: &Metrics, tenant: &str) -> Option<String> {
    let text = metrics.text();
    let begin = "log_processor_plugin_suspended{";
    let lines = text.lines().filter(|line| line.starts_with(begin));
    let mut of = lines.filter(|line| line.contains(&format!("tenant=\"{tenant}\"")));
    of.next().map(|line| line.rsplit_once(' ').unwrap().1.to_owned())
}

/// Fails often enough to be left alone.
fn suspend(all: &Suspensions, place: &Place, which: &Which, now: Instant) {
    for _ in 0..Rest::FAILURES {
        all.failed(place, which, "why", now);
    }
}

#[test]
fn three_failures_in_a_row_suspend_and_a_success_clears() {
    let metrics = Metrics::new();
    let all = Suspensions::new(metrics.clone());
    let (a, one, start) = (place("a"), which("one"), Instant::now());
    for _ in 0..2 {
        assert_eq!(all.failed(&a, &one, "first", start), Duration::ZERO);
        all.failed(&a, &one, "first", start);
        all.succeeded(&a, &one);
    }
    assert_eq!(gauge(&metrics, "a"), None);
    all.failed(&a, &one, "first", start);
    all.failed(&a, &one, "second", start);
    assert_eq!(all.check(&a, &one, start), Ok(()));
    assert_eq!(all.failed(&a, &one, "third", start), Rest::FIRST);
    let suspended = Suspended { wait: Rest::FIRST, last: "third".to_owned() };
    assert_eq!(all.check(&a, &one, start), Err(suspended));
    assert_eq!(gauge(&metrics, "a").as_deref(), Some("1"));
    // Only there.
    assert_eq!(all.check(&place("b"), &one, start), Ok(()));
    assert_eq!(all.check(&Place { delivery: "s3", ..place("a") }, &one, start), Ok(()));
    assert_eq!(all.check(&Place { shadow: true, ..place("a") }, &one, start), Ok(()));
    let over = start + Rest::FIRST;
    assert_eq!(all.check(&a, &one, over), Ok(()), "one tries");
    assert_eq!(all.check(&a, &one, over).map_err(|suspended| suspended.wait), Err(Rest::TRIAL));
    all.undecided(&a);
    assert_eq!(all.check(&a, &one, over), Ok(()), "nothing came of it: the next tries");
    all.succeeded(&a, &one);
    assert_eq!(gauge(&metrics, "a").as_deref(), Some("0"));
    assert_eq!(all.failed(&a, &one, "anew", over), Duration::ZERO);
}

#[test]
fn another_component_begins_anew() {
    let metrics = Metrics::new();
    let all = Suspensions::new(metrics.clone());
    let (a, one, two, now) = (place("a"), which("one"), which("two"), Instant::now());
    suspend(&all, &a, &one, now);
    all.succeeded(&a, &two);
    assert!(all.check(&a, &one, now).is_err(), "what another did says nothing of it");
    assert_eq!(all.check(&a, &two, now), Ok(()));
    assert_eq!(gauge(&metrics, "a").as_deref(), Some("0"));
    suspend(&all, &a, &one, now);
    assert_eq!(all.failed(&a, &two, "first", now), Duration::ZERO, "its own failures count, no others");
    assert_eq!(gauge(&metrics, "a").as_deref(), Some("0"));
}

#[test]
fn what_is_remembered_is_bounded_and_makes_room() {
    let metrics = Metrics::new();
    let all = Suspensions::new(metrics.clone());
    let (one, start) = (which("one"), Instant::now());
    for number in 0..MOST {
        suspend(&all, &place(&number.to_string()), &one, start);
    }
    suspend(&all, &place("more"), &one, start);
    assert_eq!(all.lock().len(), MOST);
    assert_eq!(all.check(&place("more"), &one, start), Ok(()));
    let later = start + Rest::LONGEST * 3;
    suspend(&all, &place("later"), &one, later);
    assert_eq!(all.lock().len(), 1);
    assert_eq!(gauge(&metrics, "0").as_deref(), Some("0"), "nobody is left alone whom nobody remembers");
    assert!(all.check(&place("later"), &one, later).is_err());
}

#[test]
fn faults_by_name_are_those_of_the_errors() {
    let function = "f";
    let text = || String::new();
    let limit = |limit| GuestError::Limit { function, limit, detail: text() };
    let errors = [
        GuestError::Rejected { function, text: text() },
        GuestError::Internal { function, text: text() },
        GuestError::Trap { function, what: text() },
        limit("fuel"),
        limit("memory"),
        limit("output"),
        limit("held-back"),
        GuestError::Timeout { function, seconds: 1 },
        GuestError::Forbidden { function, what: text() },
        GuestError::Host { what: text() },
        GuestError::Contract { function, what: text() },
    ];
    for error in errors {
        assert_eq!(is_fault(error.name()), error.is_guests_fault(), "{error}");
    }
    for other in ["denied", "source", "component-digest", "destination"] {
        assert!(!is_fault(other), "{other}");
    }
}
