//! The bytes of an answer: whole, slow, or cut.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// The pause before a connection is cut, so that the bytes before the cut have left for the
/// client.
const FLUSH: Duration = Duration::from_millis(5);

/// The bytes of an answer.
pub(crate) struct Answer {
    rest: Bytes,
    /// Bytes a chunk.
    chunk: usize,
    /// The pause between chunks.
    every: Duration,
    /// Whether the connection breaks after `rest`.
    cut: bool,
    pause: Option<Pin<Box<Sleep>>>,
}

impl Answer {
    pub(crate) fn whole(bytes: Bytes) -> Self {
        Self { chunk: bytes.len().max(1), rest: bytes, every: Duration::ZERO, cut: false, pause: None }
    }

    pub(crate) fn slow(bytes: Bytes, chunk: usize, every: Duration) -> Self {
        Self { rest: bytes, chunk: chunk.max(1), every, cut: false, pause: None }
    }

    pub(crate) fn cut(bytes: &Bytes, at: usize) -> Self {
        let rest = bytes.slice(..at.min(bytes.len()));
        Self { chunk: rest.len().max(1), rest, every: Duration::ZERO, cut: at < bytes.len(), pause: None }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        if let Some(pause) = self.pause.as_mut() {
            match pause.as_mut().poll(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(()) => self.pause = None,
            }
            if self.rest.is_empty() && self.cut {
                return Poll::Ready(Some(Err(io::Error::other("cut on purpose"))));
            }
        }
        if self.rest.is_empty() {
            if !self.cut {
                return Poll::Ready(None);
            }
            self.pause = Some(Box::pin(sleep(FLUSH)));
            return self.poll_frame(context);
        }
        let length = self.chunk.min(self.rest.len());
        let next = self.rest.split_to(length);
        if !self.every.is_zero() && !self.rest.is_empty() {
            self.pause = Some(Box::pin(sleep(self.every)));
        }
        Poll::Ready(Some(Ok(Frame::data(next))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        if self.cut { SizeHint::default() } else { SizeHint::with_exact(self.rest.len() as u64) }
    }
}
