//! How a delivery ends beside its guests: stopped, abandoned, or with a reader or
//! a destination that fails.

use std::io::{self, Read};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use log_processor::aws::Operation;
use log_processor::aws::{AwsError, AwsErrorKind};
use log_processor::delivery::batch::Batch;
use log_processor::delivery::event_sink::{EventSink, RejectedEvent};
use log_processor::pipeline::{Delivered, End, Guests, Stop, deliver_events};
use model::{DeadLetter, Failure};

use super::harness::{Case, cloudwatch, record};

/// What a destination does with its second put.
#[derive(Clone, Copy, PartialEq)]
enum Second {
    Taken,
    Hangs,
    Fails,
}

/// A destination that notes puts and checkpoints.
struct Sink {
    second: Second,
    puts: AtomicU64,
    checkpoints: Mutex<Vec<u64>>,
}

impl EventSink for Sink {
    async fn put(&self, _batch: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        match self.second {
            _ if self.puts.fetch_add(1, Ordering::SeqCst) != 1 => Ok(Vec::new()),
            Second::Taken => Ok(Vec::new()),
            Second::Hangs => std::future::pending().await,
            Second::Fails => Err(aws(AwsErrorKind::Throttled).into()),
        }
    }

    async fn dead_letters(&self, _letters: &[DeadLetter]) -> Result<(), Failure> {
        Ok(())
    }

    async fn checkpoint(&self, events: u64) -> Result<(), Failure> {
        self.checkpoints.lock().unwrap().push(events);
        Ok(())
    }
}

fn sink(second: Second) -> Sink {
    Sink { second, puts: AtomicU64::new(0), checkpoints: Mutex::default() }
}

fn aws(kind: AwsErrorKind) -> AwsError {
    AwsError::new(Operation::GetObject, "s3://central/k", kind, "as AWS says")
}

/// Lines, and then what comes at the end.
struct Source<E>(io::Cursor<Vec<u8>>, E);

impl<E: FnMut() -> io::Result<usize>> Read for Source<E> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        match self.0.read(out)? {
            0 => (self.1)(),
            read => Ok(read),
        }
    }
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(Duration::from_secs(240), work).await.expect("it hangs") })
}

/// Delivers `lines` records, two a put and ten a window.
async fn deliver(
    lines: u64,
    end: impl FnMut() -> io::Result<usize> + Send + 'static,
    stop: Stop,
    to: &Sink,
) -> Delivered {
    let case = Case::of(None);
    let plan = case.plan();
    let mut job = case.job(cloudwatch());
    job.max_batch_events = 2;
    // Ten messages of four bytes, with 26 each.
    job.window_bytes = 10 * 30;
    job.limits.chunk_bytes = 4096;
    let text: String = (0..lines).map(|line| record(&format!("{line:04}")) + "\n").collect();
    let source = Source(io::Cursor::new(text.into_bytes()), end);
    let guests = Guests::start(&plan, &job).unwrap();
    deliver_events(job, guests, source, stop, to).await
}

#[test]
fn the_window_is_as_large_as_the_job_says() {
    let to = sink(Second::Taken);
    let delivered = block_on(deliver(1000, || Ok(0), Stop::default(), &to));
    assert_eq!(delivered.end, End::Complete);
    // Each window ends with a put that isn't full.
    assert!(delivered.events == 1000 && (501..600).contains(&delivered.batches), "{delivered:?}");
    assert!(delivered.guest_time > Duration::ZERO, "{:?}", delivered.guest_time);
    assert!(!delivered.effect_unknown);
    assert_eq!(to.checkpoints.into_inner().unwrap().last(), Some(&1000));
}

#[test]
fn abandoned_while_a_put_and_the_reader_hang_it_ends_at_once() {
    let to = sink(Second::Hangs);
    let (let_go, waits) = mpsc::channel::<()>();
    let stop = Stop::default();
    let delivered = block_on(async {
        let end = move || {
            let _ = waits.recv();
            Ok(0)
        };
        let abandon = async {
            while to.puts.load(Ordering::SeqCst) < 2 {
                tokio::task::yield_now().await;
            }
            stop.abandon();
        };
        // While both still hang.
        let (delivered, ()) = tokio::join!(deliver(1000, end, stop.clone(), &to), abandon);
        // The reader is let go by whoever opened it.
        drop(let_go);
        delivered
    });
    assert_eq!(delivered.end, End::Interrupted);
    assert!(delivered.effect_unknown, "the put may have been taken");
    assert!(delivered.lines.add_up() && delivered.lines.left > 0);
    assert_eq!((delivered.events, delivered.batches), (2, 1));
    assert_eq!(to.puts.into_inner(), 2, "no further put began");
    assert_eq!(to.checkpoints.into_inner().unwrap(), [2]);
}

#[test]
fn asked_to_stop_what_was_handed_over_is_still_put() {
    let to = sink(Second::Taken);
    let stop = Stop::default();
    let asks = stop.clone();
    let delivered = block_on(deliver(
        500,
        // When the lines end, the last of them are still to be cut into a chunk.
        move || {
            asks.request();
            Ok(0)
        },
        stop,
        &to,
    ));
    assert_eq!(delivered.end, End::Interrupted);
    let checkpoint = to.checkpoints.into_inner().unwrap().last().copied().unwrap();
    assert_eq!((checkpoint, delivered.events), (delivered.lines.delivered, delivered.lines.delivered));
    assert!(checkpoint > 0 && delivered.lines.add_up() && !delivered.effect_unknown);
}

#[test]
fn a_put_that_fails_names_its_class_and_the_next_run_starts_at_the_first_event_not_delivered() {
    let to = sink(Second::Fails);
    let delivered = block_on(deliver(1000, || Ok(0), Stop::default(), &to));
    let End::Failed(failure) = delivered.end else { panic!("{:?}", delivered.end) };
    assert_eq!(failure.kind.name(), "throttled");
    assert!(failure.to_string().contains("as AWS says"), "{failure}");
    assert_eq!(to.checkpoints.into_inner().unwrap(), [2]);
    assert_eq!((delivered.lines.delivered, delivered.events), (2, 2));
}

#[test]
fn a_reader_that_fails_names_its_class() {
    for (error, name) in [
        (io::Error::other(aws(AwsErrorKind::Precondition)), "changed"),
        (io::Error::other(aws(AwsErrorKind::Unreachable)), "source"),
        (io::Error::other("a disk"), "read"),
    ] {
        let mut error = Some(error);
        let delivered =
            block_on(deliver(10, move || Err(error.take().unwrap()), Stop::default(), &sink(Second::Taken)));
        let End::Failed(failure) = delivered.end else { panic!("{:?}", delivered.end) };
        assert_eq!(failure.kind.name(), name);
        let error = failure.to_string();
        assert!(error.contains("as AWS says") || error.contains("central/c/payment"), "{error}");
    }
}
