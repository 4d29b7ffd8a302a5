use std::sync::Mutex;
use std::time::Duration;

use super::super::tests::{error, target};
use super::*;
use crate::aws::AwsErrorKind;

/// A bucket that notes what happens to it.
#[derive(Clone, Default)]
struct Fake(Arc<Inner>);

#[derive(Default)]
struct Inner {
    log: Mutex<Vec<String>>,
    /// The number of the part that fails, or hangs.
    fails: Option<usize>,
    hangs: Option<usize>,
    complete_fails: bool,
}

struct FakeParts {
    fake: Fake,
    count: usize,
}

impl Fake {
    fn note(&self, what: String) {
        self.0.log.lock().unwrap().push(what);
    }

    fn log(&self) -> Vec<String> {
        self.0.log.lock().unwrap().clone()
    }
}

impl Uploads for Fake {
    type MultipartUpload = FakeParts;

    async fn put(&self, put: &PutRequest, bytes: Bytes) -> Result<(), AwsError> {
        assert!(put.owner_full_control && !put.metadata.is_empty());
        self.note(format!("put {} {}", put.target, bytes.len()));
        Ok(())
    }

    async fn begin(&self, put: &PutRequest) -> Result<FakeParts, AwsError> {
        assert!(put.owner_full_control && !put.metadata.is_empty());
        self.note("begin".to_owned());
        Ok(FakeParts { fake: self.clone(), count: 0 })
    }
}

impl MultipartUpload for FakeParts {
    async fn upload_part(&mut self, bytes: Bytes) -> Result<(), AwsError> {
        self.count += 1;
        self.fake.note(format!("part {}", bytes.len()));
        if self.fake.0.hangs == Some(self.count) {
            std::future::pending::<()>().await;
        }
        if self.fake.0.fails == Some(self.count) { Err(error(AwsErrorKind::Denied)) } else { Ok(()) }
    }

    async fn complete(self) -> Result<(), AwsError> {
        self.fake.note("complete".to_owned());
        if self.fake.0.complete_fails { Err(error(AwsErrorKind::Unreachable)) } else { Ok(()) }
    }

    async fn abort(self) {
        self.fake.note("abort".to_owned());
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(240), work).await.expect("it hangs") })
}

/// Writes so many bytes, in pieces that don't divide a part.
async fn write(mut upload: ObjectUpload, bytes: usize) -> (ObjectUpload, io::Result<()>) {
    let write = move || {
        let piece = vec![7; 1_000_003];
        let mut left = bytes;
        while left > 0 {
            let next = left.min(piece.len());
            if let Err(error) = upload.write_all(&piece[..next]) {
                return (upload, Err(error));
            }
            left -= next;
        }
        let flushed = upload.flush();
        (upload, flushed)
    };
    tokio::task::spawn_blocking(write).await.unwrap()
}

async fn until(fake: &Fake, what: &str) {
    while !fake.log().iter().any(|noted| noted == what) {
        tokio::task::yield_now().await;
    }
}

fn new(fake: &Fake, stop: &Stop) -> ObjectUpload {
    ObjectUpload::new(fake.clone(), &target("c/n/a/p/f.json.gz"), Activity::default(), stop)
}

#[test]
fn up_to_a_part_is_one_put_and_more_goes_in_parts() {
    const PART: usize = 8 << 20;
    let put = |bytes: usize| vec![format!("put s3://theirs/logs/n/a/p/f.json.gz {bytes}")];
    let parts = |sizes: &[usize]| {
        let parts = sizes.iter().map(|size| format!("part {size}"));
        std::iter::once("begin".to_owned()).chain(parts).chain(["complete".to_owned()]).collect()
    };
    let cases: [(usize, Vec<String>); 7] = [
        (0, vec![]),
        (1, put(1)),
        (PART - 1, put(PART - 1)),
        (PART, put(PART)),
        (PART + 1, parts(&[PART, 1])),
        (2 * PART, parts(&[PART, PART])),
        (2 * PART + 1, parts(&[PART, PART, 1])),
    ];
    for (bytes, expected) in cases {
        let fake = Fake::default();
        let finished = block_on(async {
            let (upload, written) = write(new(&fake, &Stop::default()), bytes).await;
            written.unwrap();
            upload.finish().await
        });
        assert_eq!((finished, fake.log()), (Ok(bytes as u64), expected), "{bytes}");
    }
}

#[test]
fn a_part_that_fails_aborts_and_says_why() {
    let fake = Fake(Arc::new(Inner { fails: Some(1), ..Inner::default() }));
    let (failed, finished) = block_on(async {
        let (upload, written) = write(new(&fake, &Stop::default()), 64 << 20).await;
        let error = written.unwrap_err();
        (error.get_ref().unwrap().downcast_ref::<Failure>().unwrap().clone(), upload.finish().await)
    });
    assert_eq!(failed.kind.name(), "denied");
    assert_eq!(finished, Err(failed));
    assert_eq!(fake.log(), ["begin", &format!("part {}", 8 << 20), "abort"]);
}

#[test]
fn the_last_part_and_the_end_may_fail_too() {
    let fake = Fake(Arc::new(Inner { fails: Some(2), ..Inner::default() }));
    let finish = async |fake: &Fake| write(new(fake, &Stop::default()), 9 << 20).await.0.finish().await;
    assert_eq!(block_on(finish(&fake)).unwrap_err().kind.name(), "denied");
    assert_eq!(fake.log().last().unwrap(), "abort");
    let fake = Fake(Arc::new(Inner { complete_fails: true, ..Inner::default() }));
    let error = block_on(finish(&fake)).unwrap_err();
    assert_eq!((error.kind.name(), error.effect_unknown), ("unreachable", true));
}

#[test]
fn dropped_before_its_end_it_leaves_nothing() {
    let fake = Fake::default();
    block_on(async {
        let (upload, written) = write(new(&fake, &Stop::default()), 20 << 20).await;
        written.unwrap();
        drop(upload);
        until(&fake, "abort").await;
    });
    assert!(!fake.log().iter().any(|what| what == "complete" || what.starts_with("put")), "{:?}", fake.log());
    let fake = Fake::default();
    block_on(async { drop(write(new(&fake, &Stop::default()), 1 << 20).await) });
    assert!(fake.log().is_empty());
}

#[test]
fn abandoned_it_lets_the_writing_thread_go_and_aborts() {
    let fake = Fake(Arc::new(Inner { hangs: Some(1), ..Inner::default() }));
    block_on(async {
        let stop = Stop::default();
        let writing = tokio::spawn(write(new(&fake, &stop), 64 << 20));
        until(&fake, &format!("part {}", 8 << 20)).await;
        stop.abandon();
        let (upload, written) = writing.await.unwrap();
        assert!(written.unwrap_err().to_string().contains("abandoned"));
        assert!(upload.finish().await.is_err());
        until(&fake, "abort").await;
    });
    assert_eq!(fake.log().len(), 3, "{:?}", fake.log());
}
