use super::*;

fn shares(count: usize, bytes: usize) -> TenantShares {
    TenantShares::new(Amount { count, bytes }, 2)
}

/// As many of a tenant's things as it may hold.
fn fill(shares: &TenantShares, tenant: &str, bytes: usize) -> Vec<Reservation> {
    let mut all = Vec::new();
    loop {
        let mut reservation = shares.reserve(bytes);
        if reservation.assign(tenant) != ShareCheck::Within {
            return all;
        }
        all.push(reservation);
    }
}

#[test]
fn one_tenant_holds_a_ninth_and_twenty_leave_a_tenth() {
    let shares = shares(9000, usize::MAX);
    let first = fill(&shares, "a", 1);
    assert!((990..=1000).contains(&first.len()), "{}", first.len());
    let others: Vec<_> = (0..19).map(|n| fill(&shares, &n.to_string(), 1)).collect();
    assert!(others.iter().all(|reservation| reservation.len() > 100), "each has its own");
    assert!(shares.has_room(800), "and there is room for more");
    assert_eq!(shares.reserve(1).assign("late"), ShareCheck::Within);
}

#[test]
fn bytes_are_bounded_as_counts_are_and_one_is_always_taken() {
    let shares = shares(9000, 9000);
    let reservation = fill(&shares, "a", 100);
    assert!((9..=10).contains(&reservation.len()), "{}", reservation.len());
    assert!(!shares.admits("a", 100) && shares.admits("b", 8000));
    let mut large = shares.reserve(8000);
    assert_eq!(large.assign("b"), ShareCheck::Within, "however large its first is");
    assert_eq!(shares.reserve(1).assign("a"), ShareCheck::Beyond(1));
    assert!(shares.has_room(1));
    drop(large);
    drop(reservation);
    assert_eq!(shares.lock().held, Amount::default());
    assert!(shares.lock().tenants.is_empty(), "who holds nothing is not remembered");
}

#[test]
fn refusals_are_counted_until_the_tenant_holds_nothing() {
    let shares = shares(16, usize::MAX);
    let first = fill(&shares, "a", 1);
    assert_eq!(shares.reserve(1).assign("a"), ShareCheck::Beyond(1));
    assert_eq!(shares.reserve(1).assign("a"), ShareCheck::Beyond(2));
    let mut forced = shares.reserve(1);
    assert_eq!(forced.assign("a"), ShareCheck::Beyond(3));
    forced.assign_beyond_share("a");
    drop(first);
    assert_eq!(shares.lock().tenants["a"].held.count, 1);
    drop(forced);
    let again = fill(&shares, "a", 1);
    assert_eq!(shares.reserve(1).assign("a"), ShareCheck::Beyond(1), "{} are held again", again.len());
}

#[tokio::test]
async fn few_of_a_tenant_have_their_turn_at_once_and_none_after_the_end() {
    let shares = shares(1000, usize::MAX);
    let reservation = fill(&shares, "a", 1);
    let (first, second) =
        (reservation[0].wait_for_permit().await.unwrap(), reservation[1].wait_for_permit().await.unwrap());
    let mut third = Box::pin(reservation[2].wait_for_permit());
    assert!(futures_util::poll!(&mut third).is_pending());
    let mut other = shares.reserve(1);
    assert_eq!(other.assign("b"), ShareCheck::Within);
    assert!(other.wait_for_permit().await.is_some(), "another tenant's turns are its own");
    drop(first);
    let third = third.await.unwrap();
    let mut fourth = Box::pin(reservation[3].wait_for_permit());
    assert!(futures_util::poll!(&mut fourth).is_pending());
    shares.close();
    assert!(fourth.await.is_none());
    drop((second, third));
    assert!(reservation[4].wait_for_permit().await.is_none());
    let mut late = shares.reserve(1);
    assert_eq!(late.assign("late"), ShareCheck::Within);
    assert!(late.wait_for_permit().await.is_none(), "also for who comes after the end");
}
