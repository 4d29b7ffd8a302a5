//! What is refused when a component is loaded.

use super::*;
use crate::testing::{filter, load};

#[track_caller]
fn refused(bytes: &[u8], says: &[&str]) {
    let error = load(bytes, Limits::default()).map(|_| ()).unwrap_err();
    assert!(std::error::Error::source(&error).is_none(), "its cause is shown twice: {error}");
    let error = error.to_string();
    for part in says {
        assert!(error.contains(part), "{part:?} is not in: {error}");
    }
}

/// A component's text, with nothing in it but this.
#[track_caller]
fn text_refused(text: &str, says: &[&str]) {
    refused(&wat::parse_str(format!("(component {text})")).unwrap(), says);
}

#[test]
fn imports_of_any_kind_are_refused_by_name() {
    text_refused(r#"(import "run" (func))"#, &["imports `run`"]);
    text_refused(r#"(import "a-type" (type (sub resource)))"#, &["imports `a-type`"]);
    text_refused(r#"(import "code" (core module))"#, &["imports `code`"]);
    text_refused(r#"(import "part" (component))"#, &["component imports are not supported"]);
    text_refused(r#"(import "wasi:cli/exit@0.2.0" (func))"#, &["imports `wasi:cli/exit@0.2.0`"]);
    text_refused(
        r#"(import "wasi:http/types@0.2.0" (instance))"#,
        &["imports `wasi:http/types@0.2.0`", "an empty WASI"],
    );
    text_refused(r#"(import "wasi:nn/tensor@0.2.0" (instance))"#, &["imports `wasi:nn/tensor@0.2.0`"]);
    text_refused(r#"(import "wasi:io/poll@0.3.0" (instance))"#, &["imports `wasi:io/poll@0.3.0`"]);
    text_refused(
        r#"(import "log-router:plugin/host-log@0.1.0" (func))"#,
        &["imports `log-router:plugin/host-log@0.1.0`"],
    );
    // What an interface can't have, but a component may ask for.
    text_refused(
        r#"(import "wasi:io/poll@0.2.0" (instance (export "code" (core module))))"#,
        &["imports `wasi:io/poll@0.2.0`"],
    );
}

#[test]
fn a_type_gives_a_guest_nothing() {
    // wasmtime doesn't even list it.
    text_refused(r#"(type $t (tuple u32)) (import "a-type" (type (eq $t)))"#, &["exports no interface"]);
}

#[test]
fn code_that_the_host_would_not_bound_is_refused() {
    let with = |world: &str, more: &str| refused(&filter("", more), &[world]);
    with("threads", "(memory $shared 1 1 shared)");
    with("memory64", "(memory $large i64 1)");
    with("exceptions", "(tag $t)");
    with("function", "(func $f (param (ref func)))");
}

#[test]
fn a_component_has_so_many_parts_and_no_more() {
    let parts = |count: usize| "(core instance (instantiate $m))".repeat(count);
    text_refused(&format!("(core module $m) {}", parts(32)), &["exports no interface"]);
    text_refused(&format!("(core module $m) {}", parts(33)), &["too many parts", "33 core", "32"]);
    let tables = format!("(core module $m (table 1 funcref) (table 1 funcref)) {}", parts(17));
    text_refused(&tables, &["too many parts", "34 tables", "32"]);
}

#[test]
fn a_component_is_as_large_as_the_limit_and_no_larger() {
    let bytes = filter("", "");
    let length = u64::try_from(bytes.len()).unwrap();
    let limits = |component_bytes| Limits { component_bytes, ..Limits::default() };
    assert!(load(&bytes, limits(length)).is_ok());
    let error = load(&bytes, limits(length - 1)).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains(&format!("more than {} bytes", length - 1)) && error.contains("PLUGIN_MAX_COMPONENT_BYTES"));
}
