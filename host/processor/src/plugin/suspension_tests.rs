use std::time::Duration;

use super::*;
use model::{BreakerOpen, CircuitBreaker, ComponentRef, Digest, Limits, OnError};

fn plugin_use(tenant: &str) -> PluginUse {
    PluginUse { tenant: tenant.to_owned(), delivery: "cloudwatch", shadow: false }
}

fn identity(bytes: &str) -> PluginIdentity {
    PluginIdentity::Named(Arc::new(Plugin {
        component: ComponentRef::File("/c.wasm".into()),
        sha256: Some(Digest::of(bytes.as_bytes())),
        settings: Arc::default(),
        on_error: OnError::Retry,
        limits: Limits::default(),
        logs_to_operator: false,
    }))
}

fn gauge(metrics: &Metrics, tenant: &str) -> Option<String> {
    let text = metrics.render();
    let begin = "log_processor_plugin_suspended{";
    let lines = text.lines().filter(|line| line.starts_with(begin));
    let mut of = lines.filter(|line| line.contains(&format!("tenant=\"{tenant}\"")));
    of.next().map(|line| line.rsplit_once(' ').unwrap().1.to_owned())
}

/// Fails often enough to be left alone.
fn suspend(all: &Suspensions, plugin_use: &PluginUse, identity: &PluginIdentity, now: Instant) {
    for _ in 0..CircuitBreaker::FAILURE_THRESHOLD {
        all.admit(plugin_use, identity, now).unwrap().record_failure("why", now);
    }
}

#[test]
fn three_failures_in_a_row_suspend_there_only_and_a_success_clears() {
    let metrics = Metrics::new();
    let all = Suspensions::new(metrics.clone());
    let (a, one, start) = (plugin_use("a"), identity("one"), Instant::now());
    assert_eq!(gauge(&metrics, "a"), None);
    suspend(&all, &a, &one, start);
    let refused = all.admit(&a, &one, start).err();
    assert_eq!(refused, Some(BreakerOpen { retry_after: CircuitBreaker::FIRST_OPEN, cause: "why".to_owned() }));
    assert_eq!(gauge(&metrics, "a").as_deref(), Some("1"));
    for other in [
        plugin_use("b"),
        PluginUse { delivery: "s3", ..plugin_use("a") },
        PluginUse { shadow: true, ..plugin_use("a") },
    ] {
        assert!(all.admit(&other, &one, start).is_ok());
    }
    let over = start + CircuitBreaker::FIRST_OPEN;
    let probe = all.admit(&a, &one, over).unwrap();
    assert_eq!(all.admit(&a, &one, over).err().map(|refused| refused.retry_after), Some(CircuitBreaker::PROBE_RETRY));
    drop(probe);
    all.admit(&a, &one, over).unwrap().record_success(over);
    assert_eq!(gauge(&metrics, "a").as_deref(), Some("0"));
}

#[test]
fn another_component_begins_anew() {
    let metrics = Metrics::new();
    let all = Suspensions::new(metrics.clone());
    let (a, one, two, now) = (plugin_use("a"), identity("one"), identity("two"), Instant::now());
    suspend(&all, &a, &one, now);
    assert!(all.admit(&a, &two, now).is_ok());
    assert_eq!(gauge(&metrics, "a").as_deref(), Some("0"));
    suspend(&all, &a, &one, now);
    assert!(all.admit(&a, &one, now).is_err());
}

#[test]
fn nobody_is_left_alone_whom_nobody_remembers() {
    let metrics = Metrics::new();
    let all = Suspensions::new(metrics.clone());
    let (one, start) = (identity("one"), Instant::now());
    for number in 0..=MAX_PLUGINS {
        let now = start + Duration::from_millis(number as u64);
        suspend(&all, &plugin_use(&number.to_string()), &one, now);
    }
    assert_eq!(gauge(&metrics, "0").as_deref(), Some("0"));
    assert!(all.admit(&plugin_use("0"), &one, start).is_ok());
    assert!(all.admit(&plugin_use(&MAX_PLUGINS.to_string()), &one, start + Duration::from_secs(11)).is_err());
}
