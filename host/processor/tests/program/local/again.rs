//! What a second run does, and what settings and flags change.

use crate::common::local::{Lab, finish, gzip, numbers, record, records, write};
use crate::common::{output, stream};

const BOTH: &str = "
- {tenant_id: n, type: cloudwatch, enabled: true, log_group_name: /n/logs, log_distribution_role_arn: 'arn:aws:iam::111122223333:role/Logs'}
- {tenant_id: n, type: s3, enabled: true, bucket_name: archive, bucket_prefix: a/b///}
";

fn lab() -> Lab {
    let lab = Lab::new();
    lab.tenants(BOTH);
    lab.object("c/n/a/p/1.json.gz", gzip(records(100).as_bytes()));
    lab.object("c/n/a/p/2.json", record("two", -1) + "{oops\n");
    lab.object("c/n/a/q/deep/er/3.json.gz", &gzip(records(100).as_bytes())[..400]);
    lab.object("short", "x");
    lab
}

fn outcomes(report: &serde_json::Value) -> Vec<(String, u64)> {
    let outcomes = report["totals"]["outcomes"].as_object().unwrap();
    outcomes.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap())).collect()
}

#[test]
fn a_second_run_delivers_nothing_and_again_delivers_all() {
    let lab = lab();
    let first = lab.done();
    let written = output::contents(&lab.output());
    let stream = "cloudwatch/111122223333/us-east-1/n/logs/p.ndjson";
    assert_eq!(written[stream].iter().filter(|&&byte| byte == b'\n').count(), 101);
    let copy = std::fs::read(lab.objects().join("logs/c/n/a/q/deep/er/3.json.gz")).unwrap();
    assert!(written["s3/archive/a/b/n/a/q/3.json.gz"] == copy, "{:?}", written.keys());
    let second = lab.done();
    assert!(output::contents(&lab.output()) == written, "a second run changed something");
    assert_eq!(second.total("events") + second.total("bytes") + second.total("lines_seen"), 0);
    assert_eq!(outcomes(&second.report), [("already-delivered".to_owned(), 6), ("rejected".to_owned(), 1)]);
    let lab = lab.argument("--again");
    let third = lab.done();
    assert_eq!(outcomes(&third.report), outcomes(&first.report));
    assert_eq!(third.total("events"), first.total("events"));
    let again = output::contents(&lab.output());
    assert_eq!(again.keys().collect::<Vec<_>>(), written.keys().collect::<Vec<_>>());
    assert_eq!(again[stream], [&written[stream][..], &written[stream][..]].concat());
    for (name, bytes) in written.iter().filter(|(name, _)| !name.starts_with("cloudwatch/")) {
        assert!(again[name] == *bytes, "{name} is written anew, not appended to");
    }
}

#[test]
fn what_is_new_or_changed_is_delivered_and_nothing_else() {
    let lab = lab();
    lab.done();
    lab.object("c/n/a/p/4.json", record("four", -1));
    write(&lab.objects().join("logs/c/n/a/p/2.json"), record("changed", -1).as_bytes(), 1_795_428_000_001);
    let run = lab.done();
    assert_eq!(run.total("events"), 2);
    assert_eq!(lab.messages("p")[100..], ["two", "changed", "four"]);
    assert!(lab.letters("c/n/a/p/2.json").is_empty(), "the malformed line is gone");
}

#[test]
fn the_report_takes_the_place_of_the_table() {
    let lab = lab();
    let said = finish(lab.command().args(["--report", "-"]));
    assert!(said.status.success());
    let report: serde_json::Value = serde_json::from_slice(&said.stdout).expect("JSON and nothing else");
    assert_eq!(report["totals"]["objects"], 4);
    let table = finish(&mut lab.command());
    assert!(serde_json::from_slice::<serde_json::Value>(&table.stdout).is_err());
    assert!(String::from_utf8(table.stdout).unwrap().contains("total"));
}

#[test]
fn batches_are_as_large_as_they_may_be() {
    for most in [1, 7, 10_000] {
        let lab = Lab::new().env("MAX_BATCH_SIZE", most);
        lab.object("c/n/a/p/f", records(10_010));
        lab.object("c/n/a/q/f", records(most as i64));
        let run = lab.done();
        let path = |pod: &str| lab.output().join(crate::common::local::GROUP).join(format!("{pod}.ndjson"));
        let batches = stream::check(&path("p"), most);
        assert_eq!(batches.len(), 10_010_usize.div_ceil(most));
        assert_eq!(stream::check(&path("q"), most), [most]);
        assert_eq!(run.entry("c/n/a/p/f")["batches"], batches.len());
        assert_eq!(lab.messages("p"), numbers(10_010));
    }
    // Two events that fill a call to the last byte, and one byte more.
    for (more, batches) in [(0, 1), (1, 2)] {
        let lab = Lab::new();
        let half = "h".repeat(1_048_576 / 2 - 26);
        lab.object("c/n/a/p/f", record(&half, -2) + &record(&format!("{half}{}", "+".repeat(more)), -1));
        assert_eq!(lab.done().total("batches"), batches);
    }
}

#[test]
fn desired_logs_and_groups_decide_and_their_names_are_compared_as_they_should() {
    let item = |tenant: &str, wanted: &str| {
        format!("- {{tenant_id: {tenant}, type: s3, enabled: true, bucket_name: bucket-{tenant}, {wanted}}}\n")
    };
    let wanted = [
        ("t0", "", "kube-apiserver Kube-apiserver oauth-server etcd"),
        ("t1", "desired_logs: ['']", "kube-apiserver Kube-apiserver oauth-server etcd"),
        ("t2", "desired_logs: [etcd]", "etcd"),
        ("t3", "groups: [api]", "kube-apiserver"),
        ("t4", "groups: [Nobody]", ""),
        ("t5", "groups: [AUTHENTICATION], desired_logs: [Kube-apiserver]", "Kube-apiserver oauth-server"),
        ("t6", "groups: [], desired_logs: []", "kube-apiserver Kube-apiserver oauth-server etcd"),
    ];
    let lab = Lab::new();
    lab.tenants(&wanted.iter().map(|(tenant, wanted, _)| item(tenant, wanted)).collect::<String>());
    for (tenant, ..) in wanted {
        for application in ["kube-apiserver", "Kube-apiserver", "oauth-server", "etcd"] {
            lab.object(&format!("c/{tenant}/{application}/p/f"), "x");
        }
    }
    let run = lab.done();
    run.says(&["unknown group", "Nobody"]);
    for (tenant, _, applications) in wanted {
        for application in ["kube-apiserver", "Kube-apiserver", "oauth-server", "etcd"] {
            let expected = applications.split(' ').any(|wanted| wanted == application);
            let outcome = run.outcome(&format!("c/{tenant}/{application}/p/f")).to_owned();
            assert_eq!(outcome, if expected { "delivered" } else { "filtered" }, "{tenant} {application}");
            let copy = format!("s3/bucket-{tenant}/ROSA/cluster-logs/{tenant}/{application}/p/f");
            assert_eq!(lab.output().join(copy).exists(), expected);
        }
    }
}
