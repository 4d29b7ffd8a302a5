use super::*;
use std::path::Path;
use tempfile::TempDir;

fn object(key: &str) -> ObjectId {
    ObjectId { bucket: "logs".to_owned(), key: key.to_owned() }
}

fn entry(object: &ObjectId) -> JournalEntry<'_> {
    JournalEntry {
        object,
        fingerprint: Fingerprint { len: 10, mtime: 20 },
        tenant: "shop",
        delivery: "cloudwatch",
        events_from: "guest 1",
    }
}

fn lines(dir: &TempDir) -> Vec<String> {
    let text = fs::read_to_string(dir.path().join(FILE)).unwrap();
    text.lines().map(str::to_owned).collect()
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

#[test]
fn a_later_run_knows_what_an_earlier_one_did() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b, c) = (object("a"), object("b"), object("c"));
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.state(&entry(&a)), JournalProgress::Fresh);
    journal.progress(&entry(&a), 5).unwrap();
    journal.progress(&entry(&a), 9).unwrap();
    journal.progress(&entry(&b), 7).unwrap();
    journal.done(&entry(&b), 8, "delivered").unwrap();
    journal.progress(&entry(&c), 0).unwrap();
    assert_eq!(journal.state(&entry(&a)), JournalProgress::Resume { events: 9 });
    drop(journal);

    assert_eq!(
        lines(&dir)[3],
        r#"{"object":"s3://logs/b","fingerprint":{"len":10,"mtime":20},"tenant":"shop","delivery":"cloudwatch","events_from":"guest 1","events":8,"done":true,"outcome":"delivered"}"#
    );
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.state(&entry(&a)), JournalProgress::Resume { events: 9 });
    assert_eq!(journal.state(&entry(&b)), JournalProgress::Done);
    assert_eq!(journal.state(&entry(&c)), JournalProgress::Fresh);
    assert!(journal.warnings().is_empty());
}

#[test]
fn another_file_delivery_or_tenant_is_fresh() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (object("a"), object("b"));
    let journal = Journal::open(dir.path()).unwrap();
    journal.progress(&entry(&a), 5).unwrap();
    journal.done(&entry(&b), 5, "delivered").unwrap();
    let fingerprint = Fingerprint { len: 10, mtime: 21 };
    for object in [&a, &b] {
        let latest_by_key = entry(object);
        assert_eq!(journal.state(&JournalEntry { fingerprint, ..latest_by_key }), JournalProgress::Fresh);
        assert_eq!(journal.state(&JournalEntry { tenant: "x", ..latest_by_key }), JournalProgress::Fresh);
        assert_eq!(journal.state(&JournalEntry { delivery: "s3", ..latest_by_key }), JournalProgress::Fresh);
    }
    let other = JournalEntry { events_from: "guest 2", ..entry(&a) };
    assert_eq!(journal.state(&other), JournalProgress::Fresh, "a count of other events");
    let other = JournalEntry { events_from: "guest 2", ..entry(&b) };
    assert_eq!(journal.state(&other), JournalProgress::Done, "what is done stays done");
}

#[test]
fn a_torn_last_line_is_cut_off_and_a_damaged_one_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(FILE);
    let (a, b) = (object("a"), object("b"));
    Journal::open(dir.path()).unwrap().progress(&entry(&a), 5).unwrap();
    append(&path, b"{\"object\":\"s3://logs/b\",\"finger");
    let journal = Journal::open(dir.path()).unwrap();
    assert!(journal.warnings().is_empty());
    journal.done(&entry(&b), 1, "delivered").unwrap();
    drop(journal);
    assert_eq!(lines(&dir).len(), 2);

    append(&path, b"no journal\n\0\0\n");
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(journal.state(&entry(&a)), JournalProgress::Resume { events: 5 });
    assert_eq!(journal.state(&entry(&b)), JournalProgress::Done);
    assert_eq!(
        journal.warnings(),
        [format!("{} has 2 damaged lines; what they were about may be delivered again", path.display())]
    );
}

#[test]
fn two_runs_can_not_share_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let first = Journal::open(dir.path()).unwrap();
    let error = Journal::open(dir.path()).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "another run (process {}) writes to {}; wait for it to end, or give another --output",
            std::process::id(),
            dir.path().display()
        )
    );
    drop(first);
    Journal::open(dir.path()).unwrap();
}

#[test]
fn many_stale_lines_are_dropped_on_opening() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (object("a"), object("b\"\n"));
    let journal = Journal::open(dir.path()).unwrap();
    journal.done(&entry(&b), 3, "delivered").unwrap();
    for events in 1..=COMPACT_MIN_STALE + 1 {
        journal.progress(&entry(&a), events).unwrap();
    }
    drop(journal);
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(lines(&dir).len(), 2);
    assert_eq!(journal.state(&entry(&a)), JournalProgress::Resume { events: COMPACT_MIN_STALE + 1 });
    journal.done(&entry(&a), 2000, "delivered").unwrap();
    drop(journal);
    let journal = Journal::open(dir.path()).unwrap();
    assert_eq!(lines(&dir).len(), 3);
    assert_eq!(journal.state(&entry(&a)), JournalProgress::Done);
    assert_eq!(journal.state(&entry(&b)), JournalProgress::Done);
}

#[test]
fn the_fingerprint_is_the_files() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, "12345").unwrap();
    let contents = Fingerprint::from(&fs::metadata(&path).unwrap());
    assert_eq!(contents.len, 5);
    assert!(contents.mtime > 1_600_000_000_000_000_000);
}

#[test]
fn an_output_that_is_a_file_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("x");
    fs::write(&path, "12345").unwrap();
    let error = Journal::open(&path).unwrap_err().to_string();
    assert!(error.contains("a file stands where a folder is needed"), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error_and_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/dev/full", dir.path().join(FILE)).unwrap();
    let journal = Journal {
        inner: Mutex::new(JournalFile {
            file: AppendFile::open(dir.path().join(FILE)).unwrap(),
            latest_by_key: LatestByKey::new(),
        }),
        warnings: Vec::new(),
        _lock: lock_folder(dir.path()).unwrap(),
    };
    let a = object("a");
    let error = journal.done(&entry(&a), 1, "delivered").unwrap_err();
    assert!(error.stops_everything(), "{error}");
    assert_eq!(journal.state(&entry(&a)), JournalProgress::Fresh);
}
