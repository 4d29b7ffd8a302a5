//! A container of 512 MiB: no mix of tenants, components and lines ends the process. Beside
//! hostile tenants a healthy one gets all of its logs, nothing is lost, and nobody is blamed
//! for memory that the host lacks.

mod fence;

use std::time::Duration;

use assemble::filter;
use fake_aws::Rule;
use fake_aws::scene::CloudWatchTenant;
use serde_json::json;

use self::fence::Fence;
use crate::common::aws::{Lab, Process, gzip, key, records, texts};
use crate::hostile::guest::Guest;

const MIB: usize = 1 << 20;

/// Tenants whose component fills its memory, and the objects of each.
const HOGS: usize = 32;
const OBJECTS_OF_HOG: usize = 4;

/// Objects of each kind of line, and how often each is announced.
const LONG_LINES: usize = 6;
const ANNOUNCED: usize = 3;

/// The healthy tenant's objects, and the records of each.
const OBJECTS: usize = 16;
const RECORDS: usize = 50;

/// Takes all the memory that it may have, writes to it, and works for a while. Then it doesn't
/// want the object.
fn hog() -> Vec<u8> {
    filter(
        "(local $n i32)
        (loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
        (memory.fill (i32.const 65536) (i32.const 7)
            (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 65536)))
        (local.set $n (i32.const 100000000))
        (loop (br_if 0 (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
        (i32.store (i32.const 8) (i32.const 0)) (i32.store (i32.const 12) (i32.const 0))",
        "",
    )
}

/// A list on one line of so many bytes, of as many of these records as there is room for.
fn list(bytes: usize, record: &str) -> String {
    let records = (bytes - 2) / (record.len() + 1);
    format!("[{}]\n", vec![record; records].join(","))
}

struct Container {
    lab: Lab,
    fence: Fence,
    good: CloudWatchTenant,
}

impl Container {
    fn new() -> Self {
        let lab = Lab::new().may_extend().dead_letters();
        let plugins = lab.path("plugins");
        std::fs::create_dir(&plugins).unwrap();
        let lab = lab.set("PLUGIN_SOURCES", format!("file:{}", plugins.display())).set("VISIBILITY_TIMEOUT", 600);
        let fence = Fence::new(512 * MIB);
        let lab = fence.around(lab);
        let good = lab.scene.add_cloudwatch_tenant("good");
        Self { lab, fence, good }
    }

    /// Starts the processor; returns MAX_LINE_BYTES too.
    fn start(&self) -> (Process, usize) {
        let process = self.lab.sqs();
        let budget = process.says("the memory budget");
        let line = budget["max_line_bytes"].as_u64().unwrap();
        println!("{budget}");
        (process, usize::try_from(line).unwrap())
    }

    fn announce_healthy(&self, begin: usize) {
        for object in begin..begin + OBJECTS / 2 {
            self.lab.announced("good", &object.to_string(), &records("good", RECORDS));
        }
    }

    /// Lines of the largest size, of as many records as there is room for.
    fn announce_lines(&self, max_line: usize) {
        let tenant = self.lab.scene.add_cloudwatch_tenant("lines");
        assert!(!tenant.account.is_empty());
        let lines = [list(max_line, "{}"), list(max_line, "{\"a\":1}"), list(16 * MIB, "{\"a\":1}")];
        for (kind, line) in lines.iter().enumerate() {
            let bytes = gzip(line.as_bytes());
            for object in 0..LONG_LINES {
                let key = key("lines", &format!("{kind}-{object}"));
                self.lab.scene.put_object(&key, bytes.clone());
                (0..ANNOUNCED).for_each(|_| drop(self.lab.scene.send(&self.lab.scene.notify(&key))));
            }
        }
    }

    fn announce_hogs(&self) {
        // Written once: the processor may be reading it.
        let plugin = Guest::of(&hog()).item(&self.lab);
        for number in 0..HOGS {
            let name = format!("hog-{number}");
            let tenant = self.lab.scene.add_cloudwatch_tenant(&name);
            let fields = json!({
                "log_distribution_role_arn": {"S": tenant.role},
                "log_group_name": {"S": tenant.group},
                "plugin": plugin,
            });
            self.lab.scene.add_delivery(&name, "cloudwatch", fields);
            for object in 0..OBJECTS_OF_HOG {
                self.lab.announced(&name, &object.to_string(), &records(&name, 2));
            }
        }
    }

    /// All of the healthy tenant's logs arrive; nothing fails but for what the host lacks.
    fn check(self, process: Process) {
        process.empties_the_queue();
        let mut arrived = self.lab.messages(&self.good);
        let mut expected: Vec<String> = (0..OBJECTS).flat_map(|_| texts(RECORDS)).collect();
        arrived.sort();
        expected.sort();
        assert!(arrived == expected, "{} of {} arrived", arrived.len(), expected.len());
        assert!(self.lab.redriven().is_empty(), "{:?}", self.lab.redriven());
        for outcome in process.outcomes() {
            let failed = outcome.split("failed(").nth(1);
            assert!(failed.is_none_or(|why| why.starts_with("host")), "{outcome}");
        }
        assert!(process.metric("log_processor_memory_budget_bytes", &[]) > 0.0);
        assert_eq!(process.metric("log_processor_plugin_suspended", &[]), 0.0);
        let sent_back = process.metric("log_processor_requeues_total", &["host"]);
        println!("sent back for lack of memory: {sent_back}; peak: {:?} MiB", self.fence.peak().map(|peak| peak / MIB));
        process.terminate();
    }

    /// What the lines became: their records, each once, or a dead letter.
    fn check_lines(&self, max_line: usize) {
        let stored: usize =
            self.lab.aws.puts().iter().filter(|put| put.account != self.good.account).map(|put| put.stored).sum();
        let records = (max_line - 2) / 3 + (max_line - 2) / 8;
        assert_eq!(stored, records * LONG_LINES, "each once");
        let too_long = self.lab.letters().iter().filter(|letter| letter["reason"] == "line-too-long").count();
        assert_eq!(too_long, if max_line < 16 * MIB { LONG_LINES } else { 0 });
    }
}

/// What is announced beside the healthy tenant's objects.
fn survives(lines: bool, hogs: bool) {
    let container = Container::new();
    // Their contents take the test's own memory, and nobody looks at them.
    let slow = Rule::new(fake_aws::Effect::Delay(Duration::from_millis(5))).operation("PutLogEvents");
    container.lab.aws.fault(slow);
    container.announce_healthy(0);
    let (process, max_line) = container.start();
    if hogs {
        container.announce_hogs();
    }
    if lines {
        container.announce_lines(max_line);
    }
    container.announce_healthy(OBJECTS / 2);
    process.empties_the_queue();
    if lines {
        container.check_lines(max_line);
    }
    container.check(process);
}

#[test]
fn the_largest_lines() {
    survives(true, false);
}

#[test]
fn thirty_two_memory_hogs() {
    survives(false, true);
}

#[test]
fn both_at_once() {
    survives(true, true);
}
