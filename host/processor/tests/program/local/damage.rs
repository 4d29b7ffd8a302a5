//! Gzip that is damaged, cut short, odd, or none.

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::io::{Read, Write};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::common::local::{Lab, Run, gzip, numbers, record, records};
use crate::common::output;

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
    // A shipper's newline after each member, and a disk's blocks.
    let apart: Vec<u8> =
        text.as_bytes().chunks(99_991).flat_map(|part| [gzip(part), b"\r\n".to_vec()].concat()).collect();
    lab.object("c/n/a/apart/f.gz", apart);
    let blocks: Vec<u8> =
        text.as_bytes().chunks(99_991).flat_map(|part| [gzip(part), vec![0; 70_000]].concat()).collect();
    lab.object("c/n/a/blocks/f.gz", blocks);
    lab.object("c/n/a/no-name/f", gzip(text.as_bytes()));
    lab.object("c/n/a/plain/f.json.gz", &text);
    lab.object("c/n/a/empty/f.json.gz", "");
    lab.object("c/n/a/empty-gzip/f.json.gz", gzip(b""));
    lab.object("c/n/a/one-byte/f.json.gz", "\x1f");
    let run = lab.done();
    for pod in ["members/f.gz", "split/f.gz", "zeros/f.gz", "apart/f.gz", "blocks/f.gz", "no-name/f", "plain/f.json.gz"]
    {
        let (name, _) = pod.split_once('/').unwrap();
        assert!(lab.messages(name) == numbers(10_000), "{pod}");
        let entry = run.entry(&format!("c/n/a/{pod}"));
        assert_eq!(entry["outcome"], "delivered", "{entry}");
        assert!(entry["warnings"].as_array().unwrap().is_empty(), "{entry}");
        assert_eq!(entry["bytes_read"], text.len());
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

/// What follows the last member and is none of gzip's: plain lines, a signature, a
/// member without its first byte. It is not known what was lost there.
#[test]
fn what_follows_the_members_and_is_no_gzip_is_dead_lettered_with_its_place() {
    let lab = Lab::new();
    let text = records(200);
    let plain = record("plain", -1);
    let late = gzip(record("late", -1).as_bytes());
    let cut_off = [&late[1..], &late].concat();
    let unfinished = text.trim_end();
    for (index, (content, padding, tail)) in [
        (&*text, &b""[..], plain.as_bytes()),
        (&text, b"\n", b"signature"),
        (&text, &[0; 512], &cut_off),
        (&text, b"", b"\x1f"),
        (unfinished, b"\0", &[b'x'; 100_000]),
        ("", b"", plain.as_bytes()),
    ]
    .into_iter()
    .enumerate()
    {
        let members = [gzip(content.as_bytes()), gzip(b""), padding.to_vec()].concat();
        lab.object(&key(index), [&members[..], tail].concat());
        let run = lab.done();
        let (key, count) = (key(index), content.lines().count() as u64);
        assert!(lab.messages(&format!("p{index:04}")) == numbers(count as i64), "{index}: the last line is whole");
        assert_eq!(run.lines(&key), [count, 0, count, 0, 0, 0]);
        let entry = run.entry(&key);
        assert_eq!(
            (run.outcome(&key), &entry["reason"]),
            (if count > 0 { "partial" } else { "rejected" }, &"damaged".into())
        );
        assert_eq!(entry["bytes_read"], content.len());
        let [letter] = lab.letters(&key).try_into().unwrap();
        assert_eq!((&letter["reason"], &letter["offset"]), (&"damaged".into(), &content.len().into()));
        assert_eq!((&letter["lines"], &letter["length"]), (&serde_json::json!([count, count]), &tail.len().into()));
        let detail = letter["detail"].as_str().unwrap();
        assert!(detail.contains(&format!("from compressed byte {} on", members.len())), "{detail}");
        let kept = letter["data"].as_str().map(|data| data.as_bytes().to_vec());
        let kept = kept.unwrap_or_else(|| STANDARD.decode(letter["data_base64"].as_str().unwrap()).unwrap());
        assert!(tail.starts_with(&kept) && kept.len() == tail.len().min(4096), "{letter}");
    }
}

/// With a component that rewrites, the tenant's object has all members' lines too.
#[test]
fn a_rewritten_object_has_the_lines_of_all_members_and_no_more() {
    let rewriter = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/guest/fixtures/rewriter-guest.wasm");
    let lab = Lab::new().argument("--plugin").argument(rewriter);
    let lab =
        lab.argument("--plugin-setting").argument("mode=redact").argument("--plugin-setting").argument("word=seven");
    lab.tenants("[{tenant_id: n, type: s3, enabled: true, bucket_name: theirs}]");
    let records: Vec<_> = (0..3).map(|index| record(&format!("seven {index}"), -1)).collect();
    let apart = records.iter().flat_map(|record| [gzip(record.as_bytes()), b"\0\n".to_vec()].concat());
    let stored: Vec<u8> = apart.chain(b"plain".to_vec()).collect();
    lab.object("c/n/a/p/f.json.gz", &stored);
    let run = lab.done();
    let key = "c/n/a/p/f.json.gz";
    assert_eq!((run.outcome(key), run.lines(key)), ("partial", [3, 0, 3, 0, 0, 0]));
    let written = std::fs::read(lab.output().join("s3/theirs/ROSA/cluster-logs/n/a/p/f.json.gz")).unwrap();
    let (text, whole) = readable(&written);
    assert!(whole && String::from_utf8(text).unwrap() == records.concat().replace("seven", "***"));
    let letters = output::letters(&lab.output().join("dead-letter/logs").join(key).join("s3.ndjson"));
    assert_eq!((letters.len(), &letters[0]["data"], &letters[0]["length"]), (1, &"plain".into(), &5.into()));
}
