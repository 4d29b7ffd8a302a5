//! No clock: deliveries are checked when a test triggers it, and all that can run does so
//! in between.

use tokio::task::yield_now;

use super::*;

/// Checks until a delivery without a sign of life is quiet, and moves to the overflow.
const QUIET_CHECKS: u32 = 4;
const STALL_CHECKS: u32 = 8;

/// Does all that can be done.
async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

/// Checks all deliveries, `times` times.
async fn check(permits: &Permits, times: u32) {
    settle().await;
    for _ in 0..times {
        permits.checks.trigger.as_ref().unwrap().send_modify(|checks| *checks += 1);
        settle().await;
    }
}

/// The result of a future that needs no check; `None` if it waits.
async fn without_waiting<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..200 {
        if let std::task::Poll::Ready(done) = futures_util::poll!(&mut future) {
            return Some(done);
        }
        yield_now().await;
    }
    None
}

fn permits(objects: usize, per_tenant: usize) -> Arc<Permits> {
    let mut permits = Permits::new(objects, per_tenant);
    permits.checks.trigger = Some(Arc::default());
    Arc::new(permits)
}

async fn acquire(permits: &Permits, tenant: &str) -> Permit {
    permits.acquire(tenant, &Stop::default()).await.unwrap()
}

/// A delivery that never shows a sign of life.
fn hung(permits: &Arc<Permits>, tenant: &'static str) -> tokio::task::JoinHandle<()> {
    at_work(permits, tenant, Activity::default(), std::future::pending())
}

/// A delivery that ends with this work, and how.
fn at_work(
    permits: &Arc<Permits>,
    tenant: &'static str,
    activity: Activity,
    work: impl Future<Output = Feedback> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let permits = Arc::clone(permits);
    tokio::spawn(async move {
        let permit = acquire(&permits, tenant).await;
        let used = permit.watch(&activity, work).await;
        permit.release(used);
    })
}

/// Nothing is at work, and nothing of what was is still counted.
fn is_at_rest(permits: &Permits, objects: usize) {
    let free = (permits.global.available_permits(), permits.overflow.available_permits());
    assert_eq!((free, permits.busy()), ((objects, objects), 0));
    for tenant in lock(&permits.tenants).values() {
        let limit = lock(&tenant.limit);
        assert_eq!((limit.current, limit.surplus), (tenant.permits.available_permits(), 0));
        assert!((1..=limit.max).contains(&limit.current) && !tenant.is_quiet());
    }
}

/// How many permits a tenant gets without waiting.
async fn available(permits: &Permits, tenant: &str) -> usize {
    let mut held = Vec::new();
    while let Some(permit) = without_waiting(acquire(permits, tenant)).await {
        held.push(permit);
    }
    let count = held.len();
    held.into_iter().for_each(|permit| permit.release(Feedback::Neutral));
    count
}

#[tokio::test]
async fn a_tenant_grows_with_success_up_to_its_limit_and_falls_to_one_with_a_failure() {
    let permits = permits(100, 4);
    assert_eq!(available(&permits, "a").await, 2);
    for expected in [3, 4, 4] {
        acquire(&permits, "a").await.release(Feedback::Success);
        assert_eq!(available(&permits, "a").await, expected);
    }
    acquire(&permits, "a").await.release(Feedback::Failure);
    assert_eq!(available(&permits, "a").await, 1);
    acquire(&permits, "a").await.release(Feedback::Success);
    assert_eq!(available(&permits, "a").await, 2);
    assert_eq!(available(&permits, "b").await, 2);
}

#[tokio::test]
async fn permits_in_use_when_it_fails_do_not_come_back() {
    let permits = permits(100, 8);
    for _ in 0..8 {
        acquire(&permits, "a").await.release(Feedback::Success);
    }
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(acquire(&permits, "a").await);
    }
    held.pop().unwrap().release(Feedback::Failure);
    while held.len() > 1 {
        assert_eq!(available(&permits, "a").await, 0, "{} are still at work", held.len());
        held.pop().unwrap().release(Feedback::Neutral);
    }
    assert_eq!(available(&permits, "a").await, 0);
    held.pop().unwrap().release(Feedback::Neutral);
    assert_eq!(available(&permits, "a").await, 1);
}

#[tokio::test]
async fn a_flood_of_one_tenant_leaves_permits_for_another() {
    let permits = permits(4, 2);
    let _one = acquire(&permits, "flood").await;
    let _two = acquire(&permits, "flood").await;
    let stop = Stop::default();
    let more: Vec<_> = (0..100).map(|_| permits.acquire("flood", &stop)).collect();
    let mut more = Box::pin(futures_util::future::join_all(more));
    assert!(futures_util::poll!(&mut more).is_pending());
    let other = without_waiting(acquire(&permits, "other")).await;
    assert!(other.is_some());
    assert_eq!(permits.busy(), 3);
}

#[test]
fn checks_are_as_far_apart_as_the_promise_says() {
    assert_eq!((CHECK_INTERVAL * QUIET_CHECKS, CHECK_INTERVAL * STALL_CHECKS), (QUIET_AFTER, STALLED_AFTER));
    assert_eq!(STALLED_AFTER, Duration::from_secs(2));
}

#[tokio::test]
async fn what_hangs_steps_aside_and_what_lives_does_not() {
    let permits = permits(2, 2);
    let _tasks = [hung(&permits, "a"), hung(&permits, "b")];
    check(&permits, STALL_CHECKS - 1).await;
    let mut live = Box::pin(acquire(&permits, "c"));
    assert!(without_waiting(&mut live).await.is_none(), "not yet");
    check(&permits, 1).await;
    drop(without_waiting(live).await.expect("a global permit"));
    // One that lives keeps its permit.
    let activity = Activity::default();
    let live = at_work(&permits, "c", activity.clone(), std::future::pending());
    for _ in 0..20 {
        check(&permits, QUIET_CHECKS).await;
        activity.record();
    }
    assert_eq!(permits.overflow.available_permits(), 0, "what hangs has both overflow permits");
    assert_eq!(permits.busy(), 1);
    live.abort();
}

/// A second delivery of each, which stood in line when the first began to hang, must
/// not take the permit that became free.
#[tokio::test]
async fn tenants_that_hang_take_one_permit_each_whoever_waits() {
    let permits = permits(2, 2);
    let mut tasks = Vec::new();
    for name in ["a", "b", "a", "b"] {
        tasks.push(hung(&permits, name));
        settle().await;
    }
    check(&permits, STALL_CHECKS).await;
    assert!(without_waiting(acquire(&permits, "c")).await.is_some(), "both permits are free again");
    check(&permits, STALL_CHECKS * 10).await;
    assert_eq!(permits.global.available_permits(), 2, "and stay so");
}

#[tokio::test]
async fn closed_or_stopped_nobody_gets_a_permit() {
    let permits = permits(1, 2);
    let held = acquire(&permits, "a").await;
    let stop = Stop::default();
    let mut waiting = Box::pin(permits.acquire("a", &stop));
    assert!(futures_util::poll!(&mut waiting).is_pending());
    permits.close();
    assert!(waiting.await.is_none());
    assert!(permits.acquire("b", &stop).await.is_none());
    drop(held);
    let permits = Permits::new(1, 1);
    stop.abandon();
    assert!(permits.acquire("a", &stop).await.is_none());
}

/// As where its breaker has opened meanwhile: it has its permit, and doesn't use it.
#[tokio::test]
async fn a_turn_too_many_is_no_more_however_it_is_given_up() {
    let permits = permits(100, 2);
    let (first, second) = (acquire(&permits, "a").await, acquire(&permits, "a").await);
    first.release(Feedback::Failure);
    drop(second);
    assert_eq!(available(&permits, "a").await, 1);
}

/// Its limit falls to one when it moves to the overflow, and grows again once it is back.
#[tokio::test]
async fn a_tenant_that_hung_comes_back_to_its_full_share() {
    let permits = permits(20, 4);
    for _ in 0..4 {
        acquire(&permits, "a").await.release(Feedback::Success);
    }
    assert_eq!(available(&permits, "a").await, 4);
    let (back, is_back) = tokio::sync::watch::channel(false);
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let mut is_back = is_back.clone();
        tasks.push(at_work(&permits, "a", Activity::default(), async move {
            is_back.wait_for(|back| *back).await.unwrap();
            Feedback::Success
        }));
    }
    check(&permits, STALL_CHECKS).await;
    assert_eq!((permits.overflow.available_permits(), permits.busy()), (16, 0), "all four moved to the overflow");
    assert_eq!(available(&permits, "a").await, 0, "one permit, and that is in use");
    assert_eq!(available(&permits, "b").await, 2, "nobody else has less");
    back.send(true).unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    is_at_rest(&permits, 20);
    assert_eq!(available(&permits, "a").await, 4, "each that came back is a success");
    acquire(&permits, "a").await.release(Feedback::Success);
    assert_eq!(available(&permits, "a").await, 4, "and no more than its most");
}

#[tokio::test]
async fn while_one_is_quiet_no_other_of_its_tenant_begins_until_it_shows_life() {
    let permits = permits(10, 2);
    let activity = Activity::default();
    let _quiet = at_work(&permits, "a", activity.clone(), std::future::pending());
    check(&permits, QUIET_CHECKS - 1).await;
    assert_eq!(available(&permits, "a").await, 1, "not quiet yet");
    check(&permits, 1).await;
    let mut waits = Box::pin(acquire(&permits, "a"));
    assert!(without_waiting(&mut waits).await.is_none(), "one of its tenant is quiet");
    assert_eq!(available(&permits, "b").await, 2);
    activity.record();
    assert!(without_waiting(&mut waits).await.is_none(), "nothing was checked");
    check(&permits, 1).await;
    without_waiting(waits).await.expect("a permit").release(Feedback::Success);
    // It is quiet again after as long as at first.
    check(&permits, QUIET_CHECKS - 1).await;
    assert_eq!(available(&permits, "a").await, 1);
    check(&permits, 1).await;
    assert_eq!(available(&permits, "a").await, 0);
    activity.record();
    check(&permits, 1).await;
    assert_eq!(available(&permits, "a").await, 1);
}

#[tokio::test]
async fn with_all_overflow_permits_taken_it_keeps_its_own_until_one_is_free() {
    let permits = permits(1, 2);
    let first = hung(&permits, "a");
    check(&permits, STALL_CHECKS).await;
    let second = hung(&permits, "b");
    check(&permits, STALL_CHECKS * 3).await;
    assert_eq!((permits.overflow.available_permits(), permits.global.available_permits()), (0, 0));
    let mut waits = Box::pin(acquire(&permits, "c"));
    check(&permits, STALL_CHECKS * 3).await;
    assert!(without_waiting(&mut waits).await.is_none(), "no overflow permit is free");
    // What has the overflow permit ends, however.
    first.abort();
    check(&permits, 1).await;
    without_waiting(waits).await.expect("a global permit").release(Feedback::Success);
    second.abort();
    assert!(second.await.is_err());
    is_at_rest(&permits, 1);
}

/// At every step of its way: waiting for a permit of its tenant, for the quiet one, for a global permit, at
/// work, in the overflow.
#[tokio::test]
async fn one_that_is_dropped_leaves_nothing_behind() {
    for checks in [0, 1, QUIET_CHECKS, QUIET_CHECKS + 1, STALL_CHECKS, STALL_CHECKS + 1, STALL_CHECKS * 3] {
        let permits = permits(2, 2);
        let tasks: Vec<_> = ["a", "a", "a", "b", "b", "c"].map(|tenant| hung(&permits, tenant)).into();
        check(&permits, checks).await;
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        is_at_rest(&permits, 2);
        assert!(available(&permits, "c").await >= 1);
    }
}

/// Whatever comes in whatever order: permits add up, and success brings all of them back.
#[tokio::test]
async fn permits_add_up_and_come_back_after_anything() {
    let mut random = corpus::Random::new(11);
    for _ in 0..50 {
        let permits = permits(100, 6);
        let mut held = Vec::new();
        for _ in 0..200 {
            match random.below(5) {
                0..=2 => held.extend(without_waiting(acquire(&permits, "a")).await),
                _ if held.is_empty() => {}
                3 => assert!(held.first().unwrap().move_to_overflow()),
                _ => {
                    let used = [Feedback::Success, Feedback::Failure, Feedback::Neutral]
                        [usize::try_from(random.below(3)).unwrap()];
                    held.swap_remove(usize::try_from(random.below(held.len() as u64)).unwrap()).release(used);
                }
            }
            let tenant = permits.tenant("a");
            let limit = lock(&tenant.limit);
            assert_eq!(tenant.permits.available_permits() + held.len(), limit.current + limit.surplus);
            assert!((1..=6).contains(&limit.current) && limit.current + limit.surplus <= 6);
        }
        held.into_iter().for_each(|permit| permit.release(Feedback::Neutral));
        is_at_rest(&permits, 100);
        for _ in 0..6 {
            acquire(&permits, "a").await.release(Feedback::Success);
        }
        assert_eq!(available(&permits, "a").await, 6);
    }
}

#[tokio::test]
async fn tenants_that_are_at_rest_are_forgotten_where_there_are_many() {
    let permits = permits(10, 2);
    let at_work = acquire(&permits, "at work").await;
    for number in 0..MAX_TENANTS + 10 {
        acquire(&permits, &number.to_string()).await.release(Feedback::Neutral);
        assert!(lock(&permits.tenants).len() <= MAX_TENANTS);
    }
    assert!(lock(&permits.tenants).contains_key("at work"));
    at_work.release(Feedback::Failure);
    assert_eq!(available(&permits, "at work").await, 1);
}
