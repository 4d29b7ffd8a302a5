//! What is on disk is what the manifest says, every time.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "helpers of tests, which the lints do not recognise as tests"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use corpus::record::Options;
use corpus::{BulkOptions, Counts, Manifest, Object, bulk, demo, one_object};
use flate2::bufread::MultiGzDecoder;
use serde_json::Value;

const FORTNIGHT_SECONDS: i64 = 14 * 86_400;

fn files(dir: &Path, found: &mut BTreeMap<PathBuf, (Vec<u8>, SystemTime)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            let modified = fs::metadata(&path).unwrap().modified().unwrap();
            found.insert(path.clone(), (fs::read(&path).unwrap(), modified));
        }
    }
}

fn tree(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    files(dir, &mut found);
    found.into_iter().map(|(path, v)| (path.strip_prefix(dir).unwrap().to_owned(), v)).collect()
}

/// All that can be decompressed, and whether the stream ended well.
fn gunzip(bytes: &[u8]) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    let whole = MultiGzDecoder::new(bytes).read_to_end(&mut out).is_ok();
    (out, whole)
}

fn rfc3339_seconds(text: &str) -> i64 {
    // Every date of the corpus lies in November 2026.
    assert_eq!((text.len(), &text[..8], &text[29..]), (30, "2026-11-", "Z"), "{text}");
    let number = |range: std::ops::Range<usize>| text[range].parse::<i64>().unwrap();
    let day = 1_795_132_800 + (number(8..10) - 20) * 86_400;
    day + number(11..13) * 3600 + number(14..16) * 60 + number(17..19)
}

/// Counted without the generator's help.
fn count(object: &Object, bytes: &[u8]) -> Counts {
    let mut counts = Counts { bytes: bytes.len() as u64, ..Counts::default() };
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').collect();
    let rest = lines.pop().unwrap();
    assert_eq!(rest.is_empty(), object.damaged_at.is_none(), "{}", object.key);
    for line in lines {
        counts.lines += 1;
        if line.is_empty() {
            counts.blank += 1;
            continue;
        }
        let records = match serde_json::from_slice(line) {
            Ok(Value::Array(records)) => records,
            Ok(record) => vec![record],
            Err(_) => {
                counts.malformed += 1;
                continue;
            }
        };
        for record in records {
            counts.records += 1;
            counts.structured += u64::from(!record["message"].is_string());
            counts.empty += u64::from(record["message"] == "");
            let age = object.modified - rfc3339_seconds(record["timestamp"].as_str().unwrap());
            assert!((0..30).contains(&age) || age > FORTNIGHT_SECONDS, "{age}");
            counts.too_old += u64::from(age > FORTNIGHT_SECONDS);
            assert_eq!(record["namespace"], object.tenant);
            assert_eq!(record["application"], object.application);
            assert_eq!(record["pod_name"], object.pod);
        }
    }
    counts
}

fn check(dir: &Path, manifest: &Manifest) {
    let tree = tree(dir);
    assert_eq!(tree.len(), manifest.objects.len() + 1, "the objects and tenants.yaml");
    assert!(tree.contains_key(Path::new("tenants.yaml")));
    for object in &manifest.objects {
        let path = Path::new("objects").join(&object.bucket).join(&object.key);
        let (bytes, modified) = &tree[&path];
        assert_eq!(bytes.len() as u64, object.compressed);
        let seconds = u64::try_from(object.modified).unwrap();
        assert_eq!(*modified, SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));
        let (content, whole) = gunzip(bytes);
        assert_eq!(whole, object.damaged_at.is_none(), "{}", object.key);
        if let Some(offset) = object.damaged_at {
            assert_eq!(offset, content.len() as u64);
        }
        assert_eq!(count(object, &content), object.counts, "{}", object.key);
        let segments: Vec<&str> = object.key.split('/').collect();
        assert_eq!(segments[1..4], [&object.tenant, &object.application, &object.pod]);
        assert_eq!(segments.len(), 5);
    }
}

#[test]
fn demo_is_what_its_manifest_says() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = demo(dir.path()).unwrap();
    check(dir.path(), &manifest);
    let totals = manifest.totals(None);
    assert!((30..=60).contains(&manifest.objects.len()), "{}", manifest.objects.len());
    assert!((2000..=5000).contains(&totals.lines), "{totals:?}");
    assert_eq!((totals.malformed, totals.empty, totals.too_old, totals.blank), (1, 1, 1, 2));
    assert!(totals.structured > 200);
    assert_eq!(manifest.tenants().len(), 4);
    let odd: Vec<&str> = manifest.objects.iter().filter_map(|o| o.odd).collect();
    assert_eq!(odd.len(), 7, "{odd:?}");
    let damaged = manifest.objects.iter().find(|o| o.damaged_at.is_some()).unwrap();
    assert!(damaged.counts.lines >= 30, "{:?}", damaged.counts);
    assert_eq!(damaged.wanted_by, ["cloudwatch"]);
}

#[test]
fn demo_has_gzip_of_several_members() {
    let dir = tempfile::tempdir().unwrap();
    let manifest = demo(dir.path()).unwrap();
    let object = manifest.objects.iter().find(|o| o.odd == Some("gzip of several members")).unwrap();
    let path = dir.path().join("objects").join(&object.bucket).join(&object.key);
    let bytes = fs::read(path).unwrap();
    let mut first = Vec::new();
    flate2::bufread::GzDecoder::new(&bytes[..]).read_to_end(&mut first).unwrap();
    assert!((first.len() as u64) < object.counts.bytes / 2);
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (dir.path().join("one"), dir.path().join("two"));
    assert_eq!(demo(&one).unwrap(), demo(&two).unwrap());
    assert!(tree(&one) == tree(&two));
    let options = BulkOptions { bytes: 300_000, objects: 3, ..BulkOptions::default() };
    let (one, two, other) = (dir.path().join("3"), dir.path().join("4"), dir.path().join("5"));
    assert_eq!(bulk(&one, &options).unwrap(), bulk(&two, &options).unwrap());
    assert!(tree(&one) == tree(&two));
    bulk(&other, &BulkOptions { seed: 2, ..options }).unwrap();
    assert!(tree(&one) != tree(&other));
}

#[test]
fn bulk_has_the_size_and_the_count() {
    let dir = tempfile::tempdir().unwrap();
    let options = BulkOptions { bytes: 2_000_000, objects: 6, ..BulkOptions::default() };
    let manifest = bulk(dir.path(), &options).unwrap();
    check(dir.path(), &manifest);
    let bytes = manifest.totals(None).bytes;
    assert!((2_000_000..2_020_000).contains(&bytes), "{bytes}");
    assert_eq!(manifest.objects.len(), 6);
    assert_eq!(manifest.tenants(), ["tenant-000", "tenant-001", "tenant-002", "tenant-003"]);
    let yaml = fs::read_to_string(dir.path().join("tenants.yaml")).unwrap();
    assert_eq!(yaml.matches("tenant_id: tenant-00").count(), 4);
}

#[test]
fn one_object_has_the_size() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a/b.json.gz");
    let counts = one_object(&path, 500_000, 1, &Options::default()).unwrap();
    let (content, whole) = gunzip(&fs::read(path).unwrap());
    assert!(whole);
    assert_eq!(content.len() as u64, counts.bytes);
    assert!((500_000..502_000).contains(&counts.bytes));
    assert_eq!(content.iter().filter(|b| **b == b'\n').count() as u64, counts.lines);
}

#[test]
fn errors_name_the_path() {
    let dir = tempfile::tempdir().unwrap();
    demo(dir.path()).unwrap();
    let error = demo(dir.path()).unwrap_err().to_string();
    assert!(error.contains(dir.path().to_str().unwrap()) && error.contains("remove"), "{error}");
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    let error = bulk(&file, &BulkOptions::default()).unwrap_err().to_string();
    assert!(error.contains(file.to_str().unwrap()), "{error}");
    assert!(bulk(&dir.path().join("x"), &BulkOptions { objects: 0, ..BulkOptions::default() }).is_err());
}
