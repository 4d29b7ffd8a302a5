use std::collections::VecDeque;

use super::*;
use crate::aws::Operation;

const TIMEOUT: Duration = Duration::from_secs(100);

/// What a call leads to.
#[derive(Debug, Clone, Copy)]
enum Answer {
    Done,
    Lost,
    /// Of each message by itself.
    Failed,
    /// Of the call.
    Error(AwsErrorKind),
    Hang,
}

/// Leases on a clock of their own, which [`Scene::until`] moves, second by second.
struct Scene {
    table: LeaseTable,
    start: Instant,
    second: u64,
    /// What the next calls lead to; then all succeed.
    script: VecDeque<Answer>,
    /// Those that hang: until when, since when, which messages.
    hanging: Vec<(Instant, Instant, Vec<String>)>,
    /// When a call was made, and for how many messages.
    calls: Vec<(u64, usize)>,
}

impl Scene {
    fn new(script: impl IntoIterator<Item = Answer>) -> Self {
        let (table, script) = (LeaseTable::new(TIMEOUT, Metrics::new()), script.into_iter().collect());
        Self { table, start: Instant::now(), second: 0, script, hanging: Vec::new(), calls: Vec::new() }
    }

    fn now(&self) -> Instant {
        self.start + Duration::from_secs(self.second)
    }

    fn insert(&mut self, name: &str) -> Control {
        let control = Control::default();
        let now = self.now();
        self.table.insert(name, now, &control);
        control
    }

    fn until(&mut self, second: u64) {
        while self.second < second {
            self.second += 1;
            self.tick();
        }
    }

    /// As `Leases::keep` does it.
    fn tick(&mut self) {
        let now = self.now();
        let (over, hanging) = std::mem::take(&mut self.hanging).into_iter().partition(|(until, ..)| *until <= now);
        self.hanging = hanging;
        let over: Vec<_> = over;
        over.into_iter().for_each(|(_, since, handles)| self.table.record_answer(&handles, since, None));
        for handles in self.table.take_due(now) {
            self.calls.push((self.second, handles.len()));
            let each = match self.script.pop_front().unwrap_or(Answer::Done) {
                Answer::Done => VisibilityResult::Extended,
                Answer::Lost => VisibilityResult::Lost("gone".to_owned()),
                Answer::Failed => VisibilityResult::Failed("oops".to_owned()),
                Answer::Error(kind) => {
                    self.table.record_answer(&handles, now, Some(Err(error(kind))));
                    continue;
                }
                Answer::Hang => {
                    self.hanging.push((now + self.table.call_time(), now, handles));
                    continue;
                }
            };
            let results = vec![each; handles.len()];
            self.table.record_answer(&handles, now, Some(Ok(results)));
        }
        self.table.stop_expiring(now);
    }
}

fn error(kind: AwsErrorKind) -> AwsError {
    let (about, message) = ("queue q".to_owned(), "no".to_owned());
    AwsError::new(Operation::ChangeMessageVisibilityBatch, about, kind, message)
}

#[test]
fn a_lease_is_extended_at_half_its_time_until_its_work_ends() {
    let mut scene = Scene::new([]);
    let control = scene.insert("a");
    scene.until(220);
    assert_eq!(scene.calls, [(50, 1), (100, 1), (150, 1), (200, 1)]);
    scene.table.leases.remove("a");
    scene.until(500);
    assert_eq!(scene.calls.len(), 4);
    assert!(!control.stop.is_requested() && !control.is_lease_lost());
}

#[test]
fn what_fails_is_tried_again_and_goes_on() {
    for failure in [Answer::Failed, Answer::Error(AwsErrorKind::Unavailable), Answer::Error(AwsErrorKind::Throttled)] {
        let mut scene = Scene::new([failure, failure, Answer::Done]);
        let control = scene.insert("a");
        scene.until(110);
        assert_eq!(scene.calls, [(50, 1), (51, 1), (52, 1), (102, 1)], "{failure:?}");
        assert!(!control.stop.is_requested(), "{failure:?}");
    }
}

#[test]
fn a_lease_that_is_lost_ends_its_work_at_once_and_no_other() {
    let mut scene = Scene::new([Answer::Lost]);
    let lost = scene.insert("lost");
    scene.until(10);
    let other = scene.insert("other");
    scene.until(50);
    assert!(lost.is_lease_lost() && lost.stop.is_abandoned());
    scene.until(200);
    assert!(!other.is_lease_lost() && !other.stop.is_requested());
    assert_eq!(scene.calls.len(), 4, "the lost one is not asked for again");
}

#[test]
fn what_nothing_could_extend_stops_gently_then_at_once_and_then_is_lost() {
    for failure in
        [Answer::Error(AwsErrorKind::Unreachable), Answer::Failed, Answer::Error(AwsErrorKind::Denied), Answer::Hang]
    {
        let mut scene = Scene::new([failure; 1000]);
        let control = scene.insert("a");
        scene.until(90);
        assert!(!control.stop.is_requested(), "{failure:?}");
        scene.until(91);
        assert!(control.stop.is_requested() && !control.stop.is_abandoned(), "{failure:?}");
        scene.until(96);
        assert!(control.stop.is_abandoned() && !control.is_lease_lost(), "{failure:?}");
        scene.until(100);
        assert!(control.is_lease_lost(), "{failure:?}");
    }
}

#[test]
fn a_call_that_hangs_ends_no_other_lease_and_is_tried_again() {
    let mut scene = Scene::new([Answer::Hang, Answer::Done, Answer::Hang]);
    let hung = scene.insert("hung");
    scene.until(5);
    let other = scene.insert("other");
    scene.until(58);
    assert_eq!(scene.calls, [(50, 1), (55, 1)], "the first hangs, the other's is made beside it");
    scene.until(80);
    assert_eq!(scene.calls[2..], [(60, 1), (70, 1)], "given up after ten seconds, and tried again");
    scene.until(140);
    assert!(!hung.stop.is_requested() && !other.stop.is_requested());
}

#[test]
fn calls_at_once_are_bounded_and_the_rest_follow() {
    let mut scene = Scene::new([Answer::Hang; MAX_BATCHES]);
    let count = (MAX_BATCHES + 1) * MAX_MESSAGES;
    let leases: Vec<_> = (0..count).map(|n| scene.insert(&n.to_string())).collect();
    scene.until(59);
    assert_eq!(scene.calls.len(), MAX_BATCHES);
    scene.until(75);
    assert_eq!(scene.calls.len(), 2 * MAX_BATCHES + 1);
    assert_eq!(scene.calls.iter().map(|(_, messages)| messages).sum::<usize>(), count + MAX_BATCHES * MAX_MESSAGES);
    assert!(leases.iter().all(|control| !control.stop.is_requested()));
    assert_eq!(scene.table.calls, 0);
}

#[test]
fn where_it_is_denied_one_batch_asks_again_and_a_policy_that_is_mended_is_noticed() {
    let mut scene = Scene::new([Answer::Error(AwsErrorKind::Denied); 7]);
    let first: Vec<_> = (0..2 * MAX_MESSAGES).map(|n| scene.insert(&n.to_string())).collect();
    scene.until(60);
    // Both batches were under way before it was known.
    assert_eq!(scene.calls, [(50, 10), (50, 10)]);
    scene.until(64);
    assert_eq!(scene.calls[2..], [(63, 10)], "one batch, an eighth of the timeout later");
    scene.until(100);
    assert!(first.iter().all(Control::is_lease_lost), "it stops in time meanwhile");
    assert_eq!(scene.calls.len(), 5);
    scene.until(150);
    let later = scene.insert("later");
    scene.until(225);
    assert!(matches!(scene.table.permission, Permission::Denied(_)));
    scene.until(226);
    assert_eq!(scene.table.permission, Permission::Granted);
    assert_eq!(scene.calls[5..], [(200, 1), (213, 1), (226, 1)]);
    scene.until(400);
    assert!(!later.stop.is_requested(), "in time");
    assert_eq!(scene.calls[8..], [(276, 1), (326, 1), (376, 1)]);
}
