//! Gathers items into SQS's batches. Batches are sent concurrently, so that one that hangs
//! delays no other; their number is bounded, beyond which senders wait.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

/// The most messages of one call.
pub(super) const MAX_MESSAGES: usize = 10;

/// The most batches that are sent at once.
pub(super) const MAX_BATCHES: usize = 32;

/// The most items that wait for their batch.
pub(super) const MAX_WAITING: usize = 10 * MAX_MESSAGES;

/// The time that the first item of a batch waits for others.
const GATHER_TIME: Duration = Duration::from_millis(50);

/// The longest that a batch may take, with all its attempts.
pub(super) const MAX_BATCH_TIME: Duration = Duration::from_secs(60);

/// Calls `act` with batches of what is received, until the last sender is gone and every batch
/// is done. A batch that takes longer than `max_time` is abandoned.
pub(super) async fn in_batches<T, F>(mut receiver: mpsc::Receiver<T>, max_time: Duration, act: impl Fn(Vec<T>) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(MAX_BATCHES));
    let mut batches = JoinSet::new();
    while let Some(first) = receiver.recv().await {
        let mut together = vec![first];
        let deadline = Instant::now() + GATHER_TIME;
        while together.len() < MAX_MESSAGES {
            match timeout_at(deadline, receiver.recv()).await {
                Ok(Some(one)) => together.push(one),
                Ok(None) | Err(_) => break,
            }
        }
        while batches.try_join_next().is_some() {}
        // The semaphore is never closed.
        let place = Arc::clone(&places).acquire_owned().await.ok();
        let batch = act(together);
        batches.spawn(async move {
            if timeout(max_time, batch).await.is_err() {
                tracing::warn!("messages can't be deleted or given back: SQS doesn't answer; they come again");
            }
            drop(place);
        });
    }
    while batches.join_next().await.is_some() {}
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn one_that_hangs_holds_up_no_other() {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let (tell, mut told) = mpsc::unbounded_channel();
        let act = move |batch: Vec<usize>| {
            let tell = tell.clone();
            async move {
                if batch.contains(&0) {
                    std::future::pending::<()>().await;
                }
                for one in batch {
                    let _ = tell.send(one);
                }
            }
        };
        let all = tokio::spawn(in_batches(receiver, MAX_BATCH_TIME, act));
        for n in 0..5 * MAX_MESSAGES {
            sender.send(n).await.unwrap();
        }
        // Whichever of them are in the first batch.
        for _ in 0..4 * MAX_MESSAGES {
            assert_ne!(told.recv().await, Some(0));
        }
        all.abort();
    }

    #[tokio::test]
    async fn one_that_hangs_is_given_up_in_the_end() {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let act = |_: Vec<usize>| std::future::pending();
        let all = tokio::spawn(in_batches(receiver, Duration::from_millis(50), act));
        sender.send(1).await.unwrap();
        drop(sender);
        all.await.unwrap();
    }

    #[tokio::test]
    async fn what_is_under_way_is_bounded_and_whoever_brings_more_waits() {
        let (sender, receiver) = mpsc::channel(MAX_WAITING);
        let begun = Arc::new(Mutex::new(0));
        let count = Arc::clone(&begun);
        let act = move |batch: Vec<usize>| {
            *count.lock().unwrap() += batch.len();
            std::future::pending()
        };
        let all = tokio::spawn(in_batches(receiver, MAX_BATCH_TIME, act));
        // What is gathered, and the batch that waits for its place, are in nobody's channel.
        let most = (MAX_BATCHES + 1) * MAX_MESSAGES + MAX_WAITING;
        for n in 0..most {
            sender.send(n).await.unwrap();
        }
        assert!(*begun.lock().unwrap() <= MAX_BATCHES * MAX_MESSAGES);
        let more = async {
            for n in 0..most {
                sender.send(n).await.unwrap();
            }
        };
        assert!(timeout(GATHER_TIME * 4, more).await.is_err());
        all.abort();
    }
}
