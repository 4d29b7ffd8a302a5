//! Runs an invocation's messages until its deadlines, whatever hangs.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::{Instant, sleep_until};

use crate::pipeline::Stop;

/// The time that is kept for ending an invocation: a fifth of its time, within these bounds;
/// but at most two fifths, or half a second.
const RESERVE: (Duration, Duration) = (Duration::from_millis(1200), Duration::from_secs(10));
const MIN_RESERVE_CAP: Duration = Duration::from_millis(500);

/// The deadlines of an invocation's work.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadlines {
    /// When deliveries are asked to stop at their next chunk, and to be sent back.
    stop_at: Instant,
    /// When deliveries are abandoned, and sent back.
    abandon_at: Instant,
    /// When the work is given up, wherever it hangs.
    give_up_at: Instant,
    /// When Lambda ends the process.
    pub(super) function_deadline: Instant,
}

impl Deadlines {
    /// The deadlines of an invocation that has so much time left `now`. More than half of the
    /// reserve is for sending back: work that is given up in the middle of that is both sent
    /// back and reported as failed.
    pub(super) fn new(now: Instant, left: Duration) -> Self {
        let reserve = (left / 5).clamp(RESERVE.0, RESERVE.1).min(MIN_RESERVE_CAP.max(left * 2 / 5));
        let before = |parts: u32| now + left.saturating_sub(reserve * parts / 8);
        Self { stop_at: before(8), abandon_at: before(6), give_up_at: before(1), function_deadline: now + left }
    }
}

/// Runs all works; returns the verdict of each, in order, or `None` if it didn't end in time.
/// Work that ends after it was asked to has its verdict like any other: what was sent back is
/// done. Work that is given up is dropped, so that it sends nothing back after it is reported
/// as failed.
pub(super) async fn run_until_deadlines<F: Future>(
    works: impl Iterator<Item = F>,
    deadlines: Deadlines,
    stop: &Stop,
) -> Vec<Option<F::Output>> {
    let numbered = |(number, work): (usize, F)| async move { (number, work.await) };
    let mut works: FuturesUnordered<_> = works.enumerate().map(numbered).collect();
    let mut outcomes: Vec<Option<F::Output>> = std::iter::repeat_with(|| None).take(works.len()).collect();
    let pressure = async {
        sleep_until(deadlines.stop_at).await;
        stop.request();
        sleep_until(deadlines.abandon_at).await;
        stop.abandon();
        sleep_until(deadlines.give_up_at).await;
    };
    tokio::pin!(pressure);
    loop {
        let next = tokio::select! {
            biased;
            next = works.next() => next,
            () = &mut pressure => return outcomes,
        };
        let Some((number, outcome)) = next else { return outcomes };
        if let Some(place) = outcomes.get_mut(number) {
            *place = Some(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    /// How a work ends.
    #[derive(Debug, Clone, Copy)]
    enum End {
        AtOnce,
        Asked,
        Insisted,
        Never,
    }

    /// The verdicts of works that end so.
    async fn answered(deadlines: Deadlines, ends: &[End]) -> Vec<Option<usize>> {
        let stop = Stop::default();
        let work = |(number, end): (usize, &End)| {
            let (stop, end) = (stop.clone(), *end);
            async move {
                match end {
                    End::AtOnce => {}
                    End::Asked => stop.requested().await,
                    End::Insisted => stop.abandoned().await,
                    End::Never => std::future::pending().await,
                }
                number
            }
        };
        run_until_deadlines(ends.iter().enumerate().map(work), deadlines, &stop).await
    }

    /// So many seconds from now each.
    fn deadlines(stop_at: u64, abandon_at: u64, give_up_at: u64) -> Deadlines {
        let now = Instant::now();
        let [stop_at, abandon_at, give_up_at] =
            [stop_at, abandon_at, give_up_at].map(|seconds| now + Duration::from_secs(seconds));
        Deadlines { stop_at, abandon_at, give_up_at, function_deadline: give_up_at }
    }

    #[test]
    fn a_part_of_the_time_is_kept_for_the_end_and_most_of_that_for_sending_back() {
        let now = Instant::now();
        let of = |left| {
            let deadlines = Deadlines::new(now, Duration::from_millis(left));
            [deadlines.stop_at, deadlines.abandon_at, deadlines.give_up_at, deadlines.function_deadline]
                .map(|time| (time - now).as_millis())
        };
        assert_eq!(of(15_000), [12_000, 12_750, 14_625, 15_000]);
        assert_eq!(of(3000), [1800, 2100, 2850, 3000]);
        assert_eq!(of(900_000), [890_000, 892_500, 898_750, 900_000]);
        assert_eq!(of(1500), [900, 1050, 1425, 1500]);
        assert_eq!(of(1000), [500, 625, 937, 1000]);
        assert_eq!(of(100), [0, 0, 37, 100]);
        assert_eq!(of(0), [0, 0, 0, 0]);
    }

    #[tokio::test]
    async fn it_answers_when_all_is_done() {
        assert_eq!(answered(deadlines(900, 900, 900), &[]).await, []);
        assert_eq!(answered(deadlines(900, 900, 900), &[End::AtOnce; 2]).await, [Some(0), Some(1)]);
    }

    #[tokio::test]
    async fn what_ends_when_it_is_asked_or_insisted_upon_has_its_verdict() {
        assert_eq!(answered(deadlines(0, 900, 900), &[End::Asked, End::AtOnce]).await, [Some(0), Some(1)]);
        assert_eq!(answered(deadlines(0, 0, 900), &[End::Asked, End::Insisted]).await, [Some(0), Some(1)]);
    }

    #[tokio::test]
    async fn whatever_hangs_it_answers_with_the_verdicts_that_are_in() {
        let ends = [End::Never, End::AtOnce, End::Asked, End::Never];
        assert_eq!(answered(deadlines(0, 1, 2), &ends).await, [None, Some(1), Some(2), None]);
        assert_eq!(answered(deadlines(0, 0, 0), &[End::Never]).await, [None]);
    }

    /// What is reported as failed must not be sent back later.
    #[tokio::test]
    async fn what_is_given_up_goes_no_further() {
        let (stop, (tell, told)) = (Stop::default(), tokio::sync::oneshot::channel());
        let went_on = Arc::new(AtomicBool::new(false));
        let flag = Arc::clone(&went_on);
        let work = async move {
            let _ = told.await;
            flag.store(true, Ordering::Relaxed);
        };
        assert_eq!(run_until_deadlines(std::iter::once(work), deadlines(0, 0, 0), &stop).await, [None]);
        assert!(tell.send(()).is_err(), "nobody waits for it any more");
        assert!(!went_on.load(Ordering::Relaxed));
    }
}
