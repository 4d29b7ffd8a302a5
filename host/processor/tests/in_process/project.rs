//! What the project's papers say is true: folders, settings, the embedded guest.

use std::path::{Path, PathBuf};

use log_processor::report::{Cause, Unwanted};
use log_processor::settings::{LOCAL_VARIABLES, VARIABLES, Variable};
use log_processor::telemetry::Metrics;
use model::{AwsErrorKind, FailureKind, Limits, Reason};
use sandbox::{Engine, Precompiled};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Words of a text that stand in backquotes.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn every_folder_that_the_architecture_names_exists() {
    let text = read("ARCHITECTURE.md");
    let table = text.split("## Where things are").nth(1).unwrap().split("\n## ").next().unwrap();
    let folders: Vec<&str> = quoted(table).filter(|word| word.ends_with('/') && word.len() > 7).collect();
    assert!(folders.len() > 8, "{folders:?}");
    for folder in folders {
        assert!(root().join(folder).is_dir(), "ARCHITECTURE.md names {folder}, which is not there");
    }
}

#[test]
fn every_room_of_the_host_is_in_the_architecture() {
    let text = read("ARCHITECTURE.md");
    for parent in ["host", "host/processor/src"] {
        for entry in std::fs::read_dir(root().join(parent)).unwrap() {
            let entry = entry.unwrap();
            if entry.path().is_dir() {
                let name = format!("`{parent}/{}/`", entry.file_name().to_str().unwrap());
                assert!(text.contains(&name), "ARCHITECTURE.md doesn't name {name}");
            }
        }
    }
}

#[test]
fn every_setting_is_documented_with_its_default_and_its_reader() {
    let text = read("docs/SETTINGS.md");
    let readers = |variable: &Variable| -> Vec<String> {
        let row = format!("| {} | {} | ", variable.name, variable.default_text());
        let cells = text.lines().filter_map(|line| line.strip_prefix(row.as_str())?.split(" |").next());
        cells.flat_map(|cell| cell.split(", ")).map(str::to_owned).collect()
    };
    for variable in LOCAL_VARIABLES {
        let readers = readers(variable);
        assert!(readers.iter().any(|reader| reader == "local"), "docs/SETTINGS.md: {variable:?} of local: {readers:?}");
    }
    for variable in VARIABLES {
        let readers = readers(variable);
        assert!(readers.iter().any(|reader| reader != "local"), "docs/SETTINGS.md: {variable:?} on AWS: {readers:?}");
        let is_local = LOCAL_VARIABLES
            .iter()
            .any(|local| local.name == variable.name && local.default_text() == variable.default_text());
        assert_eq!(readers.iter().any(|reader| reader == "local"), is_local, "docs/SETTINGS.md: {variable:?}");
    }
}

#[test]
fn every_metric_is_documented() {
    let text = read("docs/OPERATE.md");
    let metrics = Metrics::new().render();
    let names = metrics.lines().filter_map(|line| line.strip_prefix("# TYPE log_processor_")?.split(' ').next());
    for name in names {
        assert!(text.contains(name), "docs/OPERATE.md lacks the metric {name}");
    }
}

#[test]
fn every_reason_is_documented() {
    let runbook = read("docs/RUNBOOK.md");
    // Who reads an archived object is told `source`; what is local has no metric, and its
    // report says what it is.
    let unseen = [FailureKind::Aws(AwsErrorKind::Archived), FailureKind::Unreadable];
    let failures = FailureKind::all().filter(|kind| !unseen.contains(kind)).map(Cause::Failed);
    let refusals = Reason::ALL.map(Cause::Refused).into_iter();
    let all = failures.chain(refusals).chain(Unwanted::ALL.map(Cause::Unwanted)).chain([Cause::Interrupted]);
    for name in all.map(Cause::name) {
        let shown = [format!("`{name}`"), format!("({name})"), format!("| {name} |")];
        assert!(shown.iter().any(|shown| runbook.contains(shown)), "docs/RUNBOOK.md lacks the reason {name}");
    }
}

#[test]
fn large_crates_are_used_in_one_room_each() {
    let rooms = [
        ("wasmtime::", "host/sandbox/src"),
        ("flate2::", "host/processor/src/object"),
        ("use aws_sdk_", "host/processor/src/aws"),
        ("aws_config::", "host/processor/src/aws"),
        ("use aws_smithy_", "host/processor/src/aws"),
        ("lambda_runtime::", "host/processor/src/intake/lambda/mod.rs"),
        ("oci_client::", "host/processor/src/plugin/fetch"),
        ("env::var_os", "host/processor/src/cli/environment.rs"),
        ("env::var(name)", "host/processor/src/aws/config.rs"),
    ];
    for (word, room) in rooms {
        let mut folders =
            ["model", "processor", "sandbox"].map(|name| root().join("host").join(name).join("src")).to_vec();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if std::fs::read_to_string(&path).unwrap().contains(word) {
                    assert!(path.starts_with(root().join(room)), "{} uses {word}", path.display());
                }
            }
        }
    }
}

#[test]
fn nothing_compiled_is_committed() {
    let listed = std::process::Command::new("git").arg("ls-files").current_dir(root()).output();
    let Ok(listed) = listed else { return };
    for file in String::from_utf8(listed.stdout).unwrap().lines() {
        let extension = Path::new(file).extension().and_then(|extension| extension.to_str());
        assert!(!matches!(extension, Some("wasm" | "cwasm" | "so" | "a" | "gz")), "{file} is committed");
    }
}

#[test]
fn the_default_guest_starts_without_compiling_and_imports_nothing_but_the_log() {
    let form = |name: &str| std::fs::read(root().join("target/guest").join(name)).expect("run `make guest`");
    let (component, code) = (form("default.wasm"), form("default.cwasm"));
    let limits = Limits::default();
    let engine = Engine::new(2, limits.memory_bytes).unwrap();
    // SAFETY: `make guest` compiled it, in this project's own target folder.
    #[expect(unsafe_code, reason = "machine code of the build")]
    let guest = unsafe { Precompiled::new(&component, &code) };
    let (loaded, compiled) = engine.load_precompiled("default", guest, limits.clone()).unwrap();
    assert!(!compiled, "the machine code that the build made doesn't fit the engine that loads it");
    // `types` names the contract's records for the exports; it holds no function.
    assert_eq!(loaded.imports(), ["log-router:plugin/host-log@0.1.0", "log-router:plugin/types@0.1.0"]);
    let exports = loaded.exports();
    assert!(
        exports.key_parser.is_some()
            && exports.log_filter.is_some()
            && exports.record_transform.is_some()
            && exports.record_rewrite.is_none()
    );
    // Where the machine code can't be used, the component is compiled.
    // SAFETY: it is no object file, which wasmtime refuses.
    #[expect(unsafe_code, reason = "it is no machine code")]
    let damaged = unsafe { Precompiled::new(&component, b"no machine code") };
    assert!(engine.load_precompiled("default", damaged, limits).unwrap().1);
}
