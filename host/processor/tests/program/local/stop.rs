//! Runs that are stopped, killed, or doubled, and objects that change under them.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::common::local::{GROUP, LIMIT, Lab, finish, finish_within, gzip, numbers, record, records, signal};
use crate::common::{output, stream};

const OBJECTS: usize = 12;
const EVENTS: i64 = 120_000;

/// Objects of several windows (50,000 events) each.
fn large() -> Lab {
    let lab = Lab::new().env("MAX_CONCURRENT_OBJECTS", 2);
    let object = gzip(records(EVENTS).as_bytes());
    for pod in 0..OBJECTS {
        lab.object(&format!("c/n/a/p{pod:02}/f.gz"), &object);
    }
    lab
}

/// Waits until something is there.
fn until(what: &str, there: impl Fn() -> bool) {
    let started = Instant::now();
    while !there() {
        assert!(started.elapsed() < LIMIT, "no {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn bytes_written(lab: &Lab) -> u64 {
    let files = output::files(&lab.output().join("cloudwatch"));
    files.values().filter_map(|path| path.metadata().ok()).map(|file| file.len()).sum()
}

fn at_work(lab: &Lab) {
    until("output", || bytes_written(lab) > 1_000_000);
}

/// How often each event of a pod arrived.
fn arrived(lab: &Lab, pod: usize) -> BTreeMap<u32, usize> {
    let mut times = BTreeMap::new();
    for message in lab.messages(&format!("p{pod:02}")) {
        *times.entry(message.parse().unwrap()).or_default() += 1;
    }
    times
}

#[test]
fn what_is_stopped_ends_soon_and_goes_on_where_it_was() {
    for name in ["INT", "TERM"] {
        let lab = large();
        let child = lab.start();
        at_work(&lab);
        signal(child.id(), name);
        let run = lab.wait(child);
        assert_eq!(run.code, 1);
        run.says(&["stopping", "left to do"]);
        // Soon, and not when its work was done.
        let interrupted = run.report["totals"]["outcomes"]["interrupted"].as_u64().expect("nothing was interrupted");
        assert!(interrupted > 2, "{}", run.report["totals"]);
        output::check(&lab.output());
        let second = lab.done();
        assert_eq!(run.total("events") + second.total("events"), OBJECTS as u64 * EVENTS as u64);
        let resumed = second.report["entries"].as_array().unwrap().iter();
        let resumed: u64 = resumed.map(|entry| entry["resumed_from_event"].as_u64().unwrap()).sum();
        let done = run.report["entries"].as_array().unwrap().iter().filter(|entry| entry["outcome"] == "interrupted");
        assert_eq!(resumed, done.map(|entry| entry["events"].as_u64().unwrap()).sum::<u64>());
        for pod in 0..OBJECTS {
            assert!(lab.messages(&format!("p{pod:02}")) == numbers(EVENTS), "{pod}: not each event once, in order");
        }
    }
}

#[test]
fn what_is_killed_loses_nothing_and_repeats_a_window_at_most() {
    let lab = large();
    for _ in 0..3 {
        let mut child = lab.start();
        let before = bytes_written(&lab);
        until("progress", || bytes_written(&lab) > before + 3_000_000);
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let run = finish(&mut lab.command());
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let mut repeated = 0;
    for pod in 0..OBJECTS {
        let times = arrived(&lab, pod);
        assert!(times.len() as i64 == EVENTS, "{pod}: {} events", times.len());
        repeated += times.values().map(|times| times - 1).sum::<usize>();
    }
    // Three kills, two objects at work each, a window each.
    assert!(repeated <= 3 * 2 * 50_000, "{repeated}");
    assert_eq!(std::fs::read_dir(lab.output().join(".incoming")).map_or(0, Iterator::count), 0);
}

#[test]
fn a_second_run_on_the_same_output_is_kept_out() {
    let lab = large();
    let child = lab.start();
    at_work(&lab);
    let run = finish(&mut lab.command());
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert_eq!(run.status.code(), Some(3), "{stderr}");
    let process = format!("process {}", child.id());
    assert!(stderr.contains("another run") && stderr.contains(&process) && stderr.contains("--output"), "{stderr}");
    assert_eq!(lab.wait(child).code, 0, "the first one goes on");
    for pod in 0..OBJECTS {
        assert!(lab.messages(&format!("p{pod:02}")) == numbers(EVENTS));
    }
}

#[test]
fn an_object_that_grows_while_it_is_read_fails_and_is_whole_later() {
    let lab = Lab::new();
    // Large: before it is read to its end, whoever makes it grow has its turn.
    let path = lab.object("c/n/a/p/f", records(200_000));
    lab.object("c/n/a/q/f", records(10));
    let file = std::fs::File::options().append(true).open(&path).unwrap();
    let stop = std::sync::atomic::AtomicBool::new(false);
    let run = std::thread::scope(|scope| {
        let grows = scope.spawn(|| grow(file, &stop));
        let mut child = lab.start();
        // It is opened while it grows.
        let opened = format!("/proc/{}/fd", child.id());
        let is_opened = |entry: std::fs::DirEntry| std::fs::read_link(entry.path()).is_ok_and(|to| to == path);
        until("reader", || std::fs::read_dir(&opened).is_ok_and(|fds| fds.flatten().any(is_opened)));
        let length = std::fs::metadata(&path).unwrap().len();
        until("growth", || std::fs::metadata(&path).unwrap().len() > length);
        assert!(child.try_wait().unwrap().is_none(), "it is still at work");
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        grows.join().unwrap();
        lab.wait(child)
    });
    assert_eq!(run.code, 1, "{}", run.report);
    assert_eq!(&run.entry("c/n/a/p/f")["reason"], "changed", "{}", run.stderr);
    run.says(&["c/n/a/p/f", "changed while it was read", "run again"]);
    assert_eq!(run.outcome("c/n/a/q/f"), "delivered");
    output::check(&lab.output());
    let lines = std::fs::read_to_string(&path).unwrap().lines().count();
    let run = lab.done();
    assert_eq!(run.lines("c/n/a/p/f")[..3], [lines as u64, 0, lines as u64], "at least once");
}

/// Appends until it is told to stop, faster than it could be read to its end.
fn grow(mut file: std::fs::File, stop: &std::sync::atomic::AtomicBool) {
    let block = record("grown", -1).repeat(1000);
    while !stop.load(std::sync::atomic::Ordering::Relaxed) {
        file.write_all(block.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn an_object_that_vanishes_fails_and_the_next_goes_on() {
    let lab = Lab::new().env("MAX_CONCURRENT_OBJECTS", 1);
    for index in 0..200 {
        lab.object(&format!("c/n/a/p/{index:03}"), records(2000));
    }
    let child = lab.start();
    until("output", || lab.output().join(GROUP).join("p.ndjson").exists());
    std::fs::remove_file(lab.objects().join("logs/c/n/a/p/199")).unwrap();
    let run = lab.wait(child);
    assert_eq!((run.code, run.outcome("c/n/a/p/199")), (1, "failed"), "{}", run.stderr);
    run.says(&["c/n/a/p/199", "moved away"]);
    assert_eq!(run.total("events"), 199 * 2000);
    assert_eq!(lab.done().total("events"), 0);
}

#[test]
fn a_reader_that_goes_away_is_no_loss() {
    let lab = Lab::new();
    lab.object("c/n/a/p/f", records(10));
    let mut child = lab.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let run = finish_within(child, LIMIT);
    assert!(String::from_utf8(run.stderr).unwrap().contains("standard output"));
    check(&lab.output(), 10);
}

fn check(output: &Path, events: usize) {
    assert_eq!(stream::events(&output.join(GROUP).join("p.ndjson")).len(), events);
    assert_eq!(stream::check(&output.join(GROUP).join("p.ndjson"), 10_000), [events]);
}
