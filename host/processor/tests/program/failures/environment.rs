//! What an environment holds that was not meant: white space from files and secrets,
//! bytes that are no text, settings of another mode. And clients that only hold
//! connections open.

use std::ffi::OsStr;
use std::net::TcpStream;
use std::os::unix::ffi::OsStrExt;
use std::process::Command;

use fake_aws::scene::{QUEUE, SOURCE};

use crate::common::aws::{Lab, records, texts};

/// One object, manually, with a variable changed; what it ended with, and whether the
/// object arrived.
fn run(name: &str, change: impl Fn(&str) -> String) -> (i32, String, bool) {
    let lab = Lab::new();
    let env = lab.scene.env();
    let value = env.iter().find(|(variable, _)| variable == name).map(|(_, value)| value.as_str());
    let lab = lab.set(name, change(value.unwrap_or("")));
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    let ended = lab.manual(&lab.scene.notify(&lab.object("acme", "a", &records("acme", 3))));
    (ended.code, ended.stderr, lab.messages(&tenant) == texts(3))
}

/// Each works as if the white space were not there, or ends at once and names it; what
/// is a secret is never shown (which the lab looks for).
#[test]
fn white_space_at_the_ends_works_or_is_refused_by_name() {
    for name in [
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "TENANT_CONFIG_TABLE",
        "SQS_QUEUE_URL",
        "CENTRAL_LOG_DISTRIBUTION_ROLE_ARN",
        "SOURCE_BUCKET",
    ] {
        for (before, after) in [("", "\n"), ("", " "), (" ", "\r\n")] {
            let (code, said, arrived) = run(name, |value| format!("{before}{value}{after}"));
            assert!(code == 0 && arrived, "{name}: {code} {said}");
        }
    }
    for name in ["AWS_ENDPOINT_URL", "AWS_SDK_UA_APP_ID", "AWS_PROFILE", "HTTPS_PROXY"] {
        let (code, said, _) = run(name, |value| format!("{value}x\n"));
        assert!(code == 3 && said.contains(name) && said.contains("white space"), "{name}: {code} {said}");
    }
    for (name, value) in [("AWS_ACCESS_KEY_ID", "AK IA"), ("AWS_SESSION_TOKEN", "a\nb")] {
        let (code, said, _) = run(name, |_| value.to_owned());
        assert!(code == 3 && said.contains(name) && !said.contains(value), "{name}: {code} {said}");
    }
    let (code, said, arrived) = run("AWS_ENDPOINT_URL", |value| format!("{value}/"));
    assert!(code == 0 && arrived, "{said}");
    let (code, said, arrived) = run("AWS_SESSION_TOKEN", |_| "\n".to_owned());
    assert!(code == 0 && arrived, "{said}");
}

/// Whatever bytes a variable holds: no panic, and it is named.
#[test]
fn what_is_no_text_is_refused_by_name() {
    for name in ["AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "PLUGIN_CACHE_KEY", "DEAD_LETTER", "MAX_LINE_BYTES"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_log-processor"));
        let odd = OsStr::from_bytes(b"0123456789abcdef\xff");
        let ended = command.env_clear().env(name, odd).args(["--mode", "scan"]).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap();
        assert!(ended.status.code() == Some(3) && said.contains(&format!("{name} is not UTF-8")), "{said}");
        assert!(!said.contains("0123456789") && !said.contains("panicked"), "{said}");
    }
}

/// The reference's manifests of scan mode name a queue that is none.
#[test]
fn scan_mode_does_not_mind_a_queue_that_is_none() {
    let lab = Lab::new().set("SQS_QUEUE_URL", "dummy-sqs-url").set("MAX_BATCH_SIZE", 1000);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.object("acme", "a", &records("acme", 10));
    let process = lab.scan();
    assert_eq!(process.done(1), ["cloudwatch=delivered"]);
    assert_eq!(lab.messages(&tenant), texts(10));
    let line = process.says("SQS_QUEUE_URL is \"dummy-sqs-url\"");
    assert!(
        line["level"] == "WARN" && line["message"].as_str().unwrap().ends_with("scan mode doesn't use it"),
        "{line}"
    );
    assert_eq!(process.get("/readyz"), (200, "ok\n".to_owned()));
    process.terminate();
    assert!(lab.aws.messages(QUEUE).is_empty());
}

/// And one of them names no bucket: there, nothing would ever be delivered.
#[test]
fn scan_mode_needs_a_bucket() {
    let lab = Lab::new().unset("SOURCE_BUCKET").set("SQS_QUEUE_URL", "dummy-sqs-url");
    let ended = lab.start(&["--mode", "scan"], None).ended();
    assert!(ended.code == 1 && ended.stderr.contains("SOURCE_BUCKET"), "{ended:?}");
}

/// The bucket can't be listed, and can be again.
#[test]
fn a_bucket_that_can_not_be_listed_is_told_by_readyz_and_mends_itself() {
    let lab = Lab::new().set("SCAN_INTERVAL", 1);
    let tenant = lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.deny(fake_aws::PROCESSOR_ARN, "s3:ListBucket");
    lab.object("acme", "a", &records("acme", 10));
    let process = lab.scan();
    let line = process.says("it can't be reached");
    assert!(line["part"] == "bucket" && line["error"].as_str().unwrap().contains(SOURCE), "{line}");
    let (status, text) = process.get("/readyz");
    assert!(status == 503 && text.starts_with("bucket:") && !text.contains(SOURCE), "{text}");
    assert_eq!(process.get("/healthz").0, 200);
    lab.aws.allow_again(fake_aws::PROCESSOR_ARN);
    assert_eq!(process.done(1), ["cloudwatch=delivered"]);
    process.says("it can be reached again");
    assert_eq!(process.get("/readyz"), (200, "ok\n".to_owned()));
    assert_eq!(lab.messages(&tenant), texts(10));
    process.terminate();
}

#[test]
fn a_log_in_the_reference_s_words() {
    let lab = Lab::new().set("LOG_FORMAT", "reference").set("SQS_QUEUE_URL", "");
    let ended = lab.start(&["--mode", "sqs"], None).ended();
    let lines = ended.lines();
    let line = lines.iter().find(|line| line["exit_code"] == 1).unwrap();
    assert_eq!((&line["level"], &line["msg"]), (&"ERROR".into(), &"the processor can't go on".into()));
    assert!(line["time"].is_string() && line["message"].is_null() && line["timestamp"].is_null(), "{line}");
    let ended = Lab::new().set("LOG_FORMAT", "text").start(&["--mode", "sqs"], None).ended();
    assert!(ended.code == 3 && ended.stderr.contains("LOG_FORMAT is \"text\""), "{ended:?}");
}

#[test]
fn half_open_clients_keep_no_probe_out() {
    let lab = Lab::new();
    let process = lab.sqs();
    let address = process.says("serving /metrics")["address"].as_str().unwrap().to_owned();
    let held: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&address).unwrap()).collect();
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(process.get(path).0, 200, "{path}");
    }
    drop(held);
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(process.get(path).0, 200, "{path}");
    }
    process.terminate();
}
