//! Deletes what is done, several at once.

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::batch::{MAX_BATCH_TIME, MAX_WAITING, in_batches};
use crate::aws::Queue;

/// Times that a deletion is tried, beyond the SDK's own attempts.
const MAX_TRIES: u32 = 3;

/// Takes receipt handles. `Clone` is cheap; with the last one it ends.
#[derive(Clone)]
pub(super) struct Acknowledger(mpsc::Sender<String>);

impl Acknowledger {
    /// Starts the deleting; it ends with the last [`Acknowledger`].
    pub(super) fn start(queue: Queue) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let delete = move |handles| {
            let queue = queue.clone();
            async move { delete(&queue, handles).await }
        };
        (Self(sender), tokio::spawn(in_batches(receiver, MAX_BATCH_TIME, delete)))
    }

    /// Has a message deleted; waits where too many deletions are under way.
    pub(super) async fn delete(&self, receipt_handle: String) {
        // Gone only when the process ends.
        let _ = self.0.send(receipt_handle).await;
    }
}

/// Deletes at most 10 messages. What can't be deleted comes again; what is done is
/// known to be (`message::memory`).
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
