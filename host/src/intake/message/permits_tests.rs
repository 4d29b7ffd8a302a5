use super::*;

fn permits(places: usize, per_tenant: usize) -> Arc<Permits> {
    Arc::new(Permits::new(places, per_tenant))
}

async fn acquire(permits: &Permits, tenant: &str) -> Permit {
    permits.acquire(tenant, &Stop::default()).await.unwrap()
}

/// A delivery that never shows a sign of life.
fn hung(permits: &Arc<Permits>, tenant: &'static str) -> tokio::task::JoinHandle<()> {
    let permits = Arc::clone(permits);
    tokio::spawn(async move {
        let permit = acquire(&permits, tenant).await;
        permit.watch(&Activity::default(), std::future::pending::<()>()).await;
    })
}

/// How many turns a tenant gets at once.
async fn at_once(permits: &Permits, tenant: &str) -> usize {
    let mut held = Vec::new();
    while let Ok(permit) = tokio::time::timeout(Duration::from_millis(20), acquire(permits, tenant)).await {
        held.push(permit);
    }
    let count = held.len();
    held.into_iter().for_each(|permit| permit.release(Use::Neutral));
    count
}

#[tokio::test]
async fn a_tenant_grows_with_success_up_to_its_limit_and_falls_to_one_with_a_failure() {
    let permits = permits(100, 4);
    assert_eq!(at_once(&permits, "a").await, 2);
    for expected in [3, 4, 4] {
        acquire(&permits, "a").await.release(Use::Good);
        assert_eq!(at_once(&permits, "a").await, expected);
    }
    acquire(&permits, "a").await.release(Use::Bad);
    assert_eq!(at_once(&permits, "a").await, 1);
    acquire(&permits, "a").await.release(Use::Good);
    assert_eq!(at_once(&permits, "a").await, 2);
    assert_eq!(at_once(&permits, "b").await, 2);
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
        assert_eq!(at_once(&permits, "a").await, 0, "{} are still at work", held.len());
        held.pop().unwrap().release(Use::Neutral);
    }
    assert_eq!(at_once(&permits, "a").await, 0);
    held.pop().unwrap().release(Use::Neutral);
    assert_eq!(at_once(&permits, "a").await, 1);
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
    let other = tokio::time::timeout(Duration::from_millis(20), acquire(&permits, "other")).await;
    assert!(other.is_ok());
    assert_eq!(permits.busy(), 3);
}

#[tokio::test]
async fn what_hangs_steps_aside_and_what_lives_does_not() {
    let permits = permits(2, 2);
    let _tasks = [hung(&permits, "a"), hung(&permits, "b")];
    tokio::task::yield_now().await;
    let started = std::time::Instant::now();
    let live = acquire(&permits, "c").await;
    assert!(started.elapsed() >= STALL && started.elapsed() < STALL * 20, "{:?}", started.elapsed());
    // One that lives keeps its place.
    let activity = Activity::default();
    let ticking = async {
        for _ in 0..20 {
            tokio::time::sleep(STALL / 5).await;
            activity.tick();
        }
    };
    live.watch(&activity, ticking).await;
    assert_eq!(permits.side.available_permits(), 0, "both side places are those of what hangs");
    // Side places are bounded too.
    let _more = [hung(&permits, "d")];
    tokio::time::sleep(STALL * 3).await;
    live.release(Use::Good);
    assert_eq!(permits.side.available_permits(), 0);
}

/// A second delivery of each, which stood in line when the first began to hang, must
/// not take the place that became free.
#[tokio::test]
async fn tenants_that_hang_take_one_place_each_whoever_stands_in_line() {
    let permits = permits(2, 2);
    let mut tasks = Vec::new();
    for name in ["a", "b", "a", "b"] {
        tasks.push(hung(&permits, name));
        tokio::task::yield_now().await;
    }
    let live = tokio::time::timeout(STALL * 20, acquire(&permits, "c")).await;
    assert!(live.is_ok(), "both places are free again");
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
    assert_eq!(at_once(&permits, "a").await, 1);
}
