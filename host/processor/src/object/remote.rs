//! An S3 object as a reader for the blocking side. A task fetches ahead, by as much as a
//! bounded channel holds.

use std::future::Future;
use std::io::{self, Read};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::aws::Operation;
use crate::aws::{AwsError, AwsErrorKind, Body, ObjectVersion, S3, StoredObject};
use model::{Activity, Fault, LearnedBuckets, ObjectId, Stop};

/// Pieces that are fetched ahead; more made nothing faster.
const PIECES_AHEAD: usize = 8;

/// The size to which smaller pieces are gathered, since each piece wakes a thread.
const PIECE_BYTES: usize = 64 * 1024;

/// Buckets whose versions this process was denied to read.
static NO_VERSIONS: LearnedBuckets = LearnedBuckets::new();

/// GetObject, for a reader; errors as [`S3::get`] has them.
trait GetObject: Clone + Send + Sync + 'static {
    /// The body of an answer.
    type Body: BodyStream;

    /// See [`S3::get`].
    fn get(
        &self,
        object: &ObjectId,
        version: &ObjectVersion,
        from: u64,
    ) -> impl Future<Output = Result<(StoredObject, Self::Body), AwsError>> + Send;
}

/// A body whose bytes arrive bit by bit; errors as [`Body::next`] has them.
trait BodyStream: Send + 'static {
    /// See [`Body::next`].
    fn next(&mut self) -> impl Future<Output = Result<Option<Bytes>, AwsError>> + Send;
}

impl GetObject for S3 {
    type Body = Body;

    async fn get(
        &self,
        object: &ObjectId,
        version: &ObjectVersion,
        from: u64,
    ) -> Result<(StoredObject, Body), AwsError> {
        Self::get(self, object, version, from).await.map(|download| (download.stored, download.body))
    }
}

impl BodyStream for Body {
    async fn next(&mut self) -> Result<Option<Bytes>, AwsError> {
        Self::next(self).await
    }
}

/// A piece in the channel. If the channel closes without an `End`, reading was abandoned.
enum FetchedPiece {
    Bytes(Bytes),
    End,
    Failed(AwsError),
}

/// An object's bytes as they arrive, not to be read on an async task. A body that breaks off
/// is resumed from there, a few times. Errors hold an [`AwsError`], except when the delivery
/// was abandoned.
pub struct RemoteReader {
    receiver: mpsc::Receiver<FetchedPiece>,
    piece: Bytes,
    /// The end, if it was reached: success, or why it failed.
    ended: Option<Result<(), AwsError>>,
}

impl RemoteReader {
    /// Waits for the next piece.
    fn fetch(&mut self) -> io::Result<()> {
        match self.receiver.blocking_recv() {
            Some(FetchedPiece::Bytes(bytes)) => self.piece = bytes,
            Some(FetchedPiece::End) => self.ended = Some(Ok(())),
            Some(FetchedPiece::Failed(error)) => self.ended = Some(Err(error)),
            // Never treated as the end: a part of an object must not look like all of it.
            None => return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "reading was abandoned")),
        }
        Ok(())
    }
}

impl Read for RemoteReader {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match &self.ended {
                Some(Ok(())) => return Ok(0),
                Some(Err(error)) => return Err(io::Error::other(error.clone())),
                None => self.fetch()?,
            }
        }
        let count = self.piece.len().min(out.len());
        self.piece.copy_to_slice(out.get_mut(..count).unwrap_or_default());
        Ok(count)
    }
}

/// Starts to read an object, until `stop` is abandoned. If reading a version is denied, its
/// ETag is used instead. `attempts`: how often in a row a body may break off without a byte.
/// Must be called on tokio.
///
/// # Errors
/// As [`S3::get`]; `Precondition` if the object has changed.
pub async fn open(
    s3: &S3,
    object: &ObjectId,
    version: &ObjectVersion,
    attempts: u32,
    activity: &Activity,
    stop: &Stop,
) -> Result<(StoredObject, RemoteReader), AwsError> {
    let options = FetchOptions { attempts, activity: activity.clone(), stop: stop.clone(), now: Instant::now() };
    start(s3, object, version, &NO_VERSIONS, options).await
}

/// Options of a fetch.
struct FetchOptions {
    attempts: u32,
    activity: Activity,
    stop: Stop,
    /// The start of the fetch.
    now: Instant,
}

async fn start<G: GetObject>(
    s3: &G,
    object: &ObjectId,
    version: &ObjectVersion,
    no_versions: &LearnedBuckets,
    options: FetchOptions,
) -> Result<(StoredObject, RemoteReader), AwsError> {
    let (stored, body, version_id) = open_body(s3, object, version, no_versions, &options).await?;
    let (sender, receiver) = mpsc::channel(PIECES_AHEAD);
    // Everything that is fetched later must be of the same state.
    let version = ObjectVersion { version_id, etag: Some(stored.etag.clone()) };
    let (object, size) = (object.clone(), stored.size);
    let fetcher = Fetcher { s3: s3.clone(), object, version, size, position: 0, buffered: BytesMut::new(), sender };
    tokio::spawn(fetcher.run(body, options));
    Ok((stored, RemoteReader { receiver, piece: Bytes::new(), ended: None }))
}

/// Opens the first body; returns also the version that was asked for.
async fn open_body<G: GetObject>(
    s3: &G,
    object: &ObjectId,
    version: &ObjectVersion,
    no_versions: &LearnedBuckets,
    options: &FetchOptions,
) -> Result<(StoredObject, G::Body, Option<String>), AwsError> {
    let get = async |version: ObjectVersion| {
        let answer = s3.get(object, &version, 0).await;
        options.activity.record();
        answer.map(|(stored, body)| (stored, body, version.version_id))
    };
    let with_etag = ObjectVersion { version_id: None, etag: version.etag.clone() };
    // Without an ETag, another version could be taken for this one.
    let replaceable = version.version_id.is_some() && version.etag.is_some();
    if replaceable && no_versions.has(&object.bucket, options.now) {
        return get(with_etag).await;
    }
    match get(version.clone()).await {
        Err(error) if error.kind == AwsErrorKind::Denied && replaceable => {
            let answer = get(with_etag).await?;
            // Only this success shows that the version was denied, and not the object.
            no_versions.learn(&object.bucket, options.now);
            Ok(answer)
        }
        answer => answer,
    }
}

/// The side that fetches.
struct Fetcher<G: GetObject> {
    s3: G,
    object: ObjectId,
    version: ObjectVersion,
    size: u64,
    /// The number of bytes that have arrived.
    position: u64,
    /// Bytes that have arrived and aren't sent yet.
    buffered: BytesMut,
    sender: mpsc::Sender<FetchedPiece>,
}

impl<G: GetObject> Fetcher<G> {
    async fn run(mut self, body: G::Body, options: FetchOptions) {
        let sender = self.sender.clone();
        tokio::select! {
            biased;
            () = options.stop.abandoned() => {}
            // The reader was dropped, while nothing arrives that would tell.
            () = sender.closed() => {}
            () = self.fetch_all(body, &options) => {}
        }
    }

    /// Fetches the whole object, and sends how it ended.
    async fn fetch_all(&mut self, mut body: G::Body, options: &FetchOptions) {
        let mut breaks = 0;
        let end = loop {
            let before = self.position;
            let ended = self.fetch_body(&mut body, options).await;
            if self.position >= self.size && !matches!(&ended, Err(error) if error.kind != AwsErrorKind::Unreachable) {
                break FetchedPiece::End;
            }
            // A complete answer may still be shorter than what is left.
            match ended.err().unwrap_or_else(|| self.too_short()) {
                error if error.kind == AwsErrorKind::Unreachable => {
                    breaks = if self.position > before { 0 } else { breaks + 1 };
                    if breaks >= options.attempts {
                        break FetchedPiece::Failed(error);
                    }
                }
                error => break FetchedPiece::Failed(error),
            }
            let answer = self.s3.get(&self.object, &self.version, self.position).await;
            options.activity.record();
            match answer {
                Ok((_, again)) => body = again,
                // The call had the SDK's attempts already.
                Err(error) => break FetchedPiece::Failed(error),
            }
        };
        self.send_buffered().await;
        let _ = self.sender.send(end).await;
    }

    /// The error for an answer that ends early: a part of an object must not look like all of
    /// it.
    fn too_short(&self) -> AwsError {
        let message = format!("the answer ended after {} of {} bytes", self.position, self.size);
        AwsError::new(Operation::GetObject, self.object.to_string(), AwsErrorKind::Unreachable, message)
            .with_fault(Fault::Source)
    }

    /// Fetches one body.
    async fn fetch_body(&mut self, body: &mut G::Body, options: &FetchOptions) -> Result<(), AwsError> {
        while let Some(bytes) = body.next().await? {
            options.activity.record();
            self.position += bytes.len() as u64;
            if self.buffered.is_empty() && bytes.len() >= PIECE_BYTES {
                let _ = self.sender.send(FetchedPiece::Bytes(bytes)).await;
                continue;
            }
            self.buffered.extend_from_slice(&bytes);
            if self.buffered.len() >= PIECE_BYTES {
                self.send_buffered().await;
            }
        }
        Ok(())
    }

    /// Sends the buffered bytes. If the reader is gone, [`Self::run`] ends this task.
    async fn send_buffered(&mut self) {
        if !self.buffered.is_empty() {
            let _ = self.sender.send(FetchedPiece::Bytes(self.buffered.split().freeze())).await;
        }
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
