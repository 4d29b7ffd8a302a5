//! Memory stays flat, whatever an object holds.

use fake_aws::Service;

use super::support::peak_mib;
use crate::common::aws::{Lab, gzip, key, pod};

const MIB: usize = 1 << 20;

/// An object several times as large as what may be used; most of it is repeated, and
/// the file is small.
#[test]
fn a_large_object_streams() {
    let lab = Lab::new().set("MAX_CONCURRENT_OBJECTS", 1);
    lab.scene.add_cloudwatch_tenant("acme");
    lab.aws.keep_events(false);
    let mut random = corpus::Random::new(1);
    let (pod, mut lines) = (pod("acme"), String::new());
    let day = corpus::Instant::DAY;
    let begin = day.plus_millis(crate::common::aws::now() - 10_000 - day.seconds() * 1000);
    while lines.len() < 4 * MIB {
        lines.push_str(&pod.record(&mut random, begin, &corpus::record::Options::default()));
        lines.push('\n');
    }
    let count = lines.lines().count();
    let members = 192 * MIB / lines.len();
    let key = key("acme", "1");
    lab.scene.put_object(&key, gzip(lines.as_bytes()).repeat(members));
    lab.scene.send(&lab.scene.notify(&key));
    let process = lab.sqs();
    process.empties_the_queue();
    let peak = peak_mib(&process);
    assert_eq!(lab.aws.puts().iter().map(|put| put.stored).sum::<usize>(), count * members);
    // Promised are 64 MiB, of which some 16 are a release build's own pages; 23 to 30 were measured.
    assert!(peak < 40, "{peak} MiB");
    assert_eq!(lab.count(Service::S3, "GetObject"), 1);
    process.terminate();
}
