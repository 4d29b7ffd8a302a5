//! A log stream as it was written, read as strictly as AWS would take it.

use std::path::Path;

use serde_json::Value;

/// The limits of PutLogEvents, written down again: a test that took the host's
/// own would follow a slip in them.
const BATCH_EVENTS: usize = 10_000;
const BATCH_BYTES: usize = 1_048_576;
const EVENT_OVERHEAD: usize = 26;
const SPAN: i64 = 86_400_000;

/// Events of a stream, in the order of the puts.
pub(crate) fn events(path: &Path) -> Vec<(i64, String)> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(text.is_empty() || text.ends_with('\n'), "{}: a torn line", path.display());
    text.lines().map(|line| event(line, path)).collect()
}

fn event(line: &str, path: &Path) -> (i64, String) {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{}: {error}: {line}", path.display()));
    let fields = value.as_object().unwrap();
    assert_eq!(fields.len(), 2, "{line}");
    (fields["timestamp"].as_i64().unwrap(), fields["message"].as_str().unwrap().to_owned())
}

/// Whether each batch is one that AWS takes whole, and all of them are the
/// stream; returns the number of events of each.
pub(crate) fn check(path: &Path, most_events: usize) -> Vec<usize> {
    let events = events(path);
    let mut rest = events.as_slice();
    let batches = path.with_extension("batches.jsonl");
    let text = std::fs::read_to_string(&batches).unwrap_or_else(|error| panic!("{}: {error}", batches.display()));
    assert!(text.is_empty() || text.ends_with('\n'), "{}: a torn line", batches.display());
    let mut counts = Vec::new();
    for line in text.lines() {
        let batch: Value = serde_json::from_str(line).unwrap();
        let number = |name: &str| batch[name].as_i64().unwrap_or_else(|| panic!("no {name} in {line}"));
        let count = usize::try_from(number("events")).unwrap();
        assert!(count <= rest.len(), "{}: {line} has more events than are left", path.display());
        let (these, others) = rest.split_at(count);
        rest = others;
        refuse(these, path, most_events);
        let bytes: usize = these.iter().map(|(_, message)| message.len() + EVENT_OVERHEAD).sum();
        assert_eq!(number("bytes"), i64::try_from(bytes).unwrap(), "{line}");
        assert_eq!((number("first"), number("last")), (these[0].0, these[count - 1].0), "{line}");
        assert!(batch["object"].as_str().unwrap().starts_with("s3://"), "{line}");
        counts.push(count);
    }
    assert!(rest.is_empty(), "{}: {} events are in no batch", path.display(), rest.len());
    counts
}

/// Refuses what AWS refuses as a whole.
fn refuse(batch: &[(i64, String)], path: &Path, most_events: usize) {
    let path = path.display();
    assert!((1..=most_events.min(BATCH_EVENTS)).contains(&batch.len()), "{path}: a batch of {}", batch.len());
    let bytes: usize = batch.iter().map(|(_, message)| message.len() + EVENT_OVERHEAD).sum();
    assert!(bytes <= BATCH_BYTES, "{path}: a batch of {bytes} bytes");
    assert!(batch.is_sorted_by_key(|(timestamp, _)| *timestamp), "{path}: not ascending");
    let (first, last) = (batch[0].0, batch[batch.len() - 1].0);
    assert!(first >= 0, "{path}: a negative timestamp");
    assert!(last - first <= SPAN, "{path}: {} ms in a batch", last - first);
    assert!(batch.iter().all(|(_, message)| !message.is_empty()), "{path}: an empty message");
}
