use super::*;
use crate::report::EntryCounts;
use model::{DestinationKind, FailureKind, GuestErrorKind, ObjectId, Reason};

fn entry(delivery: Option<DestinationKind>, outcome: Outcome, counts: EntryCounts) -> Entry {
    let object = ObjectId { bucket: "bucket-name".to_owned(), key: "cluster/acme/app/pod/key-name".to_owned() };
    Entry { counts, ..Entry::new(&object, Some("acme-tenant"), delivery, outcome) }
}

fn done(entry: &Entry) -> FinishedDelivery<'_> {
    FinishedDelivery { entry, latency: Some(2_000), guest_time: Duration::from_millis(250) }
}

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|l| l == format!("log_processor_{line}")), "lacks {line}:\n{text}");
}

#[test]
fn deliveries_are_counted() {
    let metrics = Metrics::new();
    let counts = EntryCounts {
        lines_seen: 17,
        blank: 1,
        delivered: 7,
        filtered: 2,
        empty: 1,
        malformed: 3,
        dead_lettered: [(Reason::TooOld, 1), (Reason::LineTooLong, 3)].into(),
        left: 0,
        events: 8,
        batches: 2,
        bytes: 900,
        bytes_read: 1_200,
    };
    let delivered = entry(Some(DestinationKind::CloudWatch), Outcome::Delivered, counts);
    metrics.record_delivery(&done(&delivered));
    metrics.record_delivery(&done(&delivered));
    let failed = entry(Some(DestinationKind::S3), Outcome::Failed, EntryCounts { left: 5, ..EntryCounts::default() });
    metrics.record_delivery(&done(&failed.with_reason(FailureKind::Destination, "secret text of an error")));
    metrics.record_delivery(&done(
        &entry(None, Outcome::Rejected, EntryCounts::default()).with_reason(Reason::InvalidKey, "why"),
    ));
    let text = metrics.render();
    for line in [
        r#"deliveries_total{destination="cloudwatch",outcome="delivered",reason="none"} 2"#,
        r#"deliveries_total{destination="s3",outcome="failed",reason="destination"} 1"#,
        r#"deliveries_total{destination="none",outcome="rejected",reason="invalid-key"} 1"#,
        r#"lines_total{destination="cloudwatch",outcome="blank"} 2"#,
        r#"lines_total{destination="cloudwatch",outcome="delivered"} 14"#,
        r#"lines_total{destination="cloudwatch",outcome="filtered"} 4"#,
        r#"lines_total{destination="cloudwatch",outcome="malformed"} 6"#,
        r#"lines_total{destination="cloudwatch",outcome="dead-lettered"} 8"#,
        r#"lines_total{destination="s3",outcome="left"} 5"#,
        r#"dead_letters_total{reason="too-old"} 2"#,
        r#"dead_letters_total{reason="line-too-long"} 6"#,
        r#"dead_letters_total{reason="malformed"} 6"#,
        r#"dead_letters_total{reason="invalid-key"} 1"#,
        r#"events_total{destination="cloudwatch"} 16"#,
        r#"batches_total{destination="cloudwatch"} 4"#,
        r#"bytes_total{destination="cloudwatch"} 1800"#,
        "read_bytes_total 2400",
        "guest_seconds_total 1",
        // What failed was not delivered, and has no latency.
        r#"delivery_latency_seconds_count{destination="cloudwatch"} 2"#,
        r#"delivery_latency_seconds_bucket{destination="cloudwatch",le="1"} 0"#,
        r#"delivery_latency_seconds_bucket{destination="cloudwatch",le="2.5"} 2"#,
    ] {
        has(&text, line);
    }
    for outside in ["acme", "bucket-name", "key-name", "secret", r#"count{destination="s3"}"#] {
        assert!(!text.contains(outside), "{outside}:\n{text}");
    }
}

#[test]
fn the_rest_is_counted() {
    let metrics = Metrics::new();
    metrics.add_in_flight(1);
    metrics.add_in_flight(1);
    metrics.add_in_flight(-1);
    metrics.add_open_breaker(1);
    metrics.count_message("failed");
    metrics.count_lease("extended", 10);
    metrics.count_lease("lost", 0);
    metrics.count_tenant_lookup("hit");
    metrics.count_requeued("breaker");
    metrics.count_refused_checkpoint();
    add(&metrics.families.flushes, &["sent"], 1);
    let text = metrics.render();
    for line in [
        "messages_in_flight 1",
        "breakers_open 1",
        r#"messages_total{outcome="failed"} 1"#,
        r#"lease_extensions_total{result="extended"} 10"#,
        r#"tenant_lookups_total{result="hit"} 1"#,
        r#"requeues_total{why="breaker"} 1"#,
        "checkpoints_refused_total 1",
        r#"cloudwatch_flushes_total{result="sent"} 1"#,
        concat!(r#"build_info{version=""#, env!("CARGO_PKG_VERSION"), r#""} 1"#),
    ] {
        has(&text, line);
    }
    assert!(!text.contains("lost"), "{text}");
    let start = text.lines().find_map(|line| line.strip_prefix("process_start_time_seconds ")).unwrap();
    assert!(start.parse::<f64>().unwrap() > 1.7e9);
}

#[test]
fn what_has_no_labels_begins_at_zero() {
    let text = Metrics::new().render();
    for name in ["read_bytes_total", "guest_seconds_total", "messages_in_flight", "breakers_open"] {
        has(&text, &format!("{name} 0"));
    }
    has(&text, "checkpoints_refused_total 0");
    for reason in ["no-room", "no-number", "refused"] {
        has(&text, &format!(r#"cloudwatch_values_dropped_total{{reason="{reason}"}} 0"#));
    }
}

#[test]
fn each_outcome_is_named_as_the_report_does() {
    for outcome in [
        Outcome::Delivered,
        Outcome::Partial,
        Outcome::Rejected,
        Outcome::Filtered,
        Outcome::Ignored,
        Outcome::AlreadyDelivered,
        Outcome::Failed,
        Outcome::Interrupted,
    ] {
        assert_eq!(serde_json::to_value(outcome).unwrap(), outcome_name(outcome));
    }
}

/// A clock behind S3's makes no latency of centuries.
#[test]
fn a_latency_is_never_negative() {
    let metrics = Metrics::new();
    let entry = entry(Some(DestinationKind::S3), Outcome::Delivered, EntryCounts::default());
    metrics.record_delivery(&FinishedDelivery { latency: Some(-5), ..done(&entry) });
    has(&metrics.render(), r#"delivery_latency_seconds_sum{destination="s3"} 0"#);
}

/// A flush can be a task of its own.
#[test]
fn a_flush_can_be_spawned() {
    fn is_send<T: Send>(_: T) {}
    let _ = |metrics: &Metrics, client: &crate::aws::MetricsClient| is_send(metrics.flush(client));
}

/// A delivery with a component and its shadow.
fn with_component(tenant: &str, digest: &str) -> Entry {
    let used = sandbox::Used {
        calls: 3,
        cpu: Duration::from_millis(1_500),
        fuel: 0,
        peak_memory: 4_096,
        start: Duration::from_micros(40),
    };
    let component = ComponentRun {
        digest: digest.to_owned(),
        used,
        input_bytes: 900,
        records_in: 9,
        records_out: 7,
        dropped: 2,
        poison: 1,
        failures: [(GuestErrorKind::Trap.into(), 1)].into(),
        replaced: true,
    };
    let shadow = crate::pipeline::ShadowRun {
        digest: "e".repeat(64),
        same: 5,
        changed: 4,
        dropped: 3,
        added: 2,
        failed: 1,
        failures: [(GuestErrorKind::Fuel.into(), 1)].into(),
        ..crate::pipeline::ShadowRun::default()
    };
    let plain = entry(Some(DestinationKind::S3), Outcome::Delivered, EntryCounts::default());
    let (tenant, component, shadow) = (Some(tenant.to_owned()), Some(component), Some(shadow));
    Entry { tenant, component, shadow, guest_log_lines: 6, ..plain }
}

#[test]
fn components_are_counted_by_tenant_and_digest() {
    let metrics = Metrics::new();
    let entry = with_component("acme", &"d".repeat(64));
    metrics.record_delivery(&done(&entry));
    metrics.record_delivery(&done(&entry));
    metrics.add_suspended_component("acme", &"d".repeat(64), 1);
    metrics.count_component_loads("disk", 2);
    let text = metrics.render();
    let (active, shadow) = (r#"digest="dddddddddddd""#, r#"digest="eeeeeeeeeeee""#);
    for (name, digest, more, value) in [
        ("calls_total", active, "", "6"),
        ("cpu_seconds_total", active, "", "3"),
        ("records_total", active, r#"direction="in","#, "18"),
        ("records_total", active, r#"direction="out","#, "14"),
        ("dropped_total", active, "", "4"),
        ("poison_total", active, "", "2"),
        ("input_bytes_total", active, "", "1800"),
        ("replaced_total", active, "", "2"),
        ("log_lines_total", active, "", "12"),
        ("peak_memory_bytes", active, "", "4096"),
        ("instantiation_seconds_count", active, "", "2"),
        ("suspended", active, "", "1"),
        ("suspended", shadow, "", "0"),
    ] {
        has(&text, &format!(r#"plugin_{name}{{{digest},{more}tenant="acme"}} {value}"#));
    }
    has(&text, &format!(r#"plugin_instantiation_seconds_bucket{{{active},tenant="acme",le="0.00005"}} 2"#));
    for (digest, kind) in [(active, "guest-trap"), (shadow, "guest-fuel")] {
        has(&text, &format!(r#"plugin_failures_total{{{digest},kind="{kind}",tenant="acme"}} 2"#));
    }
    for (result, lines) in [("same", 10), ("changed", 8), ("dropped", 6), ("added", 4), ("failed", 2)] {
        has(&text, &format!(r#"plugin_shadow_lines_total{{{shadow},result="{result}",tenant="acme"}} {lines}"#));
    }
    has(&text, r#"plugin_loads_total{result="disk"} 2"#);
}

/// Whoever changes its component all the time uses up no labels but its own.
#[test]
fn components_of_one_tenant_beyond_a_number_share_its_label() {
    let metrics = Metrics::new();
    for number in 0..1_200 {
        metrics.record_delivery(&done(&with_component("restless", &format!("{number:012}"))));
    }
    metrics.record_delivery(&done(&with_component("other-tenant", "d")));
    let text = metrics.render();
    let restless = r#"tenant="restless""#;
    let calls = text.lines().filter(|line| line.starts_with("log_processor_plugin_calls_total{"));
    assert!(calls.filter(|line| line.contains(restless)).count() <= 21);
    has(&text, r#"plugin_calls_total{digest="d",tenant="other-tenant"} 3"#);
}

/// However many tenants and components there were, the labels stay a number.
#[test]
fn components_beyond_a_number_share_their_labels() {
    let metrics = Metrics::new();
    for number in 0..1_200 {
        metrics.record_delivery(&done(&with_component(&format!("tenant-{number}"), "d")));
    }
    let text = metrics.render();
    let calls = text.lines().filter(|line| line.starts_with("log_processor_plugin_calls_total{"));
    // Each tenant here has two components, one of which does no work.
    assert_eq!(calls.count(), 500 + 1);
    let rest = 1_200 - 500;
    has(&text, &format!(r#"plugin_calls_total{{digest="other",tenant="other"}} {}"#, rest * 3));
    has(&text, r#"plugin_calls_total{digest="d",tenant="tenant-0"} 3"#);
}

/// With a pair's labels all that it counted goes.
#[test]
fn who_was_silent_for_an_hour_gives_its_labels_to_another() {
    let metrics = Metrics::new();
    let start = Instant::now();
    let plugins = &metrics.families.plugins;
    for number in 0..crate::telemetry::labels::MAX_PAIRS / 2 {
        plugins.record_delivery(&with_component(&format!("tenant-{number}"), "d"), start);
    }
    let later = start + crate::telemetry::labels::STALE_AFTER;
    plugins.record_delivery(&with_component("late", "d"), later - Duration::from_secs(1));
    assert!(!metrics.families.text().contains("late"));
    for number in 1..crate::telemetry::labels::MAX_PAIRS / 2 {
        plugins.record_delivery(&with_component(&format!("tenant-{number}"), "d"), later - Duration::from_secs(1));
    }
    assert!(metrics.families.text().contains(r#"tenant="tenant-0""#));
    plugins.record_delivery(&with_component("late", "d"), later);
    let text = metrics.families.text();
    has(&text, r#"plugin_failures_total{digest="d",kind="guest-trap",tenant="late"} 1"#);
    assert!(!text.contains(r#"tenant="tenant-0""#), "nothing of it is left");
}
