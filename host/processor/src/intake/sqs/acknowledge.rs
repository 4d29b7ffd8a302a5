//! Deletes processed messages in batches.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::batch::{MAX_BATCH_TIME, MAX_WAITING, in_batches};
use crate::aws::Queue;

/// The attempts at a deletion, in addition to the SDK's own.
const MAX_TRIES: u32 = 3;

/// Accepts receipt handles of messages to delete. `Clone` is cheap; the task ends with the
/// last one.
#[derive(Clone)]
pub(super) struct Acknowledger(mpsc::Sender<String>);

impl Acknowledger {
    /// Starts the task, which ends with the last [`Acknowledger`].
    pub(super) fn start(queue: Queue) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let delete = move |handles| {
            let queue = queue.clone();
            async move { delete(&queue, handles).await }
        };
        (Self(sender), tokio::spawn(in_batches(receiver, MAX_BATCH_TIME, delete)))
    }

    /// Queues a message for deletion; waits if too many are queued.
    pub(super) async fn delete(&self, receipt_handle: String) {
        // The task only ends with the process.
        let _ = self.0.send(receipt_handle).await;
    }
}

/// Deletes at most 10 messages. A message that can't be deleted is received again, and is then
/// known to be done (`message::deduplication`).
pub(super) async fn delete(queue: &Queue, mut handles: Vec<String>) {
    let mut error = String::new();
    for _ in 0..MAX_TRIES {
        match queue.delete(&handles).await {
            Ok(results) => {
                let failed = handles.into_iter().zip(results).filter_map(|(handle, result)| match result {
                    Ok(()) => None,
                    Err(why) => {
                        error = why;
                        Some(handle)
                    }
                });
                handles = failed.collect();
            }
            Err(why) => error = why.to_string(),
        }
        if handles.is_empty() {
            return;
        }
    }
    tracing::warn!(messages = handles.len(), error, "messages that are done can't be deleted; they come again");
}
