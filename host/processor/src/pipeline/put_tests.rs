use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use tokio::sync::Notify;

use super::*;
use crate::delivery::batch::BatchEvent;
use crate::object::ReadLimits;
use model::{DeadLetter, Delivery, Destination, Event, FailureKind, ObjectId, TimestampNumbers};

/// What is done with the put of one batch, by the number of its first event.
#[derive(Clone)]
enum Answer {
    /// When this is told; notified when the put began.
    When(Arc<Notify>),
    FailsWhen(Arc<Notify>),
    Fails,
    Rejects(Vec<usize>),
}

/// A destination that writes down what happens.
#[derive(Default)]
struct Fake {
    at_once: usize,
    answers: BTreeMap<u64, Answer>,
    log: Mutex<Vec<String>>,
    in_flight: AtomicUsize,
    most_in_flight: AtomicUsize,
}

impl Fake {
    fn new(at_once: usize, answers: impl IntoIterator<Item = (u64, Answer)>) -> Self {
        Self { at_once, answers: answers.into_iter().collect(), ..Self::default() }
    }

    fn note(&self, what: String) {
        self.log.lock().unwrap().push(what);
    }

    fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    fn checkpoint_reached(&self) -> u64 {
        let log = self.log();
        log.iter().filter_map(|what| what.strip_prefix("checkpoint ")).map(|at| at.parse().unwrap()).max().unwrap_or(0)
    }
}

impl EventSink for Fake {
    fn puts_at_once(&self) -> usize {
        self.at_once
    }

    async fn put(&self, batch: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        let first = batch.entries[0].index;
        self.note(format!("put {first}"));
        let now = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_in_flight.fetch_max(now, Ordering::SeqCst);
        let answer = self.answers.get(&first).cloned();
        if let Some(Answer::When(told) | Answer::FailsWhen(told)) = &answer {
            told.notified().await;
        } else {
            tokio::task::yield_now().await;
        }
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
        self.note(format!("done {first}"));
        match answer {
            Some(Answer::Fails | Answer::FailsWhen(_)) => {
                Err(Failure::new(FailureKind::Destination, "no answer").with_effect_unknown(true))
            }
            Some(Answer::Rejects(indexes)) => {
                Ok(indexes.into_iter().map(|index| RejectedEvent { index, reason: Reason::TooOld }).collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    async fn dead_letters(&self, letters: &[DeadLetter]) -> Result<(), Failure> {
        self.note(format!("letters {:?}", letters.iter().map(|letter| letter.lines.unwrap().0).collect::<Vec<_>>()));
        Ok(())
    }

    async fn checkpoint(&self, events: u64) -> Result<(), Failure> {
        self.note(format!("checkpoint {events}"));
        Ok(())
    }
}

pub(in crate::pipeline) fn job() -> Job {
    let name = || "n".to_owned();
    let origin = crate::testing::origin();
    let destination = Destination::CloudWatch { role_arn: name(), account: name(), log_group: name() };
    let delivery = Delivery {
        tenant_id: name(),
        desired_logs: vec![],
        groups: vec![],
        target_region: name(),
        destination,
        plugins: model::Plugins::default(),
    };
    Job {
        object: Arc::new(ObjectId { bucket: name(), key: name() }),
        origin: Arc::new(origin),
        delivery: Arc::new(delivery),
        now: 0,
        last_modified: 0,
        timestamp_numbers: TimestampNumbers::default(),
        stored_bytes: 0,
        memory: crate::memory::DeliveryMemory::default(),
        resume_from: 0,
        limits: ReadLimits { chunk_bytes: 1, max_line_bytes: 1, max_object_bytes: 0 },
        window_bytes: 1,
        max_batch_events: 1,
        age_at: None,
        shadow_contents: false,
        guest_words: true,
    }
}

/// A batch of two events, of two lines, with these numbers.
fn batch(first: u64) -> SinkCommand {
    batch_of(first, "message")
}

fn batch_of(first: u64, message: &str) -> SinkCommand {
    let entry = |index| BatchEvent {
        index,
        event: Event { line: index, timestamp: 0, message: message.to_owned() },
        continues: false,
    };
    SinkCommand::Batch(Batch { entries: vec![entry(first), entry(first + 1)], bytes: 0, settles_to: None })
}

fn letters(line: u64) -> SinkCommand {
    let (reason, detail, data) = (Reason::Malformed, String::new(), Vec::new());
    let letter = Undeliverable { reason, detail, line, offset: None, length: 0, data };
    SinkCommand::DeadLetters(vec![letter.into_letter(&job())])
}

/// Batches with a checkpoint after each.
fn batches(count: u64) -> Vec<SinkCommand> {
    (0..count).flat_map(|number| [batch(number * 2), SinkCommand::Checkpoint(number * 2 + 2)]).collect()
}

/// What came of it, and what the ledger says of `lines` lines.
struct Came {
    result: Result<(), Failure>,
    counts: PutCounts,
    lines: super::super::Lines,
}

/// Puts what is there, while `meanwhile` goes on.
fn run(fake: &Fake, work: Vec<SinkCommand>, lines: u64, meanwhile: impl Future<Output = ()>) -> Came {
    let ledger = SharedLedger::default();
    ledger.lock().add_read(0, lines);
    (0..lines).for_each(|line| ledger.lock().open(line, 1));
    let job = job();
    let mut put = PutSide::new(fake, &ledger, &job);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let result = runtime.block_on(async {
        let (sender, receiver) = mpsc::channel(2);
        let feed = async move {
            for work in work {
                if sender.send(work).await.is_err() {
                    return;
                }
            }
        };
        let all = async { tokio::join!(put.run(receiver), feed, meanwhile).0 };
        tokio::time::timeout(std::time::Duration::from_secs(240), all).await.expect("it hangs")
    });
    let counts = std::mem::take(&mut put.counts);
    let lines = ledger.lock().lines();
    assert!(lines.add_up());
    Came { result, counts, lines }
}

async fn until(there: impl Fn() -> bool) {
    while !there() {
        tokio::task::yield_now().await;
    }
}

#[test]
fn the_first_put_goes_alone_and_then_they_overlap() {
    let (first, second) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let fake = Fake::new(2, [(0, Answer::When(Arc::clone(&first))), (2, Answer::When(Arc::clone(&second)))]);
    let came = run(&fake, batches(4), 8, async {
        until(|| fake.log().contains(&"put 0".to_owned())).await;
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(fake.log(), ["put 0"], "until the first is taken it is alone");
        first.notify_one();
        until(|| fake.log().contains(&"done 4".to_owned())).await;
        assert_eq!(fake.checkpoint_reached(), 2, "what came out of order waits");
        second.notify_one();
    });
    assert_eq!(came.result, Ok(()));
    assert_eq!(fake.most_in_flight.load(Ordering::SeqCst), 2);
    let checkpoints: Vec<_> = fake.log().into_iter().filter(|what| what.starts_with("checkpoint")).collect();
    assert_eq!(checkpoints, ["checkpoint 2", "checkpoint 4", "checkpoint 6", "checkpoint 8"]);
    assert_eq!((came.counts.batches, came.counts.events, came.counts.bytes), (4, 8, 56));
    assert_eq!((came.lines.delivered, came.lines.left), (8, 0));
}

#[test]
fn a_sink_that_wants_order_gets_one_at_a_time() {
    let fake = Fake::new(1, []);
    let came = run(&fake, batches(3), 6, async {});
    assert_eq!(came.result, Ok(()));
    let expected =
        [0, 2, 4].map(|at| [format!("put {at}"), format!("done {at}"), format!("checkpoint {}", at + 2)]).concat();
    assert_eq!(fake.log(), expected);
}

#[test]
fn letters_are_written_before_the_checkpoint_passes_them() {
    let fake = Fake::new(2, [(2, Answer::Rejects(vec![1, 7]))]);
    let mut work = vec![letters(100)];
    work.extend(batches(1));
    work.extend([letters(101), batch(2), SinkCommand::Checkpoint(4), letters(102), SinkCommand::Checkpoint(5)]);
    let came = run(&fake, work, 4, async {});
    assert_eq!(came.result, Ok(()));
    let log = fake.log();
    let at = |what: &str| log.iter().position(|noted| noted == what).unwrap_or_else(|| panic!("{what} in {log:?}"));
    assert!(at("letters [100]") < at("checkpoint 2"));
    assert!(at("letters [101]") < at("checkpoint 4"));
    assert!(at("letters [3]") < at("checkpoint 4"), "of what the destination refused");
    assert!(at("letters [102]") < at("checkpoint 5"));
    assert_eq!((came.lines.delivered, came.lines.dead_lettered.get(&Reason::TooOld)), (3, Some(&1)));
    assert_eq!(came.counts.events, 3);
}

/// Of what can't have letters of its own any more, one speaks before a checkpoint passes
/// it, or at the end.
#[test]
fn no_checkpoint_passes_what_no_letter_speaks_of() {
    let fake = Fake::new(2, (0..6).map(|number| (number * 2, Answer::Rejects(vec![0, 1]))));
    let large = "x".repeat(250 << 10);
    let work = (0..6).flat_map(|number| [batch_of(number * 2, &large), SinkCommand::Checkpoint(number * 2 + 2)]);
    let came = run(&fake, work.take(11).collect(), 12, async {});
    assert_eq!(came.result, Ok(()));
    let log = fake.log();
    let told: Vec<_> = log.iter().filter(|what| !what.starts_with("put") && !what.starts_with("done")).collect();
    let expected = [
        "letters [0, 1]",
        "checkpoint 2",
        "letters [2, 3]",
        "checkpoint 4",
        "letters [4]",
        "checkpoint 6",
        "letters [6]",
        "checkpoint 8",
        "letters [8]",
        "checkpoint 10",
        "letters [10]",
    ];
    assert_eq!(told, expected);
    assert_eq!(came.lines.dead_lettered.get(&Reason::TooOld), Some(&12));
}

#[test]
fn after_a_failure_nothing_is_begun_and_the_next_run_starts_at_the_first_event_not_delivered() {
    // The second put fails while the third is in flight.
    let (second, third) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let fake = Fake::new(2, [(2, Answer::FailsWhen(Arc::clone(&second))), (4, Answer::When(Arc::clone(&third)))]);
    let came = run(&fake, batches(6), 12, async {
        until(|| fake.log().contains(&"put 4".to_owned())).await;
        second.notify_one();
        until(|| fake.log().contains(&"done 2".to_owned())).await;
        third.notify_one();
    });
    assert_eq!(came.result.unwrap_err().to_string(), "no answer");
    assert!(came.counts.effect_unknown);
    let log = fake.log();
    assert!(log.contains(&"done 4".to_owned()), "what is in flight is waited for: {log:?}");
    let failed = log.iter().position(|what| what == "done 2").unwrap();
    assert!(!log[failed..].iter().any(|what| what.starts_with("put")), "{log:?}");
    assert_eq!(fake.checkpoint_reached(), 2);
    assert_eq!((came.counts.batches, came.counts.events), (2, 4), "and counted");
    assert_eq!((came.lines.delivered, came.lines.left), (4, 8));
}

#[test]
fn a_failure_is_seen_while_an_earlier_put_hangs() {
    let second = Arc::new(Notify::new());
    let fake = Fake::new(4, [(2, Answer::When(Arc::clone(&second))), (4, Answer::Fails)]);
    let came = run(&fake, vec![batch(0), SinkCommand::Checkpoint(2), batch(2), batch(4)], 8, async {
        until(|| fake.log().contains(&"done 4".to_owned())).await;
        second.notify_one();
    });
    assert!(came.result.is_err());
    assert_eq!(fake.checkpoint_reached(), 2);
    assert_eq!((came.counts.batches, came.counts.events), (2, 4), "what came before the failure stands");
}

#[test]
fn what_is_refused_beside_a_failure_is_left_for_the_next_attempt() {
    let second = Arc::new(Notify::new());
    let fake = Fake::new(2, [(2, Answer::FailsWhen(Arc::clone(&second))), (4, Answer::Rejects(vec![0]))]);
    let came = run(&fake, vec![batch(0), batch(2), batch(4)], 6, async {
        until(|| fake.log().contains(&"done 4".to_owned())).await;
        second.notify_one();
    });
    assert!(came.result.is_err());
    assert!(!fake.log().iter().any(|what| what.starts_with("letters")), "{:?}", fake.log());
    assert!(came.lines.dead_lettered.is_empty());
    assert_eq!((came.lines.delivered, came.lines.left), (3, 3));
}

#[test]
fn an_event_of_which_a_piece_failed_is_not_delivered() {
    let piece = |continues| {
        let event = Event { line: 2, timestamp: 0, message: "x".to_owned() };
        SinkCommand::Batch(Batch {
            entries: vec![BatchEvent { index: 2, event, continues }],
            bytes: 0,
            settles_to: None,
        })
    };
    for pieces in [1, 3] {
        // The puts of the pieces are told apart by their order: the first fails.
        let fake = FailsOnce::default();
        let mut work = vec![batch(0)];
        work.extend((0..pieces).map(|_| piece(true)));
        work.push(piece(false));
        let came = run_with(&fake, work);
        assert_eq!((came.0, came.1.delivered, came.1.left), (2, 2, 1));
    }
}

/// Fails its second put.
#[derive(Default)]
struct FailsOnce(AtomicUsize);

impl EventSink for FailsOnce {
    fn puts_at_once(&self) -> usize {
        4
    }

    async fn put(&self, _batch: &Batch) -> Result<Vec<RejectedEvent>, Failure> {
        let number = self.0.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if number == 1 { Err(Failure::new(FailureKind::Destination, "no")) } else { Ok(Vec::new()) }
    }

    async fn dead_letters(&self, _letters: &[DeadLetter]) -> Result<(), Failure> {
        Ok(())
    }

    async fn checkpoint(&self, _events: u64) -> Result<(), Failure> {
        Ok(())
    }
}

/// Events that were put whole, and the three lines.
fn run_with(sink: &FailsOnce, work: Vec<SinkCommand>) -> (u64, super::super::Lines) {
    let ledger = SharedLedger::default();
    ledger.lock().add_read(0, 3);
    (0..3).for_each(|line| ledger.lock().open(line, 1));
    let job = job();
    let mut put = PutSide::new(sink, &ledger, &job);
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let (sender, receiver) = mpsc::channel(8);
        let feed = async move {
            for work in work {
                let _ = sender.send(work).await;
            }
        };
        let (result, ()) = tokio::join!(put.run(receiver), feed);
        assert!(result.is_err());
    });
    let lines = ledger.lock().lines();
    (put.counts.events, lines)
}
