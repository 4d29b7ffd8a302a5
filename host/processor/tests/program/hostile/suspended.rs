//! A component that keeps failing is left alone for a while; one that is only slow
//! never is.

use fake_aws::scene::QUEUE;

use super::beside::{Beside, THEIRS};
use super::guest::Guest;
use crate::common::aws::{CANARY, now, record, records};

/// Fuel that no loop uses up.
const ENDLESS: u64 = 1_000_000_000_000_000;

#[test]
fn one_that_keeps_failing_is_suspended_until_it_is_another() {
    let beside = Beside::new().add("loops", Guest::hostile("transform:loop"));
    let beside = beside.add("missing", Guest::rewriter("passthrough").says("sha256", &"0".repeat(64)));
    for tenant in ["loops", "missing"] {
        for object in 2..5 {
            beside.lab.announced(tenant, &object.to_string(), &records(tenant, 1));
        }
    }
    let seen = beside.run();
    seen.failed("loops", "guest-fuel", &["in transform"]);
    seen.failed("missing", "component-digest", &["sha256"]);
    for (tenant, last) in [("loops", "fuel limit in transform"), ("missing", "SHA-256")] {
        seen.process.wait("its suspension", || seen.metric("suspended", tenant, &[]) > 0.5);
        let key = seen.beside.lab.announced(tenant, "left-alone", &records(tenant, 1));
        let line = seen.object(&key);
        assert_eq!(line["deliveries"], "cloudwatch=failed(component-suspended)", "{line}");
        let error = line["error"].as_str().unwrap();
        assert!(error.contains("not tried") && error.contains("s more; at last:") && error.contains(last), "{line}");
        seen.waits(tenant);
        // It is as good as new with another digest, also where the settings stay.
        let right = Guest::rewriter("transform:loop").item(&seen.beside.lab);
        seen.beside.item(tenant, &right);
    }
    for tenant in ["loops", "missing"] {
        let messages: Vec<_> = (0..5).map(|number| format!("{CANARY} another {number}")).collect();
        let lines: String = messages.iter().zip(now() - 1000..).map(|(text, at)| record(tenant, text, at)).collect();
        // Until what was known of the item is forgotten.
        let mut attempt = 0;
        seen.process.wait("another component", || {
            attempt += 1;
            let line = seen.object(&seen.beside.lab.announced(tenant, &format!("another-{attempt}"), &lines));
            let is_tried = line["deliveries"] == "cloudwatch=delivered";
            assert!(is_tried || line["deliveries"] == "cloudwatch=failed(component-suspended)", "{line}");
            is_tried
        });
        // What had failed may have come again by now.
        let mut arrived = seen.messages(tenant);
        arrived.retain(|message| message.contains("another"));
        assert_eq!(arrived, messages);
        assert!(seen.process.metric("log_processor_plugin_suspended", &[&format!("tenant=\"{tenant}\"")]) < 0.5);
        // What it had left alone waits its time out; nothing of it is lost.
        let is_left_alone = |text: &str| text.contains(&format!("/{tenant}/")) && text.contains("left-alone");
        let left = seen.beside.lab.aws.messages(QUEUE);
        let done = seen.lines(tenant).into_iter().filter(|line| line["deliveries"] == "cloudwatch=delivered");
        assert!(
            left.iter().any(|message| is_left_alone(&message.body))
                || done.into_iter().any(|line| is_left_alone(line["key"].as_str().unwrap()))
        );
    }
}

/// They never end while this runs: whoever waited for them would not be delivered.
#[test]
fn endless_work_of_many_holds_up_no_other() {
    let names: Vec<_> = (0..8).map(|number| format!("endless-{number}")).collect();
    let mut beside = Beside::new().set("PLUGIN_FUEL_PER_MIB", ENDLESS).set("PLUGIN_TIMEOUT", 900);
    for name in &names {
        beside = beside.add(name, Guest::hostile("transform:loop"));
        for object in 2..5 {
            beside.lab.announced(name, &object.to_string(), &records(name, THEIRS));
        }
    }
    let seen = beside.until_healthy();
    for name in &names {
        assert!(seen.lines(name).is_empty() && seen.messages(name).is_empty(), "{name} is still at work");
    }
}

#[test]
fn one_that_only_takes_its_time_is_held_to_nothing() {
    let endless = |on_error: &str| Guest::hostile("transform:loop").says("on_error", on_error);
    let beside = Beside::new().set("PLUGIN_FUEL_PER_MIB", ENDLESS).set("PLUGIN_TIMEOUT", 2);
    let beside = beside
        .fails("retry", endless("retry"), "guest-timeout", &["PLUGIN_TIMEOUT", "in transform"])
        .fails("quarantine", endless("quarantine"), "guest-timeout", &["PLUGIN_TIMEOUT"])
        .fails("default", endless("default"), "guest-timeout", &["PLUGIN_TIMEOUT"]);
    for object in 2..5 {
        beside.lab.announced("retry", &object.to_string(), &records("retry", THEIRS));
    }
    let seen = beside.run();
    seen.process.wait("four attempts", || seen.lines("retry").len() >= 4);
    for tenant in ["retry", "quarantine", "default"] {
        for line in seen.lines(tenant) {
            assert_eq!(line["deliveries"], "cloudwatch=failed(guest-timeout)", "{line}");
        }
        for metric in ["suspended", "failures_total", "replaced_total", "poison_total"] {
            assert!(seen.metric(metric, tenant, &[]) < 0.5, "{tenant}: {metric}");
        }
        seen.waits(tenant);
    }
}
