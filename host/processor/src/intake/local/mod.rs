//! `log-processor local`: the pipeline over a folder of objects and a tenant
//! file, to a folder in place of AWS.
//!
//! - `order`: which object comes when.
//! - `object`: one object, for each delivery of its tenant.
//! - `progress`: how much of an object is read.
//! - `port`: a delivery's object and output, as the delivery run sees them; `sink`: where
//!   the output goes.

mod object;
mod order;
mod port;
mod progress;
mod sink;

use std::collections::{HashSet, VecDeque};
use std::path::Path;
use std::sync::{Arc, Mutex};

use tokio::task::JoinSet;

use crate::delivery::local::{DeadLetters, Journal, Objects, OutputError, Streams};
use crate::delivery::s3::Targets;
use crate::delivery_run::JobSettings;
use crate::memory::{MemoryBudget, Needs};
use crate::object::LocalObject;
use crate::pipeline::Stop;
use crate::plugin::Plans;
use crate::report::{Entry, Outcome};
use crate::tenant::FileDirectory;
use model::{FailureKind, ObjectId, lock};
use sandbox::LogLine;

/// Bytes of a window: where events are in no order, few puts matter more than memory.
pub const WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// The output folder.
#[derive(Debug)]
pub struct OutputFolder {
    streams: Streams,
    objects: Objects,
    dead_letters: DeadLetters,
    journal: Journal,
    targets: Targets,
}

impl OutputFolder {
    /// The folders below it that it writes to.
    pub const FOLDERS: [&str; 4] = ["cloudwatch", "s3", "dead-letter", ".incoming"];

    /// Opens the folder, which is made where it is missing.
    ///
    /// # Errors
    /// When it can't be written, or another run writes to it.
    pub fn open(root: &Path) -> Result<Self, OutputError> {
        // The journal first: it keeps other runs out.
        let journal = Journal::open(root)?;
        Ok(Self {
            streams: Streams::new(root),
            objects: Objects::new(root)?,
            dead_letters: DeadLetters::new(root),
            journal,
            targets: Targets::new(),
        })
    }

    /// What is odd about the folder.
    pub fn warnings(&self) -> &[String] {
        self.journal.warnings()
    }
}

/// Hears what happens while it happens.
pub trait ProgressListener: Send + Sync {
    /// Stored bytes of an object were read, or need not be: in the end, all.
    fn bytes_read(&self, bytes: u64);
    /// An object is done, with these entries.
    fn object_done(&self, object: &LocalObject, entries: &[Entry]);
    /// A guest logged this. It may hold log contents.
    fn guest_log(&self, object: &ObjectId, lines: &[LogLine]);
}

/// Everything that a run works with.
pub struct Run {
    /// Whose logs go where.
    pub tenants: FileDirectory,
    /// Where to.
    pub output: OutputFolder,
    /// The guests.
    pub plans: Plans,
    /// What is the same for all deliveries; the window has [`WINDOW_BYTES`].
    pub job_settings: JobSettings,
    /// What deliveries claim their memory from.
    pub memory: MemoryBudget,
    /// What each claims.
    pub needs: Needs,
    /// MAX_CONCURRENT_OBJECTS.
    pub max_concurrent_objects: usize,
    /// Whether what an earlier run delivered is delivered again.
    pub redeliver: bool,
    /// Asks the run to stop.
    pub stop: Stop,
    /// Hears what happens.
    pub listener: Arc<dyn ProgressListener>,
}

impl Run {
    /// Delivers the objects; returns an entry for each and each of its deliveries.
    pub async fn deliver(self, objects: Vec<LocalObject>) -> Vec<Entry> {
        let workers = self.max_concurrent_objects;
        let run = Arc::new(self);
        let ids: Vec<ObjectId> = objects.iter().map(|object| object.id.clone()).collect();
        let queue = Arc::new(Mutex::new(order::pods(objects)));
        let mut tasks = JoinSet::new();
        for _ in 0..workers {
            tasks.spawn(worker(Arc::clone(&run), Arc::clone(&queue)));
        }
        let mut entries = Vec::new();
        while let Some(done) = tasks.join_next().await {
            entries.extend(done.unwrap_or_default());
        }
        let lost = unaccounted(&ids, &entries);
        entries.extend(lost);
        entries
    }
}

/// Entries of objects that have none, because whoever worked on them is gone: a run never
/// ends well without them.
fn unaccounted(ids: &[ObjectId], entries: &[Entry]) -> Vec<Entry> {
    let known: HashSet<(&str, &str)> =
        entries.iter().map(|entry| (entry.bucket.as_str(), entry.key.as_str())).collect();
    let lost = ids.iter().filter(|id| !known.contains(&(id.bucket.as_str(), id.key.as_str())));
    let failed = |id| Entry::new(id, None, None, Outcome::Failed);
    lost.map(|id| {
        failed(id).with_reason(FailureKind::Internal, format!("a bug: the work on {id} was given up; please report it"))
    })
    .collect()
}

/// Takes pods until none is left. Objects of one pod follow each other: they
/// share a log stream, whose events are to be in order.
async fn worker(run: Arc<Run>, queue: Arc<Mutex<VecDeque<Vec<LocalObject>>>>) -> Vec<Entry> {
    let mut entries = Vec::new();
    loop {
        let next = lock(&queue).pop_front();
        let Some(pod) = next else { return entries };
        for object in pod {
            let of_object = object::deliver(&run, &object).await;
            run.listener.object_done(&object, &of_object);
            entries.extend(of_object);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_without_an_entry_is_one_that_failed() {
        let id = |key: &str| ObjectId { bucket: "b".to_owned(), key: key.to_owned() };
        let done = [Entry::new(&id("a"), None, Some(model::DestinationKind::S3), Outcome::Delivered)];
        assert!(unaccounted(&[id("a")], &done).is_empty());
        let lost = unaccounted(&[id("a"), id("c")], &done);
        assert_eq!((lost.len(), lost[0].key.as_str(), lost[0].outcome), (1, "c", Outcome::Failed));
        assert!(lost[0].error.as_deref().unwrap().contains("s3://b/c"), "{:?}", lost[0].error);
    }
}
