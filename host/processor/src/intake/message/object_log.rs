//! The log line of an object: one, with all its deliveries, and nothing of its
//! content; and one for each shadow.

use std::time::Duration;

use super::object_run::ObjectResult;
use crate::pipeline::{Difference, ShadowRun};
use crate::report::{Entry, Outcome};
use model::{Counts, DestinationKind, Digest, FailureKind, ObjectId};

/// Says what became of an object. What failed is an error, what is odd a warning.
/// `dead_letters`: what becomes of what can never be delivered.
pub(super) fn log_object(id: &ObjectId, result: &ObjectResult, took: Duration, dead_letters: &'static str) {
    let entries = &result.entries;
    let tenant = entries.iter().find_map(|entry| entry.tenant.as_deref()).unwrap_or_default();
    let deliveries = entries.iter().map(delivery_summary).collect::<Vec<_>>().join(", ");
    let sum = |of: fn(&Entry) -> u64| entries.iter().map(of).sum::<u64>();
    let (events, bytes) = (sum(|entry| entry.counts.events), sum(|entry| entry.counts.bytes));
    let dead_lettered = sum(|entry| entry.counts.dead_lettered.sum());
    let malformed = sum(|entry| entry.counts.malformed);
    let milliseconds = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
    let why = |entry: &Entry| entry.error.iter().chain(&entry.warnings).cloned().collect::<Vec<_>>();
    let error = entries.iter().flat_map(why).collect::<Vec<_>>().join("; ");
    let components = entries.iter().filter_map(component_summary).collect::<Vec<_>>().join(", ");
    let components = Some(components.as_str()).filter(|components| !components.is_empty());
    // Ignored, but by whoever rewrote it: it may be that nobody announces its new state.
    let lost = |entry: &Entry| matches!(entry.outcome, Outcome::Rejected | Outcome::Partial) || entry.has_changed();
    let refused = entries.iter().any(|entry| lost(entry) || !entry.counts.refused().is_empty()).then_some(dead_letters);
    let bucket = id.bucket.as_str();
    let key = id.key.as_str();
    macro_rules! line {
        ($level:ident, $($error:tt)*) => {
            tracing::$level!(
                bucket, key, tenant, deliveries, components, events, bytes, dead_lettered, malformed, refused,
                milliseconds,
                $($error)* "object"
            )
        };
    }
    let changed = entries.iter().any(Entry::has_changed);
    let any = |outcome| entries.iter().any(|entry| entry.outcome == outcome);
    if any(Outcome::Failed) {
        line!(error, error,)
    } else if any(Outcome::Rejected) || any(Outcome::Partial) || changed || !error.is_empty() && !any(Outcome::Ignored)
    {
        line!(warn, error,)
    } else if error.is_empty() {
        line!(info,)
    } else {
        line!(info, error,)
    }
    entries.iter().for_each(|entry| log_shadow(id, entry));
}

/// `cloudwatch=0123456789ab(calls 3, cpu_ms 12, dropped 0, poison 0, failures guest-trap 1)`.
fn component_summary(entry: &Entry) -> Option<String> {
    let run = entry.component.as_ref()?;
    let kind = entry.delivery.map_or("object", DestinationKind::name);
    let (digest, calls, cpu) = (Digest::shorten(&run.digest), run.used.calls, run.used.cpu.as_millis());
    let (dropped, poison, failures) = (run.dropped, run.poison, failure_summary(&run.failures));
    let replaced = if run.replaced { ", replaced" } else { "" };
    Some(format!(
        "{kind}={digest}(calls {calls}, cpu_ms {cpu}, dropped {dropped}, poison {poison}, failures {failures}{replaced})"
    ))
}

/// Differences are hashes, unless the operator wants to see them as they are.
fn log_shadow(id: &ObjectId, entry: &Entry) {
    let Some(run) = &entry.shadow else { return };
    let ShadowRun { same, changed, dropped, added, failed, samples, .. } = run;
    let sample = |of: &Difference| {
        let side = |text: &Option<String>| text.clone().unwrap_or_else(|| "nothing".to_owned());
        format!("line {}: {} ({} / {})", of.line, of.kind, side(&of.active), side(&of.shadow))
    };
    tracing::info!(
        bucket = id.bucket.as_str(),
        key = id.key.as_str(),
        tenant = entry.tenant.as_deref().unwrap_or_default(),
        delivery = entry.delivery.map_or("", DestinationKind::name),
        digest = Digest::shorten(&run.digest),
        same,
        changed,
        dropped,
        added,
        failed,
        failures = failure_summary(&run.failures),
        error = run.error.as_deref(),
        samples = samples.iter().map(sample).collect::<Vec<_>>().join(", "),
        "shadow"
    );
}

/// `guest-trap 1 guest-fuel 2`, or `none`.
fn failure_summary(failures: &Counts<FailureKind>) -> String {
    let each = failures.by_name().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(" ");
    if each.is_empty() { "none".to_owned() } else { each }
}

/// `cloudwatch=failed(denied)`.
fn delivery_summary(entry: &Entry) -> String {
    let kind = entry.delivery.map_or("object", DestinationKind::name);
    let outcome = entry.outcome.name();
    match entry.reason {
        Some(reason) => format!("{kind}={outcome}({})", reason.name()),
        None => format!("{kind}={outcome}"),
    }
}
