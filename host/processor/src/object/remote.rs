//! An object of S3 as a reader for the blocking side: a task fetches ahead, by as
//! much as a bounded channel holds.

use std::future::Future;
use std::io::{self, Read};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use tokio::sync::mpsc;

use crate::aws::Operation;
use crate::aws::{AwsError, AwsErrorKind, Body, ObjectVersion, S3, StoredObject};
use model::{Activity, Fault, LearnedBuckets, ObjectId, Stop};

/// Pieces that are fetched ahead: more gained nothing.
const PIECES_AHEAD: usize = 8;

/// Bytes that are gathered to a piece, where they come in smaller ones: each piece
/// wakes a thread.
const PIECE_BYTES: usize = 64 * 1024;

/// Buckets whose versions this process may not read, as was found out.
static NO_VERSIONS: LearnedBuckets = LearnedBuckets::new();

/// What a reader needs of S3; errors as [`S3::get`] has them.
trait GetObject: Clone + Send + Sync + 'static {
    /// Bytes as they arrive.
    type Body: BodyStream;

    /// See [`S3::get`].
    fn get(
        &self,
        object: &ObjectId,
        version: &ObjectVersion,
        from: u64,
    ) -> impl Future<Output = Result<(StoredObject, Self::Body), AwsError>> + Send;
}

/// Bytes as they arrive; errors as [`Body::next`] has them.
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

/// What comes through the channel; its end without an `End`: reading was given up.
enum FetchedPiece {
    Bytes(Bytes),
    End,
    Failed(AwsError),
}

/// An object's bytes as they arrive; not to be read on a task. Where the body breaks
/// off, it goes on from there, a few times. An error of it has an [`AwsError`] inside,
/// but for one: its delivery was abandoned.
pub struct RemoteReader {
    receiver: mpsc::Receiver<FetchedPiece>,
    piece: Bytes,
    /// Nothing more comes: it ended well, or why not.
    ended: Option<Result<(), AwsError>>,
}

impl RemoteReader {
    /// Waits for the next piece.
    fn fetch(&mut self) -> io::Result<()> {
        match self.receiver.blocking_recv() {
            Some(FetchedPiece::Bytes(bytes)) => self.piece = bytes,
            Some(FetchedPiece::End) => self.ended = Some(Ok(())),
            Some(FetchedPiece::Failed(error)) => self.ended = Some(Err(error)),
            // Never taken for the end: a part of an object must not look like all of it.
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

/// Begins to read an object; it ends when `stop` is abandoned. Where reading a
/// version is denied, its ETag is relied on instead. `attempts`: how often in a row
/// a body may break off without a byte. Must be called on tokio.
///
/// # Errors
/// As [`S3::get`]; `Precondition`: the object has changed.
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

/// What goes with every reading.
struct FetchOptions {
    attempts: u32,
    activity: Activity,
    stop: Stop,
    /// When it began.
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
    // What is fetched later must be of the same state.
    let version = ObjectVersion { version_id, etag: Some(stored.etag.clone()) };
    let (object, size) = (object.clone(), stored.size);
    let fetcher = Fetcher { s3: s3.clone(), object, version, size, position: 0, buffered: BytesMut::new(), sender };
    tokio::spawn(fetcher.run(body, options));
    Ok((stored, RemoteReader { receiver, piece: Bytes::new(), ended: None }))
}

/// The first answer, and the version that was asked for.
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
    // Without an ETag another version would be taken for this one.
    let replaceable = version.version_id.is_some() && version.etag.is_some();
    if replaceable && no_versions.has(&object.bucket, options.now) {
        return get(with_etag).await;
    }
    match get(version.clone()).await {
        Err(error) if error.kind == AwsErrorKind::Denied && replaceable => {
            let answer = get(with_etag).await?;
            // Only now it is known that the version was what was denied.
            no_versions.learn(&object.bucket, options.now);
            Ok(answer)
        }
        answer => answer,
    }
}

/// The fetching side.
struct Fetcher<G: GetObject> {
    s3: G,
    object: ObjectId,
    version: ObjectVersion,
    size: u64,
    /// Bytes that arrived.
    position: u64,
    /// Those that are not sent yet.
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

    /// Fetches all, and says how it ended.
    async fn fetch_all(&mut self, mut body: G::Body, options: &FetchOptions) {
        let mut breaks = 0;
        let end = loop {
            let before = self.position;
            let ended = self.fetch_body(&mut body, options).await;
            if self.position >= self.size && !matches!(&ended, Err(error) if error.kind != AwsErrorKind::Unreachable) {
                break FetchedPiece::End;
            }
            // An answer that is whole may be of less than what is left.
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
                // It had the SDK's attempts.
                Err(error) => break FetchedPiece::Failed(error),
            }
        };
        self.send_buffered().await;
        let _ = self.sender.send(end).await;
    }

    /// A part of an object must not look like all of it.
    fn too_short(&self) -> AwsError {
        let message = format!("the answer ended after {} of {} bytes", self.position, self.size);
        AwsError::new(Operation::GetObject, self.object.to_string(), AwsErrorKind::Unreachable, message)
            .with_fault(Fault::Source)
    }

    /// Fetches what one answer brings.
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

    /// Sends what was gathered. A reader that is gone ends this task elsewhere.
    async fn send_buffered(&mut self) {
        if !self.buffered.is_empty() {
            let _ = self.sender.send(FetchedPiece::Bytes(self.buffered.split().freeze())).await;
        }
    }
}

#[cfg(test)]
#[path = "remote_tests.rs"]
mod tests;
