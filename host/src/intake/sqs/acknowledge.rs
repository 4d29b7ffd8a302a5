//! Deletes what is done, several at once.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::aws::Queue;

/// Messages of one DeleteMessageBatch.
const MOST: usize = 10;

/// How long the first of a batch waits for others.
const GATHER: Duration = Duration::from_millis(50);

/// Times that a deletion is tried, beyond the SDK's own attempts.
const TRIES: u32 = 3;

/// Takes receipt handles. `Clone` is cheap; with the last one it ends.
#[derive(Clone)]
pub(super) struct Acknowledger(mpsc::Sender<String>);

impl Acknowledger {
    /// Starts the deleting; it ends with the last [`Acknowledger`].
    pub(super) fn start(queue: Queue) -> (Self, JoinHandle<()>) {
        let (sender, receiver) = mpsc::channel(MOST * 10);
        (Self(sender), tokio::spawn(delete_all(queue, receiver)))
    }

    /// Has a message deleted.
    pub(super) async fn delete(&self, receipt_handle: String) {
        // Gone only when the process ends.
        let _ = self.0.send(receipt_handle).await;
    }
}

async fn delete_all(queue: Queue, mut receiver: mpsc::Receiver<String>) {
    let mut batches = tokio::task::JoinSet::new();
    while let Some(first) = receiver.recv().await {
        let mut handles = vec![first];
        let deadline = tokio::time::Instant::now() + GATHER;
        while handles.len() < MOST {
            match tokio::time::timeout_at(deadline, receiver.recv()).await {
                Ok(Some(handle)) => handles.push(handle),
                Ok(None) | Err(_) => break,
            }
        }
        while batches.try_join_next().is_some() {}
        batches.spawn(delete(queue.clone(), handles));
    }
    while batches.join_next().await.is_some() {}
}

/// What can't be deleted comes again, and is known to be done (`message::memory`).
async fn delete(queue: Queue, mut handles: Vec<String>) {
    let mut error = String::new();
    for _ in 0..TRIES {
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
