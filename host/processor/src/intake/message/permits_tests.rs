//! No clock: deliveries are looked at when a test says so, and what can be done is
//! done in between.

use tokio::task::yield_now;

use super::*;

/// Looks until a delivery without a sign of life is quiet, and steps aside.
const QUIET_LOOKS: u32 = 4;
const STALL_LOOKS: u32 = 8;

/// Does all that can be done.
async fn settle() {
    for _ in 0..200 {
        yield_now().await;
    }
}

/// So many looks at all deliveries.
async fn look(permits: &Permits, times: u32) {
    settle().await;
    for _ in 0..times {
        permits.looks.told.as_ref().unwrap().send_modify(|looks| *looks += 1);
        settle().await;
    }
}

/// What comes without a look; none: it waits.
async fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    for _ in 0..200 {
        if let std::task::Poll::Ready(done) = futures_util::poll!(&mut future) {
            return Some(done);
        }
        yield_now().await;
    }
    None
}

fn permits(places: usize, per_tenant: usize) -> Arc<Permits> {
    let mut permits = Permits::new(places, per_tenant);
    permits.looks.told = Some(Arc::default());
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
    work: impl Future<Output = Use> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    let permits = Arc::clone(permits);
    tokio::spawn(async move {
        let permit = acquire(&permits, tenant).await;
        let used = permit.watch(&activity, work).await;
        permit.release(used);
    })
}

/// Nothing is at work, and nothing of what was is still counted.
fn is_at_rest(permits: &Permits, places: usize) {
    let free = (permits.places.available_permits(), permits.side.available_permits());
    assert_eq!((free, permits.busy()), ((places, places), 0));
    for tenant in lock(&permits.tenants).values() {
        let limits = lock(&tenant.limits);
        assert_eq!((limits.turns, limits.surplus), (tenant.turns.available_permits(), 0));
        assert!((1..=limits.most).contains(&limits.turns) && !tenant.is_quiet());
    }
}

/// How many turns a tenant gets at once.
async fn turns(permits: &Permits, tenant: &str) -> usize {
    let mut held = Vec::new();
    while let Some(permit) = at_once(acquire(permits, tenant)).await {
        held.push(permit);
    }
    let count = held.len();
    held.into_iter().for_each(|permit| permit.release(Use::Neutral));
    count
}

#[tokio::test]
async fn a_tenant_grows_with_success_up_to_its_limit_and_falls_to_one_with_a_failure() {
    let permits = permits(100, 4);
    assert_eq!(turns(&permits, "a").await, 2);
    for expected in [3, 4, 4] {
        acquire(&permits, "a").await.release(Use::Good);
        assert_eq!(turns(&permits, "a").await, expected);
    }
    acquire(&permits, "a").await.release(Use::Bad);
    assert_eq!(turns(&permits, "a").await, 1);
    acquire(&permits, "a").await.release(Use::Good);
    assert_eq!(turns(&permits, "a").await, 2);
    assert_eq!(turns(&permits, "b").await, 2);
}

#[tokio::test]
async fn turns_in_use_when_it_fails_do_not_come_back() {
    let permits = permits(100, 8);
    for _ in 0..8 {
        acquire(&permits, "a").await.release(Use::Good);
    }
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(acquire(&permits, "a").await);
    }
    held.pop().unwrap().release(Use::Bad);
    while held.len() > 1 {
        assert_eq!(turns(&permits, "a").await, 0, "{} are still at work", held.len());
        held.pop().unwrap().release(Use::Neutral);
    }
    assert_eq!(turns(&permits, "a").await, 0);
    held.pop().unwrap().release(Use::Neutral);
    assert_eq!(turns(&permits, "a").await, 1);
}

#[tokio::test]
async fn a_flood_of_one_tenant_leaves_places_for_another() {
    let permits = permits(4, 2);
    let _one = acquire(&permits, "flood").await;
    let _two = acquire(&permits, "flood").await;
    let stop = Stop::default();
    let more: Vec<_> = (0..100).map(|_| permits.acquire("flood", &stop)).collect();
    let mut more = Box::pin(futures_util::future::join_all(more));
    assert!(futures_util::poll!(&mut more).is_pending());
    let other = at_once(acquire(&permits, "other")).await;
    assert!(other.is_some());
    assert_eq!(permits.busy(), 3);
}

#[test]
fn looks_are_as_long_as_the_promise_says() {
    assert_eq!((LOOK * QUIET_LOOKS, LOOK * STALL_LOOKS), (QUIET, STALL));
    assert_eq!(STALL, Duration::from_secs(2));
}

#[tokio::test]
async fn what_hangs_steps_aside_and_what_lives_does_not() {
    let permits = permits(2, 2);
    let _tasks = [hung(&permits, "a"), hung(&permits, "b")];
    look(&permits, STALL_LOOKS - 1).await;
    let mut live = Box::pin(acquire(&permits, "c"));
    assert!(at_once(&mut live).await.is_none(), "not yet");
    look(&permits, 1).await;
    drop(at_once(live).await.expect("a place"));
    // One that lives keeps its place.
    let activity = Activity::default();
    let live = at_work(&permits, "c", activity.clone(), std::future::pending());
    for _ in 0..20 {
        look(&permits, QUIET_LOOKS).await;
        activity.record();
    }
    assert_eq!(permits.side.available_permits(), 0, "both side places are those of what hangs");
    assert_eq!(permits.busy(), 1);
    live.abort();
}

/// A second delivery of each, which stood in line when the first began to hang, must
/// not take the place that became free.
#[tokio::test]
async fn tenants_that_hang_take_one_place_each_whoever_stands_in_line() {
    let permits = permits(2, 2);
    let mut tasks = Vec::new();
    for name in ["a", "b", "a", "b"] {
        tasks.push(hung(&permits, name));
        settle().await;
    }
    look(&permits, STALL_LOOKS).await;
    assert!(at_once(acquire(&permits, "c")).await.is_some(), "both places are free again");
    look(&permits, STALL_LOOKS * 10).await;
    assert_eq!(permits.places.available_permits(), 2, "and stay so");
}

#[tokio::test]
async fn closed_or_stopped_nobody_gets_a_turn() {
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

/// As where its breaker has opened meanwhile: it has its turn, and doesn't use it.
#[tokio::test]
async fn a_turn_too_many_is_no_more_however_it_is_given_up() {
    let permits = permits(100, 2);
    let (first, second) = (acquire(&permits, "a").await, acquire(&permits, "a").await);
    first.release(Use::Bad);
    drop(second);
    assert_eq!(turns(&permits, "a").await, 1);
}

/// Its turns fall to one when it steps aside, and grow again once it is back.
#[tokio::test]
async fn a_tenant_that_hung_comes_back_to_its_full_share() {
    let permits = permits(20, 4);
    for _ in 0..4 {
        acquire(&permits, "a").await.release(Use::Good);
    }
    assert_eq!(turns(&permits, "a").await, 4);
    let (back, is_back) = tokio::sync::watch::channel(false);
    let mut tasks = Vec::new();
    for _ in 0..4 {
        let mut is_back = is_back.clone();
        tasks.push(at_work(&permits, "a", Activity::default(), async move {
            is_back.wait_for(|back| *back).await.unwrap();
            Use::Good
        }));
    }
    look(&permits, STALL_LOOKS).await;
    assert_eq!((permits.side.available_permits(), permits.busy()), (16, 0), "all four stepped aside");
    assert_eq!(turns(&permits, "a").await, 0, "one turn, and that is in use");
    assert_eq!(turns(&permits, "b").await, 2, "nobody else has less");
    back.send(true).unwrap();
    for task in tasks {
        task.await.unwrap();
    }
    is_at_rest(&permits, 20);
    assert_eq!(turns(&permits, "a").await, 4, "each that came back is a success");
    acquire(&permits, "a").await.release(Use::Good);
    assert_eq!(turns(&permits, "a").await, 4, "and no more than its most");
}

#[tokio::test]
async fn while_one_is_quiet_no_other_of_its_tenant_begins_until_it_shows_life() {
    let permits = permits(10, 2);
    let activity = Activity::default();
    let _quiet = at_work(&permits, "a", activity.clone(), std::future::pending());
    look(&permits, QUIET_LOOKS - 1).await;
    assert_eq!(turns(&permits, "a").await, 1, "not quiet yet");
    look(&permits, 1).await;
    let mut waits = Box::pin(acquire(&permits, "a"));
    assert!(at_once(&mut waits).await.is_none(), "one of its tenant is quiet");
    assert_eq!(turns(&permits, "b").await, 2);
    activity.record();
    assert!(at_once(&mut waits).await.is_none(), "nobody has looked");
    look(&permits, 1).await;
    at_once(waits).await.expect("a turn").release(Use::Good);
    // It is quiet again after as long as at first.
    look(&permits, QUIET_LOOKS - 1).await;
    assert_eq!(turns(&permits, "a").await, 1);
    look(&permits, 1).await;
    assert_eq!(turns(&permits, "a").await, 0);
    activity.record();
    look(&permits, 1).await;
    assert_eq!(turns(&permits, "a").await, 1);
}

#[tokio::test]
async fn with_all_side_places_taken_it_keeps_its_place_until_one_is_free() {
    let permits = permits(1, 2);
    let first = hung(&permits, "a");
    look(&permits, STALL_LOOKS).await;
    let second = hung(&permits, "b");
    look(&permits, STALL_LOOKS * 3).await;
    assert_eq!((permits.side.available_permits(), permits.places.available_permits()), (0, 0));
    let mut waits = Box::pin(acquire(&permits, "c"));
    look(&permits, STALL_LOOKS * 3).await;
    assert!(at_once(&mut waits).await.is_none(), "there is nowhere to step aside to");
    // Whoever has the side place ends, however.
    first.abort();
    look(&permits, 1).await;
    at_once(waits).await.expect("a place").release(Use::Good);
    second.abort();
    assert!(second.await.is_err());
    is_at_rest(&permits, 1);
}

/// At every step of its way: waiting for its turn, for the quiet one, for a place, at
/// work, aside.
#[tokio::test]
async fn one_that_is_dropped_leaves_nothing_behind() {
    for looks in [0, 1, QUIET_LOOKS, QUIET_LOOKS + 1, STALL_LOOKS, STALL_LOOKS + 1, STALL_LOOKS * 3] {
        let permits = permits(2, 2);
        let tasks: Vec<_> = ["a", "a", "a", "b", "b", "c"].map(|tenant| hung(&permits, tenant)).into();
        look(&permits, looks).await;
        for task in tasks {
            task.abort();
            let _ = task.await;
        }
        is_at_rest(&permits, 2);
        assert!(turns(&permits, "c").await >= 1);
    }
}

/// Whatever comes in whatever order: turns add up, and success brings all of them back.
#[tokio::test]
async fn turns_add_up_and_come_back_after_anything() {
    let mut random = corpus::Random::new(11);
    for _ in 0..50 {
        let permits = permits(100, 6);
        let mut held = Vec::new();
        for _ in 0..200 {
            match random.below(5) {
                0..=2 => held.extend(at_once(acquire(&permits, "a")).await),
                _ if held.is_empty() => {}
                3 => assert!(held.first().unwrap().step_aside()),
                _ => {
                    let used = [Use::Good, Use::Bad, Use::Neutral][usize::try_from(random.below(3)).unwrap()];
                    held.swap_remove(usize::try_from(random.below(held.len() as u64)).unwrap()).release(used);
                }
            }
            let tenant = permits.tenant("a");
            let limits = lock(&tenant.limits);
            assert_eq!(tenant.turns.available_permits() + held.len(), limits.turns + limits.surplus);
            assert!((1..=6).contains(&limits.turns) && limits.turns + limits.surplus <= 6);
        }
        held.into_iter().for_each(|permit| permit.release(Use::Neutral));
        is_at_rest(&permits, 100);
        for _ in 0..6 {
            acquire(&permits, "a").await.release(Use::Good);
        }
        assert_eq!(turns(&permits, "a").await, 6);
    }
}

#[tokio::test]
async fn tenants_that_are_at_rest_are_forgotten_where_there_are_many() {
    let permits = permits(10, 2);
    let at_work = acquire(&permits, "at work").await;
    for number in 0..MOST_TENANTS + 10 {
        acquire(&permits, &number.to_string()).await.release(Use::Neutral);
        assert!(lock(&permits.tenants).len() <= MOST_TENANTS);
    }
    assert!(lock(&permits.tenants).contains_key("at work"));
    at_work.release(Use::Bad);
    assert_eq!(turns(&permits, "at work").await, 1);
}
