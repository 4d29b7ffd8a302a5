//! The log line of an object: one, with all its deliveries, and nothing of its
//! content.

use std::time::Duration;

use super::object::Worked;
use crate::model::ObjectId;
use crate::report::{Entry, Outcome};

/// Says what became of an object. What failed is an error, what is odd a warning.
pub(super) fn object(id: &ObjectId, worked: &Worked, took: Duration) {
    let entries = &worked.entries;
    let tenant = entries.iter().find_map(|entry| entry.tenant.as_deref()).unwrap_or_default();
    let deliveries = entries.iter().map(delivery).collect::<Vec<_>>().join(", ");
    let sum = |of: fn(&Entry) -> u64| entries.iter().map(of).sum::<u64>();
    let (events, bytes) = (sum(|entry| entry.numbers.events), sum(|entry| entry.numbers.bytes));
    let dead_lettered = sum(|entry| entry.numbers.dead_lettered.values().sum());
    let malformed = sum(|entry| entry.numbers.malformed);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let why = |entry: &Entry| entry.error.iter().chain(&entry.warnings).cloned().collect::<Vec<_>>();
    let error = entries.iter().flat_map(why).collect::<Vec<_>>().join("; ");
    let bucket = id.bucket.as_str();
    let key = id.key.as_str();
    macro_rules! line {
        ($level:ident, $($error:tt)*) => {
            tracing::$level!(
                bucket, key, tenant, deliveries, events, bytes, dead_lettered, malformed, milliseconds, $($error)*
                "object"
            )
        };
    }
    let any = |outcome| entries.iter().any(|entry| entry.outcome == outcome);
    if any(Outcome::Failed) {
        line!(error, error,)
    } else if any(Outcome::Rejected) || any(Outcome::Partial) || !error.is_empty() && !any(Outcome::Ignored) {
        line!(warn, error,)
    } else if error.is_empty() {
        line!(info,)
    } else {
        line!(info, error,)
    }
}

/// `cloudwatch=failed(denied)`.
fn delivery(entry: &Entry) -> String {
    let kind = entry.delivery.unwrap_or("object");
    let outcome = entry.outcome.name();
    match entry.reason {
        Some(reason) => format!("{kind}={outcome}({reason})"),
        None => format!("{kind}={outcome}"),
    }
}
