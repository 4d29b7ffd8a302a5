//! Components, and the binary over a folder of files.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use model::Digest;
use serde_json::Value;
use tempfile::TempDir;

use crate::common::aws::Ended;
use crate::shared::read;

/// A setting's value that nothing may show.
pub(crate) const SECRET: &str = "hunter2-canary";

/// One that rewrites records.
pub(crate) fn rewriter() -> Vec<u8> {
    read("fixtures/rewriter-guest.wasm")
}

/// A component of nothing at all.
pub(crate) const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

/// A component of nothing but an import: of an interface, as an instance without functions.
pub(crate) fn importing(interface: &str) -> Vec<u8> {
    // A section each: of types, an instance's; of imports, one by name, of that type.
    let import = [&[1, 0, interface.len() as u8], interface.as_bytes(), &[5, 0]].concat();
    [EMPTY, &[7, 3, 1, 0x42, 0], &[10, import.len() as u8], &import].concat()
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// A folder to run the binary in, without AWS.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes a file; its digest.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        std::fs::write(self.path(name), bytes.as_ref()).unwrap();
        sha256(bytes.as_ref())
    }

    /// Where files of this folder may be components.
    pub(crate) fn source(&self) -> (&'static str, String) {
        ("PLUGIN_SOURCES", format!("file:{}", self.0.path().display()))
    }

    pub(crate) fn run(&self, arguments: &[&str], env: &[(&str, String)]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_log-processor"));
        command.env_clear().env("HOME", self.0.path()).env("AWS_EC2_METADATA_DISABLED", "true");
        command.envs(env.iter().map(|(name, value)| (name, value))).args(arguments).current_dir(self.0.path());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// What is in the cache: names of files.
    pub(crate) fn cached(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.path(".cache/log-processor/plugins")) else { return Vec::new() };
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

/// Standard output as JSON.
pub(crate) fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// Asserts an exit code, and that what was said holds all of these, and no secret.
#[track_caller]
pub(crate) fn said(ended: &Ended, code: i32, parts: &[&str]) {
    assert_eq!(ended.code, code, "{ended:?}");
    let said = format!("{}{}", ended.stdout, ended.stderr);
    for part in parts {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert!(!said.contains(SECRET), "{said}");
}

/// An item of a tenant file with a component in the file's folder.
pub(crate) fn item(tenant: &str, file: &str, sha256: &str, more: &str) -> String {
    format!(
        "- {{tenant_id: {tenant}, type: cloudwatch, enabled: true, log_group_name: /{tenant}/logs, \
         log_distribution_role_arn: 'arn:aws:iam::111122223333:role/Logs', \
         plugin: {{component: 'file:{file}', sha256: {sha256}{more}}}}}\n"
    )
}
