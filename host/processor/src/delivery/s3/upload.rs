//! Uploads a rewritten object: a thread writes, a task sends. One part is being filled, one
//! waits, one is being sent; that is all the memory that it takes.

use std::future::Future;
use std::io::{self, Write};
use std::sync::{Arc, OnceLock};

use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use super::metadata::user_metadata;
use super::target::Target;
use crate::aws::{AwsError, PartUpload, PutRequest, S3};
use model::{Activity, Failure, FailureKind, Stop};

/// The size of a part, and the largest object that is put in one call. S3 takes parts from 5
/// MiB on, and 10,000 of them, so an object has at most 78 GiB.
const PART_BYTES: usize = 8 * 1024 * 1024;

/// The calls of S3 that an upload needs; errors as [`S3`] has them.
pub trait Uploads: Send + Sync + 'static {
    /// An upload in parts.
    type MultipartUpload: MultipartUpload;

    /// See [`S3::put`].
    fn put(&self, put: &PutRequest, bytes: Bytes) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// See [`S3::begin_upload`].
    fn begin(&self, put: &PutRequest) -> impl Future<Output = Result<Self::MultipartUpload, AwsError>> + Send;
}

/// A multipart upload; errors as [`PartUpload`] has them.
pub trait MultipartUpload: Send + 'static {
    /// See [`PartUpload::upload_part`].
    fn upload_part(&mut self, bytes: Bytes) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// See [`PartUpload::complete`].
    fn complete(self) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// See [`PartUpload::abort`].
    fn abort(self) -> impl Future<Output = ()> + Send;
}

impl Uploads for S3 {
    type MultipartUpload = PartUpload;

    async fn put(&self, put: &PutRequest, bytes: Bytes) -> Result<(), AwsError> {
        Self::put(self, put, bytes).await
    }

    async fn begin(&self, put: &PutRequest) -> Result<PartUpload, AwsError> {
        self.begin_upload(put).await
    }
}

impl MultipartUpload for PartUpload {
    async fn upload_part(&mut self, bytes: Bytes) -> Result<(), AwsError> {
        Self::upload_part(self, bytes).await
    }

    async fn complete(self) -> Result<(), AwsError> {
        Self::complete(self).await
    }

    async fn abort(self) {
        Self::abort(self).await;
    }
}

/// A command for the task. If the channel closes without a `Last`, the upload is abandoned.
enum UploadCommand {
    Part(Bytes),
    Last(Bytes, oneshot::Sender<Result<(), Failure>>),
}

/// Takes an object's bytes, as they are to be stored, on the blocking side; they are sent in
/// parts. If nothing is written there is no object. Dropped or abandoned before
/// [`ObjectUpload::finish`] ends, it leaves nothing.
pub struct ObjectUpload {
    sender: mpsc::Sender<UploadCommand>,
    part: BytesMut,
    written: u64,
    failure: Arc<OnceLock<Failure>>,
}

impl ObjectUpload {
    /// An upload of `target`. Must be called on tokio.
    pub fn new<S: Uploads>(s3: S, target: &Target, activity: Activity, stop: &Stop) -> Self {
        let (sender, receiver) = mpsc::channel(1);
        let failure = Arc::new(OnceLock::new());
        let task = UploadTask { s3, put: put_request(target), activity, failure: Arc::clone(&failure), parts: None };
        tokio::spawn(task.run(receiver, stop.clone()));
        Self { sender, part: BytesMut::new(), written: 0, failure }
    }

    /// Completes the object; returns its bytes. 0 means that nothing was written and there is
    /// no object.
    ///
    /// # Errors
    /// As S3 says.
    pub async fn finish(self) -> Result<u64, Failure> {
        let (sender, answer) = oneshot::channel();
        let failure = self.failure;
        let gone = || failure.get().cloned().unwrap_or_else(abandoned);
        self.sender.send(UploadCommand::Last(self.part.freeze(), sender)).await.map_err(|_| gone())?;
        answer.await.unwrap_or_else(|_| Err(gone()))?;
        Ok(self.written)
    }
}

impl Write for ObjectUpload {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full part is kept until more comes, since it may be the whole object.
        if self.part.len() >= PART_BYTES && !bytes.is_empty() {
            let full = std::mem::take(&mut self.part).freeze();
            if self.sender.blocking_send(UploadCommand::Part(full)).is_err() {
                return Err(io::Error::other(self.failure.get().cloned().unwrap_or_else(abandoned)));
            }
        }
        if self.part.capacity() == 0 {
            // Allocated at once: memory that isn't written to costs nothing, growing does.
            self.part = BytesMut::with_capacity(PART_BYTES);
        }
        let room = PART_BYTES - self.part.len();
        let taken = bytes.get(..room).unwrap_or(bytes);
        self.part.extend_from_slice(taken);
        self.written += taken.len() as u64;
        Ok(taken.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn abandoned() -> Failure {
    Failure::new(FailureKind::Destination, "the upload was abandoned: its delivery ended")
}

/// The request that writes a target anew, with the source's headers.
fn put_request(target: &Target) -> PutRequest {
    let (metadata, headers) = (user_metadata(target), target.headers.clone());
    PutRequest { target: target.object(), metadata, owner_full_control: true, headers }
}

/// The task that sends.
struct UploadTask<S: Uploads> {
    s3: S,
    put: PutRequest,
    activity: Activity,
    failure: Arc<OnceLock<Failure>>,
    parts: Option<S::MultipartUpload>,
}

impl<S: Uploads> UploadTask<S> {
    async fn run(mut self, mut receiver: mpsc::Receiver<UploadCommand>, stop: Stop) {
        let result = tokio::select! {
            biased;
            () = stop.abandoned() => None,
            result = self.send_all(&mut receiver) => result,
        };
        // Set before the channel closes, so that a writer that finds it closed knows why.
        if let Some((Err(error), _)) = &result {
            let _ = self.failure.set(error.clone());
        }
        drop(receiver);
        if let Some(parts) = self.parts.take() {
            parts.abort().await;
        }
        if let Some((result, Some(answer))) = result {
            let _ = answer.send(result);
        }
    }

    /// Sends everything; `None` if the upload was abandoned.
    async fn send_all(&mut self, receiver: &mut mpsc::Receiver<UploadCommand>) -> Option<SendResult> {
        loop {
            match receiver.recv().await? {
                UploadCommand::Part(bytes) => {
                    if let Err(error) = self.upload_part(bytes).await {
                        return Some((Err(error.into()), None));
                    }
                }
                UploadCommand::Last(bytes, answer) => {
                    return Some((self.last(bytes).await.map_err(Failure::from), Some(answer)));
                }
            }
        }
    }

    async fn upload_part(&mut self, bytes: Bytes) -> Result<(), AwsError> {
        let parts = match &mut self.parts {
            Some(parts) => parts,
            none => {
                let parts = self.s3.begin(&self.put).await;
                self.activity.record();
                none.insert(parts?)
            }
        };
        let sent = parts.upload_part(bytes).await;
        self.activity.record();
        sent
    }

    async fn last(&mut self, bytes: Bytes) -> Result<(), AwsError> {
        if self.parts.is_none() && bytes.is_empty() {
            return Ok(());
        }
        let done = if self.parts.is_none() {
            self.s3.put(&self.put, bytes).await
        } else {
            // A part is only sent when more comes, so this one isn't empty.
            self.upload_part(bytes).await?;
            match self.parts.take() {
                Some(parts) => parts.complete().await,
                None => Ok(()),
            }
        };
        self.activity.record();
        done
    }
}

/// The result of sending, and where to send it.
type SendResult = (Result<(), Failure>, Option<oneshot::Sender<Result<(), Failure>>>);

#[cfg(test)]
#[path = "upload_tests.rs"]
mod tests;
