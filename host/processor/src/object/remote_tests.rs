use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::aws::Operation;

/// How a body goes on.
#[derive(Clone, Copy)]
enum Piecewise {
    /// So many bytes, which come one by one, and then it breaks off.
    Breaks(usize),
    /// So many bytes, and then nothing, for ever.
    Hangs(usize),
    /// So many bytes, as if there were no more.
    Ends(usize),
    /// All that is left.
    Whole,
}

/// An object of S3, whose versions may be denied.
#[derive(Clone)]
struct Fake(Arc<Inner>);

struct Inner {
    content: Vec<u8>,
    etag: Mutex<String>,
    /// What it has after the first answer, if it changes.
    next_etag: Mutex<Option<String>>,
    versions_denied: bool,
    bodies: Mutex<VecDeque<Piecewise>>,
    gets: Mutex<Vec<(ObjectVersion, u64)>>,
    /// Somebody waits for a body that hangs.
    hangs: Arc<AtomicBool>,
    /// A body was dropped.
    let_go: Arc<AtomicBool>,
}

struct FakeBody {
    left: Bytes,
    piecewise: Piecewise,
    hangs: Arc<AtomicBool>,
    let_go: Arc<AtomicBool>,
}

impl Drop for FakeBody {
    fn drop(&mut self) {
        self.let_go.store(true, Ordering::SeqCst);
    }
}

fn error(kind: AwsErrorKind) -> AwsError {
    AwsError::new(Operation::GetObject, "s3://b/k", kind, "no")
}

impl Fake {
    fn new(content: &[u8], bodies: &[Piecewise]) -> Self {
        Self::with(content, bodies, false)
    }

    fn with(content: &[u8], bodies: &[Piecewise], versions_denied: bool) -> Self {
        Self(Arc::new(Inner {
            content: content.to_vec(),
            etag: Mutex::new("e".to_owned()),
            next_etag: Mutex::default(),
            versions_denied,
            bodies: Mutex::new(bodies.iter().copied().collect()),
            gets: Mutex::default(),
            hangs: Arc::default(),
            let_go: Arc::default(),
        }))
    }

    /// Waits until somebody waits for a body that hangs.
    async fn is_hanging(&self) {
        while !self.0.hangs.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    }

    fn gets(&self) -> Vec<(ObjectVersion, u64)> {
        self.0.gets.lock().unwrap().clone()
    }
}

impl GetObject for Fake {
    type Body = FakeBody;

    async fn get(
        &self,
        _object: &ObjectId,
        version: &ObjectVersion,
        from: u64,
    ) -> Result<(StoredObject, FakeBody), AwsError> {
        self.0.gets.lock().unwrap().push((version.clone(), from));
        if self.0.versions_denied && version.version_id.is_some() {
            return Err(error(AwsErrorKind::Denied));
        }
        let etag = self.0.etag.lock().unwrap().clone();
        if let Some(next) = self.0.next_etag.lock().unwrap().take() {
            *self.0.etag.lock().unwrap() = next;
        }
        if version.etag.as_ref().is_some_and(|asked| *asked != etag) {
            return Err(error(AwsErrorKind::Precondition));
        }
        let size = self.0.content.len() as u64;
        // S3 answers 416 there.
        assert!(from < size || size == 0, "asked from {from} of {size}");
        let left = Bytes::copy_from_slice(&self.0.content[usize::try_from(from).unwrap()..]);
        let piecewise = self.0.bodies.lock().unwrap().pop_front().unwrap_or(Piecewise::Whole);
        let stored = StoredObject { size, last_modified: 1, etag, ..StoredObject::default() };
        let (hangs, let_go) = (Arc::clone(&self.0.hangs), Arc::clone(&self.0.let_go));
        Ok((stored, FakeBody { left, piecewise, hangs, let_go }))
    }
}

impl BodyStream for FakeBody {
    async fn next(&mut self) -> Result<Option<Bytes>, AwsError> {
        match &mut self.piecewise {
            Piecewise::Whole => Ok(Some(std::mem::take(&mut self.left)).filter(|left| !left.is_empty())),
            Piecewise::Breaks(0) => Err(error(AwsErrorKind::Unreachable)),
            Piecewise::Hangs(0) => {
                self.hangs.store(true, Ordering::SeqCst);
                std::future::pending().await
            }
            Piecewise::Ends(0) => Ok(None),
            Piecewise::Breaks(count) | Piecewise::Hangs(count) | Piecewise::Ends(count) => {
                *count -= 1;
                Ok(Some(self.left.split_to(1)))
            }
        }
    }
}

/// Compiles only where reading can be begun on any task.
#[test]
fn it_may_move_between_threads() {
    fn is_send<T: Send>(_: T) {}
    let _ = |s3: &S3, version: &ObjectVersion, activity: &Activity, stop: &Stop| {
        is_send(open(s3, &object(), version, 3, activity, stop));
    };
}

fn object() -> ObjectId {
    ObjectId { bucket: "b".to_owned(), key: "k".to_owned() }
}

fn options(attempts: u32, stop: &Stop) -> FetchOptions {
    FetchOptions { attempts, activity: Activity::default(), stop: stop.clone(), now: Instant::now() }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(240), work).await.expect("it hangs") })
}

async fn begin_plain(fake: &Fake, attempts: u32) -> RemoteReader {
    let version = ObjectVersion::default();
    start(fake, &object(), &version, &LearnedBuckets::new(), options(attempts, &Stop::default())).await.unwrap().1
}

/// All bytes before the end, and how it ended.
async fn read_all(mut reader: RemoteReader) -> (Vec<u8>, Option<io::Error>) {
    let read = move || {
        let mut bytes = Vec::new();
        let error = reader.read_to_end(&mut bytes).err();
        (bytes, error)
    };
    tokio::task::spawn_blocking(read).await.unwrap()
}

fn kind(error: &io::Error) -> AwsErrorKind {
    error.get_ref().unwrap().downcast_ref::<AwsError>().unwrap().kind
}

#[test]
fn a_body_that_breaks_off_goes_on_from_that_byte() {
    let content = b"0123456789abcdef";
    for at in 0..=content.len() {
        let fake = Fake::new(content, &[Piecewise::Breaks(at)]);
        let (bytes, failed) = block_on(async { read_all(begin_plain(&fake, 3).await).await });
        assert!(failed.is_none(), "{at}: {failed:?}");
        assert_eq!(bytes, content, "{at}");
        let again = (ObjectVersion { version_id: None, etag: Some("e".to_owned()) }, at as u64);
        let expected = if at == content.len() { vec![] } else { vec![again] };
        assert_eq!(fake.gets()[1..], expected, "{at}");
    }
}

#[test]
fn it_is_given_up_when_it_breaks_off_again_and_again_without_a_byte() {
    let two_each = [Piecewise::Breaks(2); 8];
    let fake = Fake::new(b"0123456789abcdef", &two_each);
    let (bytes, failed) = block_on(async { read_all(begin_plain(&fake, 1).await).await });
    assert!(failed.is_none(), "as long as bytes come: {failed:?}");
    assert_eq!(bytes, b"0123456789abcdef");
    let mut bodies = vec![Piecewise::Breaks(3)];
    bodies.extend([Piecewise::Breaks(0); 3]);
    let fake = Fake::new(b"0123456789abcdef", &bodies);
    let (bytes, failed) = block_on(async { read_all(begin_plain(&fake, 3).await).await });
    assert_eq!((bytes.as_slice(), kind(&failed.unwrap())), (b"012".as_slice(), AwsErrorKind::Unreachable));
    assert_eq!(fake.gets().len(), 4);
}

/// As after a break: an answer for less than what is left looks whole.
#[test]
fn an_answer_that_ends_too_soon_is_not_the_end() {
    let fake = Fake::new(b"0123456789abcdef", &[Piecewise::Breaks(2), Piecewise::Ends(3), Piecewise::Ends(0)]);
    let (bytes, failed) = block_on(async { read_all(begin_plain(&fake, 3).await).await });
    assert!(failed.is_none() && bytes == b"0123456789abcdef", "{failed:?}");
    assert_eq!(fake.gets().iter().map(|(_, from)| *from).collect::<Vec<_>>(), [0, 2, 5, 5]);
    let fake = Fake::new(b"0123", &[Piecewise::Ends(2), Piecewise::Ends(0), Piecewise::Ends(0)]);
    let (bytes, failed) = block_on(async { read_all(begin_plain(&fake, 2).await).await });
    let failed = failed.unwrap();
    assert_eq!((bytes.as_slice(), kind(&failed)), (b"01".as_slice(), AwsErrorKind::Unreachable));
    assert!(failed.to_string().contains("after 2 of 4 bytes"), "{failed}");
}

#[test]
fn an_object_that_changed_meanwhile_is_noticed() {
    let fake = Fake::new(b"0123", &[Piecewise::Breaks(2)]);
    *fake.0.next_etag.lock().unwrap() = Some("other".to_owned());
    let (bytes, failed) = block_on(async { read_all(begin_plain(&fake, 3).await).await });
    assert_eq!((bytes.as_slice(), kind(&failed.unwrap())), (b"01".as_slice(), AwsErrorKind::Precondition));
}

#[test]
fn large_and_small_pieces_keep_their_order() {
    let content: Vec<u8> = (0..400_000u32).flat_map(u32::to_le_bytes).collect();
    let fake = Fake::new(&content, &[Piecewise::Breaks(100_000), Piecewise::Breaks(7)]);
    let (bytes, failed) = block_on(async { read_all(begin_plain(&fake, 3).await).await });
    assert!(failed.is_none() && bytes == content);
    let empty = Fake::new(b"", &[]);
    assert!(block_on(async { read_all(begin_plain(&empty, 3).await).await }).0.is_empty());
}

#[test]
fn where_versions_are_denied_the_etag_is_relied_on_and_that_is_remembered() {
    let fake = Fake::with(b"0123", &[Piecewise::Breaks(1)], true);
    let both = ObjectVersion { version_id: Some("v".to_owned()), etag: Some("e".to_owned()) };
    let etag = ObjectVersion { version_id: None, etag: Some("e".to_owned()) };
    let memory = LearnedBuckets::new();
    let later = Mutex::new(Duration::ZERO);
    let open = async |version: &ObjectVersion| {
        let options = options(3, &Stop::default());
        let options = FetchOptions { now: options.now + *later.lock().unwrap(), ..options };
        start(&fake, &object(), version, &memory, options).await
    };
    let (bytes, failed) = block_on(async { read_all(open(&both).await.unwrap().1).await });
    assert!(failed.is_none() && bytes == b"0123");
    assert_eq!(fake.gets(), [(both.clone(), 0), (etag.clone(), 0), (etag.clone(), 1)]);
    block_on(async { open(&both).await.map(drop).unwrap() });
    assert_eq!(fake.gets()[3..], [(etag.clone(), 0)]);
    // Without an ETag there is nothing to rely on.
    let version = ObjectVersion { etag: None, ..both.clone() };
    let denied = block_on(async { open(&version).await.map(drop).unwrap_err() });
    assert_eq!((denied.kind, fake.gets().len()), (AwsErrorKind::Denied, 5));
    // After a while it is asked again: the permission may have been given.
    *later.lock().unwrap() = LearnedBuckets::TTL * 2;
    block_on(async { open(&both).await.map(drop).unwrap() });
    assert_eq!(fake.gets()[5..], [(both, 0), (etag, 0)]);
}

#[test]
fn a_version_is_asked_for_again_where_it_may_be() {
    let fake = Fake::new(b"0123", &[Piecewise::Breaks(1)]);
    let both = ObjectVersion { version_id: Some("v".to_owned()), etag: Some("e".to_owned()) };
    let opened = async { start(&fake, &object(), &both, &LearnedBuckets::new(), options(3, &Stop::default())).await };
    let (bytes, _) = block_on(async { read_all(opened.await.unwrap().1).await });
    assert_eq!((bytes.as_slice(), fake.gets()), (b"0123".as_slice(), vec![(both.clone(), 0), (both, 1)]));
}

#[test]
fn a_thread_that_waits_is_let_go_when_the_delivery_is_abandoned() {
    let fake = Fake::new(b"0123", &[Piecewise::Hangs(2)]);
    let (bytes, failed) = block_on(async {
        let stop = Stop::default();
        let opened =
            start(&fake, &object(), &ObjectVersion::default(), &LearnedBuckets::new(), options(3, &stop)).await;
        let reading = tokio::spawn(read_all(opened.unwrap().1));
        fake.is_hanging().await;
        assert!(!reading.is_finished());
        stop.request();
        // A moment in which it could end, if it did.
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert!(!reading.is_finished(), "asked to stop, it may still end well");
        stop.abandon();
        reading.await.unwrap()
    });
    // Not the end: that would be taken for a truncated object.
    assert_eq!((bytes.as_slice(), failed.unwrap().kind()), (b"".as_slice(), io::ErrorKind::ConnectionAborted));
}

#[test]
fn a_reader_that_is_dropped_ends_its_task() {
    let fake = Fake::new(b"0123", &[Piecewise::Hangs(2)]);
    block_on(async {
        let reader = begin_plain(&fake, 3).await;
        fake.is_hanging().await;
        assert!(!fake.0.let_go.load(Ordering::SeqCst));
        drop(reader);
        while !fake.0.let_go.load(Ordering::SeqCst) {
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_thread_that_waits_is_let_go_when_the_runtime_ends() {
    let fake = Fake::new(b"0123", &[Piecewise::Hangs(0)]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let mut reader = runtime.block_on(begin_plain(&fake, 3));
    let waiting = std::thread::spawn(move || reader.read(&mut [0; 4]).map_err(|error| error.kind()));
    std::thread::sleep(Duration::from_millis(20));
    drop(runtime);
    assert_eq!(waiting.join().unwrap(), Err(io::ErrorKind::ConnectionAborted));
}
