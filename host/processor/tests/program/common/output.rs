//! The output folder, checked as a whole.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::stream;

/// Every file below a folder, with its path relative to it; sorted.
pub(crate) fn files(root: &Path) -> BTreeMap<String, PathBuf> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_path_buf()];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                found.insert(name, path);
            }
        }
    }
    found
}

/// Every file and its bytes, but for what the program keeps for itself.
pub(crate) fn contents(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let visible = files(root).into_iter().filter(|(name, _)| !name.starts_with('.'));
    visible.map(|(name, path)| (name, std::fs::read(path).unwrap())).collect()
}

/// Streams are what AWS takes, in batches; dead letters are whole; nothing else lies about.
pub(crate) fn check(root: &Path) {
    for (name, path) in files(root) {
        let top = name.split('/').next().unwrap();
        match top {
            "cloudwatch" if name.ends_with(".batches.jsonl") => {
                let events = PathBuf::from(path.to_str().unwrap().replace(".batches.jsonl", ".ndjson"));
                assert!(events.exists(), "{name}: batches without events");
            }
            "cloudwatch" => drop(stream::check(&path, usize::MAX)),
            "dead-letter" => assert!(!letters(&path).is_empty(), "{name}: no letter"),
            "s3" | ".journal.ndjson" | ".lock" => {}
            _ => panic!("{name}: what is this?"),
        }
    }
}

/// The dead letters of a file, each with what all of them have; none where it is missing.
pub(crate) fn letters(path: &Path) -> Vec<Value> {
    let Ok(text) = std::fs::read_to_string(path) else { return Vec::new() };
    assert!(text.ends_with('\n'), "{}: a torn line", path.display());
    let letters: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for letter in &letters {
        for field in ["bucket", "key", "reason", "detail"] {
            assert!(letter[field].is_string(), "no {field} in {letter}");
        }
        let delivery = path.file_stem().unwrap().to_str().unwrap();
        match delivery {
            "object" => assert!(letter.get("delivery").is_none(), "{letter}"),
            _ => assert!(letter["delivery"] == delivery && letter["tenant"].is_string(), "{letter}"),
        }
    }
    letters
}
