//! The built binary against `fake-aws`: a scene, and a process in one of the modes.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use corpus::Random;
use corpus::record::Pod;
use fake_aws::scene::{CloudWatchTenant, DEAD_LETTERS, QUEUE, Scene};
use fake_aws::{FakeAws, Message, Outcome, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Permissions, REGION, Service};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use super::process::{Ended, LIMIT, Process};

/// In every message of every record: nothing that the processor says may hold it.
pub(crate) const CANARY: &str = "canary-7f3a9d";

/// Seconds that nothing waits for: a REQUEST_TIMEOUT for calls that hang, a
/// SHUTDOWN_GRACE_SECONDS that is not used up. More than [`LIMIT`], so that a test
/// which ends has not waited for it.
pub(crate) const NEVER: u64 = 300;

/// A scene, and the settings of the processes that are started in it.
pub(crate) struct Lab {
    pub(crate) scene: Scene,
    pub(crate) aws: FakeAws,
    dir: TempDir,
    env: BTreeMap<String, String>,
    arguments: Vec<String>,
    before: String,
    permissions: Permissions,
    redrives: bool,
}

impl Lab {
    /// A scene without tenants. Calls are attempted twice and may take as long as on a
    /// busy machine; where one is to hang, see [`Lab::impatient`].
    pub(crate) fn new() -> Self {
        let scene = Scene::new(FakeAws::start_blocking());
        let dir = TempDir::new().unwrap();
        let home = dir.path().to_str().unwrap().to_owned();
        let own = [("HOME", home.as_str()), ("HTTP_ADDR", "127.0.0.1:0"), ("RETRY_ATTEMPTS", "2")];
        let mut env: BTreeMap<String, String> = scene.env().into_iter().collect();
        env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
        env.insert("REQUEST_TIMEOUT".to_owned(), "30".to_owned());
        let aws = scene.aws.clone();
        Self {
            scene,
            aws,
            dir,
            env,
            arguments: Vec::new(),
            before: String::new(),
            permissions: Scene::permissions(),
            redrives: false,
        }
    }

    /// Calls that hang are given up, and others are so only on a machine at its end.
    pub(crate) fn impatient(self) -> Self {
        self.set("REQUEST_TIMEOUT", 4)
    }

    /// With a setting of the environment.
    pub(crate) fn set(mut self, name: &str, value: impl ToString) -> Self {
        self.env.insert(name.to_owned(), value.to_string());
        self
    }

    /// Without a setting of the environment.
    pub(crate) fn unset(mut self, name: &str) -> Self {
        self.env.remove(name);
        self
    }

    /// With one more argument.
    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    /// A shell runs this before it becomes the processor.
    pub(crate) fn before(self, command: &str) -> Self {
        Self { before: command.to_owned(), ..self }
    }

    /// The processor may do this too, beyond what [`Scene::permissions`] says.
    pub(crate) fn may(mut self, action: &str, resource: &str) -> Self {
        self.permissions = self.permissions.allow(action, resource);
        self.aws.set_permissions(PROCESSOR_ARN, self.permissions.clone());
        self
    }

    /// The processor may keep messages invisible.
    pub(crate) fn may_extend(self) -> Self {
        self.may("sqs:ChangeMessageVisibility", QUEUE)
    }

    /// DEAD_LETTER is a folder: see [`Lab::letters`].
    pub(crate) fn dead_letters(self) -> Self {
        let folder = self.path("letters").to_str().unwrap().to_owned();
        self.set("DEAD_LETTER", folder)
    }

    /// A message that failed is visible again where a test waits for that
    /// ([`Process::wait`]), and goes to [`DEAD_LETTERS`] at the receive after `receives`.
    pub(crate) fn redrive_after(mut self, receives: u32) -> Self {
        let redrive = Some((receives, DEAD_LETTERS));
        self.aws.add_queue(PROCESSOR_ACCOUNT, QUEUE, Duration::from_secs(30), redrive);
        self.redrives = true;
        self
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Puts an object of this tenant into the source bucket, gzip of `lines`; its key.
    pub(crate) fn object(&self, tenant: &str, name: &str, lines: &str) -> String {
        let key = key(tenant, name);
        self.scene.put_object(&key, gzip(lines.as_bytes()));
        key
    }

    /// As [`Lab::object`], and announces it in the queue.
    pub(crate) fn announced(&self, tenant: &str, name: &str, lines: &str) -> String {
        let key = self.object(tenant, name, lines);
        self.scene.send(&self.scene.notify(&key));
        key
    }

    /// As [`Lab::announced`], several objects in a message each, which one receive brings.
    pub(crate) fn announced_together(&self, tenant: &str, names: &[&str], lines: &str) {
        let bodies: Vec<_> = names.iter().map(|name| self.scene.notify(&self.object(tenant, name, lines))).collect();
        let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
        self.aws.send_messages(QUEUE, &bodies);
    }

    /// Announces an object in a message that may not be sent back any more: its
    /// three retries are spent.
    pub(crate) fn last_try(&self, key: &str) -> String {
        self.scene.send(&retried(&self.scene.record(key), 3))
    }

    /// The messages of the tenant's stream of [`pod`], as they arrived.
    pub(crate) fn messages(&self, tenant: &CloudWatchTenant) -> Vec<String> {
        let stream = pod(&tenant.name).name;
        let events = self.aws.log_events(&tenant.account, REGION, &tenant.group, &stream);
        events.into_iter().map(|event| event.message).collect()
    }

    /// All dead letters in the folder of [`Lab::dead_letters`], by their files' names.
    pub(crate) fn letters(&self) -> Vec<Value> {
        let mut files = Vec::new();
        collect(&self.path("letters"), &mut files);
        files.sort();
        files.iter().flat_map(|file| ndjson(&std::fs::read_to_string(file).unwrap())).collect()
    }

    /// How often an operation was called.
    pub(crate) fn count(&self, service: Service, operation: &str) -> u64 {
        self.aws.count(service, operation)
    }

    /// Messages of the queue that were sent back and wait for minutes.
    pub(crate) fn waiting(&self) -> Vec<Message> {
        let mut messages = self.aws.messages(QUEUE);
        messages.retain(|it| it.receives == 0 && it.invisible_for.is_some_and(|left| left > Duration::from_secs(120)));
        messages
    }

    /// Bodies of the messages in the dead-letter queue.
    pub(crate) fn redriven(&self) -> Vec<String> {
        self.aws.messages(DEAD_LETTERS).into_iter().map(|message| message.body.to_string()).collect()
    }

    /// Starts the binary with these arguments, and those of [`Lab::argument`].
    pub(crate) fn start(&self, arguments: &[&str], input: Option<&str>) -> Process {
        let binary = env!("CARGO_BIN_EXE_log-processor");
        let mut command = Command::new(if self.before.is_empty() { binary } else { "/bin/sh" });
        if !self.before.is_empty() {
            command.args(["-c", &format!("{} && exec \"$0\" \"$@\"", self.before), binary]);
        }
        command.env_clear().envs(&self.env).args(arguments).args(&self.arguments).current_dir(self.dir.path());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut process = Process::start(&mut command, &self.aws, self.redrives);
        input.into_iter().for_each(|input| process.write_input(input));
        process
    }

    /// Starts sqs mode.
    pub(crate) fn sqs(&self) -> Process {
        self.start(&["--mode", "sqs"], None)
    }

    /// Starts scan mode.
    pub(crate) fn scan(&self) -> Process {
        self.start(&["--mode", "scan"], None)
    }

    /// Runs manual mode over one message's body, to its end.
    pub(crate) fn manual(&self, body: &str) -> Ended {
        self.start(&["--mode", "manual"], Some(body)).ended()
    }

    /// Starts lambda mode, as Lambda does.
    pub(crate) fn lambda(&self) -> Process {
        let authority = self.aws.authority();
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", authority.as_str()),
            ("AWS_LAMBDA_FUNCTION_NAME", "log-processor"),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ];
        let mut env = self.env.clone();
        env.extend(lambda.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let mut command = Command::new(env!("CARGO_BIN_EXE_log-processor"));
        command.env_clear().envs(&env).args(&self.arguments).current_dir(self.dir.path()).stdin(Stdio::null());
        Process::start(&mut command, &self.aws, self.redrives)
    }

    /// Has the function of [`Lab::lambda`] take an event, which it must answer before its
    /// deadline: `timeout` after it has the event. Returns which messages failed.
    pub(crate) fn invoke(&self, process: &Process, messages: &[(&str, &str)], timeout: Duration) -> Vec<String> {
        let id = self.aws.invoke(self.scene.lambda_event(messages), timeout);
        let answer = process.until("an answer", || match self.aws.outcome(&id) {
            Outcome::Response(bytes) => Some(serde_json::from_slice::<Value>(&bytes).unwrap()),
            Outcome::Error(bytes) => panic!("the function failed: {}", String::from_utf8_lossy(&bytes)),
            Outcome::TimedOut => panic!("the answer came later than {timeout:?}"),
            Outcome::Waiting | Outcome::Running => None,
        });
        let failures = answer["batchItemFailures"].as_array().unwrap();
        failures.iter().map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned()).collect()
    }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "ndjson") {
            files.push(path);
        }
    }
}

/// The lines of a file of JSON.
pub(crate) fn ndjson(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))).collect()
}

/// The body of a message as the processor sends it back: one record, retried so often.
pub(crate) fn retried(record: &Value, retry_count: u32) -> String {
    let event = json!({"Records": [record]});
    json!({"Message": event.to_string(), "processing_metadata": {"offset": 0, "retry_count": retry_count}}).to_string()
}

/// The tenant's pod, the same always.
pub(crate) fn pod(tenant: &str) -> Pod {
    Pod::new("prod-1", tenant, "app", &mut Random::new(7))
}

/// The key of an object of [`pod`].
pub(crate) fn key(tenant: &str, name: &str) -> String {
    format!("{}{name}.json.gz", pod(tenant).prefix())
}

/// Now, in milliseconds since the Unix epoch.
pub(crate) fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A line in Vector's shape with this message, at a time in milliseconds since the Unix epoch.
pub(crate) fn record(tenant: &str, message: &str, at: i64) -> String {
    let day = corpus::Instant::DAY;
    let at = day.plus_millis(at - day.seconds() * 1000);
    format!("{}\n", pod(tenant).saying(&mut Random::new(7), at, message))
}

/// The message of a number.
pub(crate) fn text(number: usize) -> String {
    format!("{CANARY} number {number}")
}

/// The messages of so many numbers.
pub(crate) fn texts(count: usize) -> Vec<String> {
    (0..count).map(text).collect()
}

/// Lines with [`texts`], a millisecond apart, that end a second ago.
pub(crate) fn records(tenant: &str, count: usize) -> String {
    let begin = now() - 1000 - i64::try_from(count).unwrap();
    (begin..).zip(texts(count)).map(|(at, message)| record(tenant, &message, at)).collect()
}

pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(1));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}
