//! A component that keeps failing is left alone for a while; one that is only slow
//! never is.

use std::time::Duration;

use fake_aws::scene::QUEUE;

use crate::aws::{records, texts};
use crate::beside::{Beside, THEIRS};
use crate::guest::Guest;

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
    std::thread::sleep(Duration::from_millis(1_200));
    for tenant in ["loops", "missing"] {
        let key = seen.beside.lab.announced(tenant, "another", &records(tenant, 5));
        let line = seen.object(&key);
        assert_eq!(line["deliveries"], "cloudwatch=delivered", "{line}");
        assert_eq!(seen.messages(tenant), texts(5));
        assert!(seen.process.metric("log_processor_plugin_suspended", &[&format!("tenant=\"{tenant}\"")]) < 0.5);
    }
    // What it had left alone waits its time out; nothing of it is lost.
    let left = seen.beside.lab.aws.messages(QUEUE);
    assert!(left.iter().any(|message| message.body.contains("left-alone")));
}

#[test]
fn one_that_only_takes_its_time_is_held_to_nothing() {
    let endless = |on_error: &str| Guest::hostile("transform:loop").says("on_error", on_error);
    let beside = Beside::new().set("PLUGIN_FUEL_PER_MIB", 1_000_000_000_000_000_u64).set("PLUGIN_TIMEOUT", 1);
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
