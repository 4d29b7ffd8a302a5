//! One object, for each delivery of its tenant.

use std::fs::Metadata;
use std::sync::Arc;
use std::time::Instant;

use model::{DeadLetter, Delivery, Destination, Failure, ObjectId, Origin, Reason};

use super::Run;
use super::port::{LocalPort, ObjectFile, unreadable};
use super::progress::ReadProgress;
use super::sink::failed;
use crate::delivery::Settled;
use crate::delivery_run::{DeliveryRun, Directory, Route, Routing, Subject, invalid_entry};
use crate::memory::DeliveryMemory;
use crate::notification::Scope;
use crate::object::LocalObject;
use crate::report::{Entry, EntryCounts, Outcome};
use crate::tenant::{FileDirectory, TenantRecord};

impl Directory for FileDirectory {
    fn name(&self) -> &'static str {
        "tenant file"
    }

    async fn lookup(&self, tenant_id: &str) -> Result<Arc<TenantRecord>, Failure> {
        Ok(Self::lookup(self, tenant_id))
    }
}

/// Delivers an object; returns an entry for each delivery, or one where it has none.
pub(super) async fn deliver(run: &Arc<Run>, object: &LocalObject) -> Vec<Entry> {
    let metadata = object.metadata();
    let progress = ReadProgress::new(&run.listener, metadata.as_ref().map_or(0, Metadata::len));
    let entries = match metadata {
        _ if run.stop.is_requested() => vec![Entry::new(&object.id, None, None, Outcome::Interrupted)],
        Ok(metadata) => deliver_file(run, &ObjectFile::new(object, &metadata, &progress)).await,
        Err(error) => {
            let entry = Entry::new(&object.id, None, None, Outcome::Failed);
            vec![entry.failed(&unreadable(object, &error))]
        }
    };
    progress.finish();
    entries
}

async fn deliver_file(run: &Arc<Run>, file: &ObjectFile<'_>) -> Vec<Entry> {
    let entry = |tenant: Option<&str>, outcome| Entry::new(&file.id, tenant, None, outcome);
    let routing = Routing { object: &file.id, now: file.last_modified(), origin: None, scope: &Scope::All };
    let (origin, invalid, deliveries) = match routing.route(&run.plans, &run.tenants).await {
        Route::Deliveries { origin, invalid, deliveries } => (origin, invalid, deliveries),
        Route::KeyRejected { text, .. } => return vec![key_rejected(run, &file.id, text)],
        Route::KeyFailed(error) => return vec![entry(None, Outcome::Failed).failed(&error.failure)],
        Route::LookupFailed { origin, failure } => {
            return vec![entry(Some(&origin.tenant_id), Outcome::Failed).failed(&failure)];
        }
        Route::Unwanted { origin, why, text } => {
            return vec![entry(Some(&origin.tenant_id), Outcome::Ignored).with_reason(why, text)];
        }
    };
    let mut entries: Vec<Entry> = invalid.iter().map(|invalid| invalid_entry(&file.id, &origin, invalid)).collect();
    // One after the other: a local disk is the faster for it, and nobody waits.
    for delivery in &deliveries {
        entries.push(deliver_to(run, file, &origin, delivery).await);
    }
    entries
}

async fn deliver_to(run: &Arc<Run>, file: &ObjectFile<'_>, origin: &Arc<Origin>, delivery: &Arc<Delivery>) -> Entry {
    let started = Instant::now();
    let output = output_folder(delivery);
    let (tenant, components) = (delivery.tenant_id.as_str(), run.plans.components_of(delivery));
    let memory = DeliveryMemory::admit(&run.memory, run.needs, tenant, components, &run.stop).await;
    // Here nobody closes the budget.
    let memory = memory.unwrap_or_default();
    let port = LocalPort::new(run, file, delivery, &output);
    let subject =
        Subject { plans: &run.plans, settings: &run.job_settings, object: &file.id, origin, delivery, memory };
    let mut delivery_run = DeliveryRun::new(subject, port, run.stop.clone(), Settled::default());
    let attempted = delivery_run.attempt().await;
    let mut entry = delivery_run.finish(attempted).entry;
    entry.warnings.extend(explain_ages(&entry.counts));
    entry.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    Entry { output, ..entry }
}

fn key_rejected(run: &Run, id: &Arc<ObjectId>, text: String) -> Entry {
    let entry = Entry::new(id, None, None, Outcome::Rejected).with_reason(Reason::InvalidKey, text.as_str());
    let letter = DeadLetter::of_object(id, Reason::InvalidKey, text);
    let written = run.output.dead_letters.begin(id, None, None).and_then(|mut file| file.write(&letter));
    match written {
        Ok(()) => entry,
        Err(error) => entry.failed(&failed(error, &run.stop)),
    }
}

/// Explains refusals by age: of logs that were copied without their times all are refused.
fn explain_ages(counts: &EntryCounts) -> Option<String> {
    let (old, new) = (counts.dead_lettered.get(Reason::TooOld), counts.dead_lettered.get(Reason::TooNew));
    (old + new > 0).then(|| {
        format!(
            "lines too old for CloudWatch Logs: {old}, too new: {new}, by the file's modification time \
             (`cp -p` and `aws s3 sync` keep it)"
        )
    })
}

/// Where a delivery's output lies, below the output folder.
fn output_folder(delivery: &Delivery) -> String {
    match &delivery.destination {
        Destination::CloudWatch { account, log_group, .. } => {
            format!("cloudwatch/{account}/{}/{}", delivery.target_region, log_group.trim_start_matches('/'))
        }
        Destination::S3 { bucket, prefix, .. } => format!("s3/{bucket}/{prefix}{}", delivery.tenant_id),
    }
}
