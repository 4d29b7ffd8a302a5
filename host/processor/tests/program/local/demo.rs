//! The demo corpus against its manifest.

use std::collections::BTreeMap;
use std::path::PathBuf;

use corpus::{Manifest, Object};
use serde_json::Value;

use crate::common::local::{Lab, Run};
use crate::common::{output, stream};

fn demo() -> (Lab, Manifest, Run) {
    let lab = Lab::new();
    std::fs::remove_dir_all(lab.objects()).unwrap();
    let manifest = corpus::demo(&lab.path("")).unwrap();
    let run = lab.done();
    (lab, manifest, run)
}

fn entries(run: &Run) -> BTreeMap<(&str, &str), &Value> {
    let entries = run.report["entries"].as_array().unwrap();
    entries.iter().map(|e| ((e["key"].as_str().unwrap(), e["delivery"].as_str().unwrap_or("none")), e)).collect()
}

/// The deliveries that are enabled in the corpus' tenant file.
fn enabled(tenant: &str) -> &'static [&'static str] {
    match tenant {
        "acme-payments" => &["cloudwatch"],
        "globex-retail" | "initech-lab" => &["cloudwatch", "s3"],
        _ => &["none"],
    }
}

#[test]
fn every_number_of_the_report_is_the_manifests() {
    let (_lab, manifest, run) = demo();
    let entries = entries(&run);
    let mut expected = 0;
    for object in &manifest.objects {
        for &delivery in enabled(&object.tenant) {
            expected += 1;
            let entry = entries[&(object.key.as_str(), delivery)];
            let number = |name: &str| entry[name].as_u64().unwrap();
            let numbers = ["lines_seen", "blank", "malformed", "empty", "events", "bytes_read"].map(number);
            let counts = &object.counts;
            let torn = u64::from(object.damaged_at.is_some());
            let outcome = match delivery {
                "none" => "ignored",
                _ if !object.wanted_by.contains(&delivery) => "filtered",
                "cloudwatch" if torn + counts.malformed + counts.too_old > 0 => "partial",
                _ => "delivered",
            };
            assert_eq!(entry["outcome"], outcome, "{entry}");
            if (delivery, outcome == "filtered") == ("cloudwatch", false) {
                let seen = counts.lines + torn;
                let all = [seen, counts.blank, counts.malformed, counts.empty, counts.events(), counts.bytes];
                assert_eq!(numbers, all, "{entry}");
                let lost = counts.blank + counts.malformed + counts.empty + counts.too_old + torn;
                assert_eq!(number("delivered"), seen - lost, "{entry}");
                assert_eq!(entry["dead_lettered"], dead(object), "{entry}");
            } else {
                assert_eq!(numbers, [0; 6], "{entry}");
                assert_eq!(number("bytes"), if outcome == "delivered" { object.compressed } else { 0 }, "{entry}");
            }
        }
    }
    assert_eq!(entries.len(), expected);
    assert_eq!(run.total("objects"), manifest.objects.len() as u64);
}

fn dead(object: &Object) -> Value {
    let mut dead = serde_json::Map::new();
    if object.counts.too_old > 0 {
        dead.insert("too-old".to_owned(), object.counts.too_old.into());
    }
    if object.damaged_at.is_some() {
        dead.insert("damaged".to_owned(), 1.into());
    }
    dead.into()
}

/// Where a pod's stream lies: by hand, from the corpus' tenant file.
fn stream_file(object: &Object) -> PathBuf {
    let folder = match object.tenant.as_str() {
        "acme-payments" => "111122223333/us-east-1/rosa/acme-payments/control-plane",
        "globex-retail" => "444455556666/eu-west-1/rosa/globex-retail",
        _ => "777788889999/us-east-1/initech-lab",
    };
    PathBuf::from(format!("cloudwatch/{folder}/{}.ndjson", object.pod))
}

fn copy_file(object: &Object) -> String {
    let folder = match object.tenant.as_str() {
        "globex-retail" => "s3/globex-retail-logs/openshift/globex-retail",
        _ => "s3/initech-lab-archive/ROSA/cluster-logs/initech-lab",
    };
    let name = object.key.rsplit('/').next().unwrap();
    format!("{folder}/{}/{}/{name}", object.application, object.pod)
}

#[test]
fn what_is_wanted_is_written_and_nothing_else() {
    let (lab, manifest, run) = demo();
    let mut expected = BTreeMap::new();
    let mut streams: BTreeMap<PathBuf, (u64, u64)> = BTreeMap::new();
    for object in &manifest.objects {
        if object.wanted_by.contains(&"cloudwatch") {
            let (events, objects) = streams.entry(stream_file(object)).or_default();
            *events += object.counts.events();
            *objects += 1;
        }
        if object.wanted_by.contains(&"s3") {
            let source = std::fs::read(lab.objects().join(&object.bucket).join(&object.key)).unwrap();
            expected.insert(copy_file(object), source);
        }
    }
    let written = output::contents(&lab.output());
    let copies: BTreeMap<_, _> = written.iter().filter(|(name, _)| name.starts_with("s3/")).collect();
    assert_eq!(copies.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert!(copies.into_iter().all(|(name, bytes)| expected[name] == *bytes), "a copy differs from its object");
    for (path, (events, objects)) in &streams {
        let found = stream::events(&lab.output().join(path));
        assert_eq!(found.len() as u64, *events, "{}", path.display());
        let batches = stream::check(&lab.output().join(path), 10_000);
        assert_eq!(batches.len() as u64, *objects, "small objects: a batch each");
    }
    let ndjson = written.keys().filter(|name| name.starts_with("cloudwatch/") && name.ends_with(".ndjson"));
    assert_eq!(ndjson.map(PathBuf::from).collect::<Vec<_>>(), streams.into_keys().collect::<Vec<_>>());
    assert_eq!(run.total("events"), manifest_events(&manifest));
}

fn manifest_events(manifest: &Manifest) -> u64 {
    let wanted = manifest.objects.iter().filter(|object| object.wanted_by.contains(&"cloudwatch"));
    wanted.map(|object| object.counts.events()).sum()
}

#[test]
fn dead_letters_say_whose_what_where_and_why() {
    let (lab, manifest, _) = demo();
    let letters: BTreeMap<_, _> =
        output::files(&lab.output()).into_iter().filter(|(name, _)| name.starts_with("dead-letter/")).collect();
    assert_eq!(letters.len(), 3, "a malformed line, a damaged object, a record that is too old: {letters:?}");
    for object in &manifest.objects {
        let path = lab.output().join("dead-letter").join(&object.bucket).join(&object.key).join("cloudwatch.ndjson");
        let letters = output::letters(&path);
        let reason = match object.odd {
            Some("a malformed line") => "malformed",
            Some("truncated gzip") => "damaged",
            Some("a record that is too old and an empty message") => "too-old",
            _ => {
                assert!(letters.is_empty(), "{letters:?}");
                continue;
            }
        };
        let [letter] = letters.as_slice() else { panic!("{letters:?}") };
        assert_eq!(letter["reason"], reason);
        assert_eq!((&letter["tenant"], &letter["key"]), (&object.tenant.clone().into(), &object.key.clone().into()));
        let (text, whole) = decompressed(&lab, object);
        let offset = usize::try_from(letter["offset"].as_u64().unwrap()).unwrap();
        let line = text[offset..].split(|&byte| byte == b'\n').next().unwrap();
        assert!(offset == 0 || text[offset - 1] == b'\n', "the offset is a line's");
        let number = text[..offset].iter().filter(|&&byte| byte == b'\n').count();
        assert_eq!(letter["lines"], serde_json::json!([number, number]));
        assert_eq!(whole, object.damaged_at.is_none());
        if let Some(end) = object.damaged_at {
            assert_eq!(end, text.len() as u64, "the manifest's own account");
            assert_eq!(letter["length"], line.len());
        }
        if reason != "too-old" {
            assert_eq!(letter["data"].as_str().unwrap().as_bytes(), line);
        } else {
            let record: Value = serde_json::from_slice(line).unwrap();
            assert_eq!(letter["data"], record["message"]);
        }
    }
}

/// What can be decompressed, by another reader than the host's, and whether that is all.
fn decompressed(lab: &Lab, object: &Object) -> (Vec<u8>, bool) {
    use std::io::Read;
    let stored = std::fs::read(lab.objects().join(&object.bucket).join(&object.key)).unwrap();
    let mut text = Vec::new();
    let whole = flate2::read::MultiGzDecoder::new(stored.as_slice()).read_to_end(&mut text).is_ok();
    (text, whole)
}

#[test]
fn the_table_ends_the_run_and_says_it_all() {
    let (lab, _, run) = demo();
    for part in ["acme-payments", "globex-retail", "initech-lab", "hooli-search", "total", "dead-lettered", "3103"] {
        // Lines of objects that nobody wants are not read, so the corpus' total is not the run's.
        assert_eq!(run.stdout.contains(part), part != "3103", "{part} in {}", run.stdout);
    }
    let again = lab.done();
    assert_eq!(again.total("events"), 0);
    assert!(again.stdout.contains("total"));
}
