//! The built program while it runs against `fake-aws`: what it said and did. Wherever a process
//! ends, by itself or by being dropped, what it said is searched for log contents and secrets.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::FileExt;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use fake_aws::FakeAws;
use fake_aws::scene::{DEAD_LETTERS, QUEUE};
use serde_json::Value;

use super::aws::{CANARY, ndjson};

/// Only what hangs takes that long, on however slow and busy a machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(240);

/// Between two looks.
const POLL: Duration = Duration::from_millis(10);

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
    /// Starts a program. `redrives`: what failed comes again where a test waits for that.
    pub(super) fn start(command: &mut Command, aws: &FakeAws, redrives: bool) -> Self {
        let ((stdout, out), (stderr, err)) = (Said::new(), Said::new());
        let child = command.stdout(out).stderr(err).spawn().unwrap();
        let aws = aws.clone();
        Self { child, stdout, stderr, parsed: Mutex::default(), aws, redrives, ended: false }
    }

    /// Writes its standard input, and closes it.
    pub(super) fn write_input(&mut self, input: &str) {
        if let Some(mut pipe) = self.child.stdin.take() {
            // It may refuse to read it.
            let _ = pipe.write_all(input.as_bytes());
        }
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
    /// `Lab::redrive_after`.
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
