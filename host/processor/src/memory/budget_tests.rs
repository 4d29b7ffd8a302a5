//! Who gets memory, and when.

use std::sync::mpsc::{Receiver, channel};

use super::*;

/// Only what hangs takes that long.
const LONG: Duration = Duration::from_secs(240);

const NONE: Duration = Duration::ZERO;

fn tenant(name: &str) -> Arc<str> {
    name.into()
}

/// Claims what is free.
fn free(budget: &MemoryBudget, level: Level, name: &str, bytes: u64) -> Option<Claim> {
    budget.claim(level, &tenant(name), bytes, NONE, &Stop::default())
}

/// Claims on a thread, which stands in line when this returns; where the claim comes.
fn claims(budget: &MemoryBudget, level: Level, name: &'static str, bytes: u64) -> Receiver<Option<Claim>> {
    let (sender, receiver) = channel();
    let before = budget.lock().next_id;
    let claimed = budget.clone();
    std::thread::spawn(move || sender.send(claimed.claim(level, &tenant(name), bytes, LONG, &Stop::default())));
    while budget.lock().next_id == before {
        std::thread::yield_now();
    }
    receiver
}

fn waits(receiver: &Receiver<Option<Claim>>) -> bool {
    receiver.recv_timeout(Duration::from_millis(50)).is_err()
}

#[track_caller]
fn comes(receiver: &Receiver<Option<Claim>>) -> Claim {
    receiver.recv_timeout(LONG).unwrap().expect("a claim")
}

#[track_caller]
fn is_at_rest(budget: &MemoryBudget) {
    let state = budget.lock();
    assert_eq!((state.claimed, state.tenants.len(), state.waiting.len()), (Bytes::default(), 0, 0));
}

#[test]
fn each_level_leaves_room_for_the_largest_claims_above_it() {
    let budget = MemoryBudget::new(100, 20, 30);
    let deliveries: Vec<_> = (0..5).map(|n| free(&budget, Level::Delivery, &n.to_string(), 10).unwrap()).collect();
    assert!(free(&budget, Level::Delivery, "more", 1).is_none(), "50 are kept");
    let component = free(&budget, Level::Component, "0", 20).unwrap();
    assert!(free(&budget, Level::Component, "1", 1).is_none(), "30 are kept");
    let line = free(&budget, Level::Line, "0", 30).unwrap();
    assert_eq!(budget.usage(), BudgetUse { bytes: 100, claimed: 100, waiting: 0 });
    assert!(free(&budget, Level::Line, "1", 1).is_none());
    drop((deliveries, component, line));
    is_at_rest(&budget);
}

#[test]
fn what_is_free_of_the_levels_below_may_be_had() {
    let budget = MemoryBudget::new(100, 20, 30);
    let _lines: Vec<_> = (0..3).map(|n| free(&budget, Level::Line, &n.to_string(), 30).unwrap()).collect();
    assert_eq!(budget.usage().claimed, 90);
    assert!(free(&budget, Level::Delivery, "x", 20).is_none(), "10 are free");
    assert!(free(&budget, Level::Delivery, "x", 10).is_some());
}

#[test]
fn the_largest_claims_of_one_delivery_fit_alone() {
    let budget = MemoryBudget::new(100, 20, 30);
    let claims = [(Level::Delivery, 50), (Level::Component, 20), (Level::Line, 30)];
    let claims = claims.map(|(level, bytes)| free(&budget, level, "one", bytes).unwrap());
    drop(claims);
    is_at_rest(&budget);
}

/// All have their base and want all else, in the order of the levels. Whoever has a line ends.
#[test]
fn holders_that_wait_for_more_never_lock_each_other() {
    let budget = MemoryBudget::new(100, 20, 30);
    std::thread::scope(|scope| {
        for number in 0..32 {
            let (budget, name) = (&budget, tenant(&format!("{}", number % 3)));
            scope.spawn(move || {
                let stop = Stop::default();
                let claim = |level, bytes| budget.claim(level, &name, bytes, LONG, &stop).expect("in time");
                let claims = [(Level::Delivery, 10), (Level::Component, 15), (Level::Line, 30)];
                for round in 0..20 {
                    // Not each needs each.
                    let wanted = claims.iter().filter(|(level, _)| *level != Level::Component || round % 2 == 0);
                    drop(wanted.map(|&(level, bytes)| claim(level, bytes)).collect::<Vec<_>>());
                }
            });
        }
    });
    is_at_rest(&budget);
}

#[test]
fn first_come_first_served() {
    let budget = MemoryBudget::new(30, 0, 30);
    let first = free(&budget, Level::Line, "a", 20).unwrap();
    let large = claims(&budget, Level::Line, "b", 30);
    let small = claims(&budget, Level::Line, "c", 5);
    assert!(waits(&large) && waits(&small), "what is small doesn't pass what is large");
    assert_eq!(budget.usage().waiting, 2);
    drop(first);
    let large = comes(&large);
    assert!(waits(&small));
    drop(large);
    drop(comes(&small));
    is_at_rest(&budget);
}

#[test]
fn a_tenant_with_more_than_is_left_waits_and_others_pass_it() {
    let budget = MemoryBudget::new(100, 0, 10);
    let mine: Vec<_> = (0..5).map(|_| free(&budget, Level::Line, "greedy", 10).unwrap()).collect();
    assert!(free(&budget, Level::Line, "greedy", 10).is_none(), "60 would be more than the 40 that are left");
    let more = claims(&budget, Level::Line, "greedy", 10);
    let others: Vec<_> = (0..5).map(|n| free(&budget, Level::Line, &n.to_string(), 10).unwrap()).collect();
    assert!(waits(&more));
    drop(others);
    // Not even then: 60 of 100.
    assert!(waits(&more));
    drop(mine);
    drop(comes(&more));
    is_at_rest(&budget);
}

#[test]
fn a_tenant_alone_gets_the_largest_claim_however_large() {
    let budget = MemoryBudget::new(30, 0, 30);
    assert!(free(&budget, Level::Line, "one", 30).is_some());
}

#[test]
fn a_level_takes_more_than_its_reserve_only_while_nobody_below_waits() {
    let budget = MemoryBudget::new(100, 0, 30);
    let first = free(&budget, Level::Line, "a", 30).unwrap();
    let second = free(&budget, Level::Line, "b", 30).unwrap();
    // 40 are free; by its own bound a delivery may have 70.
    let delivery = claims(&budget, Level::Delivery, "c", 50);
    assert!(waits(&delivery));
    assert!(free(&budget, Level::Line, "d", 30).is_none(), "the delivery comes first");
    drop(first);
    let delivery = comes(&delivery);
    assert!(free(&budget, Level::Line, "d", 20).is_some());
    drop((second, delivery));
    // The reserve is always there, whoever waits below.
    let delivery = free(&budget, Level::Delivery, "c", 70).unwrap();
    let waiting = claims(&budget, Level::Delivery, "e", 70);
    assert!(free(&budget, Level::Line, "d", 30).is_some());
    drop(delivery);
    drop(comes(&waiting));
    is_at_rest(&budget);
}

#[test]
fn whoever_gives_up_leaves_the_line_to_those_behind() {
    let budget = MemoryBudget::new(30, 0, 30);
    let held = free(&budget, Level::Line, "a", 20).unwrap();
    assert!(free(&budget, Level::Line, "b", 30).is_none());
    assert_eq!(budget.usage().waiting, 0);
    let stop = Stop::default();
    stop.request();
    assert!(budget.claim(Level::Line, &tenant("c"), 30, LONG, &stop).is_none(), "told to stop");
    assert!(free(&budget, Level::Line, "d", 10).is_some());
    drop(held);
    is_at_rest(&budget);
}

#[tokio::test]
async fn a_delivery_is_admitted_when_another_ends() {
    let budget = MemoryBudget::new(30, 5, 5);
    let first = budget.admit(&tenant("a"), 15).await.unwrap();
    let (other, another) = (tenant("b"), tenant("c"));
    let mut second = Box::pin(budget.admit(&other, 10));
    assert!(futures_util::poll!(&mut second).is_pending());
    // Who goes away leaves the line.
    drop(second);
    assert_eq!(budget.usage().waiting, 0);
    let mut third = Box::pin(budget.admit(&another, 10));
    assert!(futures_util::poll!(&mut third).is_pending());
    drop(first);
    drop(third.await.unwrap());
    is_at_rest(&budget);
}

#[tokio::test]
async fn a_closed_budget_admits_nobody_and_lets_those_at_work_go_on() {
    let budget = MemoryBudget::new(30, 5, 5);
    let first = budget.admit(&tenant("a"), 20).await.unwrap();
    let other = tenant("b");
    let mut second = Box::pin(budget.admit(&other, 20));
    assert!(futures_util::poll!(&mut second).is_pending());
    budget.close();
    assert!(second.await.is_none());
    assert!(budget.admit(&tenant("c"), 1).await.is_none());
    assert!(free(&budget, Level::Line, "a", 5).is_some());
    drop(first);
    is_at_rest(&budget);
}
