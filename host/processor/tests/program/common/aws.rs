//! The built binary against `fake-aws`: a scene, a process in one of the modes,
//! what it said and did. Wherever a process ends, by itself or by being dropped,
//! what it said is searched for log contents and secrets.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use corpus::Random;
use corpus::record::Pod;
use fake_aws::scene::{CloudWatchTenant, DEAD_LETTERS, QUEUE, Scene};
use fake_aws::{FakeAws, Message, Outcome, PROCESSOR_ACCOUNT, PROCESSOR_ARN, Permissions, REGION, Service};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tempfile::TempDir;

/// In every message of every record: nothing that the processor says may hold it.
pub(crate) const CANARY: &str = "canary-7f3a9d";

/// Only what hangs takes that long, on however slow and busy a machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(240);

/// Seconds that nothing waits for: a REQUEST_TIMEOUT for calls that hang, a
/// SHUTDOWN_GRACE_SECONDS that is not used up. More than [`LIMIT`], so that a test
/// which ends has not waited for it.
pub(crate) const NEVER: u64 = 300;

/// Between two looks.
const POLL: Duration = Duration::from_millis(10);

/// A scene, and the settings of the processes that are started in it.
pub(crate) struct Lab {
    pub(crate) scene: Scene,
    pub(crate) aws: FakeAws,
    dir: TempDir,
    env: BTreeMap<String, String>,
    arguments: Vec<String>,
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
        Self { scene, aws, dir, env, arguments: Vec::new(), permissions: Scene::permissions(), redrives: false }
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
        let mut command = Command::new(env!("CARGO_BIN_EXE_log-processor"));
        command.env_clear().envs(&self.env).args(arguments).args(&self.arguments).current_dir(self.dir.path());
        command.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut process = Process::start(&mut command, self);
        if let (Some(input), Some(mut pipe)) = (input, process.child.stdin.take()) {
            // It may refuse to read it.
            let _ = pipe.write_all(input.as_bytes());
        }
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
        Process::start(&mut command, self)
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

/// A process that runs.
pub(crate) struct Process {
    child: Child,
    stdout: Said,
    stderr: Said,
    parsed: Mutex<Parsed>,
    aws: FakeAws,
    redrives: bool,
    ended: bool,
}

/// What a process writes. A file, and no pipe: what it has written is there at once,
/// whenever it is that a reader gets its turn.
struct Said(File);

impl Said {
    fn new() -> (Self, Stdio) {
        let file = tempfile::tempfile().unwrap();
        let theirs = file.try_clone().unwrap();
        (Self(file), theirs.into())
    }

    /// From an offset to the end; the place in the file stays the process's.
    fn since(&self, offset: u64) -> Vec<u8> {
        let mut bytes = vec![0; usize::try_from(self.0.metadata().unwrap().len().saturating_sub(offset)).unwrap()];
        self.0.read_exact_at(&mut bytes, offset).unwrap();
        bytes
    }
}

/// The whole lines of a log, as far as it was read.
#[derive(Default)]
struct Parsed {
    bytes: u64,
    lines: Vec<Value>,
}

/// What a process said to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    /// Its exit code; -1: a signal ended it.
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The JSON lines it logged.
    pub(crate) fn lines(&self) -> Vec<Value> {
        ndjson(&self.stdout)
    }
}

impl Process {
    fn start(command: &mut Command, lab: &Lab) -> Self {
        let ((stdout, out), (stderr, err)) = (Said::new(), Said::new());
        let child = command.stdout(out).stderr(err).spawn().unwrap();
        let (aws, redrives) = (lab.aws.clone(), lab.redrives);
        Self { child, stdout, stderr, parsed: Mutex::default(), aws, redrives, ended: false }
    }

    /// Its ID.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// All it has said so far.
    pub(crate) fn output(&self) -> (String, String) {
        let text = |said: &Said| String::from_utf8_lossy(&said.since(0)).into_owned();
        (text(&self.stdout), text(&self.stderr))
    }

    /// The JSON lines it has logged so far.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let mut parsed = self.parsed.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let new = self.stdout.since(parsed.bytes);
        // The last one may not be whole.
        let whole = new.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        parsed.lines.extend(ndjson(std::str::from_utf8(&new[..whole]).unwrap()));
        parsed.bytes += whole as u64;
        parsed.lines.clone()
    }

    /// The lines of objects so far: one an object and attempt.
    pub(crate) fn objects(&self) -> Vec<Value> {
        self.lines().into_iter().filter(|line| line["message"] == "object").collect()
    }

    /// What became of the deliveries of each object so far, such as
    /// `cloudwatch=failed(denied)`.
    pub(crate) fn outcomes(&self) -> Vec<String> {
        self.objects().iter().map(|line| line["deliveries"].as_str().unwrap().to_owned()).collect()
    }

    /// Asks again and again until there is an answer, which must come.
    #[track_caller]
    pub(crate) fn until<T>(&self, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + LIMIT;
        loop {
            if let Some(found) = probe() {
                return found;
            }
            if Instant::now() >= end {
                let (stdout, stderr) = self.output();
                panic!("waited in vain for {what}\n{stdout}\n{stderr}\n{:?}", self.aws.calls());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Waits until this holds. Meanwhile messages that failed come again: see
    /// [`Lab::redrive_after`].
    #[track_caller]
    pub(crate) fn wait(&self, what: &str, mut holds: impl FnMut() -> bool) {
        self.until(what, || {
            let held = holds();
            if !held {
                self.failed_come_again();
            }
            held.then_some(())
        });
    }

    /// As if the visibility timeout of what has failed, by the log, were over.
    fn failed_come_again(&self) {
        if !self.redrives {
            return;
        }
        for line in self.lines().iter().filter(|line| line["message"] == "the message failed") {
            let attempt = line["attempt"].as_u64().map(|attempt| u32::try_from(attempt).unwrap());
            self.aws.make_visible(QUEUE, |message| {
                line["message_id"] == message.id.as_str() && attempt == Some(message.receives)
            });
        }
    }

    /// As if the pauses before retries were over: up to the longest, 16 s. What waits
    /// for longer waits for a destination or component that is left alone.
    fn retries_come_again(&self) {
        let retried = Duration::from_secs(1)..=Duration::from_secs(16);
        self.aws.make_visible(QUEUE, |message| message.receives == 0 && retried.contains(&message.delay));
    }

    /// Waits for a line that is so.
    #[track_caller]
    pub(crate) fn line(&self, what: &str, fits: impl Fn(&Value) -> bool) -> Value {
        self.until(what, || self.lines().into_iter().find(|line| fits(line)))
    }

    /// Waits for a line with this message.
    #[track_caller]
    pub(crate) fn says(&self, message: &str) -> Value {
        self.line(message, |line| line["message"].as_str().is_some_and(|text| text.contains(message)))
    }

    /// Waits for the lines of that many objects; their outcomes.
    #[track_caller]
    pub(crate) fn done(&self, objects: usize) -> Vec<String> {
        self.until("the objects' lines", || Some(self.outcomes()).filter(|lines| lines.len() >= objects))
    }

    /// Waits until the queue is empty: nothing visible, in flight, or held back. What
    /// is to be tried again comes at once.
    #[track_caller]
    pub(crate) fn empties_the_queue(&self) {
        self.wait("an empty queue", || {
            self.retries_come_again();
            self.aws.messages(QUEUE).is_empty()
        });
    }

    /// Waits until the queue is empty and its dead-letter queue has that many messages.
    #[track_caller]
    pub(crate) fn redrives(&self, messages: usize) {
        self.wait("messages in the dead-letter queue", || {
            self.retries_come_again();
            self.aws.messages(DEAD_LETTERS).len() == messages && self.aws.messages(QUEUE).is_empty()
        });
    }

    /// GET of what it serves: status and body.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let line = self.says("serving /metrics");
        fetch(line["address"].as_str().unwrap(), path).expect("an answer")
    }

    /// The sum of a metric's samples whose labels hold all of these (`name="value"`).
    #[track_caller]
    pub(crate) fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let (_, text) = self.get("/metrics");
        let samples = text.lines().filter(|line| {
            let rest = line.strip_prefix(name);
            rest.is_some_and(|rest| rest.starts_with(['{', ' '])) && labels.iter().all(|label| line.contains(label))
        });
        samples.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// Sends a signal, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {}", self.id())).status().unwrap();
        assert!(sent.success(), "kill -{name}");
    }

    /// Sends SIGTERM and waits for the end; exit code 0.
    #[track_caller]
    pub(crate) fn terminate(mut self) -> Ended {
        self.check_metrics();
        self.signal("TERM");
        let ended = self.finish();
        assert_eq!(ended.code, 0, "{}\n{}", ended.stdout, ended.stderr);
        ended
    }

    /// Waits for the end, which must come by itself.
    #[track_caller]
    pub(crate) fn ended(mut self) -> Ended {
        self.finish()
    }

    /// Ends it at once, as a crash would.
    pub(crate) fn kill(mut self) -> Ended {
        self.check_metrics();
        let _ = self.child.kill();
        self.finish()
    }

    #[track_caller]
    fn finish(&mut self) -> Ended {
        let end = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            if Instant::now() >= end {
                let _ = self.child.kill();
                panic!("it does not end\n{:?}", self.output());
            }
            std::thread::sleep(POLL);
        };
        self.ended = true;
        let (stdout, stderr) = self.output();
        discreet(&self.aws, "standard output", &stdout);
        discreet(&self.aws, "standard error", &stderr);
        Ended { code: status.code().unwrap_or(-1), stdout, stderr }
    }

    /// What it serves, where it does.
    fn check_metrics(&self) {
        let lines = self.lines();
        let Some(address) = lines.iter().find_map(|line| line["address"].as_str()) else { return };
        for path in ["/metrics", "/readyz"] {
            // It may have ended by now.
            if let Ok((_, text)) = fetch(address, path) {
                discreet(&self.aws, path, &text);
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if !std::thread::panicking() {
            self.check_metrics();
        }
        let _ = self.child.kill();
        if std::thread::panicking() {
            let _ = self.child.wait();
        } else {
            self.finish();
        }
    }
}

/// No log contents and no secrets.
#[track_caller]
fn discreet(aws: &FakeAws, what: &str, text: &str) {
    let beginning = |text: &str| text.chars().take(4000).collect::<String>();
    assert!(!text.contains(CANARY), "log contents on {what}: {}", beginning(text));
    let own = aws.own().clone();
    for credentials in aws.sessions().iter().map(|session| session.credentials.clone()).chain([own]) {
        let token = credentials.session_token.unwrap_or_else(|| credentials.secret_access_key.clone());
        for secret in [&credentials.secret_access_key, &token] {
            assert!(!text.contains(secret.as_str()), "a secret on {what}: {}", beginning(text));
        }
    }
}

/// Status and body.
fn fetch(address: &str, path: &str) -> std::io::Result<(u16, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(std::io::ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Ok((status.ok_or(std::io::ErrorKind::InvalidData)?, body.to_owned()))
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
