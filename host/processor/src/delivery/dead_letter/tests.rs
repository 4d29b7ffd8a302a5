use super::*;
use model::DestinationKind;

const KEY: &str = "c/n/a/p/f.json.gz";

fn object(key: &str) -> Arc<ObjectId> {
    Arc::new(ObjectId { bucket: "central".to_owned(), key: key.to_owned() })
}

fn letter(line: u64, data: &str) -> DeadLetter {
    DeadLetter {
        object: object(KEY),
        tenant: Some("n".to_owned()),
        delivery: Some(DestinationKind::CloudWatch),
        reason: Reason::Malformed,
        detail: "no JSON".to_owned(),
        lines: Some((line, line)),
        offset: Some(120),
        length: Some(data.len() as u64),
        timestamp: None,
        count: None,
        data: data.as_bytes().to_vec(),
    }
}

fn provenance(attempt: u32) -> Provenance {
    Provenance {
        etag: Some("0123abcd-2".to_owned()),
        version_id: Some("v1".to_owned()),
        component: Some("sha".to_owned()),
        attempt,
    }
}

fn letters(store: DeadLetterStore, key: &str, attempt: u32) -> DeadLetterWriter {
    DeadLetterWriter::new(store, &object(key), Some(DestinationKind::CloudWatch), provenance(attempt))
}

fn key(attempt: u32, written: &[DeadLetter]) -> String {
    letters(DeadLetterStore::None, KEY, attempt).dead_letter_path(written).key("dead/")
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
}

/// The files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        if entry.path().is_dir() { found.extend(files(&entry.path())) } else { found.push(entry.path()) }
    }
    found.sort();
    found
}

#[test]
fn a_key_is_a_function_of_what_the_letters_are_about() {
    let two = [letter(7, "{oops"), letter(9, "again")];
    let first = key(1, &two);
    assert!(first.starts_with("dead/central/c/n/a/p/f.json.gz/cloudwatch/0123abcd-2/000000000007-"), "{first}");
    assert_eq!(first.len(), "dead/central/c/n/a/p/f.json.gz/cloudwatch/0123abcd-2/000000000007-.ndjson".len() + 16);
    assert_eq!(key(2, &two), first, "whatever the attempt");
    let worded = two.clone().map(|letter| DeadLetter { detail: "other words".to_owned(), ..letter });
    assert_eq!(key(1, &worded), first, "whatever the words");
    let others: [fn(&mut DeadLetter); 7] = [
        |letter| letter.lines = Some((7, 8)),
        |letter| letter.offset = None,
        |letter| letter.reason = Reason::TooOld,
        |letter| letter.timestamp = Some(1),
        |letter| letter.length = Some(1 << 20),
        |letter| letter.count = Some(2),
        |letter| letter.data.push(b'x'),
    ];
    for change in others {
        let mut other = two.clone();
        change(&mut other[0]);
        assert_ne!(key(1, &other), first);
    }
    assert_ne!(key(1, &two[..1]), first);
    let moved = [letter(7, "{oopsa"), letter(9, "gain")];
    assert_ne!(key(1, &moved), first);
}

#[test]
fn the_etag_is_part_of_the_key_and_made_safe() {
    let of = |etag: Option<&str>, version: Option<&str>| {
        let provenance =
            Provenance { etag: etag.map(Into::into), version_id: version.map(Into::into), ..provenance(1) };
        DeadLetterWriter::new(DeadLetterStore::None, &object("k"), None, provenance)
            .dead_letter_path(&[letter(0, "")])
            .key("")
    };
    assert!(of(Some("a/../\"b\""), None).starts_with("central/k/object/a%2F..%2F%22b%22/000000000000-"));
    assert!(of(None, Some("v")).starts_with("central/k/object/v/"));
    assert!(of(None, None).starts_with("central/k/object/unknown/"));
}

#[test]
fn a_key_fits_however_long_the_sources_is() {
    let of =
        |source: String| letters(DeadLetterStore::None, &source, 1).dead_letter_path(&[letter(0, "")]).key("dead/");
    let (a, b) = (of("é".repeat(511) + "/a"), of("é".repeat(511) + "/b"));
    assert!(a.len() <= MAX_KEY_BYTES && b.len() <= MAX_KEY_BYTES, "{}", a.len());
    assert_ne!(a, b);
    const MAX_KEY_BYTES: usize = 1024;
}

#[test]
fn a_folder_holds_each_letter_once_whoever_writes_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = DeadLetterStore::Folder(Arc::new(dir.path().join("dead")));
    let first = [letter(7, "{oops"), letter(9, "again")];
    for attempt in 1..=3 {
        block_on(letters(store.clone(), KEY, attempt).write(&first)).unwrap();
    }
    // An attempt that goes on from a checkpoint has only the later ones.
    block_on(letters(store.clone(), KEY, 4).write(&[letter(12, "later")])).unwrap();
    block_on(letters(store, "../../x", 1).write(&[letter(0, "")])).unwrap();
    let files = files(dir.path());
    let folder = dir.path().join("dead/central");
    assert_eq!(files.len(), 3, "{files:?}");
    assert!(files.iter().all(|file| file.starts_with(&folder)));
    let file = files.iter().find(|file| file.to_str().unwrap().contains("000000000007-")).unwrap();
    assert!(file.starts_with(folder.join("c/n/a/p/f.json.gz/cloudwatch/0123abcd-2")), "{file:?}");
    let lines = fs::read_to_string(file).unwrap();
    let expected = r#"{"tenant":"n","delivery":"cloudwatch","bucket":"central","key":"c/n/a/p/f.json.gz","etag":"0123abcd-2","version":"v1","component":"sha","attempt":3,"reason":"malformed","detail":"no JSON","lines":[7,7],"offset":120,"length":5,"data":"{oops"}"#;
    assert_eq!(lines.lines().next(), Some(expected));
    assert_eq!(lines.lines().count(), 2);
}

#[test]
fn a_folder_that_can_not_be_written_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("file");
    fs::write(&root, "").unwrap();
    let letters = letters(DeadLetterStore::Folder(Arc::new(root.clone())), KEY, 1);
    let error = block_on(letters.write(&[letter(0, "secret")])).unwrap_err();
    assert_eq!(error.kind, FailureKind::DeadLetter);
    assert!(error.to_string().contains(root.to_str().unwrap()) && error.to_string().contains("DEAD_LETTER"), "{error}");
    assert!(!error.to_string().contains("secret"));
}

#[test]
fn without_a_place_only_what_a_guest_refused_or_fails_on_is_an_error() {
    let letters = letters(DeadLetterStore::None, KEY, 1);
    block_on(letters.write(&[letter(0, "x")])).unwrap();
    block_on(letters.write(&[])).unwrap();
    for reason in [Reason::GuestRejected, Reason::Poison] {
        let guests = DeadLetter { reason, ..letter(1, "secret") };
        let error = block_on(letters.write(&[letter(0, "x"), guests])).unwrap_err();
        assert!(
            error.to_string().contains("s3://central/c/n/a/p/f.json.gz") && error.to_string().contains("DEAD_LETTER"),
            "{error}"
        );
        assert!(!error.to_string().contains("secret"));
    }
}
