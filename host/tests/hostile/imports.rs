//! What a component asks for beyond what guests are given.

use crate::assemble::{Parts, wants};
use crate::beside::Beside;

fn importing(world: &str, packages: &str, imports: &str, body: &str) -> Vec<u8> {
    let world = format!("{world} export log-router:plugin/log-filter@0.1.0;");
    Parts { world: &world, packages, imports, core: &wants(body), ..Parts::default() }.build()
}

#[test]
fn an_unknown_interface_is_refused_by_name() {
    let component = importing(
        "import acme:secrets/store;",
        "package acme:secrets { interface store { get: func(name: string) -> u32; } }",
        r#"(import "acme:secrets/store" "get" (func (param i32 i32) (result i32)))"#,
        "",
    );
    Beside::component(&component).fails("component-refused", &["imports `acme:secrets/store`"]);
}

#[test]
fn an_http_client_is_refused_by_name() {
    let component = importing(
        "import wasi:http/outgoing-handler@0.2.0;",
        "package wasi:http@0.2.0 { interface outgoing-handler { handle: func(); } }",
        r#"(import "wasi:http/outgoing-handler@0.2.0" "handle" (func))"#,
        "",
    );
    Beside::component(&component).fails("component-refused", &["imports `wasi:http/outgoing-handler@0.2.0`"]);
}

#[test]
fn a_socket_is_stopped_where_it_is_opened() {
    let component = importing(
        "import wasi:sockets/instance-network@0.2.0;",
        "package wasi:sockets@0.2.0 {
            interface network { resource network; }
            interface instance-network { use network.{network}; instance-network: func() -> network; }
        }",
        r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $open (result i32)))"#,
        "(drop (call $open))",
    );
    Beside::component(&component).fails("guest-forbidden", &["wasi:sockets/instance-network", "in wants"]);
}

#[test]
fn there_are_no_files_to_open() {
    // Asks for the folders that it was given; wants nothing if there is one.
    let component = importing(
        "import wasi:filesystem/preopens@0.2.0;",
        "package wasi:filesystem@0.2.0 {
            interface types { resource descriptor; }
            interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
        }",
        r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $folders (param i32)))"#,
        "(call $folders (i32.const 4096)) (if (i32.load (i32.const 4100)) (then unreachable))",
    );
    let beside = Beside::component(&component);
    let seen = beside.run();
    assert_eq!(seen.line["deliveries"], "cloudwatch=delivered", "{}", seen.line);
    assert_eq!(beside.lab.messages(&beside.evil).len(), 10);
}
