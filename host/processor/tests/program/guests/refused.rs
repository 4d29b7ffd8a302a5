//! What `--plugin` refuses: each with what is wrong and exit code 3, and with
//! nothing delivered.

use crate::common::local::{Lab, record};
use crate::shared::{built, read};
use assemble::{Parts, filter, wants};

/// Runs with these bytes as the component.
#[track_caller]
fn refuses(bytes: &[u8], says: &[&str]) {
    let lab = Lab::new();
    std::fs::write(lab.path("plugin.wasm"), bytes).unwrap();
    refuses_in(&lab.argument("--plugin").argument("plugin.wasm"), says);
}

#[track_caller]
fn refuses_in(lab: &Lab, says: &[&str]) {
    lab.object("c/n/a/p/f.json", record("a", 0));
    let run = lab.run();
    assert_eq!(run.code, 3, "{}", run.stderr);
    run.says(says);
    run.says(&["--plugin"]);
    // One problem, without a backtrace.
    assert!(run.stderr.lines().count() <= 3 && run.stderr.len() < 2_000, "{}", run.stderr);
    assert_eq!(run.stderr.matches("error: ").count(), 1, "{}", run.stderr);
    assert!(!lab.output().exists(), "nothing is begun");
}

#[test]
fn what_is_no_component() {
    let component = read("fixtures/rewriter-guest.wasm");
    let module = wat::parse_str("(module)").unwrap();
    refuses(b"hello\n", &["plugin.wasm: this is no WebAssembly component but a text", "wasm-tools component new"]);
    refuses("(component)".as_bytes(), &["but a text"]);
    refuses(b"", &["but an empty file"]);
    refuses(&module, &["but a core module"]);
    refuses(&read("fixtures/rewriter-guest.core.wasm"), &["but a core module"]);
    refuses(&[0, b'a', b's', b'm', 9, 0, 9, 0], &["wasm of a version that isn't known"]);
    refuses(&component[..4], &["wasm of a version that isn't known"]);
    refuses(&[0xff; 100], &["but something else"]);
    refuses(&read("default.cwasm"), &["machine code, which is never taken from outside"]);
    let mut program = vec![0; 1000];
    std::io::Read::read_exact(&mut std::fs::File::open("/proc/self/exe").unwrap(), &mut program).unwrap();
    refuses(&program, &["machine code, which is never taken from outside"]);
}

#[test]
fn what_is_a_damaged_component() {
    let component = read("fixtures/rewriter-guest.wasm");
    refuses(&component[..8], &["exports no interface"]);
    for part in [9, 100, component.len() / 2, component.len() - 1] {
        refuses(&component[..part], &["can't be compiled"]);
    }
    let mut odd = component;
    for byte in odd.iter_mut().skip(200).step_by(997) {
        *byte ^= 0x55;
    }
    refuses(&odd, &["can't be compiled"]);
}

#[test]
fn a_file_that_is_too_large_missing_or_a_folder() {
    let lab = Lab::new().argument("--plugin").argument("plugin.wasm");
    let file = std::fs::File::create(lab.path("plugin.wasm")).unwrap();
    file.set_len(64 * 1024 * 1024 + 1).unwrap();
    refuses_in(&lab, &["more than 67108864 bytes, the limit"]);
    refuses_in(&Lab::new().argument("--plugin").argument("missing.wasm"), &["missing.wasm: No such file"]);
    refuses_in(&Lab::new().argument("--plugin").argument("/"), &["--plugin /: Is a directory"]);
    // A device without end is read no further than a component may go.
    refuses_in(&Lab::new().argument("--plugin").argument("/dev/zero"), &["more than 67108864 bytes"]);
}

#[test]
fn what_imports_more_than_it_is_given() {
    let import = |world: &str, packages: &str, imports: &str, says: &str| {
        let world = format!("{world} export log-router:plugin/log-filter@0.1.0;");
        let bytes = Parts { world: &world, packages, imports, core: &wants(""), ..Parts::default() }.build();
        refuses(&bytes, &[says, "guests are given nothing but `log-router:plugin/host-log` (0.1.0, 0.2.0)"]);
    };
    import(
        "import wasi:http/outgoing-handler@0.2.0;",
        "package wasi:http@0.2.0 { interface outgoing-handler { handle: func() -> u64; } }",
        r#"(import "wasi:http/outgoing-handler@0.2.0" "handle" (func (result i64)))"#,
        "imports `wasi:http/outgoing-handler@0.2.0`",
    );
    import(
        "import wasi:nn/inference@0.2.0;",
        "package wasi:nn@0.2.0 { interface inference { compute: func() -> u64; } }",
        r#"(import "wasi:nn/inference@0.2.0" "compute" (func (result i64)))"#,
        "imports `wasi:nn/inference@0.2.0`",
    );
    import(
        "import wasi:clocks/wall-clock@0.3.0;",
        "package wasi:clocks@0.3.0 { interface wall-clock { now: func() -> u64; } }",
        r#"(import "wasi:clocks/wall-clock@0.3.0" "now" (func (result i64)))"#,
        "imports `wasi:clocks/wall-clock@0.3.0`",
    );
    import(
        "import acme:secrets/store;",
        "package acme:secrets { interface store { get: func(name: string) -> u32; } }",
        r#"(import "acme:secrets/store" "get" (func (param i32 i32) (result i32)))"#,
        "imports `acme:secrets/store`",
    );
    import("import exit: func();", "", r#"(import "$root" "exit" (func))"#, "imports `exit`");
    import(
        "import log-router:plugin/log-filter@0.1.0;",
        "",
        r#"(import "log-router:plugin/log-filter@0.1.0" "wants" (func (param i32 i32)))"#,
        "imports `log-router:plugin/log-filter@0.1.0`",
    );
    let contract = "package log-router:plugin@0.3.0; interface host-log { log: func(); }
        interface log-filter { wants: func(); }";
    let bytes = Parts {
        world: "import log-router:plugin/host-log@0.3.0; export log-router:plugin/log-filter@0.3.0;",
        contract: Some(contract),
        imports: r#"(import "log-router:plugin/host-log@0.3.0" "log" (func))"#,
        core: r#"(func (export "log-router:plugin/log-filter@0.3.0#wants"))"#,
        ..Parts::default()
    };
    refuses(&bytes.build(), &["imports `log-router:plugin/host-log@0.3.0`", "(0.1.0, 0.2.0)"]);
}

#[test]
fn a_function_that_the_host_log_does_not_have() {
    let contract = "package log-router:plugin@0.1.0;
        interface host-log { shout: func(text: string); }
        interface settings-check { check: func(settings: list<tuple<string, string>>) -> result<_, string>; }";
    let bytes = Parts {
        world: "import log-router:plugin/host-log@0.1.0; export log-router:plugin/settings-check@0.1.0;",
        contract: Some(contract),
        imports: r#"(import "log-router:plugin/host-log@0.1.0" "shout" (func (param i32 i32)))"#,
        core: r#"(func (export "log-router:plugin/settings-check@0.1.0#check") (param i32 i32) (result i32) (i32.const 8))"#,
        ..Parts::default()
    };
    refuses(&bytes.build(), &["shout"]);
}

#[test]
fn a_clock_of_another_type_than_wasis() {
    let bytes = Parts {
        world: "import wasi:clocks/wall-clock@0.2.0; export log-router:plugin/log-filter@0.1.0;",
        packages: "package wasi:clocks@0.2.0 { interface wall-clock { now: func() -> u64; } }",
        imports: r#"(import "wasi:clocks/wall-clock@0.2.0" "now" (func (result i64)))"#,
        core: &wants(""),
        ..Parts::default()
    };
    refuses(&bytes.build(), &["wasi:clocks/wall-clock@0.2.0", "type mismatch"]);
}

#[test]
fn what_exports_nothing_of_the_contract() {
    let bytes = Parts { world: "export run: func();", core: r#"(func (export "run"))"#, ..Parts::default() }.build();
    refuses(&bytes, &["exports no interface of the contract log-router:plugin", "it exports: run"]);
}

#[test]
fn what_exports_an_interface_of_a_version_that_is_not_spoken() {
    let package = |name: &str| format!("package {name} {{ interface record-rewrite {{ begin: func(); }} }}");
    for version in ["0.3.0", "0.1.1", "1.0.0"] {
        let name = format!("log-router:plugin/record-rewrite@{version}");
        let core = format!(r#"(func (export "{name}#begin"))"#);
        let packages = package(&format!("log-router:plugin@{version}"));
        for beside in ["", "export log-router:plugin/log-filter@0.1.0;"] {
            let world = format!("{beside} export {name};");
            let core = if beside.is_empty() { core.clone() } else { core.clone() + &wants("") };
            let bytes = Parts { world: &world, packages: &packages, core: &core, ..Parts::default() }.build();
            refuses(&bytes, &[&format!("exports `{name}`"), "this host speaks (0.1.0, 0.2.0)", "build it against"]);
        }
    }
}

#[test]
fn what_exports_other_types_than_the_contracts() {
    let export = |interface: &str, functions: &str, core: &str, says: &str| {
        let contract = format!("package log-router:plugin@0.1.0; interface {interface} {{ {functions} }}");
        let world = format!("export log-router:plugin/{interface}@0.1.0;");
        let core = core.replace("IT#", &format!("log-router:plugin/{interface}@0.1.0#"));
        let bytes = Parts { world: &world, contract: Some(&contract), core: &core, ..Parts::default() }.build();
        refuses(&bytes, &[&format!("`log-router:plugin/{interface}@0.1.0` differs from the contract's"), says]);
    };
    export(
        "record-transform",
        "begin: func(); transform: func(lines: list<u8>) -> u32; end: func();",
        r#"(func (export "IT#begin")) (func (export "IT#transform") (param i32 i32) (result i32) (i32.const 0))
           (func (export "IT#end"))"#,
        "begin: ",
    );
    export("record-rewrite", "rewind: func();", r#"(func (export "IT#rewind"))"#, "has no `begin`");
    export(
        "key-parser",
        "parse-key: func(key: string) -> u64;",
        r#"(func (export "IT#parse-key") (param i32 i32) (result i64) (i64.const 0))"#,
        "parse-key: ",
    );
    export(
        "log-filter",
        "wants: func() -> bool;",
        r#"(func (export "IT#wants") (result i32) (i32.const 0))"#,
        "wants: ",
    );
    export("settings-check", "check: func();", r#"(func (export "IT#check"))"#, "check: ");
}

#[test]
fn a_start_that_loops_or_traps_or_takes_too_much() {
    let start = |body: &str| filter("", &format!("(func $start {body}) (start $start)"));
    refuses(&start("(loop (br 0))"), &["can't be started", "fuel limit in start"]);
    refuses(&start("unreachable"), &["can't be started", "trapped in start", "unreachable"]);
    refuses(&start("(call $start)"), &["can't be started", "call stack exhausted"]);
    refuses(
        &start(
            "(drop (memory.grow (i32.const 65000))) (if (i32.lt_u (memory.size) (i32.const 65000)) (then unreachable))",
        ),
        &["can't be started", "memory limit in start", "67108864 bytes"],
    );
    // More from the beginning on than there is for it.
    refuses(&filter("", "(table 30000 funcref)"), &["plugin.wasm: the component can't be", "table", "20000"]);
}

#[test]
fn settings_that_the_component_refuses() {
    let plugin = built("fixtures/hostile-guest.wasm");
    let lab = |mode: &str| {
        let lab = Lab::new().argument("--plugin").argument(plugin.to_str().unwrap());
        lab.argument("--plugin-setting").argument(&format!("mode={mode}"))
    };
    refuses_in(
        &lab("check:refuse"),
        &["--plugin-setting: the component refuses its settings: mode is not to my liking"],
    );
    refuses_in(&lab("check:panic"), &["trapped in check"]);
    refuses_in(&lab("check:loop"), &["fuel limit in check"]);
}
