//! Releases messages that weren't started: at once, or later.
//!
//! Each receive counts towards the queue's maxReceiveCount, also that of a released message.
//! So if the count comes near it, or if visibility may not be changed, a fresh message with
//! the same body is sent and the received one deleted; if sending fails, the received one
//! becomes visible. Messages of a FIFO queue can't be sent without their group, so they become
//! visible. A send that hangs delays nothing: after a short while the received messages become
//! visible all the same.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout_at};

use super::acknowledge::delete;
use super::batch::{MAX_BATCH_TIME, MAX_WAITING, in_batches};
use crate::aws::{OutgoingMessage, Queue, ReceivedMessage, VisibilityResult};

/// The maxReceiveCount that is assumed if the role may not read it: that of the reference's
/// queue.
const ASSUMED_MAX_RECEIVES: u32 = 3;

/// The most bytes of one SendMessageBatch.
const MAX_BYTES: usize = 1_048_576;

/// A message to be released.
struct ReleaseRequest {
    message: ReceivedMessage,
    /// The delay; a delayed message that can't be sent isn't released.
    delay: Option<Duration>,
    /// Receives whether the message is no longer ours.
    lost: oneshot::Sender<bool>,
}

/// Accepts messages to release. `Clone` is cheap; the task ends with the last one.
#[derive(Clone)]
pub(super) struct Releaser {
    /// Two queues: at the end nothing waits behind delayed messages that can't be sent.
    now: mpsc::Sender<ReleaseRequest>,
    later: mpsc::Sender<ReleaseRequest>,
    fifo: bool,
}

impl Releaser {
    /// Starts the task, which ends with the last [`Releaser`]. `send_time`: how long sending
    /// messages that are released at once may take, or a tenth of that if SQS didn't answer
    /// the last time.
    pub(super) fn start(queue: Queue, send_time: Duration) -> (Self, JoinHandle<()>) {
        let (now, receive_now) = mpsc::channel(MAX_WAITING);
        let (later, receive_later) = mpsc::channel(MAX_WAITING);
        let send_timed_out = Arc::new(AtomicBool::new(false));
        let fifo = queue.is_fifo();
        let max_receives = Arc::new(OnceLock::new());
        tokio::spawn(read_max_receives(queue.clone(), Arc::clone(&max_receives)));
        let act = move |batch: Vec<ReleaseRequest>| {
            let (queue, max_receives, send_timed_out) =
                (queue.clone(), Arc::clone(&max_receives), Arc::clone(&send_timed_out));
            async move {
                let max_receives = max_receives.get().copied().unwrap_or(Some(ASSUMED_MAX_RECEIVES));
                ReleaseTask { queue, max_receives, send_time, send_timed_out }.release_batch(batch).await;
            }
        };
        let lines = tokio::spawn(async move {
            tokio::join!(
                in_batches(receive_now, MAX_BATCH_TIME, &act),
                in_batches(receive_later, MAX_BATCH_TIME, &act)
            );
        });
        (Self { now, later, fifo }, lines)
    }

    /// Releases a message, to be received again at once.
    pub(super) async fn release_now(&self, message: ReceivedMessage) {
        let (lost, _) = oneshot::channel();
        let _ = self.now.send(ReleaseRequest { message, delay: None, lost }).await;
    }

    /// Releases a message, to be received again later; returns whether that worked. If not, it
    /// is still ours.
    pub(super) async fn release_later(&self, message: &ReceivedMessage, delay: Duration) -> bool {
        if self.fifo {
            return false;
        }
        let (lost, answer) = oneshot::channel();
        let _ = self.later.send(ReleaseRequest { message: message.clone(), delay: Some(delay), lost }).await;
        answer.await.unwrap_or(false)
    }
}

/// Reads maxReceiveCount once.
async fn read_max_receives(queue: Queue, max_receives: Arc<OnceLock<Option<u32>>>) {
    match queue.max_receive_count().await {
        Ok(most) => {
            let _ = max_receives.set(most);
        }
        Err(error) => tracing::info!(
            error = %error,
            assumed = ASSUMED_MAX_RECEIVES,
            "the queue's maxReceiveCount can't be read, which sqs:GetQueueAttributes would allow; it is assumed"
        ),
    }
}

/// Whether a message may be moved to the dead-letter queue if it is received once more before
/// anything of it was started: one receive is kept for a process that dies.
fn is_near_redrive(receives: u32, max_receives: Option<u32>) -> bool {
    max_receives.is_some_and(|most| receives.saturating_add(1) >= most)
}

struct ReleaseTask {
    queue: Queue,
    /// The queue's maxReceiveCount; `None` for no limit.
    max_receives: Option<u32>,
    send_time: Duration,
    /// Whether the last send timed out.
    send_timed_out: Arc<AtomicBool>,
}

impl ReleaseTask {
    /// Releases both kinds concurrently: a call that hangs affects only its own messages.
    async fn release_batch(&self, batch: Vec<ReleaseRequest>) {
        let fifo = self.queue.is_fifo();
        let (mut later, now): (Vec<_>, Vec<_>) = batch.into_iter().partition(|request| request.delay.is_some());
        // Nobody waits for the others any more: they have been released at once by now.
        later.retain(|request| !request.lost.is_closed());
        let send_time = if self.send_timed_out.load(Ordering::Relaxed) { self.send_time / 10 } else { self.send_time };
        let near =
            |request: &ReleaseRequest| !fifo && is_near_redrive(request.message.receive_count, self.max_receives);
        let (fresh, visible): (Vec<_>, Vec<_>) = now.into_iter().partition(near);
        let later = async {
            for request in self.send(later, MAX_BATCH_TIME).await {
                let _ = request.lost.send(false);
            }
        };
        let fresh = async { self.make_visible(self.send(fresh, send_time).await).await };
        let visible = async {
            let invisible = self.make_visible(visible).await;
            if fifo { invisible } else { self.send(invisible, send_time).await }
        };
        let ((), fresh, visible) = tokio::join!(later, fresh, visible);
        let left = fresh.len() + visible.len();
        if left > 0 {
            tracing::warn!(
                messages = left,
                "messages can't be given back; they come again by their visibility timeout"
            );
        }
    }

    /// Sends fresh messages and deletes the received ones; returns those that couldn't be sent
    /// in time, and which may then exist twice.
    async fn send(&self, messages: Vec<ReleaseRequest>, longest: Duration) -> Vec<ReleaseRequest> {
        let until = Instant::now() + longest;
        let (mut left, mut rest) = (Vec::new(), messages.into_iter().peekable());
        while rest.peek().is_some() {
            let (mut together, mut bytes) = (Vec::new(), 0);
            while let Some(request) =
                rest.next_if(|request| together.is_empty() || bytes + request.message.body.len() <= MAX_BYTES)
            {
                bytes += request.message.body.len();
                together.push(request);
            }
            let outgoing: Vec<OutgoingMessage> = together.iter().map(outgoing).collect();
            let answer = timeout_at(until, self.queue.send(&outgoing)).await;
            self.send_timed_out.store(answer.is_err(), Ordering::Relaxed);
            let results = match answer {
                Ok(Ok(results)) => results,
                Err(_) => {
                    tracing::warn!(
                        messages = together.len(),
                        "messages can't be sent back as fresh ones: SQS doesn't answer"
                    );
                    left.extend(together);
                    continue;
                }
                Ok(Err(error)) => {
                    tracing::warn!(error = %error, messages = together.len(), "messages can't be sent back as fresh ones");
                    left.extend(together);
                    continue;
                }
            };
            let mut sent = Vec::new();
            for (request, result) in together.into_iter().zip(results) {
                match result {
                    Ok(()) => {
                        sent.push(request.message.receipt_handle);
                        let _ = request.lost.send(true);
                    }
                    Err(_) => left.push(request),
                }
            }
            if !sent.is_empty() {
                delete(&self.queue, sent).await;
            }
        }
        left
    }

    /// Makes messages visible; returns those that still aren't, as far as is known.
    async fn make_visible(&self, messages: Vec<ReleaseRequest>) -> Vec<ReleaseRequest> {
        if messages.is_empty() {
            return messages;
        }
        let handles: Vec<String> = messages.iter().map(|request| request.message.receipt_handle.clone()).collect();
        match self.queue.set_visibility(&handles, 0).await {
            Ok(results) => {
                let failed = messages.into_iter().zip(results).filter_map(|(request, result)| match result {
                    VisibilityResult::Extended | VisibilityResult::Lost(_) => None,
                    VisibilityResult::Failed(_) => Some(request),
                });
                failed.collect()
            }
            // They may be visible, and somebody else's.
            Err(error) if error.effect_unknown => {
                tracing::warn!(error = %error, messages = handles.len(), "whether messages were given back is unknown");
                Vec::new()
            }
            Err(error) => {
                tracing::warn!(error = %error, messages = handles.len(), "messages can't be made visible");
                messages
            }
        }
    }
}

/// The same message again: everything that is known of it is in its body.
fn outgoing(request: &ReleaseRequest) -> OutgoingMessage {
    let delay_seconds = request.delay.map_or(0, |delay| u32::try_from(delay.as_secs()).unwrap_or(u32::MAX));
    OutgoingMessage { body: request.message.body.clone(), delay_seconds, numbers: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_receive_is_kept_for_a_process_that_dies() {
        let near = |receives, most| is_near_redrive(receives, Some(most));
        assert_eq!([1, 2, 3, 4].map(|receives| near(receives, 3)), [false, true, true, true]);
        assert!(near(1, 1) && near(1, 2) && !near(8, 10) && near(9, 10));
        assert!(!is_near_redrive(u32::MAX, None), "without a redrive policy");
    }
}
