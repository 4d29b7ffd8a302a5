//! What a component asks for beyond what guests are given, and what it makes of that.

use super::beside::{Beside, THEIRS};
use super::guest::Guest;
use assemble::{Parts, wants};

/// `log-filter`, with these imports, and this body in `wants`.
fn importing(world: &str, packages: &str, imports: &str, body: &str) -> Guest {
    let world = format!("{world} export log-router:plugin/log-filter@0.1.0;");
    Guest::of(&Parts { world: &world, packages, imports, core: &wants(body), ..Parts::default() }.build())
}

#[test]
fn what_no_guest_is_given_is_refused_by_name() {
    let unknown = importing(
        "import acme:secrets/store;",
        "package acme:secrets { interface store { get: func(name: string) -> u32; } }",
        r#"(import "acme:secrets/store" "get" (func (param i32 i32) (result i32)))"#,
        "",
    );
    let http = importing(
        "import wasi:http/outgoing-handler@0.2.0;",
        "package wasi:http@0.2.0 { interface outgoing-handler { handle: func(); } }",
        r#"(import "wasi:http/outgoing-handler@0.2.0" "handle" (func))"#,
        "",
    );
    let later = importing(
        "import wasi:random/random@0.3.0;",
        "package wasi:random@0.3.0 { interface random { get-random-u64: func() -> u64; } }",
        r#"(import "wasi:random/random@0.3.0" "get-random-u64" (func (result i64)))"#,
        "",
    );
    let bare = importing("import exit: func();", "", r#"(import "$root" "exit" (func))"#, "");
    let seen = Beside::new()
        .fails("unknown", unknown.clone(), "component-refused", &["imports `acme:secrets/store`"])
        .fails("http", http, "component-refused", &["imports `wasi:http/outgoing-handler@0.2.0`"])
        .fails("later", later, "component-refused", &["imports `wasi:random/random@0.3.0`"])
        .fails("bare", bare, "component-refused", &["imports `exit`"])
        // Whoever accepts unfiltered records gets them.
        .add("default", unknown.says("on_error", "default"))
        .run();
    let line = seen.came("default", "cloudwatch=delivered");
    assert!(line["error"].as_str().unwrap().contains("imports `acme:secrets/store`"), "{line}");
    assert_eq!(seen.messages("default").len(), THEIRS);
    assert!((seen.metric("replaced_total", "default", &[]) - 1.0).abs() < 0.5);
}

#[test]
fn sockets_and_files_stop_it_where_it_asks_for_them() {
    let socket = importing(
        "import wasi:sockets/instance-network@0.2.0;",
        "package wasi:sockets@0.2.0 {
            interface network { resource network; }
            interface instance-network { use network.{network}; instance-network: func() -> network; }
        }",
        r#"(import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $open (result i32)))"#,
        "(drop (call $open))",
    );
    let files = "package wasi:filesystem@0.2.0 {
        interface types { resource descriptor { sync: func(); } }
        interface preopens { use types.{descriptor}; get-directories: func() -> list<tuple<descriptor, string>>; }
    }";
    // A descriptor that nobody gave it.
    let file = importing(
        "import wasi:filesystem/types@0.2.0;",
        files,
        r#"(import "wasi:filesystem/types@0.2.0" "[method]descriptor.sync" (func $sync (param i32)))"#,
        "(call $sync (i32.const 3))",
    );
    // Asks for the folders that it was given; traps if there is one.
    let folders = importing(
        "import wasi:filesystem/preopens@0.2.0;",
        files,
        r#"(import "wasi:filesystem/preopens@0.2.0" "get-directories" (func $folders (param i32)))"#,
        "(call $folders (i32.const 4096)) (if (i32.load (i32.const 4100)) (then unreachable))",
    );
    // The same for the environment, which has the processor's credentials.
    let environment = importing(
        "import wasi:cli/environment@0.2.0;",
        "package wasi:cli@0.2.0 { interface environment {
            get-environment: func() -> list<tuple<string, string>>;
            get-arguments: func() -> list<string>;
        } }",
        r#"(import "wasi:cli/environment@0.2.0" "get-environment" (func $variables (param i32)))
        (import "wasi:cli/environment@0.2.0" "get-arguments" (func $arguments (param i32)))"#,
        "(call $variables (i32.const 4096)) (if (i32.load (i32.const 4100)) (then unreachable))
        (call $arguments (i32.const 4096)) (if (i32.load (i32.const 4100)) (then unreachable))",
    );
    let seen = Beside::new()
        .fails(
            "socket",
            socket,
            "guest-forbidden",
            &["wasi:sockets/instance-network", "in wants", "nothing of the kind"],
        )
        .fails("file", file, "guest-contract", &["in wants", "unknown handle index 3"])
        .add("folders", folders)
        .add("environment", environment)
        .run();
    for tenant in ["folders", "environment"] {
        seen.came(tenant, "cloudwatch=delivered");
        assert_eq!(seen.messages(tenant).len(), THEIRS);
    }
}

/// WASI's streams and random numbers, as far as they are called here.
const WASI: &str = "
    package wasi:io@0.2.0 {
        interface error { resource error; }
        interface poll { resource pollable { block: func(); } poll: func(in: list<borrow<pollable>>) -> list<u32>; }
        interface streams {
            use error.{error};
            use poll.{pollable};
            variant stream-error { last-operation-failed(error), closed }
            resource output-stream {
                write: func(contents: list<u8>) -> result<_, stream-error>;
                subscribe: func() -> pollable;
            }
        }
    }
    package wasi:cli@0.2.0 {
        interface stdout { use wasi:io/streams@0.2.0.{output-stream}; get-stdout: func() -> output-stream; }
    }
    package wasi:random@0.2.0 {
        interface random { get-random-bytes: func(len: u64) -> list<u8>; get-random-u64: func() -> u64; }
    }
    package wasi:clocks@0.2.0 {
        interface monotonic-clock {
            use wasi:io/poll@0.2.0.{pollable};
            now: func() -> u64;
            subscribe-duration: func(when: u64) -> pollable;
        }
    }";

/// Imports all of that.
fn asking(body: &str) -> Guest {
    importing(
        "import wasi:cli/stdout@0.2.0; import wasi:io/streams@0.2.0; import wasi:random/random@0.2.0;
        import wasi:clocks/monotonic-clock@0.2.0; import wasi:io/poll@0.2.0;",
        WASI,
        r#"(import "wasi:cli/stdout@0.2.0" "get-stdout" (func $stdout (result i32)))
        (import "wasi:io/streams@0.2.0" "[method]output-stream.write" (func $write (param i32 i32 i32 i32)))
        (import "wasi:random/random@0.2.0" "get-random-bytes" (func $bytes (param i64 i32)))
        (import "wasi:random/random@0.2.0" "get-random-u64" (func $random (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.0" "now" (func $now (result i64)))
        (import "wasi:clocks/monotonic-clock@0.2.0" "subscribe-duration" (func $after (param i64) (result i32)))
        (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
        (import "wasi:io/poll@0.2.0" "[resource-drop]pollable" (func $drop (param i32)))"#,
        &format!("(local $it i32) {body}"),
    )
}

#[test]
fn endless_calls_of_wasi_are_paid_for() {
    let write = |bytes: u32| {
        let write = format!("(call $write (local.get $it) (i32.const 0) (i32.const {bytes}) (i32.const 4096))");
        asking(&format!("(local.set $it (call $stdout)) (loop {write} (br 0))"))
    };
    // Into the same place each time.
    let again = "(global.set $next (i32.const 65536))";
    let bytes = asking(&format!("(loop {again} (call $bytes (i64.const 60000) (i32.const 4096)) (br 0))"));
    let sleep = "(local.set $it (call $after (i64.const 3600000000000)))";
    let sleep = asking(&format!("(loop {sleep} (call $block (local.get $it)) (call $drop (local.get $it)) (br 0))"));
    // Waits until the clock goes on, which it never does.
    let clock = asking("(loop (br_if 0 (i64.eq (call $now) (call $now))))");
    let fuel = ["in wants", "an endless loop", "PLUGIN_START_FUEL"];
    let seen = Beside::new()
        .fails("lines", write(1), "guest-fuel", &fuel)
        .fails("bytes", write(65_536), "guest-fuel", &fuel)
        .fails("heard", write(65_536).says("log", "operator"), "guest-fuel", &fuel)
        .fails("random", asking("(loop (drop (call $random)) (br 0))"), "guest-fuel", &fuel)
        .fails("random-bytes", bytes, "guest-fuel", &fuel)
        .fails("time", asking("(loop (drop (call $now)) (br 0))"), "guest-fuel", &fuel)
        .fails("clock", clock, "guest-fuel", &fuel)
        .fails("sleep", sleep, "guest-fuel", &fuel)
        .run();
    let shown = seen.process.lines().into_iter().filter(|line| line["message"] == "guest log").count();
    assert!(shown <= 100, "{shown} lines");
}

#[test]
fn too_much_of_wasi_at_once_stops_it() {
    let random = asking("(call $bytes (i64.const 1000000000000) (i32.const 4096))");
    Beside::new()
        .fails("random", random, "guest-trap", &["1000000000000 random bytes at once", "in wants"])
        .fails("streams", asking("(loop (drop (call $stdout)) (br 0))"), "guest-trap", &["handle", "in wants"])
        .fails(
            "polls",
            asking("(loop (drop (call $after (i64.const 0))) (br 0))"),
            "guest-trap",
            &["handle", "in wants"],
        )
        .run();
}
