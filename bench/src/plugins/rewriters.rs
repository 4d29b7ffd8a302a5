//! The processor over a corpus, its tenants with a rewriter and without. The
//! compiled form is on disk already, as it is after the first start.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use model::Digest;

use super::fixture::{fixture, read};
use crate::arguments::Arguments;
use crate::child::Running;
use crate::reading::Reading;
use crate::spread::number;

/// Settings of the redacting rewriter, for records as Vector writes them.
const REDACT: &str = "settings: {drop: 'file,ingest_timestamp', mask: source_type}, ";

pub(super) fn measure(arguments: &Arguments) -> Result<Reading> {
    let corpus = arguments.folder.join("many");
    let cache = corpus.join("plugin-cache");
    let mut reading = Reading::new();
    for (name, settings) in [("none", None), ("pass", Some("")), ("redact", Some(REDACT))] {
        let tenants = tenants(arguments, &corpus, name, settings)?;
        let cpu = local(arguments, &corpus, &tenants, &cache)?;
        let without = *reading.entry("none.cpu".to_owned()).or_insert(cpu);
        reading.insert(format!("{name}.cpu"), cpu);
        reading.insert(format!("{name}.ratio"), cpu / without);
    }
    Ok(reading)
}

/// The corpus' tenants, each with this component.
fn tenants(arguments: &Arguments, corpus: &Path, name: &str, settings: Option<&str>) -> Result<PathBuf> {
    let mut text = fs::read_to_string(corpus.join("tenants.yaml"))?;
    if let Some(settings) = settings {
        let path = fs::canonicalize(fixture(arguments, "redactor-guest.wasm"))
            .context("no redactor-guest.wasm; `make fixtures` makes it")?;
        let (digest, path) = (Digest::of(&read(&path)?), path.display());
        let plugin = format!("plugin: {{component: 'file:{path}', {settings}sha256: '{digest}'}}");
        text = text.replace("    enabled: true\n", &format!("    enabled: true\n    {plugin}\n"));
    }
    let path = corpus.join(format!("tenants-{name}.yaml"));
    fs::write(&path, text)?;
    Ok(path)
}

/// CPU seconds per GB of decompressed bytes.
fn local(arguments: &Arguments, corpus: &Path, tenants: &Path, cache: &Path) -> Result<f64> {
    let (output, report) = (corpus.join("output"), corpus.join("report.json"));
    if output.exists() {
        fs::remove_dir_all(&output)?;
    }
    let mut command = Command::new(&arguments.processor);
    command.arg("local").arg("--objects").arg(corpus.join("objects")).arg("--tenants").arg(tenants);
    command.arg("--output").arg(&output).arg("--report").arg(&report);
    command.env("PLUGIN_CACHE_DIR", cache).env("PLUGIN_SOURCES", "file:/");
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::null());
    let (status, usage) = Running::start(&mut command)?.end()?;
    ensure!(status.success(), "local failed with {}", tenants.display());
    let report: serde_json::Value = serde_json::from_slice(&fs::read(&report)?)?;
    let bytes = report.pointer("/totals/bytes_read").and_then(serde_json::Value::as_u64);
    let bytes = bytes.context("a report without bytes_read")?;
    Ok(usage.cpu.as_secs_f64() / (number(bytes) / 1e9))
}
