//! Places that components come from, and that fail.

use std::io::Read;
use std::net::TcpListener;

use fake_aws::scene::CENTRAL_ROLE;
use fake_aws::{PROCESSOR_ACCOUNT, PROCESSOR_ARN, Permissions, Trust};
use sha2::{Digest, Sha256};

use crate::beside::{Beside, fixture};

fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A bucket of components that the central role may read.
fn bucket() -> Beside {
    let beside = Beside::new().set("PLUGIN_SOURCES", "s3://components/tenants/");
    let aws = &beside.lab.aws;
    aws.add_bucket(PROCESSOR_ACCOUNT, "components");
    let central = Permissions::none()
        .allow("sts:AssumeRole", "*")
        .allow("s3:GetObject", "components/*")
        .allow("s3:ListBucket", "components");
    aws.add_role(CENTRAL_ROLE, Trust::of(PROCESSOR_ARN), central);
    beside
}

#[test]
fn a_missing_object() {
    bucket()
        .named("s3://components/tenants/none.wasm", &"0".repeat(64))
        .fails("component-missing", &["s3://components/tenants/none.wasm"]);
}

#[test]
fn an_object_outside_of_what_is_allowed() {
    for key in ["other.wasm", "tenantsx/a.wasm"] {
        let beside = bucket();
        beside.lab.aws.put_object("components", key, fixture("rewriter-guest.wasm"));
        let name = format!("s3://components/{key}");
        beside.named(&name, &"0".repeat(64)).fails("component-forbidden", &[&name, "PLUGIN_SOURCES"]);
    }
}

#[test]
fn an_object_that_is_denied() {
    let beside = bucket();
    beside.lab.aws.put_object("components", "tenants/a.wasm", fixture("rewriter-guest.wasm"));
    let central = Permissions::none().allow("sts:AssumeRole", "*");
    beside.lab.aws.add_role(CENTRAL_ROLE, Trust::of(PROCESSOR_ARN), central);
    beside.named("s3://components/tenants/a.wasm", &"0".repeat(64)).fails("component-source", &["denied"]);
}

#[test]
fn an_object_that_was_replaced() {
    let bytes = fixture("rewriter-guest.wasm");
    let beside = bucket();
    beside.lab.aws.put_object("components", "tenants/a.wasm", fixture("hostile-guest.wasm"));
    beside.named("s3://components/tenants/a.wasm", &digest(&bytes)).fails("component-digest", &[&digest(&bytes)]);
}

#[test]
fn the_right_object() {
    let bytes = fixture("rewriter-guest.wasm");
    let beside = bucket().setting("mode", "passthrough");
    beside.lab.aws.put_object("components", "tenants/a.wasm", bytes.clone());
    let beside = beside.named("s3://components/tenants/a.wasm", &digest(&bytes));
    let seen = beside.run();
    assert_eq!(seen.line["deliveries"], "cloudwatch=delivered", "{}", seen.line);
    assert_eq!(beside.lab.messages(&beside.evil).len(), 10);
}

#[test]
fn a_registry_that_hangs() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming().flatten() {
            // Takes the request, and never answers.
            let mut stream = stream;
            let _ = stream.read(&mut [0; 1024]);
            kept.push(stream);
        }
    });
    let beside = Beside::new().set("PLUGIN_SOURCES", format!("oci://127.0.0.1:{port}"));
    let digest = "0".repeat(64);
    let beside = beside.named(&format!("oci://127.0.0.1:{port}/filters@sha256:{digest}"), &digest);
    beside.fails("component-source", &["oci://127.0.0.1"]);
}
