//! Parts that are measured in a process of their own, which prints a name and a number per
//! line.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::arguments::Arguments;

/// Figures by their names.
pub(crate) type Reading = BTreeMap<String, f64>;

/// Measures the part of this name once, in another process.
pub(crate) fn measure(name: &str, arguments: &Arguments) -> Result<Reading> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--part", name, "--starts", &arguments.starts.to_string()])
        .args(["--components", &arguments.components.to_string()])
        .args([Path::new("--folder"), &arguments.folder, Path::new("--processor"), &arguments.processor])
        .args([Path::new("--guest"), &arguments.guest])
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout)?;
    text.lines().map(figure).collect()
}

fn figure(line: &str) -> Result<(String, f64)> {
    let (name, value) = line.rsplit_once(' ').with_context(|| format!("a name and a number expected: {line:?}"))?;
    Ok((name.to_owned(), value.parse()?))
}

/// Prints what a part in this process measured.
pub(crate) fn print(reading: Reading) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for (name, value) in reading {
        writeln!(out, "{name} {value}")?;
    }
    Ok(())
}
