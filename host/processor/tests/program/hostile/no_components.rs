//! What an item may name that is no component, or not the one that it says.

use std::fs::File;

use serde_json::json;

use super::beside::Beside;
use super::guest::{Guest, fixture};
use assemble::filter;

#[test]
fn what_is_something_else() {
    let module = wat::parse_str("(module)").unwrap();
    let compiled = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest/default.cwasm")).unwrap();
    let mut program = std::fs::read("/proc/self/exe").unwrap();
    program.truncate(1 << 20);
    let machine = "machine code, which is never taken from outside";
    // Its digest is right: nobody has damaged it on the way.
    let refused = |beside: Beside, name, bytes: &[u8], says| {
        beside.fails(name, Guest::of(bytes), "component-refused", &[says, "wasm-tools component new"])
    };
    let beside = refused(Beside::new(), "module", &module, "no WebAssembly component but a core module");
    let beside = refused(beside, "text", b"hello\n", "but a text");
    let beside = refused(beside, "empty", b"", "but an empty file");
    let beside = refused(beside, "program", &program, machine);
    let beside = refused(beside, "precompiled", &compiled, machine);
    refused(beside, "noise", &[0xff; 1000], "but something else").run();
}

#[test]
fn what_is_damaged() {
    let whole = fixture("rewriter-guest.wasm");
    let mut odd = whole.clone();
    odd.iter_mut().skip(200).step_by(997).for_each(|byte| *byte ^= 0x55);
    Beside::new()
        .fails("half", Guest::of(&whole[..whole.len() / 2]), "component-refused", &["can't be compiled"])
        .fails("almost", Guest::of(&whole[..whole.len() - 1]), "component-refused", &["can't be compiled"])
        .fails("preamble", Guest::of(&whole[..8]), "component-refused", &["exports no interface of the contract"])
        .fails("changed", Guest::of(&odd), "component-refused", &["can't be compiled"])
        .run();
}

#[test]
fn what_is_too_large() {
    let beside = Beside::new();
    let path = beside.lab.path("plugins/huge.wasm");
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let huge = Guest::named(&format!("file:{}", path.display()), &"0".repeat(64));
    let lower = Guest::rewriter("passthrough").limit("component_bytes", 10_000);
    beside
        .fails("huge", huge, "component-too-large", &["1073741824", "67108864", "PLUGIN_MAX_COMPONENT_BYTES"])
        .fails("lower", lower, "component-too-large", &["10000", "component_bytes"])
        .run();
}

#[test]
fn a_wrong_digest_and_a_missing_file() {
    let wrong = Guest::of(&filter("", "")).says("sha256", &"ab".repeat(32));
    let beside = Beside::new();
    let path = beside.lab.path("plugins/none.wasm");
    let missing = Guest::named(&format!("file:{}", path.display()), &"0".repeat(64));
    beside
        .fails("digest", wrong, "component-digest", &[&"ab".repeat(32), "`sha256`"])
        .fails("missing", missing, "component-missing", &["none.wasm", "put it there"])
        .run();
}

#[test]
fn a_place_that_the_operator_does_not_allow() {
    let digest = "0".repeat(64);
    let beside = Beside::new();
    // Links are followed before it is judged.
    let link = beside.lab.path("plugins/link.wasm");
    std::os::unix::fs::symlink("/etc/passwd", &link).unwrap();
    let folder = beside.lab.path("plugins").display().to_string();
    let places = [
        ("file", "file:/etc/passwd".to_owned()),
        ("parent", format!("file:{folder}/../../../../../../../../../etc/passwd")),
        ("link", format!("file:{}", link.display())),
        ("s3", "s3://secrets/x.wasm".to_owned()),
        ("oci", format!("oci://registry.example.com/x@sha256:{digest}")),
        ("inside", format!("oci://169.254.169.254/latest@sha256:{digest}")),
    ];
    let beside = places.iter().fold(beside, |beside, (name, component)| {
        beside.fails(name, Guest::named(component, &digest), "component-forbidden", &["PLUGIN_SOURCES"])
    });
    beside.run();
}

#[test]
fn an_item_that_is_wrong_fails_closed() {
    let guest = || Guest::rewriter("passthrough");
    let component = "file:/opt/components/a.wasm";
    let no_digest = json!({"M": {"component": {"S": component}}});
    let cases = [
        ("unknown", guest().says("on_eror", "default").plugin(), "on_eror"),
        ("above", guest().limit("memory_bytes", 1 << 40).plugin(), "plugin.limits.memory_bytes"),
        ("value", guest().says("on_error", "ignore").plugin(), "on_error"),
        ("digest", no_digest, "sha256"),
        ("tag", Guest::named("oci://registry.example.com/x:latest", &"0".repeat(64)).plugin(), "component"),
        ("text", json!({"S": component}), "plugin"),
    ];
    let mut beside = Beside::new();
    for (name, item, _) in &cases {
        beside = beside.add(name, guest());
        beside.item(name, item);
    }
    let seen = beside.run();
    for (name, _, says) in cases {
        let line = seen.came(name, "cloudwatch=failed(invalid-delivery)");
        assert!(line["error"].as_str().unwrap().contains(says), "{says}: {line}");
        seen.waits(name);
    }
}
