//! Gzip that is damaged, cut short, odd, or none.

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};

use crate::common::{Lab, Run, gzip, numbers, record, records};

/// What another reader gets out of it before it fails; none: it does not fail.
fn readable(stored: &[u8]) -> (Vec<u8>, bool) {
    let (mut text, mut block) = (Vec::new(), [0; 1]);
    let mut decoder = MultiGzDecoder::new(stored);
    loop {
        match decoder.read(&mut block) {
            Ok(0) => return (text, true),
            Ok(_) => text.push(block[0]),
            Err(_) => return (text, false),
        }
    }
}

fn key(index: usize) -> String {
    format!("c/n/a/p{index:04}/f.json.gz")
}

/// The whole lines before the damage are delivered, the rest is dead-lettered
/// from where it begins. `at_least`: bytes that were readable for sure.
fn check(lab: &Lab, run: &Run, index: usize, text: &str, at_least: usize) {
    let (key, pod) = (key(index), format!("p{index:04}"));
    let messages = lab.messages(&pod);
    assert!(numbers(200).starts_with(&messages), "{pod}: wrong events");
    let offset = messages.len().checked_sub(1).map_or(0, |last| nth_end(text, last));
    let whole = text[..at_least].matches('\n').count();
    assert!(messages.len() >= whole, "{pod}: {} of {whole} lines", messages.len());
    let letters = lab.letters(&key);
    assert_eq!(letters.len(), 1, "{pod}: {letters:?}");
    assert_eq!(letters[0]["reason"], "damaged");
    assert_eq!(letters[0]["offset"], offset, "{pod}");
    let length = letters[0]["length"].as_u64().unwrap();
    let bytes = letters[0]["data"].as_str().unwrap_or_default();
    assert!(text[offset..].starts_with(bytes) && bytes.len() as u64 == length, "{pod}: {letters:?}");
    let torn = u64::from(length > 0);
    let delivered = messages.len() as u64;
    assert_eq!(run.lines(&key), [delivered + torn, 0, delivered, 0, 0, torn]);
    assert_eq!(run.outcome(&key), if delivered > 0 { "partial" } else { "rejected" });
    assert_eq!(run.entry(&key)["bytes_read"], offset as u64 + length);
}

/// Where line `line` ends.
fn nth_end(text: &str, line: usize) -> usize {
    text.match_indices('\n').nth(line).unwrap().0 + 1
}

#[test]
fn a_cut_at_any_place_delivers_the_whole_lines_before_it() {
    let text = records(200);
    let stored = gzip(text.as_bytes());
    let lab = Lab::new();
    let cuts: Vec<usize> = (2..stored.len()).step_by(7).chain(stored.len() - 9..stored.len()).collect();
    for (index, &cut) in cuts.iter().enumerate() {
        lab.object(&key(index), &stored[..cut]);
    }
    lab.object("c/n/a/zz/next", record("next", -1));
    let run = lab.done();
    for (index, &cut) in cuts.iter().enumerate() {
        check(&lab, &run, index, &text, readable(&stored[..cut]).0.len());
    }
    assert_eq!(lab.messages("zz"), ["next"], "the next object goes on");
    assert!(run.stderr.contains("damaged"), "{}", run.stderr);
}

#[test]
fn a_flipped_bit_is_noticed_and_nothing_false_is_delivered() {
    let text = records(200);
    // Stored blocks: a flipped bit is a wrong letter that only the checksum sees.
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(text.as_bytes()).unwrap();
    let mut checksum = encoder.finish().unwrap();
    let length = checksum.len();
    checksum[length - 6] ^= 0x40;
    let mut size = gzip(text.as_bytes());
    *size.last_mut().unwrap() ^= 0x01;
    let lab = Lab::new();
    lab.object(&key(0), &checksum);
    lab.object(&key(1), &size);
    let stored = gzip(text.as_bytes());
    let flips: Vec<usize> = (10..stored.len() - 8).step_by(41).collect();
    for (index, &at) in flips.iter().enumerate() {
        let mut flipped = stored.clone();
        flipped[at] ^= 0x10;
        lab.object(&key(index + 2), &flipped);
    }
    let run = lab.done();
    check(&lab, &run, 0, &text, text.len());
    check(&lab, &run, 1, &text, text.len());
    for index in 2..flips.len() + 2 {
        // Before the checksum, deflate may make other bytes of the flipped ones:
        // they are lines of the object as it is. But the object is never whole.
        assert_ne!(run.outcome(&key(index)), "delivered");
        let letters = lab.letters(&key(index));
        assert!(letters.iter().any(|letter| letter["reason"] == "damaged"), "{letters:?}");
    }
}

#[test]
fn members_padding_and_names_do_not_matter() {
    let lab = Lab::new();
    let text = records(10_000);
    let members: Vec<u8> = text.lines().flat_map(|line| gzip(format!("{line}\n").as_bytes())).collect();
    lab.object("c/n/a/members/f.gz", members);
    // Members that end within lines, empty ones between.
    let split: Vec<u8> = text.as_bytes().chunks(997).flat_map(|part| [gzip(part), gzip(b"")].concat()).collect();
    lab.object("c/n/a/split/f.gz", split);
    lab.object("c/n/a/zeros/f.gz", [gzip(text.as_bytes()), vec![0; 4096]].concat());
    lab.object("c/n/a/garbage/f.gz", [gzip(text.as_bytes()), b"signature".to_vec()].concat());
    lab.object("c/n/a/no-name/f", gzip(text.as_bytes()));
    lab.object("c/n/a/plain/f.json.gz", &text);
    lab.object("c/n/a/empty/f.json.gz", "");
    lab.object("c/n/a/empty-gzip/f.json.gz", gzip(b""));
    lab.object("c/n/a/one-byte/f.json.gz", "\x1f");
    let run = lab.done();
    for (pod, warned) in
        [("members", 0), ("split", 0), ("zeros", 1), ("garbage", 1), ("no-name", 0), ("plain", 0)].iter()
    {
        assert!(lab.messages(pod) == numbers(10_000), "{pod}");
        let name = if *pod == "no-name" {
            "f"
        } else if *pod == "plain" {
            "f.json.gz"
        } else {
            "f.gz"
        };
        let key = format!("c/n/a/{pod}/{name}");
        let entry = run.entry(&key);
        assert_eq!(entry["outcome"], "delivered", "{entry}");
        assert_eq!(entry["warnings"].as_array().unwrap().len(), *warned, "{entry}");
        assert_eq!(entry["bytes_read"], text.len());
        assert_eq!(run.stderr.contains(&format!("{key} (cloudwatch): bytes after the last gzip member")), *warned > 0);
    }
    assert_eq!(run.lines("c/n/a/empty/f.json.gz"), [0; 6]);
    assert_eq!(run.lines("c/n/a/empty-gzip/f.json.gz"), [0; 6]);
    assert_eq!(run.lines("c/n/a/one-byte/f.json.gz"), [1, 0, 0, 0, 1, 0]);
    assert_eq!(run.outcome("c/n/a/one-byte/f.json.gz"), "rejected");
}

#[test]
fn damage_in_a_later_member_keeps_the_earlier_ones() {
    let lab = Lab::new();
    let text = records(200);
    let (one, two) = text.split_at(nth_end(&text, 99));
    let mut broken = gzip(two.as_bytes());
    broken.truncate(broken.len() / 2);
    lab.object(&key(0), [gzip(one.as_bytes()), broken.clone()].concat());
    // A member whose head alone is broken: no byte of it can be read.
    broken[2] = 99;
    lab.object(&key(1), [gzip(one.as_bytes()), broken].concat());
    let run = lab.done();
    check(&lab, &run, 0, &text, one.len());
    check(&lab, &run, 1, &text, one.len());
    assert_eq!(lab.messages("p0001"), numbers(100));
}
