//! `guest inspect`.

use super::support::{EMPTY, Folder, importing, json, rewriter, said};
use crate::shared::read;

#[test]
fn a_component_that_would_be_taken() {
    let folder = Folder::new();
    let digest = folder.file("a.wasm", rewriter());
    let ended = folder.run(&["guest", "inspect", "a.wasm", "--json"], &[("PLUGIN_LOG_LINES", "7".to_owned())]);
    said(&ended, 0, &[]);
    let found = json(&ended);
    assert_eq!((&found["sha256"], &found["bytes"]), (&digest.into(), &rewriter().len().into()));
    assert_eq!(found["exports"], serde_json::json!(["log-router:plugin/record-rewrite@0.1.0"]));
    let imports = found["imports"].as_array().unwrap();
    assert!(imports.iter().any(|import| import["name"] == "log-router:plugin/host-log@0.1.0"), "{imports:?}");
    assert!(imports.iter().all(|import| import["given"] == "contract"), "{imports:?}");
    assert!(found["compiled_bytes"].as_u64().unwrap() > 10_000);
    assert_eq!((&found["limits"]["log_lines"], &found["limits"]["memory_bytes"]), (&7.into(), &(64 << 20).into()));
    assert_eq!(found["limits"].as_object().unwrap().len(), 12);
    assert_eq!(found["refused"], serde_json::json!([]));
    assert_eq!(folder.cached(), [""; 0], "looking keeps nothing");
    said(&folder.run(&["guest", "inspect", "a.wasm"], &[]), 0, &["record-rewrite@0.1.0", "host-log@0.1.0  (given)"]);
}

#[test]
fn what_would_be_refused_and_why() {
    let folder = Folder::new();
    let mut truncated = rewriter();
    truncated.truncate(1000);
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("core.wasm", read("default.core.wasm"), "a core module"),
        ("code.cwasm", read("default.cwasm"), "machine code"),
        ("text", b"hello".to_vec(), "a text"),
        ("truncated.wasm", truncated, "can't be compiled"),
        ("http.wasm", importing("wasi:http/types@0.2.0"), "imports `wasi:http/types@0.2.0`"),
        ("nothing.wasm", EMPTY.to_vec(), "exports no interface"),
    ];
    for (name, bytes, says) in cases {
        folder.file(name, bytes);
        let ended = folder.run(&["guest", "inspect", name, "--json"], &[]);
        said(&ended, 3, &[says]);
        assert_eq!(json(&ended)["refused"].as_array().unwrap().len(), 1, "{name}");
        assert!(json(&ended)["compiled_bytes"].is_null(), "{name}");
    }
    let http = folder.run(&["guest", "inspect", "http.wasm"], &[]);
    said(&http, 3, &["wasi:http/types@0.2.0  (refused: guests are given nothing of the kind)"]);
}

#[test]
fn the_empty_wasi_is_told_from_the_rest() {
    let folder = Folder::new();
    folder.file("wasi.wasm", importing("wasi:filesystem/types@0.2.3"));
    // It exports nothing, so that it is refused all the same.
    said(&folder.run(&["guest", "inspect", "wasi.wasm"], &[]), 3, &["wasi:filesystem/types@0.2.3  (empty: no files"]);
}

#[test]
fn one_that_is_too_large_is_not_compiled() {
    let folder = Folder::new();
    folder.file("a.wasm", rewriter());
    let limit = [("PLUGIN_MAX_COMPONENT_BYTES", "10 KiB".to_owned())];
    said(&folder.run(&["guest", "inspect", "a.wasm"], &limit), 3, &["10240 bytes", "PLUGIN_MAX_COMPONENT_BYTES"]);
}

#[test]
fn a_reference_is_taken_only_from_where_it_may_come() {
    let folder = Folder::new();
    let digest = folder.file("a.wasm", rewriter());
    let reference = format!("file:{}", folder.path("a.wasm").display());
    let pinned = format!("{reference}@sha256:{digest}");
    for named in [&reference, &pinned] {
        said(&folder.run(&["guest", "inspect", named], &[]), 3, &["PLUGIN_SOURCES"]);
        said(&folder.run(&["guest", "inspect", named], &[folder.source()]), 0, &[&digest]);
    }
    let other = format!("{reference}@sha256:{}", "ab".repeat(32));
    said(&folder.run(&["guest", "inspect", &other], &[folder.source()]), 3, &["was named", &digest]);
    said(&folder.run(&["guest", "inspect", "oci://registry/name:1"], &[]), 3, &["a tag"]);
    said(&folder.run(&["guest", "inspect", "/no/such.wasm"], &[]), 3, &["/no/such.wasm"]);
}
