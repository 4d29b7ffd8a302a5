use super::*;
use crate::lock;

const SECOND: Duration = Duration::from_secs(1);

/// What changed, in order.
type Changes = Arc<Mutex<Vec<String>>>;

struct Lab {
    all: CircuitBreakers<&'static str, u32>,
    changes: Changes,
    start: Instant,
}

impl Lab {
    fn new(max_breakers: usize) -> Self {
        let changes = Changes::default();
        let noted = Arc::clone(&changes);
        let all = CircuitBreakers::new(max_breakers, move |key: &&str, version: &u32, change: &BreakerChange<'_>| {
            let change = match change {
                BreakerChange::Opened { retry_after, cause } => format!("opened {} s ({cause})", retry_after.as_secs()),
                BreakerChange::Closed => "closed".to_owned(),
                BreakerChange::Forgotten => "forgotten".to_owned(),
            };
            noted.lock().unwrap().push(format!("{key}{version} {change}"));
        });
        Self { all, changes, start: Instant::now() }
    }

    fn changes(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.changes))
    }

    fn state(&self, key: &'static str, after: Duration) -> BreakerState {
        self.all.lock().get(key).map_or(BreakerState::Closed, |(_, breaker)| breaker.state(self.start + after))
    }

    fn admit(&self, key: &'static str, after: Duration) -> BreakerPermit<&'static str, u32> {
        self.all.admit(key, 1, self.start + after).unwrap()
    }

    fn refused(&self, key: &'static str, after: Duration) -> Duration {
        let refused = self.all.admit(key, 1, self.start + after).err().expect("a refusal");
        assert_eq!(self.all.check_open(&key, &1, self.start + after), Some(refused.clone()), "both say the same");
        refused.retry_after
    }

    /// Fails as often as it takes.
    fn open(&self, key: &'static str, after: Duration) {
        for failure in 1..=CircuitBreaker::FAILURE_THRESHOLD {
            let retry_after = self.admit(key, after).record_failure("no", self.start + after);
            let opens = failure == CircuitBreaker::FAILURE_THRESHOLD;
            assert_eq!(retry_after, if opens { CircuitBreaker::FIRST_OPEN } else { Duration::ZERO });
        }
    }
}

#[test]
fn three_failures_in_a_row_open_it_and_a_success_between_begins_the_count_anew() {
    let lab = Lab::new(9);
    for _ in 0..2 {
        lab.admit("a", Duration::ZERO).record_failure("no", lab.start);
        lab.admit("a", Duration::ZERO).record_failure("no", lab.start);
        assert_eq!(lab.state("a", Duration::ZERO), BreakerState::Closed);
        lab.admit("a", Duration::ZERO).record_success(lab.start);
    }
    assert!(lab.changes().is_empty());
    lab.open("a", Duration::ZERO);
    assert_eq!(lab.changes(), ["a1 opened 30 s (no)"]);
    assert_eq!(lab.state("a", SECOND), BreakerState::Open { retry_after: CircuitBreaker::FIRST_OPEN - SECOND });
    assert_eq!(lab.refused("a", SECOND), CircuitBreaker::FIRST_OPEN - SECOND);
    // Nobody else's.
    assert_eq!(lab.state("b", SECOND), BreakerState::Closed);
    lab.admit("b", SECOND).release();
}

#[test]
fn half_open_it_lets_one_through_whose_success_closes_it() {
    let lab = Lab::new(9);
    lab.open("a", Duration::ZERO);
    let over = CircuitBreaker::FIRST_OPEN;
    assert_eq!(lab.state("a", over), BreakerState::HalfOpen { probing: false });
    let probe = lab.admit("a", over);
    assert_eq!(lab.state("a", over), BreakerState::HalfOpen { probing: true });
    assert_eq!(lab.refused("a", over), CircuitBreaker::PROBE_RETRY, "one only");
    assert_eq!(lab.refused("a", over + 1000 * SECOND), CircuitBreaker::PROBE_RETRY, "however long it takes");
    probe.record_success(lab.start + over);
    assert_eq!(lab.state("a", over), BreakerState::Closed);
    assert_eq!(lab.changes(), ["a1 opened 30 s (no)", "a1 closed"]);
    // As many as want, and the count and the times begin anew.
    let more = [lab.admit("a", over), lab.admit("a", over)];
    drop(more);
    lab.open("a", over);
}

#[test]
fn asking_never_takes_the_probe() {
    let lab = Lab::new(9);
    lab.open("a", Duration::ZERO);
    let over = lab.start + CircuitBreaker::FIRST_OPEN;
    for _ in 0..9 {
        assert_eq!(lab.all.check_open(&"a", &1, over), None);
    }
    lab.admit("a", CircuitBreaker::FIRST_OPEN).record_success(over);
    assert_eq!(lab.state("a", CircuitBreaker::FIRST_OPEN), BreakerState::Closed);
}

#[test]
fn a_probe_that_fails_opens_it_for_twice_as_long_up_to_the_longest() {
    let lab = Lab::new(9);
    lab.open("a", Duration::ZERO);
    let (mut after, mut waits) = (CircuitBreaker::FIRST_OPEN, Vec::new());
    for _ in 0..7 {
        let retry_after = lab.admit("a", after).record_failure("still not", lab.start + after);
        assert_eq!(lab.refused("a", after), retry_after);
        waits.push(retry_after.as_secs());
        after += retry_after;
    }
    assert_eq!(waits, [60, 120, 240, 480, 600, 600, 600]);
    assert_eq!(lab.changes(), ["a1 opened 30 s (no)"], "it was open all the time");
    lab.admit("a", after).record_success(lab.start + after);
    assert_eq!(lab.changes(), ["a1 closed"]);
    lab.open("a", after);
}

#[test]
fn a_probe_that_was_not_tried_or_is_gone_without_a_word_leaves_the_probe_to_the_next() {
    let lab = Lab::new(9);
    lab.open("a", Duration::ZERO);
    let over = CircuitBreaker::FIRST_OPEN;
    lab.admit("a", over).release();
    assert_eq!(lab.state("a", over), BreakerState::HalfOpen { probing: false });
    drop(lab.admit("a", over));
    assert_eq!(lab.state("a", over), BreakerState::HalfOpen { probing: false });
    let task = lab.admit("a", over);
    let panicked = std::thread::spawn(move || {
        let _task = task;
        panic!("given up");
    });
    assert!(panicked.join().is_err());
    assert_eq!(lab.state("a", over), BreakerState::HalfOpen { probing: false });
    lab.admit("a", over).record_success(lab.start + over);
    assert_eq!(lab.changes(), ["a1 opened 30 s (no)", "a1 closed"]);
}

#[test]
fn what_was_let_through_before_it_opened_says_nothing_new_when_it_fails() {
    let lab = Lab::new(9);
    let before: Vec<_> = (0..4).map(|_| lab.admit("a", Duration::ZERO)).collect();
    lab.open("a", Duration::ZERO);
    let mut before = before.into_iter();
    let mut late = |after: Duration| before.next().unwrap().record_failure("late", lab.start + after);
    assert_eq!(late(SECOND), CircuitBreaker::FIRST_OPEN - SECOND, "open: no longer for it");
    let over = CircuitBreaker::FIRST_OPEN;
    assert_eq!(late(over), Duration::ZERO, "half-open: only the probe decides");
    let probe = lab.admit("a", over);
    assert_eq!(late(over), CircuitBreaker::PROBE_RETRY, "neither while it is at work");
    probe.record_success(lab.start + over);
    assert_eq!(late(over + SECOND), Duration::ZERO);
    assert_eq!(lab.state("a", over + SECOND), BreakerState::Closed);
    for _ in 1..CircuitBreaker::FAILURE_THRESHOLD {
        assert_eq!(lab.admit("a", over + SECOND).record_failure("new", lab.start + over + SECOND), Duration::ZERO);
    }
}

#[test]
fn any_success_closes_it_and_then_the_probe_says_no_more_than_others() {
    let lab = Lab::new(9);
    let slow = lab.admit("a", Duration::ZERO);
    let slower = lab.admit("a", Duration::ZERO);
    lab.open("a", Duration::ZERO);
    slow.record_success(lab.start + SECOND);
    assert_eq!(lab.state("a", SECOND), BreakerState::Closed);
    lab.open("a", 2 * SECOND);
    let over = CircuitBreaker::FIRST_OPEN + 2 * SECOND;
    let probe = lab.admit("a", over);
    slower.record_success(lab.start + over + SECOND);
    assert_eq!(lab.state("a", over), BreakerState::Closed);
    assert_eq!(probe.record_failure("late", lab.start + over + 2 * SECOND), Duration::ZERO);
    let opened = "a1 opened 30 s (no)";
    assert_eq!(lab.changes(), [opened, "a1 closed", opened, "a1 closed"]);
}

#[test]
fn another_version_begins_anew() {
    let lab = Lab::new(9);
    let old = lab.admit("a", Duration::ZERO);
    lab.open("a", Duration::ZERO);
    assert_eq!(lab.all.check_open(&"a", &2, lab.start), None);
    assert!(lab.all.check_open(&"a", &1, lab.start).is_some(), "asking changes nothing");
    let two = lab.all.admit("a", 2, lab.start).unwrap();
    assert_eq!(lab.changes(), ["a1 opened 30 s (no)", "a1 forgotten"]);
    assert_eq!(two.record_failure("no", lab.start), Duration::ZERO);
    old.record_success(lab.start);
    for _ in 2..CircuitBreaker::FAILURE_THRESHOLD {
        assert_eq!(lab.all.admit("a", 2, lab.start).unwrap().record_failure("no", lab.start), Duration::ZERO);
    }
    let retry_after = lab.all.admit("a", 2, lab.start).unwrap().record_failure("no", lab.start);
    assert_eq!(retry_after, CircuitBreaker::FIRST_OPEN, "the old one's success says nothing of it");
}

#[test]
fn what_is_remembered_is_bounded_and_new_ones_are_broken_all_the_same() {
    let lab = Lab::new(2);
    lab.open("a", Duration::ZERO);
    lab.open("b", SECOND);
    lab.open("c", 2 * SECOND);
    assert_eq!(lab.changes().last().unwrap(), "c1 opened 30 s (no)");
    assert_eq!(lab.state("a", 2 * SECOND), BreakerState::Closed, "what was heard of least lately went");
    assert!(matches!(lab.state("b", 2 * SECOND), BreakerState::Open { .. }));
    // What is stale goes first, all of it.
    let later = CircuitBreaker::LONGEST_OPEN * 3;
    lab.open("d", later);
    assert_eq!(lab.all.lock().len(), 1);
    let changes = lab.changes();
    assert_eq!(changes.iter().filter(|change| change.ends_with("forgotten")).count(), 2, "{changes:?}");
}

#[test]
fn what_never_opened_is_forgotten_with_a_success_and_why_is_bounded() {
    let lab = Lab::new(9);
    lab.admit("a", Duration::ZERO).record_failure("no", lab.start);
    lab.admit("a", Duration::ZERO).record_success(lab.start);
    assert!(lab.all.lock().is_empty());
    for _ in 0..CircuitBreaker::FAILURE_THRESHOLD {
        lab.admit("a", Duration::ZERO).record_failure(&"ä".repeat(MAX_CAUSE_BYTES), lab.start);
    }
    assert_eq!(lab.all.check_open(&"a", &1, lab.start).unwrap().cause.len(), MAX_CAUSE_BYTES);
}
