//! A rewriter before S3: what is uploaded is what it left.

use crate::common::local::{Lab, gzip, record};
use crate::common::output;
use crate::shared::built;

const TO_S3: &str = "
- {tenant_id: n, type: s3, enabled: true, bucket_name: archive, bucket_prefix: a/}
";

fn lab(mode: &str) -> Lab {
    let plugin = built("fixtures/rewriter-guest.wasm");
    let lab = Lab::new().argument("--plugin").argument(plugin.to_str().unwrap());
    lab.tenants(TO_S3);
    lab.argument("--plugin-setting")
        .argument(&format!("mode={mode}"))
        .argument("--plugin-setting")
        .argument("word=secret")
}

fn lines() -> String {
    (0..5_000).map(|n| record(&format!("{} {n}", if n % 5 == 0 { "secret" } else { "plain" }), -1)).collect()
}

fn unzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(bytes), &mut plain).unwrap();
    plain
}

#[test]
fn an_upload_is_gzip_where_its_source_is_and_the_same_on_every_run() {
    let run = || {
        let lab = lab("drop");
        lab.object("c/n/a/p/1.json.gz", gzip(lines().as_bytes()));
        lab.object("c/n/a/p/2.json", lines());
        // The name only hints.
        lab.object("c/n/a/p/3.json", gzip(lines().as_bytes()));
        lab.object("c/n/a/p/4.json.gz", lines());
        let run = lab.done();
        assert_eq!(run.lines("c/n/a/p/1.json.gz"), [5_000, 0, 4_000, 1_000, 0, 0]);
        output::contents(&lab.output().join("s3"))
    };
    let written = run();
    let left: String = lines().split_inclusive('\n').filter(|line| !line.contains("secret")).collect();
    let names: Vec<&str> = written.keys().map(String::as_str).collect();
    let expected = ["1.json.gz", "2.json", "3.json", "4.json.gz"].map(|name| format!("archive/a/n/a/p/{name}"));
    assert_eq!(names, expected);
    let [one, two, three, four] = expected.map(|name| written[&name].clone());
    assert_eq!(two, left.as_bytes());
    assert_eq!(four, two);
    assert_eq!(unzip(&one), two);
    assert_eq!(three, one, "nothing of the name or the time is in it");
    assert_eq!(run(), written);
}

#[test]
fn no_line_left_is_no_object() {
    let lab = lab("drop");
    lab.object("c/n/a/p/1.json.gz", gzip(record("secret", 0).repeat(10).as_bytes()));
    lab.object("c/n/a/p/2.json", "\n\n");
    lab.object("c/n/a/p/3.json", "");
    let run = lab.done();
    assert_eq!(run.lines("c/n/a/p/1.json.gz"), [10, 0, 0, 10, 0, 0]);
    assert_eq!(run.lines("c/n/a/p/2.json"), [2, 2, 0, 0, 0, 0]);
    assert!(output::files(&lab.output().join("s3")).is_empty());
}

#[test]
fn a_lie_leaves_no_object() {
    let lab = lab("invalid-json");
    lab.object("c/n/a/p/1.json", lines());
    let run = lab.run();
    assert_eq!(run.code, 1);
    assert_eq!(run.entry("c/n/a/p/1.json")["reason"], "guest-contract");
    run.says(&["is no JSON"]);
    assert!(output::files(&lab.output().join("s3")).is_empty());
}

#[test]
fn of_a_damaged_object_the_whole_lines_are_rewritten() {
    let lab = lab("duplicate");
    let bytes = gzip(lines().as_bytes());
    lab.object("c/n/a/p/1.json.gz", &bytes[..bytes.len() / 2]);
    let run = lab.run();
    assert_eq!(run.outcome("c/n/a/p/1.json.gz"), "partial");
    let [seen, _, delivered, ..] = run.lines("c/n/a/p/1.json.gz");
    assert!(delivered > 0 && seen <= delivered + 1);
    let written = output::contents(&lab.output().join("s3"));
    let written = unzip(&written["archive/a/n/a/p/1.json.gz"]);
    assert_eq!(written.split_inclusive(|&byte| byte == b'\n').count() as u64, 2 * delivered);
}

#[test]
fn a_component_that_rewrites_nothing_leaves_a_plain_copy() {
    let plugin = built("fixtures/hostile-guest.wasm");
    let lab = Lab::new().argument("--plugin").argument(plugin.to_str().unwrap());
    lab.tenants(TO_S3);
    let lab = lab.argument("--plugin-setting").argument("mode=transform:panic");
    let bytes = gzip(lines().as_bytes());
    lab.object("c/n/a/p/1.json.gz", &bytes);
    lab.done();
    assert_eq!(output::contents(&lab.output().join("s3"))["archive/a/n/a/p/1.json.gz"], bytes);
}
