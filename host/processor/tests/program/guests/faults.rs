//! Guests as an operator meets them: through the binary.

use std::process::Command;

use crate::common::local::{Lab, finish, gzip, numbers, record, records};
use crate::shared::built;

/// Two tenants with a delivery each.
pub(crate) const TWO: &str = "
- {tenant_id: n, type: cloudwatch, enabled: true, log_group_name: /n/logs, log_distribution_role_arn: 'arn:aws:iam::111122223333:role/Logs'}
- {tenant_id: m, type: cloudwatch, enabled: true, log_group_name: /m/logs, log_distribution_role_arn: 'arn:aws:iam::444455556666:role/Logs'}
";

fn lab(guest: &str, mode: &str) -> Lab {
    let plugin = built(&format!("fixtures/{guest}-guest.wasm"));
    let lab = Lab::new().argument("--plugin").argument(plugin.to_str().unwrap());
    lab.tenants(TWO);
    lab.argument("--plugin-setting").argument(&format!("mode={mode}")).env("PLUGIN_FUEL_PER_MIB", 500_000_000)
}

#[test]
fn every_tenant_s_objects_fail_one_by_one_with_the_reason() {
    let faults = [
        ("transform:loop", "guest-fuel", "PLUGIN_FUEL_PER_MIB"),
        ("transform:memory", "guest-memory", "PLUGIN_MEMORY_BYTES"),
        ("transform:panic", "guest-trap", "unreachable"),
        ("begin:recursion", "guest-trap", "call stack exhausted"),
        ("wants:panic", "guest-trap", "in wants"),
        ("end:internal", "guest-internal", "lost my way"),
        ("flood-overlap", "guest-output", "PLUGIN_MAX_OUTPUT_RATIO"),
        ("event-max", "guest-contract", "18446744073709551615"),
    ];
    for (mode, name, says) in faults {
        let lab = lab("hostile", mode);
        let keys = ["c/m/a/p/1.json", "c/n/a/p/1.json", "c/n/a/p/2.json"];
        keys.iter().for_each(|key| drop(lab.object(key, records(10))));
        let run = lab.run();
        assert_eq!(run.code, 1, "{mode}");
        for key in keys {
            assert_eq!(run.outcome(key), "failed", "{mode}");
            assert_eq!(run.entry(key)["reason"], name, "{mode}");
            let error = run.entry(key)["error"].as_str().unwrap();
            assert!(error.contains(says), "{mode}: {error}");
            run.says(&[&format!("error: s3://logs/{key} (cloudwatch): the guest")]);
        }
        assert!(!lab.output().join("cloudwatch").exists() && !lab.output().join("dead-letter").exists(), "{mode}");
        run.says(&["run again"]);
    }
}

#[test]
fn an_object_that_its_guest_lies_about_is_the_only_one_that_fails() {
    // It lies where it meets a blank line.
    let lab = lab("hostile", "event-blank");
    lab.object("c/n/a/p/1.json", records(100));
    lab.object("c/n/a/p/2.json", records(1) + "\n");
    lab.object("c/n/a/p/3.json", records(100));
    lab.object("c/m/a/p/1.json", records(100));
    let run = lab.run();
    assert_eq!(run.code, 1);
    let outcomes = ["c/n/a/p/1.json", "c/n/a/p/2.json", "c/n/a/p/3.json", "c/m/a/p/1.json"].map(|key| run.outcome(key));
    assert_eq!(outcomes, ["delivered", "failed", "delivered", "delivered"]);
    assert_eq!(lab.messages("p").len(), 200);
    // Without the component the run again delivers what was left, and only that.
    let mut command = Command::new(env!("CARGO_BIN_EXE_log-processor"));
    command.arg("local").arg("--objects").arg(lab.objects()).arg("--tenants").arg(lab.path("tenants.yaml"));
    let done = finish(command.arg("--output").arg(lab.output()));
    assert_eq!(done.status.code(), Some(0), "{}", String::from_utf8_lossy(&done.stderr));
    assert!(lab.messages("p").ends_with(&["0".to_owned()]), "the record of 2.json");
}

#[test]
fn an_object_that_is_rejected_is_done() {
    for mode in ["wants:rejected", "begin:rejected", "transform:rejected"] {
        let lab = lab("hostile", mode);
        lab.object("c/n/a/p/1.json", records(10));
        let run = lab.done();
        assert_eq!(run.outcome("c/n/a/p/1.json"), "rejected", "{mode}");
        assert_eq!(run.entry("c/n/a/p/1.json")["reason"], "guest-rejected");
        let letters = lab.letters("c/n/a/p/1.json");
        assert_eq!(letters.len(), 1, "{mode}");
        assert!(letters[0]["detail"].as_str().unwrap().contains("not for me"));
    }
    let lab = lab("hostile", "wants:nothing");
    lab.object("c/n/a/p/1.json", records(10));
    assert_eq!(lab.done().outcome("c/n/a/p/1.json"), "filtered");
}

#[test]
fn what_a_guest_logs_is_shown_when_asked_for() {
    let lab = lab("hostile", "transform:log-some");
    lab.object("c/n/a/p/1.json", records(1));
    let run = lab.done();
    assert!(!run.stderr.contains("guest Warn"));
    assert_eq!(run.entry("c/n/a/p/1.json")["guest_log_lines"], 1_000);
    let lab = lab.argument("--guest-log").argument("--again");
    let run = lab.done();
    run.says(&["guest Warn s3://logs/c/n/a/p/1.json: 99"]);
    assert_eq!(run.stderr.lines().filter(|line| line.starts_with("guest Warn")).count(), 100);
}

#[test]
fn a_rewriter_s_events_and_dead_letters_keep_the_object_s_lines() {
    let lab = lab("rewriter", "drop").argument("--plugin-setting").argument("word=secret");
    let old = record("old", -30 * 24 * 3_600_000);
    let input =
        [record("secret", 0), record("one", 1), "\n".to_owned(), old.clone(), "{oops\n".to_owned(), record("two", 2)];
    lab.object("c/n/a/p/1.json.gz", gzip(input.concat().as_bytes()));
    let run = lab.done();
    assert_eq!(lab.messages("p"), ["one", "two"]);
    assert_eq!(run.lines("c/n/a/p/1.json.gz"), [6, 1, 2, 1, 1, 1]);
    let mut lines: Vec<(u64, String)> = lab
        .letters("c/n/a/p/1.json.gz")
        .iter()
        .map(|letter| (letter["lines"][0].as_u64().unwrap(), letter["reason"].as_str().unwrap().to_owned()))
        .collect();
    lines.sort();
    assert_eq!(lines, [(3, "too-old".to_owned()), (4, "malformed".to_owned())]);
}

#[test]
fn it_runs_where_address_space_is_short() {
    for (kib, plugin) in [(3 << 20, false), (3 << 20, true), (1 << 20, true)] {
        let lab = if plugin { lab("rewriter", "passthrough") } else { Lab::new() };
        lab.object("c/n/a/p/1.json", records(1_000));
        let inner = lab.command();
        let mut outer = Command::new("sh");
        outer
            .arg("-c")
            .arg(format!("ulimit -v {kib}; exec \"$0\" \"$@\""))
            .arg(inner.get_program())
            .args(inner.get_args());
        let output = finish(&mut outer);
        assert_eq!(output.status.code(), Some(0), "{kib} KiB: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(lab.messages("p"), numbers(1_000));
    }
}
