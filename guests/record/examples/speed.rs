//! How fast records of the shape that Vector's Kubernetes source writes become
//! events: MB of log a second of CPU time, on one thread.
//!
//! `cargo run --release -p record --example speed [runs]`
#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a measurement for people to read")]

use std::fmt::Write;
use std::hint::black_box;
use std::time::{Duration, Instant};

use record::{Clock, Transformer};

const TOTAL: usize = 64 << 20;
const CHUNK: usize = 256 << 10;
/// Passes over all records in a run: the CPU clock ticks slowly.
const PASSES: usize = 8;

fn main() {
    let runs = std::env::args().nth(1).and_then(|runs| runs.parse().ok());
    let records = records();
    let chunks = chunks(&records);
    println!("{} MB in {} chunks", records.len() / 1_000_000, chunks.len());
    let mut speeds: Vec<f64> = (0..runs.unwrap_or(11)).map(|_| speed(&chunks)).collect();
    for speed in &speeds {
        println!("{speed:7.0} MB/s");
    }
    speeds.sort_by(f64::total_cmp);
    let median = speeds.get(speeds.len() / 2).copied().unwrap_or_default();
    println!("{median:7.0} MB/s median");
}

/// One run.
fn speed(chunks: &[&[u8]]) -> f64 {
    let start = cpu_time();
    let bytes: usize = (0..PASSES).map(|_| pass(chunks)).sum();
    bytes as f64 / 1e6 / cpu_time().saturating_sub(start).as_secs_f64()
}

/// All chunks once; returns their bytes.
fn pass(chunks: &[&[u8]]) -> usize {
    let clock = Clock { now: 1, last_modified: 2 };
    let mut transformer = Transformer::new(clock, 16 << 20);
    let mut line = 0;
    let mut bytes = 0;
    for chunk in chunks {
        let found = black_box(transformer.chunk(line, black_box(chunk)));
        line += found.events.len() as u64;
        bytes += chunk.len();
    }
    black_box(transformer.end());
    bytes
}

/// The CPU time of this process where Linux tells it, else the wall clock.
fn cpu_time() -> Duration {
    use std::sync::OnceLock;
    static START: OnceLock<Instant> = OnceLock::new();
    let wall = START.get_or_init(Instant::now).elapsed();
    let nanoseconds = std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split(' ').next()?.parse().ok());
    nanoseconds.map_or(wall, Duration::from_nanos)
}

fn chunks(records: &[u8]) -> Vec<&[u8]> {
    let mut chunks = Vec::new();
    let mut rest = records;
    while !rest.is_empty() {
        let most = rest.get(..CHUNK).unwrap_or(rest);
        let newline = most.iter().rposition(|&byte| byte == b'\n');
        let Some((chunk, after)) = newline.and_then(|at| rest.split_at_checked(at + 1)) else {
            break;
        };
        chunks.push(chunk);
        rest = after;
    }
    chunks
}

/// A small generator of numbers, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn records() -> Vec<u8> {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut text = String::with_capacity(TOTAL + 2048);
    while text.len() < TOTAL {
        record(&mut random, &mut text);
    }
    text.into_bytes()
}

fn record(random: &mut Random, out: &mut String) {
    const APPLICATIONS: [&str; 5] = ["payments", "checkout", "web", "inventory-sync", "auth"];
    let pick = usize::try_from(random.below(5)).unwrap_or(0);
    let application = APPLICATIONS.get(pick).copied().unwrap_or_default();
    let pod = format!("{application}-{:09x}-{:05x}", random.below(1 << 36), random.below(1 << 20));
    let uid = format!("{:08x}-1b2c-4d5e-8f90-{:012x}", random.below(1 << 32), random.below(1 << 48));
    let node = random.below(250);
    let second = random.below(60);
    let nanosecond = random.below(1_000_000_000);
    let mut message = format!("I1123 09:{second:02}:12.{:06} 1 handler.go:{}] ", nanosecond / 1000, random.below(900));
    let length = 140 + usize::try_from(random.below(120)).unwrap_or(0);
    while message.len() < length {
        const WORDS: [&str; 8] =
            ["request", "served", "in", "milliseconds", "status=200", "path=/api/v1/orders", "user", "cache"];
        let word = usize::try_from(random.below(8)).unwrap_or(0);
        let _ = write!(message, "{} ", WORDS.get(word).copied().unwrap_or_default());
    }
    let _ = writeln!(
        out,
        concat!(
            r#"{{"application":"{application}","cluster_id":"prod-eu-west-1","file":"/var/log/pods/acme_{pod}_{uid}/app/0.log","#,
            r#""kubernetes":{{"container_id":"containerd://{uid}{uid}","container_image":"registry.example.com/acme/{application}:1.{node}.0","#,
            r#""container_name":"app","namespace_labels":{{"kubernetes.io/metadata.name":"acme","team":"shop"}},"#,
            r#""node_labels":{{"kubernetes.io/arch":"amd64","kubernetes.io/os":"linux"}},"pod_annotations":{{"prometheus.io/port":"8080","prometheus.io/scrape":"true"}},"#,
            r#""pod_ip":"10.12.{node}.17","pod_ips":["10.12.{node}.17"],"pod_labels":{{"app":"{application}","pod-template-hash":"7d9f8c6b54"}},"#,
            r#""pod_name":"{pod}","pod_namespace":"acme","pod_node_name":"ip-10-0-{node}-7.ec2.internal","pod_owner":"ReplicaSet/{application}","pod_uid":"{uid}"}},"#,
            r#""message":"{message}","namespace":"acme","pod_name":"{pod}","source_type":"kubernetes_logs","stream":"stderr","timestamp":"2026-11-23T09:59:{second:02}.{nanosecond:09}Z"}}"#,
        ),
        application = application,
        pod = pod,
        uid = uid,
        node = node,
        message = message,
        second = second,
        nanosecond = nanosecond,
    );
}
