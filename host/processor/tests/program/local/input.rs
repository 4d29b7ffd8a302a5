//! Input that is wrong: what it says, how it exits, and that the rest goes on.

use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use crate::common::local::{Lab, TENANT, finish, record, records};

/// Exit code and standard error of a command line.
fn said(command: &mut Command) -> (i32, String, String) {
    let output = finish(command);
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[track_caller]
fn refused(lab: &Lab, parts: &[&str]) {
    let run = lab.run();
    assert_eq!(run.code, 3, "{}", run.stderr);
    run.says(parts);
    assert!(!lab.output().join("cloudwatch").exists(), "nothing is delivered then");
}

#[test]
fn the_command_line() {
    let program = || Command::new(env!("CARGO_BIN_EXE_log-processor"));
    // Without arguments it is a Lambda, as the reference is; the image's command passes
    // one empty argument.
    for arguments in [&[][..], &[""]] {
        let (code, _, stderr) = said(program().args(arguments).env_remove("AWS_LAMBDA_RUNTIME_API"));
        assert_eq!(code, 1);
        assert!(stderr.contains("AWS_LAMBDA_RUNTIME_API") && stderr.contains("`local`"), "{stderr}");
    }
    let (code, stdout, _) = said(program().args(["local", "--help"]));
    assert!(code == 0 && stdout.contains("MAX_LINE_BYTES") && stdout.contains("--again"), "{stdout}");
    assert_eq!(said(program().arg("--version")).0, 0);
    let lab = Lab::new();
    let (code, _, stderr) = said(lab.command().arg("--agian"));
    assert!(code == 2 && stderr.contains("--again"), "{stderr}");
    let (code, _, stderr) = said(program().args(["local", "--objects", "x"]));
    assert!(code == 2 && stderr.contains("--tenants") && stderr.contains("--output"), "{stderr}");
    assert_eq!(said(program().arg("lambda")).0, 2);
}

#[test]
fn settings_are_refused_all_at_once() {
    let lab = Lab::new().env("MAX_LINE_BYTES", "many").env("MAX_BATCH_SIZE", 10_001).env("MAX_OBJECT_BYTES", -1);
    lab.tenants("nonsense");
    std::fs::remove_dir(lab.objects()).unwrap();
    refused(
        &lab,
        &["MAX_LINE_BYTES", "MAX_BATCH_SIZE", "MAX_OBJECT_BYTES", "many", "10001", "tenants.yaml", "--objects"],
    );
    let lab = Lab::new().env("LOG_LEVEL", "LOUD").env("MAX_LINE_BYTES", "");
    lab.done().says(&["LOG_LEVEL", "LOUD", "INFO"]);
    let bytes = std::ffi::OsStr::from_bytes(b"1\xff");
    let (code, _, stderr) = said(lab.command().env("MAX_BATCH_SIZE", bytes));
    assert!(code == 3 && stderr.contains("MAX_BATCH_SIZE"), "{stderr}");
}

#[test]
fn folders_that_are_none() {
    let lab = Lab::new();
    std::fs::remove_dir(lab.objects()).unwrap();
    refused(&lab, &["--objects", "objects", "no such folder", "<bucket>/<key>"]);
    std::fs::write(lab.objects(), "a file").unwrap();
    refused(&lab, &["--objects", "no such folder"]);
    std::fs::remove_file(lab.objects()).unwrap();
    std::fs::create_dir(lab.objects()).unwrap();
    let empty = lab.done();
    assert_eq!(empty.total("objects"), 0);
}

#[test]
fn tenant_files_that_can_not_be_used() {
    let lab = Lab::new();
    lab.object("c/n/a/p/f", record("x", 0));
    let files = [
        ("", vec!["tenants.yaml", "empty"]),
        ("- {tenant_id: n", vec!["tenants.yaml:"]),
        ("a text", vec!["list of items"]),
        (
            "- {tenant_id: n, type: cloudwatch, enabled: true}",
            vec!["\"n\"", "log_group_name", "log_distribution_role_arn"],
        ),
        ("- {tenant_id: n, type: carrier-pigeon, enabled: true}", vec!["\"n\"", "type", "carrier-pigeon", "s3"]),
        ("- {tenant_id: n, type: s3, enabled: 'yes', bucket_name: bbb}", vec!["\"n\"", "enabled", "true or false"]),
        ("- {tenant_id: n, type: s3, enabled: true, bucket_name: B}", vec!["\"n\"", "bucket_name", "\"B\""]),
        ("- {type: s3, enabled: true, bucket_name: bbb}", vec!["item 1", "tenant_id"]),
        ("- {tenant_id: 12, type: s3, enabled: true, bucket_name: bbb}", vec!["tenant_id", "quotes"]),
        (
            "- {tenant_id: n, type: s3, enabled: true, bucket_name: bbb, desired_logs: {etcd: 1}}",
            vec!["desired_logs", "list"],
        ),
    ];
    for (text, parts) in files {
        lab.tenants(text);
        refused(&lab, &parts);
    }
    lab.tenants(&TENANT.replace("111122223333", "1111"));
    refused(&lab, &["\"n\"", "log_distribution_role_arn", "12 digits"]);
    lab.tenants(&(TENANT.to_owned() + "  - {tenant_id: n, type: cloudwatch}\n"));
    refused(&lab, &["\"n\"", "type", "again"]);
    std::fs::write(lab.path("tenants.yaml"), b"- \xff").unwrap();
    refused(&lab, &["tenants.yaml:1", "UTF-8"]);
    std::fs::remove_file(lab.path("tenants.yaml")).unwrap();
    refused(&lab, &["tenants.yaml", "--tenants"]);
    std::fs::create_dir(lab.path("tenants.yaml")).unwrap();
    refused(&lab, &["tenants.yaml", "is a folder"]);
}

/// The tenant's other delivery goes on, and so do other tenants'.
#[test]
fn a_component_that_can_not_be_used_stops_its_delivery_only() {
    let lab = Lab::new();
    let item =
        "  - {tenant_id: n, type: s3, enabled: true, bucket_name: bbb, plugin: {component: 'file:x', sha256: 1}}\n";
    lab.tenants(&(TENANT.to_owned() + item));
    lab.object("c/n/a/p/f", record("x", 0));
    let run = lab.run();
    assert_eq!(run.code, 1);
    let entry = |delivery: &str| run.report["entries"].as_array().unwrap().iter().find(|e| e["delivery"] == delivery);
    assert_eq!(entry("cloudwatch").unwrap()["outcome"], "delivered");
    let stopped = entry("s3").unwrap();
    assert_eq!((&stopped["outcome"], &stopped["reason"]), (&"failed".into(), &"invalid-delivery".into()));
    run.says(&["tenants.yaml:", "\"n\"", "field plugin.sha256: found the number 1", "put it in quotes"]);
    assert!(!lab.output().join("s3").join("bbb").exists());
}

#[test]
fn keys_and_tenants_that_lead_nowhere() {
    let lab = Lab::new();
    lab.tenants(&(TENANT.to_owned() + "  - {tenant_id: off, type: s3, bucket_name: x}\n"));
    let keys = ["f", "c/n/a/f", "c/n/a/ /f", "\u{a0}/n/a/p/f", "c/nobody/a/p/f", "c/off/a/p/f", "c/n/a/p/f"];
    for key in keys {
        lab.object(key, record("x", 0));
    }
    let run = lab.done();
    for key in &keys[..4] {
        assert_eq!((run.outcome(key), &run.entry(key)["reason"]), ("rejected", &"invalid-key".into()), "{key}");
        let letters = lab.output().join("dead-letter/logs").join(key).join("object.ndjson");
        let [letter] = crate::common::output::letters(&letters).try_into().unwrap();
        assert_eq!((&letter["key"], &letter["reason"]), (&(*key).into(), &"invalid-key".into()));
        run.says(&[&format!("s3://logs/{key}")]);
    }
    assert_eq!(run.entry("c/nobody/a/p/f")["reason"], "unknown-tenant");
    assert_eq!(run.entry("c/off/a/p/f")["reason"], "none-enabled");
    run.says(&["\"nobody\": the tenant file has no item", "\"off\": no delivery of this tenant is enabled"]);
    assert_eq!((run.outcome("c/n/a/p/f"), lab.messages("p").len()), ("delivered", 1));
    assert_eq!(run.total("events"), 1);
}

#[test]
fn a_flood_of_warnings_hides_no_error() {
    let lab = Lab::new().env("MAX_CONCURRENT_OBJECTS", 1);
    lab.tenants(TENANT);
    let pods = (0..60).map(|number| lab.object(&format!("c/n/a/p/{number:02}"), "no record\n"));
    let pod = pods.collect::<Vec<_>>().pop().unwrap().parent().unwrap().to_path_buf();
    std::os::unix::fs::symlink("nothing", pod.join("last")).unwrap();
    let run = lab.run();
    assert_eq!(run.code, 1);
    run.says(&["more messages about objects follow", &pod.join("last").display().to_string()]);
}

/// Root can read everything, so these are unreadable in other ways.
#[test]
fn what_is_no_file_is_named_and_hangs_nothing() {
    let both = TENANT.to_owned() + "  - {tenant_id: n, type: s3, enabled: true, bucket_name: bbb}\n";
    let lab = Lab::new();
    lab.tenants(&both);
    let pod = lab.object("c/n/a/p/f", record("x", 0)).parent().unwrap().to_path_buf();
    std::os::unix::fs::symlink(&pod, pod.join("loop")).unwrap();
    std::os::unix::fs::symlink("nothing", pod.join("dangling")).unwrap();
    std::os::unix::fs::symlink("self", pod.join("self")).unwrap();
    std::os::unix::fs::symlink(pod.join("f"), pod.join("link")).unwrap();
    assert!(Command::new("mkfifo").arg(pod.join("pipe")).status().unwrap().success());
    std::os::unix::net::UnixListener::bind(pod.join("socket")).unwrap();
    std::fs::write(lab.objects().join("outside"), "x").unwrap();
    std::fs::write(pod.join("a"), records(1)).unwrap();
    let run = lab.run();
    assert_eq!(run.code, 1, "something is left to do");
    for name in ["loop", "dangling", "self", "pipe", "socket"] {
        let key = format!("c/n/a/p/{name}");
        assert_eq!((run.outcome(&key), &run.entry(&key)["reason"]), ("failed", &"unreadable".into()));
        run.says(&[&pod.join(name).display().to_string()]);
    }
    run.says(&["no regular file", "objects/outside", "<bucket>/<key>"]);
    assert_eq!(lab.messages("p").len(), 3, "the file, the link to it, and a");
    std::fs::remove_file(pod.join("pipe")).unwrap();
    assert_eq!(lab.run().total("events"), 0, "what was delivered is not repeated");
}

#[test]
fn names_that_are_no_utf8_are_told() {
    let lab = Lab::new();
    let good = lab.object("c/n/a/p/f", record("x", 0));
    let bad = std::ffi::OsStr::from_bytes(b"bad-\xff");
    std::fs::write(good.with_file_name(bad), "x").unwrap();
    let run = lab.run();
    assert_eq!((run.code, lab.messages("p").len()), (1, 1));
    run.says(&["bad-", "UTF-8"]);
}

fn mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

/// As a user who may not read everything: root becomes one.
#[test]
fn what_this_user_may_not_read_or_write_is_named() {
    let root = std::fs::metadata("/proc/self").unwrap();
    let root = std::os::unix::fs::MetadataExt::uid(&root) == 0;
    let lab = Lab::new();
    let file = lab.object("c/n/a/p/f", record("x", 0));
    let folder = lab.object("c/n/a/q/f", record("x", 0)).parent().unwrap().to_path_buf();
    lab.object("c/n/a/r/f", record("x", 0));
    std::fs::create_dir(lab.output()).unwrap();
    mode(&lab.path(""), 0o755);
    let run = || {
        let mut command = lab.command();
        if root {
            command.uid(65_534).gid(65_534);
        }
        command
    };
    if run().arg("--help").output().is_err() {
        println!("skipped: another user can't run what lies here");
        return;
    }
    if root {
        let (code, _, stderr) = said(&mut run());
        assert!(code == 3 && stderr.contains("let this user write there"), "{stderr}");
    }
    mode(&lab.output(), 0o777);
    mode(&lab.path("tenants.yaml"), 0o000);
    let (code, _, stderr) = said(&mut run());
    assert!(code == 3 && stderr.contains("tenants.yaml") && stderr.contains("let this user read it"), "{stderr}");
    mode(&lab.path("tenants.yaml"), 0o644);
    mode(&file, 0o000);
    mode(&folder, 0o000);
    let (code, _, stderr) = said(&mut run());
    assert_eq!(code, 1, "{stderr}");
    for part in ["c/n/a/p/f", "let this user read it", "c/n/a/q: the folder can't be listed"] {
        assert!(stderr.contains(part), "{stderr}");
    }
    mode(&file, 0o644);
    mode(&folder, 0o755);
    let (code, _, stderr) = said(&mut run());
    assert_eq!(code, 0, "{stderr}");
    for pod in ["p", "q", "r"] {
        assert_eq!(lab.messages(pod), ["x"]);
    }
}

#[test]
fn a_component_that_is_none() {
    let lab = Lab::new();
    lab.object("c/n/a/p/f", record("x", 0));
    std::fs::write(lab.path("no.wasm"), "no component").unwrap();
    for file in ["no.wasm", "missing.wasm", "objects"] {
        let run = finish(lab.command().arg("--plugin").arg(lab.path(file)));
        assert_eq!(run.status.code(), Some(3));
        assert!(String::from_utf8(run.stderr).unwrap().contains(&format!("{file}: ")), "{file}");
    }
    let run = finish(lab.command().args(["--plugin-setting", "a=b"]));
    assert_eq!(run.status.code(), Some(2), "a setting without a component");
}
