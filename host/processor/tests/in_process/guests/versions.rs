//! The contract's versions: each is what its WIT says, a component may mix them, and
//! what was built against one goes on running beside the next.

use model::Digest;
use sandbox::{Component, Exports, Level, Version};
use wit_parser::abi::{AbiVariant, WasmType};
use wit_parser::{Resolve, WorldItem};

use super::harness::{Came, Case, NOW, WORLD, limits, record};
use crate::shared::read;
use assemble::{Parts, contract};

const INTERFACES: [&str; 5] = ["key-parser", "log-filter", "record-rewrite", "record-transform", "settings-check"];

/// The contract 0.1.0, without comments and spaces: it is released, and so never changes.
const RELEASED_0_1_0: &str = "c0733c9c04a5ea816f00257d7c1186ecc5ffd60c28fe36688c2d2ebe35e25203";

/// A component that exports these interfaces, as their WIT has them, and whose
/// functions only trap.
fn trapping(interfaces: &[String], wit: Option<&str>) -> Vec<u8> {
    let exports: String = interfaces.iter().map(|name| format!("export {name};")).collect();
    let mut resolve = Resolve::default();
    match wit {
        Some(text) => drop(resolve.push_str("contract.wit", text).unwrap()),
        None => Version::ALL.iter().for_each(|one| drop(resolve.push_path(contract(&one.to_string())).unwrap())),
    }
    let package = resolve.push_str("it.wit", &format!("package test:it; world it {{ {exports} }}")).unwrap();
    let world = resolve.select_world(&[package], Some("it")).unwrap();
    let mut core = String::new();
    for item in resolve.worlds[world].exports.values() {
        let WorldItem::Interface { id, .. } = item else { panic!("{item:?}") };
        for (name, function) in &resolve.interfaces[*id].functions {
            let signature = resolve.wasm_signature(AbiVariant::GuestExport, function);
            let types = |kind: &str, types: &[WasmType]| -> String {
                let name = |of: &WasmType| if matches!(of, WasmType::I64) { "i64" } else { "i32" };
                types.iter().map(|of| format!("({kind} {}) ", name(of))).collect()
            };
            let (params, results) = (types("param", &signature.params), types("result", &signature.results));
            let interface = resolve.id_of(*id).unwrap();
            core += &format!("(func (export \"{interface}#{name}\") {params} {results} unreachable)\n");
        }
    }
    Parts { world: &exports, contract: wit, core: &core, ..Parts::default() }.build()
}

fn names(interfaces: &[&str], version: Version) -> Vec<String> {
    interfaces.iter().map(|interface| format!("log-router:plugin/{interface}@{version}")).collect()
}

fn load(bytes: &[u8]) -> Component {
    WORLD.engine.load("versions", bytes, limits()).unwrap()
}

fn all_of(version: Version) -> Exports {
    let version = Some(version);
    Exports {
        key_parser: version,
        log_filter: version,
        record_rewrite: version,
        record_transform: version,
        settings_check: version,
    }
}

#[test]
fn every_version_in_wit_is_spoken() {
    let entries = std::fs::read_dir(contract("")).unwrap().map(|entry| entry.unwrap());
    let folders = entries.filter(|entry| entry.path().is_dir());
    let mut folders: Vec<String> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    folders.sort();
    assert_eq!(folders, Version::ALL.map(|version| version.to_string()));
}

#[test]
fn the_hosts_types_are_those_of_each_versions_wit() {
    for version in Version::ALL {
        let component = load(&trapping(&names(&INTERFACES, version), None));
        assert_eq!(component.exports(), all_of(version));
    }
}

#[test]
fn a_component_may_mix_versions_and_the_newer_of_two_is_used() {
    let old = names(&["log-filter", "record-rewrite", "settings-check"], Version::V0_1_0);
    let new = names(&["record-rewrite", "record-transform"], Version::V0_2_0);
    let component = load(&trapping(&[old, new].concat(), None));
    let expected = Exports {
        key_parser: None,
        log_filter: Some(Version::V0_1_0),
        record_rewrite: Some(Version::V0_2_0),
        record_transform: Some(Version::V0_2_0),
        settings_check: Some(Version::V0_1_0),
    };
    assert_eq!(component.exports(), expected);
    let both = Version::ALL.map(|version| names(&INTERFACES, version)).concat();
    assert_eq!(load(&trapping(&both, None)).exports(), all_of(Version::V0_2_0));
}

#[test]
fn each_interface_is_held_to_the_types_of_its_own_version() {
    // What each version has, under the other's number.
    for (of, as_if) in [(Version::V0_1_0, Version::V0_2_0), (Version::V0_2_0, Version::V0_1_0)] {
        let text = std::fs::read_to_string(contract(&of.to_string()).join("plugin.wit")).unwrap();
        let package = |version| format!("package log-router:plugin@{version};");
        let text = text.replace(&package(of), &package(as_if));
        for (interface, function) in
            [("log-filter", "wants"), ("record-rewrite", "begin"), ("record-transform", "begin")]
        {
            let bytes = trapping(&names(&[interface], as_if), Some(&text));
            let error = WORLD.engine.load("versions", &bytes, limits()).err().unwrap().to_string();
            let says = format!("`log-router:plugin/{interface}@{as_if}` differs from the contract's: {function}: ");
            assert!(error.contains(&says), "{error}");
        }
        for interface in ["key-parser", "settings-check"] {
            load(&trapping(&names(&[interface], as_if), Some(&text)));
        }
    }
}

#[test]
fn an_older_interface_is_checked_even_where_the_newer_is_used() {
    let text = |version, functions: &str| {
        format!("package log-router:plugin@{version} {{ interface settings-check {{ {functions} }} }}")
    };
    let right = "check: func(settings: list<tuple<string, string>>) -> result<_, string>;";
    let packages = text("0.1.0", "check: func();") + &text("0.2.0", right);
    let core = r#"(func (export "log-router:plugin/settings-check@0.1.0#check"))
        (func (export "log-router:plugin/settings-check@0.2.0#check") (param i32 i32) (result i32) (i32.const 8))"#;
    let parts = Parts {
        world: "export log-router:plugin/settings-check@0.1.0; export log-router:plugin/settings-check@0.2.0;",
        packages: &packages,
        contract: Some("package test:none;"),
        core,
        ..Parts::default()
    };
    let error = WORLD.engine.load("versions", &parts.build(), limits()).err().unwrap().to_string();
    assert!(error.contains("`log-router:plugin/settings-check@0.1.0` differs"), "{error}");
}

#[test]
fn a_released_contract_never_changes() {
    let text = std::fs::read_to_string(contract("0.1.0").join("plugin.wit")).unwrap();
    let code = text.lines().flat_map(|line| line.split("//").next().unwrap().split_whitespace());
    let digest = Digest::of(code.collect::<Vec<_>>().join(" ").as_bytes());
    assert_eq!(digest.to_string(), RELEASED_0_1_0, "wit/0.1.0 is released: what changes belongs to a later version");
}

/// The component that was built against 0.1.0.
fn redactor() -> Component {
    let bytes = wat::parse_str(include_str!("../../../../../tests/guests/kept/0.1.0/redactor.wat")).unwrap();
    let kept = include_str!("../../../../../tests/guests/kept/0.1.0/redactor.sha256");
    assert_eq!(Digest::of(&bytes).to_string(), kept.trim(), "a kept component stays as it is");
    load(&bytes)
}

fn draft() -> Component {
    load(&read("fixtures/draft-guest.wasm"))
}

fn lines() -> [String; 4] {
    [record("open"), record("a secret and a secret"), record("debug"), record("last")]
}

fn of(component: &Component) -> Case {
    let lines = lines();
    let case = Case::of(Some(component)).input(format!("{}\n\n{}\n{}\n{}", lines[0], lines[1], lines[2], lines[3]));
    case.set("mask", "secret").set("drop", "debug")
}

fn logged(came: &Came) -> Vec<(Level, &str)> {
    came.delivered.guest_log.kept.iter().map(|line| (line.level, line.text.as_str())).collect()
}

fn redacts(came: &Came) {
    assert_eq!(came.is_complete().messages(), ["open", "a ****** and a ******", "last"]);
    assert_eq!(came.counts(), [3, 1, 0, 0, 0]);
    assert_eq!(came.sink.events.iter().map(|event| event.line).collect::<Vec<_>>(), [0, 2, 4]);
    let last_modified = format!("last-modified={NOW}");
    let expected =
        [(Level::Info, &*last_modified), (Level::Info, "max-line-bytes=1048576"), (Level::Warn, "lines were dropped")];
    assert_eq!(logged(came), expected);
}

/// The draft's rewriter puts all that it is told before each record.
fn tells(came: &Came) {
    let told = format!("production cloudwatch central c/payment/api/api-1/f.json {NOW} {NOW} 1048576");
    let told = format!("{told} mask=secret,drop=debug");
    let expected = lines().map(|line| format!("[\"{told}\",{line}]"));
    assert_eq!(came.is_complete().messages(), expected);
    assert_eq!(came.counts(), [4, 0, 0, 0, 0]);
    assert_eq!(came.sink.events.iter().map(|event| event.line).collect::<Vec<_>>(), [0, 2, 3, 4]);
    assert_eq!(logged(came), [(Level::Warn, "begun by 0.2.0"), (Level::Info, "begun by 0.1.0")]);
}

#[test]
fn two_versions_work_side_by_side() {
    let (redactor, draft) = (redactor(), draft());
    let exports =
        Exports { log_filter: Some(Version::V0_1_0), record_rewrite: Some(Version::V0_1_0), ..Exports::default() };
    assert_eq!(redactor.exports(), exports);
    let exports = Exports {
        log_filter: Some(Version::V0_2_0),
        record_rewrite: Some(Version::V0_2_0),
        record_transform: Some(Version::V0_1_0),
        ..Exports::default()
    };
    assert_eq!(draft.exports(), exports);
    for chunk_bytes in [1, 1 << 16] {
        // Two deliveries of one object at once.
        std::thread::scope(|scope| {
            scope.spawn(|| redacts(&of(&redactor).chunks(chunk_bytes).run()));
            scope.spawn(|| tells(&of(&draft).chunks(chunk_bytes).run()));
        });
    }
}

#[test]
fn a_filter_of_0_2_0_knows_the_time() {
    let draft = draft();
    for (from, wanted) in [(NOW, true), (NOW + 1, false)] {
        assert_eq!(of(&draft).set("from", &from.to_string()).wants(), Ok(wanted));
    }
}

#[test]
fn what_was_built_against_0_1_0_filters_and_writes_objects_as_ever() {
    let redactor = redactor();
    for (environment, wanted) in [("production", true), ("productive", false), ("prod", false), ("", true)] {
        assert_eq!(of(&redactor).set("environment", environment).wants(), Ok(wanted), "{environment}");
    }
    let came = of(&redactor).run_upload();
    let [open, secret, _, last] = lines();
    let expected = format!("{open}\n{}\n{last}\n", secret.replace("secret", "******"));
    assert_eq!(String::from_utf8(came.is_complete().written.clone().unwrap()).unwrap(), expected);
    // More than one page of memory, and many calls, of which none leaves anything behind.
    let many = format!("{}\n", record("a secret")).repeat(20_000);
    let came = Case::of(Some(&redactor)).set("mask", "secret").input(many).run();
    assert!(came.is_complete().messages().iter().all(|message| *message == "a ******"));
    assert_eq!(came.counts(), [20_000, 0, 0, 0, 0]);
}
