//! What an item may name that is no component, or not the one that it says.

use std::fs::File;

use crate::assemble::filter;
use crate::beside::{Beside, fixture};

#[test]
fn a_core_module_a_text_and_machine_code() {
    let module = wat::parse_str("(module)").unwrap();
    Beside::component(&module).fails("component-refused", &["no WebAssembly component but a core module"]);
    Beside::component(b"hello\n").fails("component-refused", &["but a text"]);
    Beside::component(b"").fails("component-refused", &["but an empty file"]);
    let mut elf = std::fs::read("/proc/self/exe").unwrap();
    elf.truncate(1 << 20);
    Beside::component(&elf).fails("component-refused", &["machine code, which is never taken from outside"]);
}

#[test]
fn a_precompiled_file() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/guest/default.cwasm");
    let compiled = std::fs::read(path).unwrap();
    Beside::component(&compiled).fails("component-refused", &["machine code, which is never taken from outside"]);
}

#[test]
fn a_truncated_component() {
    let whole = fixture("rewriter-guest.wasm");
    Beside::component(&whole[..whole.len() / 2]).fails("component-refused", &["can't be compiled"]);
}

#[test]
fn a_file_of_a_gigabyte() {
    let beside = Beside::new();
    let path = beside.lab.path("plugins/huge.wasm");
    File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let beside = beside.named(&format!("file:{}", path.display()), &"0".repeat(64));
    beside.fails("component-too-large", &["67108864", "PLUGIN_MAX_COMPONENT_BYTES"]);
}

#[test]
fn a_wrong_digest() {
    let beside = Beside::component(&filter("", "")).field("sha256", serde_json::json!({"S": "ab".repeat(32)}));
    beside.fails("component-digest", &["abababab"]);
}

#[test]
fn a_missing_file() {
    let beside = Beside::new();
    let path = beside.lab.path("plugins/none.wasm");
    beside.named(&format!("file:{}", path.display()), &"0".repeat(64)).fails("component-missing", &["none.wasm"]);
}

#[test]
fn a_place_that_the_operator_does_not_allow() {
    let digest = "0".repeat(64);
    for component in
        ["file:/etc/passwd", "s3://secrets/x.wasm", &format!("oci://registry.example.com/x@sha256:{digest}")]
    {
        Beside::new().named(component, &digest).fails("component-forbidden", &["PLUGIN_SOURCES"]);
    }
    // Links are followed before it is judged.
    let beside = Beside::new();
    std::os::unix::fs::symlink("/etc/passwd", beside.lab.path("plugins/link.wasm")).unwrap();
    let path = beside.lab.path("plugins/link.wasm");
    beside.named(&format!("file:{}", path.display()), &digest).fails("component-forbidden", &["PLUGIN_SOURCES"]);
}
