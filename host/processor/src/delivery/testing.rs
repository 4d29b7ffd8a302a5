//! What several files' tests need.

use std::sync::Arc;

use model::{DeadLetter, DestinationKind, ObjectId, Reason};

/// A dead letter about a line with this data.
pub(super) fn letter(data: &[u8]) -> DeadLetter {
    DeadLetter {
        object: Arc::new(ObjectId { bucket: "logs".to_owned(), key: "c/n/a/p/f.ndjson".to_owned() }),
        tenant: Some("n".to_owned()),
        delivery: Some(DestinationKind::CloudWatch),
        reason: Reason::Malformed,
        detail: "no JSON".to_owned(),
        lines: Some((3, 3)),
        offset: Some(120),
        length: Some(data.len() as u64),
        timestamp: None,
        count: None,
        data: data.to_vec(),
    }
}
