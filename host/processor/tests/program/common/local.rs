//! What a test of `local` needs: a folder of objects, the binary over it, and what it
//! wrote, checked.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, SystemTime};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use tempfile::TempDir;

use super::{output, report, stream};

/// 2026-11-23T10:00:00Z in milliseconds: when every object was last modified,
/// unless a test says otherwise.
pub(crate) const NOW: i64 = 1_795_428_000_000;

/// The bucket of [`Lab::object`].
pub(crate) const BUCKET: &str = "logs";

/// The folder of streams of [`TENANT`], below the output folder.
pub(crate) const GROUP: &str = "cloudwatch/111122223333/us-east-1/n/logs";

/// One tenant, `n`, that wants everything in CloudWatch.
pub(crate) const TENANT: &str = "
tenants:
  - tenant_id: n
    type: cloudwatch
    enabled: true
    log_distribution_role_arn: arn:aws:iam::111122223333:role/Logs
    log_group_name: /n/logs
";

/// A folder with objects, a tenant file and an output folder.
pub(crate) struct Lab {
    dir: TempDir,
    env: Vec<(String, String)>,
    arguments: Vec<String>,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let lab = Self { dir: TempDir::new().unwrap(), env: Vec::new(), arguments: Vec::new() };
        std::fs::create_dir(lab.objects()).unwrap();
        lab.tenants(TENANT);
        lab
    }

    /// With a setting of the environment.
    pub(crate) fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.env.push((name.to_owned(), value.to_string()));
        self
    }

    /// With one more argument.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn objects(&self) -> PathBuf {
        self.path("objects")
    }

    pub(crate) fn output(&self) -> PathBuf {
        self.path("output")
    }

    pub(crate) fn tenants(&self, text: &str) {
        std::fs::write(self.path("tenants.yaml"), text).unwrap();
    }

    /// Writes an object of [`BUCKET`], last modified at [`NOW`].
    pub(crate) fn object(&self, key: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.objects().join(BUCKET).join(key);
        write(&path, bytes.as_ref(), NOW);
        path
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_log-processor"));
        command.env_clear().envs(self.env.iter().map(|(name, value)| (name, value)));
        command.arg("local").arg("--objects").arg(self.objects());
        command.arg("--tenants").arg(self.path("tenants.yaml")).arg("--output").arg(self.output());
        command.args(&self.arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        command
    }

    /// Runs it to its end with a report, and checks the sums of the report and
    /// all that was written.
    pub(crate) fn run(&self) -> Run {
        let report = self.path("report.json");
        let _ = std::fs::remove_file(&report);
        let output = finish(self.command().arg("--report").arg(&report));
        let run = Run::new(&output, std::fs::read(&report).ok());
        report::check(&run.report);
        output::check(&self.output());
        run
    }

    /// Runs it; everything must have its outcome.
    pub(crate) fn done(&self) -> Run {
        let run = self.run();
        assert_eq!(run.code, 0, "{}", run.stderr);
        run
    }

    /// Starts it in the background, with a report.
    pub(crate) fn start(&self) -> Child {
        let mut command = self.command();
        command.arg("--report").arg(self.path("report.json"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// Waits for what was started, as [`Lab::run`] does.
    pub(crate) fn wait(&self, child: Child) -> Run {
        let output = child.wait_with_output().unwrap();
        let run = Run::new(&output, std::fs::read(self.path("report.json")).ok());
        report::check(&run.report);
        run
    }

    /// The messages of a pod's stream, in order.
    pub(crate) fn messages(&self, pod: &str) -> Vec<String> {
        self.events(pod).into_iter().map(|(_, message)| message).collect()
    }

    /// The events of a pod's stream, in order.
    pub(crate) fn events(&self, pod: &str) -> Vec<(i64, String)> {
        let path = self.output().join(GROUP).join(format!("{pod}.ndjson"));
        if path.exists() { stream::events(&path) } else { Vec::new() }
    }

    /// The dead letters of an object for CloudWatch.
    pub(crate) fn letters(&self, key: &str) -> Vec<Value> {
        output::letters(&self.output().join("dead-letter").join(BUCKET).join(key).join("cloudwatch.ndjson"))
    }
}

/// What a run said.
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
    /// Null where it wrote none.
    pub(crate) report: Value,
}

impl Run {
    fn new(output: &Output, report: Option<Vec<u8>>) -> Self {
        Self {
            // None: a signal ended it.
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).unwrap(),
            stderr: String::from_utf8(output.stderr.clone()).unwrap(),
            report: report.map_or(Value::Null, |json| serde_json::from_slice(&json).unwrap()),
        }
    }

    /// The only entry of an object.
    pub(crate) fn entry(&self, key: &str) -> &Value {
        let entries = self.report["entries"].as_array().unwrap();
        let mut found = entries.iter().filter(|entry| entry["key"] == key);
        let entry = found.next().unwrap_or_else(|| panic!("no entry of {key}: {}", self.report));
        assert!(found.next().is_none(), "{key} has several entries: name the delivery");
        entry
    }

    /// Of the only entry of an object: lines by what became of them, as
    /// `seen blank delivered filtered malformed dead`.
    pub(crate) fn lines(&self, key: &str) -> [u64; 6] {
        let entry = self.entry(key);
        let dead = entry["dead_lettered"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        let number = |name: &str| entry[name].as_u64().unwrap();
        [number("lines_seen"), number("blank"), number("delivered"), number("filtered"), number("malformed"), dead]
    }

    pub(crate) fn outcome(&self, key: &str) -> &str {
        self.entry(key)["outcome"].as_str().unwrap()
    }

    pub(crate) fn total(&self, name: &str) -> u64 {
        self.report["totals"][name].as_u64().unwrap_or_else(|| panic!("no total of {name}"))
    }

    /// Asserts that standard error holds all of these.
    pub(crate) fn says(&self, parts: &[&str]) {
        for part in parts {
            assert!(self.stderr.contains(part), "no {part:?} in {}", self.stderr);
        }
    }
}

/// Runs a command to its end, which must come: a run that hangs is killed and fails.
pub(crate) fn finish(command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    finish_within(child, LIMIT)
}

/// Only what hangs takes that long, on however slow and busy a machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(240);

pub(crate) fn finish_within(child: Child, limit: Duration) -> Output {
    let process = child.id();
    let (done, ended) = std::sync::mpsc::channel();
    let watch = std::thread::spawn(move || {
        let hangs = ended.recv_timeout(limit).is_err();
        if hangs {
            signal(process, "KILL");
        }
        hangs
    });
    let output = child.wait_with_output().unwrap();
    let _ = done.send(());
    assert!(!watch.join().unwrap(), "it hung: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Sends a signal to a process that a test started.
pub(crate) fn signal(process: u32, name: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {process}")).status().unwrap();
    assert!(sent.success(), "kill -{name} {process}");
}

/// Writes a file that was last modified at `millis`, with the folders above it.
pub(crate) fn write(path: &Path, bytes: &[u8], millis: i64) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
    modified(path, millis);
}

/// Dates a file.
pub(crate) fn modified(path: &Path, millis: i64) {
    let at = SystemTime::UNIX_EPOCH + Duration::from_millis(millis.try_into().unwrap());
    std::fs::File::options().write(true).open(path).unwrap().set_modified(at).unwrap();
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A record with this message, at [`NOW`] plus so many milliseconds.
pub(crate) fn record(message: &str, plus: i64) -> String {
    format!("{{\"timestamp\":{},\"message\":{}}}\n", NOW + plus, Value::from(message))
}

/// Records `0`, `1`, … a millisecond apart, that end just before [`NOW`].
pub(crate) fn records(count: i64) -> String {
    (0..count).map(|index| record(&index.to_string(), index - count)).collect()
}

/// The messages of [`records`].
pub(crate) fn numbers(count: i64) -> Vec<String> {
    (0..count).map(|index| index.to_string()).collect()
}
