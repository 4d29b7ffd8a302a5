//! Where the output can't be, and what happens when it can't be written.

use std::process::Command;

use crate::common::local::{GROUP, Lab, TENANT, finish, numbers, records};
use crate::common::{output, stream};

fn run_at(lab: &Lab, objects: &str, output: &str) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_log-processor"));
    command.args(["local", "--tenants", "tenants.yaml", "--objects", objects, "--output", output]);
    let output = finish(command.current_dir(lab.path("")));
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn output_among_the_objects_is_refused() {
    let lab = Lab::new();
    lab.object("c/n/a/p/f", records(3));
    std::os::unix::fs::symlink("objects", lab.path("link")).unwrap();
    for place in ["objects", "objects/", "objects/logs/output", "objects/new/deep", "link/x", "./output/../objects/y"] {
        let (code, stderr) = run_at(&lab, "objects", place);
        assert_eq!(code, 3, "{place}: {stderr}");
        assert!(stderr.contains("lies within --objects") && stderr.contains(place), "{stderr}");
    }
    assert_eq!(output::files(&lab.objects()).len(), 1, "nothing was written there");
    let (code, stderr) = run_at(&lab, "objects", ".");
    assert_eq!(code, 0, "beside the objects is harmless: {stderr}");
    for own in ["s3", "cloudwatch/x", ".incoming"] {
        std::fs::create_dir_all(lab.path(own)).unwrap();
        let (code, stderr) = run_at(&lab, own, ".");
        assert_eq!(code, 3, "{own}");
        assert!(stderr.contains("give another --output"), "{stderr}");
    }
}

#[test]
fn a_file_where_a_folder_must_be() {
    let lab = Lab::new();
    lab.object("c/n/a/p/f", records(3));
    std::fs::write(lab.output(), "a file").unwrap();
    let run = lab.run();
    assert_eq!(run.code, 3);
    run.says(&["output", "a file stands where a folder is needed"]);
    std::fs::remove_file(lab.output()).unwrap();
    std::fs::create_dir(lab.output()).unwrap();
    std::fs::write(lab.output().join("cloudwatch"), "a file").unwrap();
    let run = finish(&mut lab.command());
    assert_eq!(run.status.code(), Some(1));
    let stderr = String::from_utf8(run.stderr).unwrap();
    assert!(stderr.contains("move it away") && stderr.contains("output/cloudwatch"), "{stderr}");
    std::fs::remove_file(lab.output().join("cloudwatch")).unwrap();
    assert_eq!(lab.done().total("events"), 3, "mended, the next run delivers");
    assert_eq!(lab.messages("p"), numbers(3));
}

#[test]
fn a_report_that_can_not_be_written() {
    let lab = Lab::new();
    lab.object("c/n/a/p/f", records(3));
    for (place, part) in [("missing/r.json", "missing"), (".", "folder")] {
        let run = finish(lab.command().args(["--report", place]));
        let stderr = String::from_utf8(run.stderr).unwrap();
        assert!(run.status.code() == Some(3) && stderr.contains("--report") && stderr.contains(part), "{stderr}");
        assert!(!lab.output().exists(), "told before anything is done");
    }
    let run = finish(lab.command().args(["--report", "/dev/full"]));
    let (stdout, stderr) = (String::from_utf8(run.stdout).unwrap(), String::from_utf8(run.stderr).unwrap());
    assert!(run.status.code() == Some(1) && stderr.contains("/dev/full"), "{stderr}");
    assert!(stdout.contains("total"), "the table is there all the same");
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let child = lab.command().stdout(full).stderr(std::process::Stdio::piped()).spawn().unwrap();
    let run = child.wait_with_output().unwrap();
    assert!(run.status.code() == Some(1) && String::from_utf8(run.stderr).unwrap().contains("standard output"));
}

/// A file system of a few hundred KiB, where this user may mount one.
struct Small(std::path::PathBuf);

impl Small {
    fn new(lab: &Lab) -> Option<Self> {
        std::fs::create_dir(lab.output()).unwrap();
        let mounted = mount(&lab.output(), &["-t", "tmpfs", "-o", "size=512k", "tmpfs"]);
        if !mounted {
            println!("skipped: a full disk needs leave to mount one");
        }
        mounted.then(|| Self(lab.output()))
    }
}

fn mount(at: &std::path::Path, how: &[&str]) -> bool {
    Command::new("mount").args(how).arg(at).output().is_ok_and(|output| output.status.success())
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_run_and_loses_nothing() {
    let lab = Lab::new().env("MAX_BATCH_SIZE", 500);
    lab.tenants(&(TENANT.to_owned() + "  - {tenant_id: n, type: s3, enabled: true, bucket_name: bbb}\n"));
    for pod in 0..6 {
        lab.object(&format!("c/n/a/p{pod}/f"), records(4000));
    }
    let Some(_small) = Small::new(&lab) else { return };
    let run = lab.run();
    assert_eq!(run.code, 1);
    run.says(&["the disk is full: free space, or give another --output"]);
    assert!(run.total("events") < 24_000);
    // What is there is whole: `run` checked it. With room, the rest follows.
    assert!(mount(&lab.output(), &["-o", "remount,size=64m"]));
    let run = lab.done();
    assert!(run.total("events") > 0);
    for pod in 0..6 {
        let messages = lab.messages(&format!("p{pod}"));
        let mut once = messages.clone();
        once.sort_by_key(|number| number.parse::<u32>().unwrap());
        once.dedup();
        assert_eq!(once, numbers(4000), "an event was lost");
        // At most what was put after the last checkpoint comes twice.
        assert!(messages.len() < 8000, "{}", messages.len());
        stream::check(&lab.output().join(GROUP).join(format!("p{pod}.ndjson")), 500);
        let copy = lab.output().join(format!("s3/bbb/ROSA/cluster-logs/n/a/p{pod}/f"));
        assert!(std::fs::read(copy).unwrap() == records(4000).as_bytes());
    }
}
