//! Many tenants at once: those that fail hold up no other.

use std::time::Duration;

use fake_aws::scene::{CloudWatchTenant, QUEUE};
use fake_aws::{Effect, Rule, Service};
use serde_json::Value;

use super::support::{at_once, calls, denied};
use crate::common::aws::{Lab, NEVER, Process, records};

/// Delivers ten objects of each tenant, to the last of them.
fn deliver(lab: &Lab, process: &Process, tenants: &[CloudWatchTenant], round: &str, between: impl Fn(usize)) {
    let before: Vec<_> = tenants.iter().map(|tenant| lab.messages(tenant).len()).collect();
    for number in 0..10 {
        between(number);
        for tenant in tenants {
            lab.announced(&tenant.name, &format!("{round}-{number}"), &records(&tenant.name, 3));
        }
    }
    process.wait("the healthy ones' objects", || {
        tenants.iter().zip(&before).all(|(tenant, before)| lab.messages(tenant).len() >= before + 30)
    });
}

/// Eight failing tenants beside two healthy ones, whose messages come between
/// and behind theirs. They may have failed `from_the_start`, or worked before, so
/// that much of each is at work when it begins. What hangs does so for longer than the
/// test may take: whoever waited for it would never be delivered. (When a place is
/// given up, `intake::message::permits` tests.)
fn eight_fail(places: usize, from_the_start: bool, how: impl Fn(usize) -> Rule) {
    let lab = Lab::new().may_extend().set("MAX_CONCURRENT_OBJECTS", places).set("REQUEST_TIMEOUT", NEVER);
    let add = |name: String| lab.scene.add_cloudwatch_tenant(&name);
    let healthy: Vec<_> = (0..2).map(|n| add(format!("healthy-{n}"))).collect();
    let failing: Vec<_> = (0..8).map(|n| add(format!("failing-{n}"))).collect();
    let process = lab.sqs();
    deliver(&lab, &process, &healthy, "alone", |_| {});
    if !from_the_start {
        deliver(&lab, &process, &failing, "before", |_| {});
    }
    for (number, tenant) in failing.iter().enumerate() {
        lab.aws.fault(how(number).operation("PutLogEvents").account(&tenant.account));
    }
    deliver(&lab, &process, &healthy, "crowd", |number| {
        for tenant in &failing {
            lab.announced(&tenant.name, &number.to_string(), &records(&tenant.name, 3));
        }
    });
    assert!(lab.aws.receives(QUEUE).values().all(|&times| times == 1), "nothing is given back for fairness");
    assert_eq!(lab.count(Service::Sqs, "ChangeMessageVisibilityBatch"), 0);
    process.wait("their lines", || {
        let healthy = |line: &Value| line["tenant"].as_str().is_some_and(|tenant| tenant.starts_with("healthy"));
        let lines: Vec<_> = process.objects().into_iter().filter(healthy).collect();
        lines.len() == 40 && lines.iter().all(|line| line["deliveries"] == "cloudwatch=delivered")
    });
    process.kill();
}

#[test]
fn eight_tenants_that_hang_throttle_or_deny_hold_up_no_other() {
    eight_fail(8, true, |number| match number % 4 {
        0 | 1 => Rule::new(Effect::Hang),
        2 => Rule::new(Effect::Throttle),
        _ => denied("PutLogEvents"),
    });
}

#[test]
fn eight_tenants_that_all_hang_hold_up_no_other() {
    eight_fail(16, true, |_| Rule::new(Effect::Hang));
}

#[test]
fn eight_tenants_that_all_begin_to_hang_hold_up_no_other() {
    eight_fail(16, false, |_| Rule::new(Effect::Hang));
}

#[test]
fn no_more_than_the_settings_say_are_at_work() {
    let lab = Lab::new().set("MAX_CONCURRENT_OBJECTS", 5).set("MAX_CONCURRENT_PER_TENANT", 2);
    let tenants: Vec<_> = (0..4).map(|n| lab.scene.add_cloudwatch_tenant(&format!("tenant-{n}"))).collect();
    let each = Duration::from_millis(100);
    lab.aws.latency(Service::Logs, each);
    let process = lab.sqs();
    deliver(&lab, &process, &tenants, "", |_| {});
    process.empties_the_queue();
    let puts = calls(&lab.aws, Service::Logs, "PutLogEvents");
    // How many get so far, `intake::message::permits` tests.
    let most = at_once(puts.iter(), each);
    assert!((2..=5).contains(&most), "{most} at once");
    for tenant in &tenants {
        let own = puts.iter().filter(|put| put.who.as_ref().is_some_and(|who| *who.account == *tenant.account));
        assert!(at_once(own, each) <= 2, "{}", tenant.name);
    }
    process.terminate();
}

/// Retries are bounded for each tenant by itself: what one uses up is its own.
#[test]
fn a_tenant_that_is_throttled_without_end_slows_no_other() {
    let lab = Lab::new().set("RETRY_ATTEMPTS", 4);
    let throttled = lab.scene.add_cloudwatch_tenant("throttled");
    let other = lab.scene.add_cloudwatch_tenant("other");
    let throttle = || Rule::new(Effect::Throttle).operation("PutLogEvents");
    let process = lab.sqs();
    deliver(&lab, &process, std::slice::from_ref(&other), "alone", |_| {});
    lab.aws.fault(throttle().account(&throttled.account));
    // A throttling of its own is retried by its own means.
    lab.aws.fault(throttle().account(&other.account).times(1));
    deliver(&lab, &process, std::slice::from_ref(&other), "beside", |number| {
        lab.announced("throttled", &number.to_string(), &records("throttled", 3));
    });
    let of = |name: &str| {
        let lines = process.objects().into_iter().filter(|line| line["tenant"] == name);
        lines.map(|line| line["deliveries"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    process.wait("its lines", || of("other").len() == 20);
    assert!(of("other").iter().all(|outcome| outcome == "cloudwatch=delivered"));
    process.wait("a failure", || of("throttled").iter().any(|outcome| outcome == "cloudwatch=failed(throttled)"));
    process.kill();
}
